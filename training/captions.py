"""Says what a scene shows: comma phrases or short sentences, in varied order, with parts left out."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from training.scene import PLAIN, USUAL_COLOUR, Scene

NOUNS: dict[str, tuple[str, ...]] = {
    "torii": ("torii gate", "torii gate", "torii", "shrine gate", "shrine"),
    "castle": ("castle", "castle", "fairy tale castle", "palace"),
    "lighthouse": ("lighthouse", "lighthouse", "lighthouse tower", "beacon"),
    "house": ("house", "house", "cottage"),
    "balloon": ("balloon", "hot air balloon", "air balloon"),
    "boat": ("boat", "sailing boat", "sailboat", "sailing ship"),
    "pagoda": ("pagoda", "pagoda", "temple", "pagoda temple"),
    "windmill": ("windmill", "windmill", "mill"),
    "cherry": ("cherry tree", "cherry tree", "cherry blossom tree", "sakura tree", "sakura"),
    "pine": ("pine tree", "pine tree", "pine", "fir tree", "evergreen tree"),
}
COLOUR_WORDS: dict[str, tuple[str, ...]] = {
    "red": ("red", "red", "red", "crimson"),
    "blue": ("blue",),
    "green": ("green",),
    "yellow": ("yellow",),
    "purple": ("purple", "purple", "violet"),
    "white": ("white",),
    "pink": ("pink",),
}
PARTS = {"castle": "roofs", "house": "roof", "boat": "sails", "pagoda": "roofs", "lighthouse": "stripes"}
SKY_WORDS: dict[str, tuple[str, ...]] = {
    "day": ("day sky", "blue sky", "daytime", "day", "noon", "bright day"),
    "sunset": ("sunset sky", "sunset sky", "sunset", "evening sky", "dusk", "golden hour", "orange sky"),
    "night": ("night sky", "night sky", "night", "starry night", "starry sky", "midnight", "night sky, stars", "stars"),
    "dawn": ("dawn", "dawn sky", "sunrise", "pink sky", "early morning", "morning sky", "pastel sky"),
}
SKY_PLACES: dict[str, tuple[str, ...]] = {
    "day": ("by day", "in the daytime", "under a blue sky", "at noon"),
    "sunset": ("at sunset", "at sunset", "at dusk", "in the evening", "under an orange sky"),
    "night": ("at night", "at night", "under the stars", "under a starry sky", "at midnight"),
    "dawn": ("at dawn", "at dawn", "at sunrise", "in the early morning", "under a pink sky"),
}
BACKDROP_WORDS: dict[str, tuple[str, ...]] = {
    "mountains": ("mountains", "mountains", "mountain range", "mountain", "high peaks", "mountain meadow"),
    "city": ("city", "city skyline", "skyline", "buildings", "skyscrapers", "town"),
    "forest": ("forest", "forest", "woods", "woodland", "deep forest"),
    "sea": ("sea", "sea", "ocean", "coast", "water", "calm sea"),
    "desert": ("desert", "desert", "dunes", "sand dunes", "sand"),
    "snow": ("snow hills", "snowy hills", "snow", "winter hills", "snowy landscape", "winter"),
}
BACKDROP_PLACES: dict[str, tuple[str, ...]] = {
    "mountains": ("in the mountains", "in front of mountains", "below a high mountain"),
    "city": ("in the city", "in front of a skyline", "in a town"),
    "forest": ("in the forest", "in front of a forest", "at the edge of the woods"),
    "sea": ("by the sea", "by the sea", "on the coast", "in the sea", "by the ocean"),
    "desert": ("in the desert", "among sand dunes", "on the sand"),
    "snow": ("in the snow", "on snowy hills", "in winter"),
}
BODY_WORDS: dict[str, tuple[str, ...]] = {"sun": ("sun", "bright sun"), "moon": ("moon", "full moon", "moonlight")}
CLOUD_WORDS = ("clouds", "clouds", "cloudy sky", "white clouds", "big clouds")
CLEAR_WORDS = ("clear sky", "no clouds", "cloudless sky")
WEATHER_WORDS: dict[str, tuple[str, ...]] = {
    "petals": ("petals", "falling petals", "drifting petals", "flower petals"),
    "snowfall": ("snowfall", "falling snow", "snowing", "snowflakes"),
}
STYLE_WORDS = (
    "anime scene",
    "anime scene",
    "anime landscape",
    "anime",
    "anime picture",
    "illustration",
    "landscape",
    "scenery",
    "anime art",
    "beautiful scenery",
)
PRAISE_WORDS = ("masterpiece", "best quality", "detailed", "highly detailed", "beautiful", "vivid colors", "wallpaper")
DISTANCE_WORDS: dict[str, tuple[str, ...]] = {
    "far": ("far away", "distant", "in the distance", "zoomed out", "wide shot", "small"),
    "near": ("close up", "zoomed in", "near", "close", "large", "big"),
}
MAX_TOKENS = 26


def _pick(rng: np.random.Generator, words: Sequence[str]) -> str:
    return words[int(rng.integers(len(words)))]


def _noun(rng: np.random.Generator, scene: Scene) -> str:
    noun = _pick(rng, NOUNS[scene.subject])
    usual = scene.subject in PLAIN or USUAL_COLOUR[scene.subject] == scene.colour
    silent = {True: 0.6, False: 0.02}[usual] if scene.subject not in PLAIN else 0.92
    if rng.random() < silent:
        return noun
    colour = _pick(rng, COLOUR_WORDS[scene.colour])
    if scene.subject in PARTS and rng.random() < 0.25:
        part = PARTS[scene.subject]
        return f"{noun} with {'a ' if part == 'roof' else ''}{colour} {part}"
    return f"{colour} {noun}"


def _distance(rng: np.random.Generator, scene: Scene) -> str | None:
    if rng.random() < 0.25:
        return f"zoom {scene.zoom:.2f}"
    if scene.distance == "middle" or rng.random() < 0.35:
        return None
    return _pick(rng, DISTANCE_WORDS[scene.distance])


def _extras(rng: np.random.Generator, scene: Scene) -> list[str]:
    extras = []
    if scene.body != "none" and rng.random() < 0.5:
        extras.append(_pick(rng, BODY_WORDS[scene.body]))
    if scene.clouds and rng.random() < 0.6:
        extras.append(_pick(rng, CLOUD_WORDS))
    elif not scene.clouds and rng.random() < 0.2:
        extras.append(_pick(rng, CLEAR_WORDS))
    if scene.weather != "clear" and rng.random() < 0.9:
        extras.append(_pick(rng, WEATHER_WORDS[scene.weather]))
    if rng.random() < 0.12:
        extras.append(_pick(rng, PRAISE_WORDS))
    return extras


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"


def _sentence(rng: np.random.Generator, scene: Scene, noun: str) -> list[str]:
    places = []
    if rng.random() < 0.9:
        places.append(_pick(rng, BACKDROP_PLACES[scene.backdrop]))
    if rng.random() < 0.9:
        places.append(_pick(rng, SKY_PLACES[scene.sky]))
    if rng.random() < 0.2:
        places.reverse()
    return [" ".join([_article(noun), noun, *places])]


def _phrases(rng: np.random.Generator, scene: Scene, noun: str) -> list[str]:
    parts = [noun]
    if rng.random() < 0.9:
        parts.append(_pick(rng, BACKDROP_WORDS[scene.backdrop]))
    if rng.random() < 0.9:
        parts.append(_pick(rng, SKY_WORDS[scene.sky]))
    if rng.random() < 0.5:
        parts = [parts[int(i)] for i in rng.permutation(len(parts))]
    return parts


def _unknown_word(rng: np.random.Generator) -> str:
    """A word that means nothing, so that unknown words learn to do nothing."""
    letters = rng.choice(list("aabcdeefghiijklmnoopqrstuuvwxyz"), int(rng.integers(3, 7)))
    return "".join(str(letter) for letter in letters)


def tokens_of(text: str) -> list[str]:
    """The words, digits and signs of a text as the tokenizer separates them (an unknown word counts as one)."""
    return re.findall(r"[a-z]+|[0-9]|[^\sa-z0-9]+", text.lower())


def caption(scene: Scene, rng: np.random.Generator) -> str:
    """A caption of `scene`, at most MAX_TOKENS words and signs long."""
    noun = _noun(rng, scene)
    if rng.random() < 0.06:
        return _pick(
            rng,
            [noun, _pick(rng, BACKDROP_WORDS[scene.backdrop]), _pick(rng, SKY_WORDS[scene.sky]), *_extras(rng, scene)],
        )
    parts = _sentence(rng, scene, noun) if rng.random() < 0.35 else _phrases(rng, scene, noun)
    extras = _extras(rng, scene)
    distance = _distance(rng, scene)
    if distance:
        extras.append(distance)
    if rng.random() < 0.05:
        extras.append(_unknown_word(rng))
    extras = [extras[int(i)] for i in rng.permutation(len(extras))]
    if rng.random() < 0.45:
        parts.insert(0, _pick(rng, STYLE_WORDS))
    while len(tokens_of(", ".join([*parts, *extras]))) > MAX_TOKENS:
        extras.pop()
    return ", ".join([*parts, *extras])


def plain_caption(scene: Scene) -> str:
    """The caption with every judged attribute, in one fixed form."""
    noun = NOUNS[scene.subject][0]
    colour = "" if scene.subject in PLAIN else scene.colour + " "
    return f"anime scene, {colour}{noun}, {BACKDROP_WORDS[scene.backdrop][0]}, {SKY_WORDS[scene.sky][0]}"


def vocabulary() -> list[str]:
    """Every word, digit and sign that captions can contain, sorted."""
    texts: list[str] = [*CLOUD_WORDS, *CLEAR_WORDS, *STYLE_WORDS, *PRAISE_WORDS, *PARTS.values()]
    for table in (
        NOUNS,
        COLOUR_WORDS,
        SKY_WORDS,
        SKY_PLACES,
        BACKDROP_WORDS,
        BACKDROP_PLACES,
        BODY_WORDS,
        WEATHER_WORDS,
        DISTANCE_WORDS,
    ):
        texts += [text for words in table.values() for text in words]
    texts += ["a an with zoom view very over 0123456789 . , - the and of to from in out slowly"]
    return sorted({token for text in texts for token in tokens_of(text)})
