"""``still``: a picture. One shot, no film."""

from __future__ import annotations

USES: frozenset[str] = frozenset()
