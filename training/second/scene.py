"""What a scene consists of: attributes, their draw by chance, the camera, and the combinations kept out of training."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

SKIES = ("day", "sunset", "night", "dawn")
BACKDROPS = ("mountains", "city", "forest", "sea", "desert", "snow")
WEATHERS = ("clear", "petals", "snowfall", "rain", "fog")
COLOURS = ("red", "blue", "green", "yellow", "purple", "white")
COLOURED = (
    "torii",
    "castle",
    "lighthouse",
    "house",
    "balloon",
    "boat",
    "pagoda",
    "windmill",
    "train",
    "bridge",
    "lantern",
    "girl",
    "dragon",
)
# Subjects of one colour, which captions need not name.
PLAIN = {"cherry": "pink", "pine": "green", "fox": "orange", "cat": "black", "whale": "navy"}
SUBJECTS = (*COLOURED, *PLAIN)
ALL_COLOURS = (*COLOURS, *PLAIN.values())
# The colour that a subject has where nobody asks for one.
USUAL_COLOUR = {
    "torii": "red",
    "castle": "blue",
    "lighthouse": "red",
    "house": "red",
    "balloon": "red",
    "boat": "white",
    "pagoda": "red",
    "windmill": "white",
    "train": "red",
    "bridge": "red",
    "lantern": "red",
    "girl": "red",
    "dragon": "green",
}
FLYING = ("balloon", "dragon", "whale")
# Width of a subject in units of its height.
WIDTHS = {
    "torii": 1.2,
    "castle": 0.95,
    "lighthouse": 0.5,
    "house": 1.1,
    "balloon": 0.8,
    "boat": 0.95,
    "pagoda": 0.85,
    "windmill": 0.8,
    "train": 2.3,
    "bridge": 2.2,
    "lantern": 0.6,
    "girl": 0.75,
    "dragon": 1.6,
    "cherry": 1.15,
    "pine": 0.8,
    "fox": 1.35,
    "cat": 0.8,
    "whale": 1.7,
}
# What a camera can come near to: places on the subject in its own frame (foot at the origin, one unit high).
PARTS: dict[str, dict[str, tuple[float, float]]] = {
    "torii": {"sign": (0.0, 0.76), "rope": (0.0, 0.58)},
    "castle": {"window": (0.0, 0.44), "roof": (-0.36, 0.52), "door": (0.0, 0.10)},
    "lighthouse": {"lamp": (0.0, 0.85), "window": (0.0, 0.46), "door": (0.0, 0.08)},
    "house": {"window": (0.27, 0.25), "roof": (0.0, 0.68), "door": (0.0, 0.16)},
    "balloon": {"basket": (0.0, 0.10)},
    "boat": {"sail": (0.1, 0.50), "hull": (0.0, 0.12)},
    "pagoda": {"roof": (0.0, 0.42), "window": (0.0, 0.10)},
    "windmill": {"blades": (0.0, 0.66), "door": (0.0, 0.08)},
    "train": {"window": (-0.365, 0.62), "wheels": (-0.865, 0.12)},
    "bridge": {"railing": (0.0, 0.80), "planks": (0.0, 0.52)},
    "lantern": {"paper": (0.0, 0.52), "roof": (0.0, 0.88)},
    "girl": {"face": (0.0, 0.565), "umbrella": (0.05, 0.80)},
    "dragon": {"face": (-0.63, 0.72), "scales": (0.05, 0.50)},
    "cherry": {"blossoms": (0.17, 0.72), "trunk": (0.0, 0.22)},
    "pine": {"branches": (0.05, 0.55), "trunk": (0.0, 0.08)},
    "fox": {"face": (-0.42, 0.69)},
    "cat": {"face": (0.0, 0.72), "tail": (0.30, 0.20)},
    "whale": {"face": (-0.48, 0.42), "tail": (0.72, 0.62)},
}
# Width and height in pixels, about 256 x 256 in area, multiples of 16 (two levels of the denoiser).
SIZES: dict[str, tuple[int, int]] = {
    "1:1": (256, 256),
    "3:4": (224, 288),
    "4:3": (288, 224),
    "2:3": (208, 320),
    "3:2": (320, 208),
    "9:16": (192, 336),
    "16:9": (336, 192),
    "21:9": (384, 160),
}


@dataclass(frozen=True)
class Thing:
    """A subject with its colour."""

    subject: str
    colour: str


@dataclass(frozen=True)
class Scene:
    """The attributes of one picture; `seed` decides all that the attributes leave open.

    `zoom` is the camera's magnification (1 shows the whole scene), `part` what it comes near to. `second` stands to the
    right of the subject where `side` is "left" (the side of the subject), and to the left otherwise.
    """

    seed: int
    ratio: str
    sky: str
    body: str
    clouds: int
    backdrop: str
    subject: str
    colour: str
    weather: str
    zoom: float
    part: str = ""
    second: Thing | None = None
    side: str = ""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return SIZES[self.ratio]

    @property
    def distance(self) -> str:
        """How the framing is called: far, middle, near, close or detail."""
        for name, top in (("far", 0.8), ("middle", 1.25), ("near", 2.4), ("close", 6.0)):
            if self.zoom < top:
                return name
        return "detail"


def held_out(sky: str, backdrop: str, subject: str) -> bool:
    """Whether this combination never occurs in training (about one in eight)."""
    return zlib.crc32(f"{sky}/{backdrop}/{subject}".encode()) % 8 == 3


def colour_of(rng: np.random.Generator, subject: str) -> str:
    """A colour by chance, or the only one."""
    return PLAIN[subject] if subject in PLAIN else str(rng.choice(COLOURS))


def _body(rng: np.random.Generator, sky: str) -> str:
    if rng.random() >= {"day": 0.5, "sunset": 0.8, "night": 0.75, "dawn": 0.6}[sky]:
        return "none"
    return "moon" if sky == "night" else "sun"


def _zoom(rng: np.random.Generator, near: bool) -> float:
    ranges = ((0.62, 0.78), (0.84, 1.20), (1.28, 2.3), (2.5, 5.8), (6.2, 12.0))
    shares = (0.13, 0.42, 0.15, 0.15, 0.15) if near else (0.3, 0.7, 0.0, 0.0, 0.0)
    low, high = ranges[int(rng.choice(5, p=shares))]
    return round(float(np.exp(rng.uniform(np.log(low), np.log(high)))), 2)


def _weather(rng: np.random.Generator, backdrop: str) -> str:
    weather = str(rng.choice(WEATHERS, p=(0.68, 0.10, 0.08, 0.08, 0.06)))
    return "clear" if backdrop == "desert" and weather in ("snowfall", "rain") else weather


def _second(rng: np.random.Generator, subject: str, ratio: str) -> Thing | None:
    """Another subject beside the first, more often where there is room for two."""
    width, height = SIZES[ratio]
    share = 0.45 if width > height else 0.35 if width == height else 0.2
    others = [s for s in SUBJECTS if s not in (subject, "bridge", "train")]
    other = str(rng.choice(others))
    if subject in ("bridge", "train") or rng.random() >= share:
        return None
    return Thing(other, colour_of(rng, other))


def draw_scene(
    seed: int, ratio: str | None = None, combination: tuple[str, str, str] | None = None, unseen: bool = False
) -> Scene:
    """Draw the attributes of a scene; without `unseen`, held-out combinations are drawn again."""
    rng = np.random.default_rng([seed, 211])
    ratio = ratio or str(rng.choice(list(SIZES)))
    while combination is None:
        picked = (str(rng.choice(SKIES)), str(rng.choice(BACKDROPS)), str(rng.choice(SUBJECTS)))
        if held_out(*picked) == unseen:
            combination = picked
    sky, backdrop, subject = combination
    second = _second(rng, subject, ratio)
    zoom = _zoom(rng, second is None)
    weather = _weather(rng, backdrop)
    return Scene(
        seed=seed,
        ratio=ratio,
        sky=sky,
        body=_body(rng, sky),
        clouds=2 if weather == "rain" else int(rng.choice(3, p=(0.45, 0.2, 0.35))),
        backdrop=backdrop,
        subject=subject,
        colour=colour_of(rng, subject),
        weather=weather,
        zoom=zoom,
        part=str(rng.choice(list(PARTS[subject]))) if zoom > 1.25 else "",
        second=second,
        side=("left" if rng.random() < 0.5 else "right") if second else "",
    )
