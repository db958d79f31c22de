"""Output on the terminal: the console and the progress display. Does not depend on jobs, stores or renderers."""
