"""sdbatch: declarative, reproducible batch rendering with Stable Diffusion."""

__version__ = "0.1.0"
