"""``task=publish``: the results of an experiment as a research object, an RO-Crate, as a folder and as a ZIP.

    layout       the names of its files
    run          the task
    contents     what goes in
    experiment   the experiment's YAML as written and as resolved, and the files that it reads
    environment  the packages that were installed
    metadata     ro-crate-metadata.json
    documents    README.md, CITATION.cff, the figure's caption

The same results give the same bytes. Nothing in it says where, by whom or when it was made, unless a key does.
"""
