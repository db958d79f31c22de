"""``still``: a picture. One shot, no video."""

from __future__ import annotations

USES: frozenset[str] = frozenset()
