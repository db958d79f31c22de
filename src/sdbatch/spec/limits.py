"""Ranges of numbers that more than one module validates: in a configuration and in the metadata of a file. Sizes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Range:
    """``low`` to ``high``, both allowed."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    def nearest(self, value: float) -> float:
        return min(max(value, self.low), self.high)

    def __str__(self) -> str:
        return f"{self.low:g}–{self.high:g}"


STEPS = Range(1, 1000)
GUIDANCE = Range(1, 30)
CLIP_SKIP = Range(1, 12)
LORA_WEIGHT = Range(-10, 10)
CONTROL_WEIGHT = Range(0, 10)
PASS_SCALE = Range(1, 16)
MASK_BLUR = 256
MAX_PIXELS = 64_000_000  # of a picture, or of a frame of a video, that is read
CLIP_FRAMES = 1_000_000  # of a user's video
FOLDER_FRAMES = 10_000  # of one that is a folder of pictures
VECTORS = Range(1, 75)  # of a textual inversion
ROWS = Range(1, 512)
VAE_BATCH = Range(1, 64)

# Jobs of a plan whose files lie in one folder. File managers and shells list so many well; the file systems of clusters
# get slow with hundreds of thousands. Files of larger plans are spread over 256 folders: of a million, 4,000 in each.
FLAT = 4096
