"""The metadata of files: JSON (the complete job and profile), the infotext and the XMP mark; written and read.

Holds no time, host, user or path: rendered again it is the same bytes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sdbatch import motion, video_reader
from sdbatch.media import infotext, png, xmp
from sdbatch.media.chunks import MAX_TEXT, SIGNATURE
from sdbatch.spec.file_names import is_video, sidecar
from sdbatch.spec.jobs import Job
from sdbatch.spec.renderer import Profile
from sdbatch.version import __version__

JPEG = b"\xff\xd8\xff"
KEY = "sdbatch"  # key of the JSON in a PNG, and of the version in the JSON


def describe(job: Job, profile: Profile) -> dict[str, Any]:
    """Job and profile as plain data, sufficient to reproduce the file."""
    about = {"id": job.id, "kind": "film" if job.video else "picture", **motion.job_spec(job)}
    more = {k: v for k, v in (("slug", job.slug), ("origin", job.origin)) if v}
    return {KEY: __version__, "job": about, **more, "profile": profile.asdict()}


def dumps(data: dict[str, Any]) -> str:
    """One line of ASCII JSON, which all containers preserve, including lone surrogates in a prompt."""
    return json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))


def png_text(job: Job, profile: Profile) -> tuple[dict[str, str], str]:
    """The texts and the XMP packet for ``png.encode`` of a picture job (of a video: of the picture it derives from)."""
    texts = {"parameters": infotext.write(job.shot, job.passes), KEY: dumps(describe(job, profile))}
    return texts, xmp.packet(job.shot.prompt)


def read(path: Path | str) -> dict[str, Any]:
    """The data of :func:`describe`, from a PNG, a video or the ``.json`` of a video.

    A PNG of another program gives ``{"parameters": infotext.parse(...)}``. Raises ValueError if the file cannot be
    read, is damaged or says nothing; trusts nothing, so the caller validates the fields.
    """
    path = Path(path)
    try:
        with path.open("rb") as f:
            head = f.read(64)
        if head.startswith(SIGNATURE) and not is_video(path):  # an animated PNG has the same first bytes
            return _from_png(path)
        if head.lstrip().startswith(b"{"):
            return _from_json(path)
        if head.startswith(JPEG):
            raise ValueError("is a JPEG, whose metadata is not supported; use the original PNG")
        text = _of_video(path)
        if text is None and (beside := sidecar(path)).is_file():  # GIF and WebP have no metadata
            return _from_json(beside)
    except OSError as e:
        raise ValueError(f"cannot be read: {e.strerror or e}") from e
    if text is None:
        raise ValueError("has no metadata about how it was rendered")
    return loads(text)


def _of_video(path: Path) -> str | None:
    try:
        return video_reader.read_metadata(path)
    except ValueError as e:
        reason = str(e).removeprefix("damaged video: ")
        raise ValueError(f"is not a PNG, a video or a .json that can be read ({reason})") from e


def loads(text: str | bytes) -> dict[str, Any]:
    """Parse a JSON object. Raises ValueError for anything else, including extreme nesting and length."""
    try:
        data = json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("damaged metadata: nested too deeply") from None
    except ValueError as e:
        raise ValueError(f"damaged metadata: {e}") from None
    if not isinstance(data, dict):
        raise ValueError("damaged metadata: not a JSON object")
    return data


def _from_png(path: Path) -> dict[str, Any]:
    texts = png.read_text(path)
    if KEY in texts:
        return loads(texts[KEY])
    if "parameters" in texts:
        return {"parameters": infotext.parse(texts["parameters"])}
    raise ValueError("has no metadata about how it was rendered")


def _from_json(path: Path) -> dict[str, Any]:
    with path.open("rb") as f:
        data = f.read(MAX_TEXT + 1)
    if len(data) > MAX_TEXT:
        raise ValueError(f"more than {MAX_TEXT:,} bytes of metadata")
    return loads(data)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
