"""Picture and video files of users: read, checked, and decoded to upright 8-bit sRGB.

    read         a file -> its digest and size; what is wrong with it is said before anything is rendered
    decode       the bytes of a file -> pixels
    fit, masks   pixels at a size, and what is painted of them
    clips        a video file -> its length and rate; its frames, as a stream

Does not know experiments, shots and models.
"""
