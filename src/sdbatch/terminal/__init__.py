"""Output for users on a terminal: the console and the progress display. Knows no jobs, stores or renderers."""
