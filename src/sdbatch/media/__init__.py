"""Output files: PNG, video, metadata, contact sheets.

    png           pixels <-> PNG bytes, text chunks, digests
    infotext      the ``parameters`` text that A1111's web UI writes and reads
    xmp           the IPTC mark "made by a trained model"
    metadata      sdbatch's JSON inside every file, written and read
    codecs        ffmpeg's arguments for a video
    video_writer  frames -> a video file, streaming
    compositing   layers seen through cameras -> frames; a job's shots -> its video
    sheet         labelled contact sheets (text_layout: their labels; pdf: the file)

Knows jobs and profiles as values. Does not depend on torch, plans, stores or configuration. Importing it does nothing.
"""
