"""LoRA files in the layouts of kohya, LyCORIS, diffusers and peft: read, checked, and matched to a model's modules.

``file`` reads a file into layers, ``keys`` knows the names of the layouts, ``layers`` the shapes and scales, and
``modules`` a model's modules with their names in other programs. No torch: ``engine.merge`` computes with the layers.
"""
