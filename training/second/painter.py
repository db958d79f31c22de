"""Paints a scene: sky, backdrop, ground, subjects, weather, light; the same bytes for the same scene, always.

The scene is laid out in a world (the middle of the horizon is the origin, one unit is the side of a square picture at
zoom 1) and seen by a camera. So a picture at zoom 4 shows the middle of the picture at zoom 1, with more detail.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw

from training.second import animals, backdrops, buildings, giants, girl, ground, light, movers, shrines, sky
from training.second.buildings import Look
from training.second.pen import OVERSAMPLE, Colour, Pen, mix, scale
from training.second.scene import FLYING, PARTS, WIDTHS, Scene

INKS: dict[str, Colour] = {
    "red": (226, 52, 50),
    "blue": (46, 104, 226),
    "green": (42, 166, 92),
    "yellow": (252, 206, 62),
    "purple": (150, 80, 206),
    "white": (250, 248, 244),
}
SUBJECTS = {**buildings.DRAW, **shrines.DRAW, **movers.DRAW, **girl.DRAW, **animals.DRAW, **giants.DRAW}


@dataclass(frozen=True)
class Place:
    """Where a subject stands in the world: its foot, its height, and what chance decides about its look."""

    subject: str
    colour: str
    x: float
    y: float
    size: float
    turn: float


@dataclass(frozen=True)
class Layout:
    """Everything about a scene that has a place: the frame at zoom 1, the sun or moon, the subjects far to near."""

    width: float
    height: float
    horizon: float
    mood: int
    sun: tuple[float, float]
    places: tuple[Place, ...]


def _place(rng: np.random.Generator, scene: Scene, frame: tuple[float, float, float], slot: int) -> Place:
    """A subject's place; `slot` is -1 or 1 for the left or the right of two, 0 for one alone."""
    width, height, horizon = frame
    first = slot == 0 or (slot == -1) == (scene.side == "left")
    thing = scene if first or scene.second is None else scene.second
    wide = WIDTHS[thing.subject]
    room = 0.43 if slot else 0.94 if wide > 1.8 else 0.72
    size = min((0.46 if slot else 0.56) * height, room * width / wide) * float(rng.uniform(0.92, 1.0))
    x = (0.245 * slot + float(rng.uniform(-0.02, 0.02) if slot else rng.uniform(-0.09, 0.09))) * width
    if thing.subject in FLYING and not (thing.subject == "whale" and scene.backdrop == "sea"):
        free = (1 - horizon) * height - 1.04 * size
        y = max(-0.25 * horizon * height, free * float(rng.uniform(0.45, 0.95)))
    else:
        y = -horizon * height * float(rng.uniform(0.36, 0.58))
    return Place(thing.subject, thing.colour, x, y, size, float(rng.random()))


def lay_out(scene: Scene) -> Layout:
    """Decide where everything is; independent of the camera."""
    rng = np.random.default_rng([scene.seed, 223])
    side = (scene.size[0] * scene.size[1]) ** 0.5
    width, height = scene.size[0] / side, scene.size[1] / side
    horizon = float(rng.uniform(0.34, 0.42))
    mood = int(rng.integers(len(light.MOODS[scene.sky])))
    top = (1 - horizon) * height
    high = rng.uniform(0.08, 0.30) if scene.sky in ("sunset", "dawn") else rng.uniform(0.55, 0.82)
    sun = (float(rng.choice([-1, 1]) * rng.uniform(0.14, 0.38)) * width, float(high) * top)
    slots = (-1, 1) if scene.second else (0,)
    places = [_place(rng, scene, (width, height, horizon), slot) for slot in slots]
    return Layout(width, height, horizon, mood, sun, tuple(sorted(places, key=lambda p: -p.y)))


def camera(scene: Scene, layout: Layout) -> tuple[float, float]:
    """The point of the world in the middle of the picture."""
    middle = np.array([0.0, layout.height * (0.5 - layout.horizon)])
    if scene.zoom <= 1 or not scene.part:
        return float(middle[0]), float(middle[1])
    place = next(p for p in layout.places if p.subject == scene.subject)
    part = np.array([place.x, place.y]) + place.size * np.array(PARTS[scene.subject][scene.part])
    at = part + (middle - part) * scene.zoom**-1.5
    return float(at[0]), float(at[1])


def _world(scene: Scene, layout: Layout, image: Image.Image) -> sky.World:
    mood = light.MOODS[scene.sky][layout.mood]
    if scene.weather == "rain":
        grey = mood.haze
        stops = tuple(scale(mix(c, grey, 0.45), 0.88) for c in mood.stops)
        mood = replace(mood, stops=stops, tint=scale(mood.tint, 0.86 / 1.0))  # type: ignore[arg-type]
    unit = (image.width * image.height) ** 0.5 * scene.zoom
    x, y = camera(scene, layout)
    origin = (image.width / 2 - x * unit, image.height / 2 + y * unit)
    pen = Pen(image, origin, unit, mood.tint, 1 if layout.sun[0] > 0 else -1)
    return sky.World(pen, mood, scene.sky, scene.seed, scene.weather)


def _mirror(w: sky.World) -> None:
    """Lay the picture above the horizon upside down on the water, fading towards the camera."""
    image, row = w.pen.image, round(w.pen.origin[1])
    deep = min(row, image.height - row, int(0.45 * w.pen.unit))
    if deep < 2:
        return
    above = image.crop((0, row - deep, image.width, row)).transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    t = np.arange(deep) / (0.45 * w.pen.unit)
    mask = Image.fromarray((150 * (1 - t) ** 1.3).astype(np.uint8)[:, None]).resize((image.width, deep))
    image.paste(above, (0, row), mask)


def _subject_pen(w: sky.World, place: Place, flat: float = 1.0) -> Pen:
    pen = w.pen.inside(place.x, place.y, place.size)
    pen.tint, pen.flat = mix(w.mood.tint, (1.0, 1.0, 1.0), 0.16), flat
    return pen


def _reflect(w: sky.World, place: Place, look: Look) -> None:
    """Draw the subject upside down, half transparent, on the water before it."""
    image = w.pen.image
    pen = _subject_pen(w, place, -0.6)
    x, y = pen.origin
    reach = pen.unit * 1.2
    box = (max(0, int(x - reach)), max(0, int(y)), min(image.width, int(x + reach)), min(image.height, int(y + reach)))
    if box[2] <= box[0] or box[3] <= box[1]:
        return
    before = image.crop(box)
    SUBJECTS[place.subject](pen, look)
    image.paste(Image.blend(before, image.crop(box), 0.42), box[:2])


def _subject(w: sky.World, place: Place, backdrop: str) -> None:
    look = Look(INKS.get(place.colour, (255, 255, 255)), w.lit, place.turn)
    pen = _subject_pen(w, place)
    swims = place.subject in ("boat", "whale", "torii", "bridge") and backdrop == "sea"
    if place.subject not in FLYING or swims:
        ground.footing(w, pen, place.subject, backdrop, WIDTHS[place.subject] * 0.42)
        if swims or place.subject in ("boat", "bridge"):
            _reflect(w, place, look)
    elif place.y < 0.3:
        w.pen.disc(place.x, -0.16, place.size * 0.3, 0.012, (30, 30, 70), 60)
    SUBJECTS[place.subject](pen, look)
    if swims:
        for dx, dy, half in ((-0.2, -0.02, 0.5), (0.25, -0.05, 0.4), (0.0, -0.09, 0.6)):
            pen.disc(dx, dy, half, 0.014, mix(w.mood.water[0], (255, 255, 255), 0.5), 150, glow=True)


def _weather(image: Image.Image, scene: Scene, side: float) -> None:
    """Petals, flakes or rain before the camera, of the same size at every zoom."""
    rng = np.random.default_rng([scene.seed, 227])
    draw = ImageDraw.Draw(image, "RGBA")
    count = {"petals": 36, "snowfall": 80, "rain": 70}.get(scene.weather, 0)
    for k in range(count):
        x, y, depth = float(rng.uniform(0, image.width)), float(rng.uniform(0, image.height)), float(rng.random())
        r = side * (0.005 + 0.011 * depth**2)
        if scene.weather == "rain":
            length = side * (0.03 + 0.05 * depth)
            draw.line(
                (x, y, x - 0.22 * length, y + length), fill=(226, 236, 250, int(90 + 90 * depth)), width=OVERSAMPLE
            )
        elif scene.weather == "petals":
            lean = float(rng.uniform(-1, 1))
            points = [(x - r * 1.4, y), (x, y - r * 0.9), (x + r * 1.4, y + lean * r), (x, y + r * 0.9 + lean * r)]
            draw.polygon(points, fill=((255, 150, 190, 240), (255, 200, 222, 240))[k % 2])
            draw.polygon([points[0], points[1], (x, y)], fill=(255, 236, 244, 220))
        else:
            draw.ellipse((x - r, y - r, x + r, y + r), fill=(252, 253, 255, int(150 + 100 * depth)))


def _finish(image: Image.Image, scene: Scene, layout: Layout, w: sky.World) -> np.ndarray:
    """Reduce the picture and add what light does: bloom, the sun's glow, mist, dim corners."""
    small = image.reduce(OVERSAMPLE)
    side = (small.width * small.height) ** 0.5
    pixels = light.bloom(small, 205, 0.012 * side, 0.34) if w.lit else np.array(small, np.float32)
    x, y = ((w.pen._at(*layout.sun)[i]) / OVERSAMPLE for i in (0, 1))
    if scene.body != "none":
        strength = {"sunset": 0.55, "dawn": 0.4, "day": 0.35, "night": 0.28}[scene.sky]
        light.add_glow(pixels, x, y, 0.22 * side * scene.zoom**0.5, w.mood.sun, strength)
    if scene.weather == "fog":
        gy = (np.arange(small.height, dtype=np.float32) - w.pen.origin[1] / OVERSAMPLE) / (side * scene.zoom)
        veil = (0.22 + 0.5 * np.exp(-((gy / 0.16) ** 2)))[:, None, None]
        pixels += (np.array(mix(w.mood.haze, (255, 255, 255), 0.2), np.float32) - pixels) * veil
    light.vignette(pixels)
    return (pixels + 0.5).clip(0, 255).astype(np.uint8)


def paint(scene: Scene) -> np.ndarray:
    """Paint `scene` as an array of shape (height, width, 3), uint8."""
    layout = lay_out(scene)
    image = Image.new("RGB", (scene.size[0] * OVERSAMPLE, scene.size[1] * OVERSAMPLE))
    w = _world(scene, layout, image)
    sky.draw_sky(w)
    if scene.sky == "night":
        sky.draw_stars(w)
    if scene.body != "none":
        sky.draw_body(w, scene.body, *layout.sun)
    sky.draw_clouds(w, scene.clouds)
    backdrops.DRAW[scene.backdrop](w)
    ground.draw_ground(w, scene.backdrop)
    if scene.backdrop == "sea":
        _mirror(w)
        if scene.body != "none":
            ground.glitter(w, layout.sun[0])
        ground.crests(w, 30, 74)
    for place in layout.places:
        _subject(w, place, scene.backdrop)
    _weather(image, scene, (image.width * image.height) ** 0.5)
    return _finish(image, scene, layout, w)
