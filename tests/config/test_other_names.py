"""Names of other programs, and values in the place of a section: the message says which key is meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sdbatch.config.arguments import flag_hint
from sdbatch.config.hydra_source import compose_data
from sdbatch.errors import ConfigError, Problem
from tests.config.building import problems

CANNY = {"net": "canny", "image": "a.png"}


def composed(*arguments: str, file: Path | None = None) -> list[Problem]:
    """The mistakes that composing ``arguments`` finds, or else validating what they compose."""
    try:
        return problems(dict(compose_data(["prompts=[x]", *arguments], file).data))
    except ConfigError as e:
        return list(e.problems)


def said(found: list[Problem]) -> str:
    return "\n".join(map(str, found))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"init": {"denoising_strength": 0.4}}, "init.denoising_strength: unknown key (use init.strength)"),
        ({"init": {"denoise": 0.4}}, "init.denoise: unknown key (use init.strength)"),
        ({"hires": {"denoising_strength": 0.4}}, "hires.denoising_strength: unknown key (use hires.strength)"),
        ({"sampling": {"denoise": 0.4}}, "sampling.denoise: unknown key (use init.strength, or hires.strength for"),
        ({"denoising_strength": 0.4}, "denoising_strength: unknown key (use init.strength, or hires.strength for"),
        ({"motion": {"strength_schedule": 0.4}}, "unknown key (use motion.strength, which is 1 minus Deforum's value)"),
        ({"init_image": "a.png"}, "init_image: unknown key (use init.image)"),
        ({"img2img": {"image": "a.png"}}, "img2img: unknown key (use init.image)"),
        ({"inpaint": {"image": "a.png"}}, "inpaint: unknown key (use mask.image, beside init.image)"),
        ({"control": [CANNY | {"strength": 1}]}, "control[0].strength: unknown key (use weight)"),
        ({"control": [{"model": "canny", "image": "a.png"}]}, "control[0].model: unknown key (use net)"),
        ({"sweep": [{"control": [CANNY | {"strength": 1}]}]}, "sweep[0].control[0][0].strength: unknown key (use"),
        ({"sweep": [{"init.denoise": [0, 1]}]}, "sweep[0].init.denoise: unknown key (use init.strength)"),
        (
            {"sweep": [{"control.weight": [0, 1]}]},
            "control.weight: unknown key (write the values in the entry: control: [{…, weight: [0, 1]}])",
        ),
        ({"sweep": [{"control.0.weight": "0..1..0.5"}]}, "control: [{…, weight: '0..1..0.5'}])"),
        ({"sweep": [{"control[0].end": [0.5, 1]}]}, "(sweep whole entries: control: [{…, end: …}, {…, end: …}])"),
        ({"sweep": [{"control.wieght": [0, 1]}]}, "sweep[0].control.wieght: unknown key ("),
    ],
)
def test_names_of_other_programs(data: dict[str, Any], words: str) -> None:
    assert words in said(problems(data))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"init": "castle.png"}, "init: 'castle.png' is not a mapping of keys (write init.image=castle.png)"),
        ({"mask": "box.png"}, "mask: 'box.png' is not a mapping of keys (write mask.image=box.png)"),
        ({"hires": 2}, "hires: 2 is not a mapping of keys (write hires.scale=2)"),
        ({"upscale": 1.5}, "upscale: 1.5 is not a mapping of keys (write upscale.scale=1.5)"),
        ({"init": ["a.png", "b.png"]}, "is not a mapping of keys (write init.image=…)"),
        ({"mask": {"outpaint": [64, 64, 0, 0]}}, "(write mask.outpaint={left: …, top: …, right: …, bottom: …})"),
        ({"mask": {"outpaint": {"right": "50%"}}}, "mask.outpaint.right: '50%' is not a number (write 0.5)"),
        ({"mask": {"outpaint": {"right": "half"}}}, "mask.outpaint.right: 'half' is not a number"),
    ],
)
def test_values_in_the_place_of_a_section(data: dict[str, Any], words: str) -> None:
    assert words in said(problems(data))


def test_no_key_is_guessed_for_what_it_cannot_hold() -> None:
    assert [p.hint for p in problems({"hires": True, "init": 5, "upscale": "x"})] == ["", "", ""]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"hires": {"strength": 0}}, "hires.strength: 0 is out of range 0–1, 0 excluded (write more than 0)"),
        ({"hires": {"strength": 2}}, "hires.strength: 2 is out of range 0–1, 0 excluded (nearest is 1)"),
        ({"control": [CANNY | {"weight": 12}]}, "control[0].weight: 12 is out of range 0–10 (nearest is 10)"),
        ({"loras": [{"path": "ink", "weight": -11}]}, "loras[0].weight: -11 is out of range -10–10 (nearest is -10)"),
        ({"control": [CANNY | {"preprocess": "depth"}]}, "give its picture, with preprocess: none)"),
        ({"control": [CANNY | {"preprocess": "openpose"}]}, "give its picture, with preprocess: none)"),
        ({"control": [CANNY | {"preprocess": "cany"}]}, "(did you mean 'canny'?)"),
    ],
)
def test_values_name_the_nearest_that_is_allowed(data: dict[str, Any], words: str) -> None:
    assert words in said(problems(data))


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        (
            "mask.outpaint=[64,64,0,0]",
            "mask.outpaint: a list is not a mapping of keys (write mask.outpaint={left: …, t",
        ),
        ("init=[a.png,b.png]", "init: a list is not a mapping of keys (write init.image=…)"),
        ("prompts={a: 1}", "prompts: a mapping is not a list (put it in [ ]: 'prompts=[{…}]')"),
        ("inpaint.image=a.png", "inpaint: unknown key (use mask.image, beside init.image)"),
        ("init.denoise=0.4", "init.denoise: unknown key (use init.strength)"),
        ("init_image=a.png", "init_image: unknown key (use init.image)"),
        ("hires=2", "hires: 2 is not a mapping of keys (write hires.scale=2)"),
    ],
)
def test_arguments(argument: str, words: str) -> None:
    assert words in said(composed(argument))


def test_files(tmp_path: Path) -> None:
    for text, words in (
        ("mask: {outpaint: [64, 64, 0, 0]}", "is not a mapping of keys (write mask.outpaint={left: …, top: …"),
        ("init: [a.png]", "init: ['a.png'] is not a mapping of keys (write init.image=…)"),
        ("init: a.png", "init: 'a.png' is not a mapping of keys (write init.image=a.png)"),
    ):
        (tmp_path / "own.yaml").write_text(text)
        assert words in said(composed(file=tmp_path / "own.yaml"))


@pytest.mark.parametrize(("flag", "words"), [("--init-image", "use init.image"), ("--img2img", "use init.image")])
def test_flags(flag: str, words: str) -> None:
    assert flag_hint(flag) == words
