"""Files people open: PNG, film, metadata, contact sheets.

    png       pixels <-> PNG bytes, text chunks, digests
    infotext  the ``parameters`` text that A1111's web UI writes and reads
    xmp       the IPTC mark "made by a trained model"
    metadata  our own JSON inside every file, written and read
    codecs    the kinds of film: suffix, container, arguments
    ffmpeg    the bundled program: where it is, what it is, running it safely
    film      frames -> a film file, streaming
    footage   a film file -> size, rate, metadata, frames
    compose   layers seen through cameras -> frames; a job's shots -> its film
    sheet     labelled contact sheets

Knows jobs and profiles as values; knows nothing of torch, plans, stores or configuration. Importing it does nothing.
"""
