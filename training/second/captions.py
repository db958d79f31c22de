"""Says what a scene shows: comma phrases or short sentences, in varied order, with parts left out."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from training.second import lexicon as words
from training.second.scene import PLAIN, USUAL_COLOUR, Scene, Thing

MAX_TOKENS = 29
OPPOSITE = {"left": "right", "right": "left"}


def _pick(rng: np.random.Generator, options: Sequence[str]) -> str:
    return options[int(rng.integers(len(options)))]


def _noun(rng: np.random.Generator, thing: Scene | Thing, sure: bool = False) -> str:
    """A name of the subject, with its colour or without (`sure`: always with)."""
    noun = _pick(rng, words.NOUNS[thing.subject])
    usual = thing.subject in PLAIN or USUAL_COLOUR[thing.subject] == thing.colour
    silent = 0.9 if thing.subject in PLAIN else 0.0 if sure else 0.6 if usual else 0.02
    if rng.random() < silent:
        return noun
    colour = _pick(rng, words.COLOUR_WORDS[thing.colour])
    if thing.subject in words.COLOUR_INSIDE:
        return _pick(rng, words.COLOUR_INSIDE[thing.subject]).format(colour)
    if thing.subject in words.COLOURED_PARTS and rng.random() < 0.2:
        part = words.COLOURED_PARTS[thing.subject]
        return f"{noun} with {'a ' if part == 'roof' else ''}{colour} {part}"
    return f"{colour} {noun}"


def article(noun: str) -> str:
    """The noun with its indefinite article."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _pair(rng: np.random.Generator, scene: Scene, second: Thing) -> str:
    """Both subjects with their sides, either one first."""
    both = [(_noun(rng, scene), scene.side), (_noun(rng, second), OPPOSITE[scene.side])]
    if rng.random() < 0.5:
        both.reverse()
    (a, left), (b, right) = both
    kind = rng.random()
    if kind < 0.45:
        return f"{article(a)} {_pick(rng, words.SIDES[left][:2])} and {article(b)} {_pick(rng, words.SIDES[right][:2])}"
    if kind < 0.85:
        return f"{a} {_pick(rng, words.SIDES[left])}, {b} {_pick(rng, words.SIDES[right])}"
    return f"{a} and {b}"


def _subject(rng: np.random.Generator, scene: Scene) -> str:
    if scene.second is not None:
        return _pair(rng, scene, scene.second)
    noun = _noun(rng, scene)
    if scene.distance not in ("close", "detail") or rng.random() < 0.25:
        return noun
    part = _pick(rng, words.PART_WORDS[scene.part])
    if rng.random() < 0.5:
        return f"close up of the {part} of {article(noun)}"
    return f"{noun}, {part}"


def _distance(rng: np.random.Generator, scene: Scene) -> str | None:
    if rng.random() < (0.25 if scene.zoom < 2 else 0.5):
        return f"zoom {scene.zoom:.2f}" if scene.zoom < 2 or rng.random() < 0.5 else f"zoom {scene.zoom:.1f}"
    if scene.distance == "middle" or (scene.distance == "far" and rng.random() < 0.3):
        return None  # a prompt without a distance means the whole scene, so what is near is always said
    return _pick(rng, words.DISTANCE_WORDS[scene.distance])


def _extras(rng: np.random.Generator, scene: Scene) -> list[str]:
    extras = []
    wide = scene.distance not in ("close", "detail")
    if wide and scene.body != "none" and rng.random() < 0.55:
        extras.append(_pick(rng, words.BODY_WORDS[scene.body]))
    if wide and scene.clouds and rng.random() < 0.8:
        extras.append(_pick(rng, words.CLOUD_WORDS))
    elif wide and not scene.clouds and rng.random() < 0.3:
        extras.append(_pick(rng, words.CLEAR_WORDS))
    if scene.weather != "clear" and rng.random() < 0.92:
        extras.append(_pick(rng, words.WEATHER_WORDS[scene.weather]))
    if rng.random() < 0.1:
        extras.append(_pick(rng, words.PRAISE_WORDS))
    return extras


def _sentence(rng: np.random.Generator, scene: Scene, subject: str, sure: float) -> list[str]:
    places = []
    if rng.random() < sure:
        places.append(_pick(rng, words.BACKDROP_PLACES[scene.backdrop]))
    if rng.random() < sure:
        places.append(_pick(rng, words.SKY_PLACES[scene.sky]))
    if rng.random() < 0.2:
        places.reverse()
    plain = scene.second is None and "close up" not in subject
    return [" ".join([article(subject) if plain else subject, *places])]


def _phrases(rng: np.random.Generator, scene: Scene, subject: str, sure: float) -> list[str]:
    parts = [subject]
    if rng.random() < sure:
        parts.append(_pick(rng, words.BACKDROP_WORDS[scene.backdrop]))
    if rng.random() < sure:
        parts.append(_pick(rng, words.SKY_WORDS[scene.sky]))
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


def _alone(rng: np.random.Generator, scene: Scene) -> str:
    """One attribute alone, as in a negative prompt; not one of two subjects, so that a subject alone means one."""
    options = [_pick(rng, words.BACKDROP_WORDS[scene.backdrop]), _pick(rng, words.SKY_WORDS[scene.sky])]
    if scene.second is None:
        options += [_noun(rng, scene), _noun(rng, scene)]
    extras = _extras(rng, scene)
    return _pick(rng, extras if extras and rng.random() < 0.35 else options)


def caption(scene: Scene, rng: np.random.Generator) -> str:
    """A caption of `scene`, at most MAX_TOKENS words and signs long."""
    if rng.random() < 0.12 and scene.distance in ("far", "middle"):
        return _alone(rng, scene)
    sure = 0.65 if scene.distance in ("close", "detail") else 0.9
    subject = _subject(rng, scene)
    parts = (_sentence if rng.random() < 0.35 else _phrases)(rng, scene, subject, sure)
    extras = _extras(rng, scene)
    distance = _distance(rng, scene)
    if distance:
        extras.append(distance)
    if rng.random() < 0.05:
        extras.append(_unknown_word(rng))
    extras = [extras[int(i)] for i in rng.permutation(len(extras))]
    if rng.random() < 0.45:
        parts.insert(0, _pick(rng, words.STYLE_WORDS))
    while extras and len(tokens_of(", ".join([*parts, *extras]))) > MAX_TOKENS:
        extras.pop()
    while len(tokens_of(", ".join(parts))) > MAX_TOKENS:
        parts.pop()
    return ", ".join([*parts, *extras])


def plain_name(thing: Scene | Thing) -> str:
    """The subject with its colour, in one fixed form."""
    colour = words.COLOUR_WORDS[thing.colour][0]
    if thing.subject in PLAIN:
        return words.NOUNS[thing.subject][0]
    if thing.subject in words.COLOUR_INSIDE:
        return words.COLOUR_INSIDE[thing.subject][0].format(colour)
    return f"{colour} {words.NOUNS[thing.subject][0]}"


def plain_caption(scene: Scene) -> str:
    """The caption with every judged attribute, in one fixed form."""
    subject = plain_name(scene)
    if scene.second is not None:
        subject = f"{subject} on the {scene.side}, {plain_name(scene.second)} on the {OPPOSITE[scene.side]}"
    return f"anime scene, {subject}, {words.BACKDROP_WORDS[scene.backdrop][0]}, {words.SKY_WORDS[scene.sky][0]}"


def vocabulary() -> list[str]:
    """Every word, digit and sign that captions can contain, sorted."""
    texts = [*words.CLOUD_WORDS, *words.CLEAR_WORDS, *words.STYLE_WORDS, *words.PRAISE_WORDS, words.OTHER_WORDS]
    texts += [*words.COLOURED_PARTS.values(), "close up of the"]
    for table in (
        words.NOUNS,
        words.COLOUR_INSIDE,
        words.COLOUR_WORDS,
        words.SKY_WORDS,
        words.SKY_PLACES,
        words.BACKDROP_WORDS,
        words.BACKDROP_PLACES,
        words.BODY_WORDS,
        words.WEATHER_WORDS,
        words.DISTANCE_WORDS,
        words.PART_WORDS,
        words.SIDES,
    ):
        texts += [text.replace("{}", " ") for options in table.values() for text in options]
    return sorted({token for text in texts for token in tokens_of(text)})
