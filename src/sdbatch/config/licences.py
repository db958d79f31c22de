"""Identifiers of licences, by SPDX's list (https://spdx.org/licenses/)."""

from __future__ import annotations

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from sdbatch.errors import closest, shown

PATTERN = r"^[A-Za-z0-9][A-Za-z0-9.+-]{0,63}$"
# Those that results are published under, to suggest: the whole list has 700, and many with like names.
_COMMON = (
    *("CC-BY-4.0", "CC-BY-SA-4.0", "CC-BY-NC-4.0", "CC-BY-NC-SA-4.0", "CC-BY-ND-4.0", "CC-BY-NC-ND-4.0", "CC0-1.0"),
    *("Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "GPL-3.0-or-later", "ODbL-1.0", "PDDL-1.0", "Unlicense"),
)


def spdx(value: str) -> str:
    """``value`` as SPDX writes it. Raises ValueError for what it does not list, except LicenseRef-…"""
    try:
        return canonicalize_license_expression(value)
    except InvalidLicenseExpression:
        known = {name.lower().replace("-", "_"): name for name in _COMMON}  # as ``closest`` compares
        found = known.get(closest(value, known))
        hint = f"did you mean {found!r}?" if found else "write CC-BY-4.0, CC0-1.0, … or LicenseRef-NAME"
        raise ValueError(f"{shown(value)} is not an SPDX identifier ({hint})") from None
