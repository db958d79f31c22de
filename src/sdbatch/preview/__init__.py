"""The preview of a video: its schedules as curves, and its camera over a test card. No model, no torch."""
