"""What a scene consists of: attributes, their draw by chance, and the combinations kept out of training."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

SKIES = ("day", "sunset", "night", "dawn")
BACKDROPS = ("mountains", "city", "forest", "sea", "desert", "snow")
COLOURED = ("torii", "castle", "lighthouse", "house", "balloon", "boat", "pagoda", "windmill")
PLAIN = ("cherry", "pine")
SUBJECTS = COLOURED + PLAIN
COLOURS = ("red", "blue", "green", "yellow", "purple", "white")
WEATHERS = ("clear", "petals", "snowfall")

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
}

# Width and height in pixels, about 128 x 128 in area, multiples of 8.
SIZES: dict[str, tuple[int, int]] = {
    "1:1": (128, 128),
    "3:4": (112, 144),
    "4:3": (144, 112),
    "2:3": (104, 160),
    "3:2": (160, 104),
    "9:16": (96, 168),
    "16:9": (168, 96),
    "21:9": (192, 80),
}


@dataclass(frozen=True)
class Scene:
    """The attributes of one picture; `seed` decides all that the attributes leave open."""

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

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return SIZES[self.ratio]

    @property
    def distance(self) -> str:
        """How the framing is called: far, middle or near."""
        return "far" if self.zoom < 0.8 else "near" if self.zoom > 1.22 else "middle"


def held_out(sky: str, backdrop: str, subject: str) -> bool:
    """Whether this combination never occurs in training (about one in eight)."""
    return zlib.crc32(f"{sky}/{backdrop}/{subject}".encode()) % 8 == 3


def _body(rng: np.random.Generator, sky: str) -> str:
    chance = {"day": 0.5, "sunset": 0.75, "night": 0.75, "dawn": 0.55}[sky]
    if rng.random() >= chance:
        return "none"
    return "moon" if sky == "night" else "sun"


def _colour(rng: np.random.Generator, subject: str) -> str:
    if subject in PLAIN:
        return {"cherry": "pink", "pine": "green"}[subject]
    return str(rng.choice(COLOURS))


def _zoom(rng: np.random.Generator) -> float:
    low, high = ((0.64, 0.78), (0.84, 1.18), (1.26, 1.60))[int(rng.choice(3, p=(0.2, 0.55, 0.25)))]
    return round(float(rng.uniform(low, high)), 2)


def draw_scene(
    seed: int, ratio: str | None = None, combination: tuple[str, str, str] | None = None, unseen: bool = False
) -> Scene:
    """Draw the attributes of a scene; without `unseen`, held-out combinations are drawn again."""
    rng = np.random.default_rng([seed, 11])
    ratio = ratio or str(rng.choice(list(SIZES)))
    while combination is None:
        picked = (str(rng.choice(SKIES)), str(rng.choice(BACKDROPS)), str(rng.choice(SUBJECTS)))
        if held_out(*picked) == unseen:
            combination = picked
    sky, backdrop, subject = combination
    weather = str(rng.choice(WEATHERS, p=(0.78, 0.13, 0.09)))
    if weather == "snowfall" and backdrop == "desert":
        weather = "clear"
    return Scene(
        seed=seed,
        ratio=ratio,
        sky=sky,
        body=_body(rng, sky),
        clouds=int(rng.choice(3, p=(0.4, 0.3, 0.3))),
        backdrop=backdrop,
        subject=subject,
        colour=_colour(rng, subject),
        weather=weather,
        zoom=_zoom(rng),
    )
