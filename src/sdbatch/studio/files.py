"""Static files, and the galleries of experiments. No path leaves the folders that are served.

An experiment's folder may come from anybody, and the gallery runs on the same origin as the form. So nothing in it is
sent as a page or as a script: the page is the package's own, and its data scripts are read as JSON and rewritten.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from starlette.responses import FileResponse, Response

from sdbatch.files.media_types import TYPES

STATIC = Path(__file__).parent / "static"
SHARED = {name: Path(__file__).parents[1] / "gallery" / "static" / name for name in ("gallery.css", "shared.js")}
STATIC_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".woff2": "font/woff2",
}
GALLERY = (".png", ".jpg", ".webp", ".gif", ".mp4", ".webm", ".json")  # of galleries; everything else is not sent
SCRIPT_LIMIT = 64 * 2**20  # bytes of a data script
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_STATIC = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\.[a-z0-9]{2,5}")
_PART = re.compile(r"[^\x00-\x1f/\\:.~][^\x00-\x1f/\\:]{0,254}")
_SCRIPT = re.compile(rb'(?://[^\n]{0,200}\n)?sdbatch\("([a-z]{1,20})",(\{.*\})\);\n?', re.DOTALL)
_SCRIPT_NAME = re.compile(r"[a-z]{1,20}(-[0-9]{1,9})?\.js")


def static(name: str) -> Response:
    """A file of the page itself."""
    path = SHARED.get(name, STATIC / name)
    kind = STATIC_TYPES.get(path.suffix)
    if kind is None or not _STATIC.fullmatch(name) or not path.is_file():
        return missing()
    return FileResponse(path, media_type=kind)


def gallery(outputs: Path, name: str, path: str, download: bool) -> Response:
    """A file of the experiment ``name`` in ``outputs``."""
    parts = path.split("/")
    if not _NAME.fullmatch(name) or not all(map(_PART.fullmatch, parts)):
        return missing()
    if path == "index.html":
        from sdbatch.gallery import page  # here, as in ``studio``: the form is there sooner

        return Response(page.html(name), media_type="text/html") if (outputs / name).is_dir() else missing()
    root = (outputs / name).resolve()
    file = (root / path).resolve()  # links are followed, and must stay inside
    if not root.is_relative_to(outputs.resolve()) or not file.is_relative_to(root) or not file.is_file():
        return missing()
    if parts[0] == "gallery" and len(parts) == 2 and _SCRIPT_NAME.fullmatch(parts[1]):
        return _data_script(file)
    if file.suffix not in GALLERY:
        return missing()
    return FileResponse(file, media_type=TYPES[file.suffix], filename=file.name if download else None)


def _data_script(file: Path) -> Response:
    """A data script, if it is one: a call with JSON and nothing else."""
    if file.stat().st_size > SCRIPT_LIMIT:
        return missing()
    m = _SCRIPT.fullmatch(file.read_bytes())
    if m is None:
        return missing()
    from sdbatch.media.metadata import loads

    try:
        data = json.dumps(loads(m[2]), separators=(",", ":"))
    except ValueError:
        return missing()
    return Response(f'sdbatch("{m[1].decode()}",{data});\n', media_type="text/javascript")


def missing() -> Response:
    return Response('{"error": "there is no such file"}', 404, media_type="application/json")
