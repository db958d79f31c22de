"""Prompt text: syntax (variants, attention, chunks) and CLIP's vocabulary. Pure; reads no file but the vocabulary."""
