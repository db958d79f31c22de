"""The dry run of a video: its curves, and its camera over a test card. No model, no torch."""
