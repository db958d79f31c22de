"""The dry run of a film: its curves, and its camera over a test card. No model, no torch."""
