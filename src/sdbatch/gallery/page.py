"""index.html: template, style and scripts in one file, under a Content-Security-Policy that names their digests.

``'strict-dynamic'`` lets our script, and no other, bring in the data scripts beside the page; that holds for pages from
a file, from a server and inside a sandboxed frame, where ``'self'`` would not. Text never becomes markup: the browser
refuses it (``require-trusted-types-for``).
"""

from __future__ import annotations

import base64
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

_STATIC = Path(__file__).parent / "static"
SCRIPTS = ("core.js", "layout.js", "grid.js", "compare.js", "view.js", "takeaway.js", "toolbar.js", "main.js")
POLICY = (
    "default-src 'none'",
    "script-src {script} 'strict-dynamic'",
    "style-src {style}",
    "img-src 'self' file: blob: data:",
    "media-src 'self' file: blob:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types sdbatch",
)


def html(name: str) -> str:
    """The whole page of the experiment ``name`` (a slug); its data are scripts in gallery/."""
    template, style, script = _assets()
    policy = "; ".join(POLICY).format(script=_named(script), style=_named(style))
    for mark, text in (("NAME", name), ("POLICY", policy), ("STYLE", style), ("SCRIPT", script)):
        template = template.replace(f"{{{{{mark}}}}}", text)
    return template


@lru_cache(maxsize=1)
def _assets() -> tuple[str, str, str]:
    """Template, style and script; all scripts share one scope and nothing else does."""
    scripts = "\n".join((_STATIC / name).read_text("utf-8") for name in SCRIPTS)
    return (
        (_STATIC / "page.html").read_text("utf-8"),
        (_STATIC / "gallery.css").read_text("utf-8"),
        f'"use strict";\n(() => {{\n{scripts}}})();\n',
    )


def _named(text: str) -> str:
    return f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}'"
