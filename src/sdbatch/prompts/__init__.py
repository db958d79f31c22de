"""Prompt text: expansion (variants, wildcards, draws), attention, chunks, warnings; CLIP's vocabulary. Pure; reads no
file but the vocabulary."""
