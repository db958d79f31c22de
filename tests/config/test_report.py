"""What the dry run and a run say at the end, in words for users."""

from __future__ import annotations

import json
import re

import pytest

from sdbatch.prompts.syntax import unsupported
from sdbatch.tasks.plan_table import duration


@pytest.mark.parametrize(
    ("text", "marks"),
    [
        ("a <lora:style:0.8> cat", ["<lora:style:0.8>"]),
        ("[cat:dog:0.5], [hat: 12], [cat|dog] AND sea", []),
        ("(cat:1.2), [cat], {cat|dog}, sand and BREAK sea", []),
    ],
)
def test_what_others_would_read_is_named(text, marks):
    assert unsupported(text) == marks


def test_the_dry_run_says_what_is_only_words(sdbatch):
    said = sdbatch("model=fake", 'prompts=["a <hypernet:x:1> [cat:dog:0.5]"]', "task=plan")
    assert said.code == 0
    assert "syntax of other tools, treated as plain words: <hypernet:x:1>\n" in said.out
    shown = sdbatch("model=fake", 'prompts=["a <hypernet:x:1>"]', "task=plan", "plan.format=json")
    assert json.loads(shown.out)["plain_words"] == ["<hypernet:x:1>"]


def test_texts_of_people_become_no_pictures(sdbatch):
    """rich would make an emoji of ``:cat:``."""
    said = sdbatch("model=fake", "prompts=[a]", 'sweep=[{negative: [":cat:", "[bold]"]}]', "task=plan")
    assert ":cat:, [bold]" in said.out


def test_a_break_is_not_reported_as_a_cut(sdbatch):
    said = sdbatch("model=tiny", "prompts=[sea BREAK sky]", "task=plan")
    assert "sea-break-sky: 2 chunks, cut at BREAK\n" in said.out


def test_mistakes_in_prompts_are_warnings_of_the_dry_run_and_of_a_run(sdbatch):
    """They are planned and rendered as they are."""
    prompts = 'prompts=[{id: x, text: "{red|green sea"}, "((sky", "(sea:abc)"]'
    keys = ["model=fake", prompts, "negative='(fog'", "name=one"]
    said = sdbatch(*keys, "task=plan")
    warnings = [line for line in said.out.splitlines() if line.startswith("prompt ")]
    assert warnings == [
        'prompt x: column 1, "<here>{red|green sea": this { is not closed',
        'prompt sky: column 1, "<here>((sky": this ( is not closed',
        'prompt sky: column 2, "(<here>(sky": this ( is not closed',
        "prompt sea-abc: column 6, \"(sea:<here>abc)\": 'abc' is not a weight; for example write (sea:1.2)",
        'prompt negative: column 1, "<here>(fog": this ( is not closed',
    ]
    assert [line for line in sdbatch(*keys).err.splitlines() if line.startswith("prompt ")] == warnings
    report = json.loads(sdbatch(*keys, "task=plan", "plan.format=json").out)
    assert [f"prompt {w['text']}: {w['warning']}" for w in report["prompt_warnings"]] == warnings


def test_parts_and_breaks_are_no_words(sdbatch):
    said = sdbatch("model=tiny", 'prompts=["sea BREAK sky AND [boat:castle:0.5]"]', "task=plan", "plan.format=json")
    assert json.loads(said.out)["unknown_words"] == []
    assert json.loads(said.out)["to_render"]["rows"] == 3 * 24


def test_a_run_names_the_results(sdbatch):
    said = sdbatch("model=fake", "prompts=[a]", "name=one")
    assert re.fullmatch(r"one: 1 rendered in \d+:\d\d", said.out.splitlines()[0])
    assert "  gallery: outputs/one/index.html" in said.out
    assert "rendering 1 picture for 1 job\n" in said.err
    (image,) = (line for line in said.out.splitlines() if line.startswith("  images: "))
    assert image.endswith(".png")
    said = sdbatch("model=fake", "prompts=[a]", "name=one", "seeds=0..1", "gallery.enabled=false")
    first, *others = said.out.splitlines()
    assert re.fullmatch(r"one: 1 rendered, 1 done before in \d+:\d\d", first)
    assert others == ["  images: outputs/one/images"]


@pytest.mark.parametrize(("seconds", "words"), [(0.4, "0 s"), (59, "59 s"), (95, "1 min 35 s"), (7260, "2 h 1 min")])
def test_durations(seconds, words):
    assert duration(seconds) == words


def test_frames_of_a_finished_video_are_missed(sdbatch, tmp_path):
    """They are made while it is composed; its shots are there still."""
    video = ["model=fake", "name=f", "prompts=[a]", "canvas=[48x32]", "motion.mode=zoom", "motion.frames=3"]
    sdbatch(*video)
    said = sdbatch(*video, "output.frames=true")
    assert "videos finished before, without frames: 1 (remove" in said.out
    for path in tmp_path.glob("outputs/f/videos/*.mp4"):
        path.unlink()
    assert "without frames" not in sdbatch(*video, "output.frames=true").out
    assert len(list(tmp_path.glob("outputs/f/frames/*/*.png"))) == 3
