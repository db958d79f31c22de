"""Output files: PNG, video, metadata, contact sheets.

    png       pixels <-> PNG bytes, text chunks, digests
    infotext  the ``parameters`` text that A1111's web UI writes and reads
    xmp       the IPTC mark "made by a trained model"
    metadata  our own JSON inside every file, written and read
    codecs    ffmpeg's arguments for a video
    ffmpeg    the bundled program: where it is, what it is, running it safely
    video      frames -> a video file, streaming
    footage   a video file -> size, rate, metadata, frames
    compose   layers seen through cameras -> frames; a job's shots -> its video
    sheet     labelled contact sheets

Knows jobs and profiles as values; knows nothing of torch, plans, stores or configuration. Importing it does nothing.
"""
