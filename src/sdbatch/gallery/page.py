"""index.html: template, style and scripts in one file, with a Content-Security-Policy that contains their digests.

With ``'strict-dynamic'`` the page's own script, and no other, can load the data scripts next to the page. This works
for pages from a file, from a server and inside a sandboxed frame, where ``'self'`` does not. Text cannot become markup:
the browser prevents it (``require-trusted-types-for``).
"""

from __future__ import annotations

import base64
import re
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

_EXPORT = re.compile(r"^export (?=const|function)", re.M)
_STATIC = Path(__file__).parent / "static"
SCRIPTS = (
    "shared.js",
    "core.js",
    "layout.js",
    "labels.js",
    "grid.js",
    "compare.js",
    "view.js",
    "exports.js",
    "toolbar.js",
    "main.js",
)
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
    """The HTML of the page of the experiment ``name`` (a slug). Its data are loaded as scripts from gallery/."""
    template, style, script = _assets()
    policy = "; ".join(POLICY).format(script=_source_hash(script), style=_source_hash(style))
    for placeholder, text in (("NAME", name), ("POLICY", policy), ("STYLE", style), ("SCRIPT", script)):
        template = template.replace(f"{{{{{placeholder}}}}}", text)
    return template


@lru_cache(maxsize=1)
def _assets() -> tuple[str, str, str]:
    """Template, style and script. All scripts share one function scope, in which nothing is exported."""
    scripts = _EXPORT.sub("", "\n".join((_STATIC / name).read_text("utf-8") for name in SCRIPTS))
    return (
        (_STATIC / "page.html").read_text("utf-8"),
        (_STATIC / "gallery.css").read_text("utf-8"),
        f'"use strict";\n(() => {{\n{scripts}}})();\n',
    )


def _source_hash(text: str) -> str:
    """The CSP source expression of an inline script or style."""
    return f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}'"
