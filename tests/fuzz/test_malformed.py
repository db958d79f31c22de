"""Malformed input of every kind, each with what the program says: an error (exit code 2) or a warning of the plan."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdbatch.errors import ConfigError
from tests.config.building import planned
from tests.sound.clicks import clicks, write

BEATS = {"wave": "beats", "from": 1, "to": 2}
SINE = {"wave": "sin", "period": "1s", "from": 1, "to": 2}
ZOOM = {"mode": "zoom", "seconds": 2, "fps": 8}

PROMPTS: dict[str, str] = {  # warnings and errors, each with a part of what is said
    "[a:b:": 'column 1, "<here>[a:b:": this [ is not closed',
    "[a:b:-1]": "the text changes before the first step (-1)",
    "[a:b:abc]": "'abc' is neither a step nor a share",
    "[a:b:1e9]": "'1e9' is neither a step nor a share",
    "[a:b:1.5]": "the text never changes",
    "[|]": "every alternative is empty",
    "AND AND": "this part of AND is empty",
    "a:1e999 AND b": "column 3, \"a:<here>1e999 AND b\": '1e999' is not a weight",
    "a AND b:nan": "'nan' is not a weight; for example write cat:1.2 AND dog",
    " AND ".join("abcdefghijklmnopqrst"): "only 16 parts are possible",
    "(sea AND [sky)": "AND divides the whole prompt, also between brackets",
    "{~nan::a|b}": "column 3, \"{~<here>nan::a|b}\": 'nan' is not a weight",
    "{a|-inf::b}": "'-inf' is not a weight",
    "{~-1::a|b}": "the weight -1 is negative",
    "{~0::a|0::b}": "every weight is 0",
    "{2-1$$a|b|c}": "the range 2-1 is empty",
    "{x$$a|b}": "'x' before $$ is not a number",
    "{0$$a|b}": "expands to an empty prompt",
    "{~|}": "expands to an empty prompt",
    "{@a|b}": "only ~ (a random choice) is known here",
    "${x=a}": "variables ${…} of dynamic-prompts are not known",
    "{a|b}" * 40: "expands to more than 10,000 variants",
    "{a|b": "this { is not closed",
    "a)b]c}": "this ) has no ( before it",
    "(a:nan)": "'nan' is not a weight",
    "(a:1e999)": "'1e999' is not a weight",
    "__/etc/passwd__": "is unknown in the folder 'wildcards'",
    "__colours/**/x__": "matches nothing in the folder 'wildcards'",
    "__loop__": "wildcards refer to each other",
    "__zero__": "every weight is 0",
    "__latin__": "is not UTF-8 text",
    "\ud800": "contains bytes that are not UTF-8 text",
}
SCHEDULES: list[tuple[Any, str]] = [
    (SINE | {"wave": ["sin"]}, "unknown wave ['sin']"),
    (SINE | {"period": 0}, "the period 0 is shorter than a frame"),
    (SINE | {"period": "end"}, "'end' is not a period"),
    (SINE | {"from": 0}, "motion.zoom.from: 0 is out of range"),
    (SINE | {"speed": 3}, "motion.zoom.speed: unknown key"),
    ([SINE, SINE], "is not a keyframe"),
    (BEATS, "wave beats needs encoding.audio"),
    (BEATS | {"times": [-1]}, "is not a list of increasing seconds"),
    (BEATS | {"times": ["1s"]}, "is not a list of increasing seconds"),
    (BEATS | {"times": [1], "period": 0}, "the period 0 is shorter than a frame"),
    ("0:(1/0)", "no finite value at frame 0"),
    ("0:(__import__('os'))", "unknown '__import__' in column 4"),
    ("0:(2**9)", "unknown '**' in column 5"),
    ("0:()", "')' is not expected in column 4"),
    (":", "the expression ends too early"),
    ("5:(1),2:(2)", "times must increase"),
    ("0:(" + "-(" * 200 + "1" + ")" * 200 + ")", "too long"),
    ([[0, 1], ["1m", 2]], "'1m' is not a time"),
]
AUDIO: list[tuple[Any, str]] = [
    ("text.mp3", "'text.mp3' has no sound that can be read"),
    ("empty.wav", "has no sound that can be read"),
    ("header.wav", "has no sound that can be read"),
    ("list.m3u8", "has no sound that can be read"),
    ("list.txt", "has no sound that can be read"),
    ("short.wav", "is shorter than 0.1 s"),
    ("folder", "is not a file"),
    ("fifo", "is not a file"),
    ("/dev/zero", "is not a file"),
    ("none.wav", "cannot be read: No such file or directory"),
    ("http://127.0.0.1:1/x.mp3", "cannot be read: No such file or directory"),
    ("concat:a.wav|b.wav", "cannot be read: No such file or directory"),
    ("~nobody-of-this-name/a.wav", "there is no such user"),
    ("a\0.wav", "is not a name of a file or folder"),
    ("x" * 300, "is not a name of a file or folder"),
    ("", "is not the name of a sound file"),
    (["a.wav"], "is not the name of a sound file"),
    ({"digest": "b2:" + "0" * 32}, "names no file"),
    ({"digest": "../x"}, "'../x' is not a digest"),
]
TABLES: list[tuple[bytes, str]] = [
    (b'text\n"a', "is not CSV: line 2"),
    (b'text\n"a" b\n', "is not CSV: line 2"),
    (b"text;text\na;b\n", "has a column twice"),
    (b"id,text\na b,c\n", "'a b' is not an id"),
    (b"id\nx\n", "has no column named text"),
    (b"text,negative\n,fog\n", "line 2: the text is empty"),
    (b"\0\0\0", "unknown column"),
    (b"\xff\xfe\xff", "it is not UTF-8 text"),
]
STYLES: list[tuple[bytes, str]] = [
    (b"", "has no columns name and prompt"),
    (b'name,prompt\na,"b\n', "is not CSV: line"),
    (b"\x93name\x94,prompt\na,b\n", "it is not UTF-8 text"),
    (b"name;prompt\nb;c\n", "there is no style 'a'"),
]


@pytest.fixture(scope="module", autouse=True)
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working folder with damaged files."""
    folder, before = tmp_path_factory.mktemp("malformed"), Path.cwd()
    os.chdir(folder)
    Path("wildcards").mkdir()
    for name, data in {
        "loop.txt": b"__loop__",
        "zero.txt": b"0::a\n0::b",
        "latin.txt": b"\xe9",
    }.items():
        Path("wildcards", name).write_bytes(data)
    Path("text.mp3").write_bytes(b"not a sound" * 500)
    Path("empty.wav").write_bytes(b"")
    Path("header.wav").write_bytes(clicks(Path("ok.wav")).read_bytes()[:30])
    Path("list.m3u8").write_text("#EXTM3U\n#EXTINF:5,\nok.wav\n")
    Path("list.txt").write_text("ffconcat version 1.0\nfile ok.wav\n")
    write(Path("short.wav"), np.zeros(1000))
    write(Path("silent.wav"), np.zeros(44_100))
    Path("folder").mkdir()
    os.mkfifo("fifo")
    yield folder
    os.chdir(before)


def said(**data: Any) -> str:
    """What the program says about ``data``: all mistakes, or all warnings of its plan."""
    try:
        return "\n".join(warning for _, warning in planned(data).notes)
    except ConfigError as e:
        return str(e)


@pytest.mark.parametrize(("prompt", "message"), PROMPTS.items(), ids=lambda text: ascii(text)[:30])
def test_prompts(prompt: str, message: str) -> None:
    assert message in said(prompts=[prompt])


@pytest.mark.parametrize(("zoom", "message"), SCHEDULES, ids=lambda value: ascii(value)[:30])
def test_schedules(zoom: Any, message: str) -> None:
    assert message in said(motion=ZOOM | {"zoom": zoom})


@pytest.mark.parametrize(("audio", "message"), AUDIO, ids=lambda value: ascii(value)[:30])
def test_audio(audio: Any, message: str) -> None:
    text = said(motion=ZOOM | {"zoom": 1}, encoding={"audio": audio})
    assert text.startswith("encoding.audio: ")
    assert message in text


def test_a_broken_wildcard_file_is_named() -> None:
    Path("broken").mkdir()
    Path("broken/x.yaml").write_text("a: [b")
    assert "the wildcard file x.yaml: line" in said(prompts=["__a__"], wildcards={"folder": "broken"})


def test_silence_has_no_beats_to_follow() -> None:
    text = said(motion=ZOOM | {"zoom": BEATS}, encoding={"audio": "silent.wav"})
    assert "motion.zoom: wave beats needs beats, and none are heard in 'silent.wav'" in text


@pytest.mark.parametrize(("data", "message"), TABLES, ids=lambda value: ascii(value)[:30])
def test_tables(data: bytes, message: str) -> None:
    Path("p.csv").write_bytes(data)
    assert message in said(prompts=[{"file": "p.csv"}])


@pytest.mark.parametrize(("data", "message"), STYLES, ids=lambda value: ascii(value)[:30])
def test_styles(data: bytes, message: str) -> None:
    Path("s.csv").write_bytes(data)
    assert message in said(styles={"file": "s.csv", "use": ["a"]})


@pytest.mark.parametrize("prompt", ["(" * 3000 + ")" * 3000, "{" * 3000 + "a|b" + "}" * 3000, "[" * 3000 + "a|b", "\\"])
def test_deep_nesting_is_planned(prompt: str) -> None:
    assert len(planned(prompts=[prompt])) in (1, 2)
