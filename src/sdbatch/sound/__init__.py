"""Sound files: read and checked, their beats found, and made into the sound of a video.

    heard        a file -> its digest, length and beats
    beats        samples -> the times of beats: onset strength, tempo, beat tracking
    soundtrack   a file -> sound of exactly the length of a video, in the codec of its container

Everything is offline, with numpy and the bundled ffmpeg. Does not know experiments, plans and videos' frames.
"""
