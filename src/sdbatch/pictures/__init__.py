"""Picture files of users: read, checked, and decoded to upright 8-bit sRGB.

    read         a file -> its digest and size; what is wrong with it is said before anything is rendered
    decode       the bytes of a file -> pixels

Does not know experiments, shots and models.
"""
