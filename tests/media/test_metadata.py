"""Every file says how it was made, and reading it back trusts nothing."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sdbatch import __version__, motion
from sdbatch.media import metadata, png, xmp
from sdbatch.motion.settings import Motion
from sdbatch.spec.jobs import Encoding, Job, Shot
from sdbatch.spec.renderer import Profile

BLACK = np.zeros((8, 8, 3), np.uint8)
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"

SILENT = [
    *(
        b"",
        b"{",
        b"[1]",
        b"{" * 100_000,
        b'{"a":' * 100_000,
        b'{"a": NaN}',
        b"\xff\xfe",
        b'{"a": ' + b"9" * 5000 + b"}",
    ),
    *(png.encode(BLACK), png.encode(BLACK, {"sdbatch": "[]"}), png.encode(BLACK, {"sdbatch": "[" * 100_000})),
    *(b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", b"ffconcat version 1.0\nfile /etc/passwd\n"),
]


@pytest.fixture
def job(shot: Shot) -> Job:
    return motion.make(replace(shot, prompt='"torii" <gate> & 鳥居 \ud800\x07'), Motion(), Encoding(), "torii")


def test_a_picture_says_job_and_profile(job: Job, profile: Profile, tmp_path: Path) -> None:
    texts, packet = metadata.png_text(job, profile)
    (tmp_path / "a.png").write_bytes(png.encode(BLACK, texts, packet))
    found = metadata.read(tmp_path / "a.png")
    assert found == json.loads(json.dumps(metadata.describe(job, profile)))
    assert found["sdbatch"] == __version__
    assert found["job"]["id"] == job.id
    assert found["job"]["kind"] == "picture"
    assert found["job"]["shot"]["prompt"] == job.shot.prompt
    assert found["profile"]["versions"] == {"python": "3.11"}
    assert list(png.read_text(tmp_path / "a.png")) == ["parameters", "sdbatch", png.XMP_KEY]


def test_a_video_says_its_motion(video_job: Job, profile: Profile, make_video: Callable[..., Path]) -> None:
    said = metadata.describe(video_job, profile)
    assert said["job"]["kind"] == "film"
    assert said["job"]["motion"]["frames"] == 6
    found = metadata.read(make_video(metadata=metadata.dumps(said)))
    assert found == json.loads(metadata.dumps(said))


def test_a_video_without_room_is_read_from_the_file_beside_it(make_video: Callable[..., Path]) -> None:
    path = make_video("a.gif", codec="gif", metadata='{"a": 1}')
    with pytest.raises(ValueError, match="has no metadata"):
        metadata.read(path)
    path.with_suffix(".json").write_text('{"a": 1}')
    assert metadata.read(path) == {"a": 1}
    assert metadata.read(path.with_suffix(".json")) == {"a": 1}


def test_another_programs_picture_gives_its_parameters(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png.encode(BLACK, {"parameters": "cat\nSteps: 3, Seed: 1, Size: 8x8"}))
    assert metadata.read(tmp_path / "a.png")["parameters"]["steps"] == 3


@pytest.mark.parametrize("content", SILENT)
def test_files_that_say_nothing_are_value_errors(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(ValueError, match=r".{5,}"):
        metadata.read(tmp_path / "a.mp4")


def test_no_file_and_a_folder_are_value_errors(tmp_path: Path) -> None:
    for path in (tmp_path / "a", tmp_path):
        with pytest.raises(ValueError, match="cannot be read"):
            metadata.read(path)


@given(st.text())
@settings(deadline=None, derandomize=True)
def test_the_mark_is_xml_for_every_prompt(prompt: str) -> None:
    root = ET.fromstring(xmp.packet(prompt).encode())
    assert root.find(f".//{RDF}Description/{{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}}DigitalSourceType").text == (
        "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    )
    text = root.find(f".//{RDF}li")
    if prompt.isprintable() and prompt:
        assert text is not None
        assert text.text == prompt


def test_pillow_finds_the_mark(job: Job, profile: Profile, tmp_path: Path) -> None:
    texts, packet = metadata.png_text(job, profile)
    (tmp_path / "a.png").write_bytes(png.encode(BLACK, texts, packet))
    with Image.open(tmp_path / "a.png") as image:
        assert xmp.SOURCE_TYPE.encode() in image.info["xmp"]


def test_the_mark_names_the_tool() -> None:
    assert f"<xmp:CreatorTool>sdbatch {__version__}</xmp:CreatorTool>" in xmp.packet()
    assert "description" not in xmp.packet()
