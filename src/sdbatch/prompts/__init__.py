"""Prompt text: syntax (variants, attention, chunks) and CLIP's vocabulary. Pure; reads only the vocabulary."""
