"""Stages that measure sdbatch on a GPU, each in a process of its own with a time limit; a CPU can rehearse them."""
