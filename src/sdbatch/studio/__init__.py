"""The studio (``task=studio``): a form in the browser, a queue with one renderer process, and the gallery.

    task        starts the server
    app         routes
    guard       which requests are answered, and the headers of answers
    describe    the form as data, from the configuration's models
    form        what the form holds, as keys of an experiment
    fields      the reverse: an experiment as what the form holds
    check       mistakes, jobs and time of a form, while the user types
    yaml_text   an experiment as readable YAML
    experiments files and folders of experiments
    imports     a dropped file as a form
    camera      the path of the camera, for the preview
    queue       entries and their states, kept in a file
    dispatcher  gives the entries to the renderer process, one after the other
    child       the renderer process: the code path of task=render, with the model kept loaded
    files       static files and galleries

What renders is the YAML file that the form has written, so the command line renders the same. Does not know how
pictures are rendered.
"""
