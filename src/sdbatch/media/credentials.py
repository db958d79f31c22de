"""Content credentials (C2PA) of a copy of a picture or video: who vouches for it, and that a model made it.

Needs the extra ``sdbatch[sign]``. A signed file is other bytes each time, so results themselves are never signed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO, Any

from sdbatch.errors import ConfigError
from sdbatch.files.media_types import TYPES
from sdbatch.version import __version__

KEY = "publish.sign"
FORMATS = (".png", ".webp", ".gif", ".mp4")
_SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
_CREATED = {"label": "c2pa.actions.v2", "data": {"actions": [{"action": "c2pa.created", "digitalSourceType": _SOURCE}]}}
_SETTINGS = {"builder": {"thumbnail": {"enabled": False}}}
_UNTRUSTED = "signingCredential.untrusted"


class Signer:
    """Signs with the certificates (the signer's first) and the private key of a PEM file. Raises ConfigError."""

    def __init__(self, pem: Path) -> None:
        self._c2pa = library()
        try:
            data = pem.read_bytes()
            if not (chain := _blocks(data, b"CERTIFICATE")):
                raise ValueError("it contains no certificate")
            info = self._c2pa.C2paSignerInfo(_algorithm(data), chain, _key_block(data), None)
            self._signer = self._c2pa.Signer.from_info(info)
        except (OSError, ValueError, TypeError, self._c2pa.C2paError) as e:
            why = getattr(e, "strerror", None) or str(e) or type(e).__name__
            hint = "a PEM file with the certificate, those of its issuers, and the private key"
            raise ConfigError.one(KEY, f"{pem.name!r} cannot be used: {why}", hint) from e

    def sign(self, source: Path, to: Path) -> None:
        """Write a signed copy of ``source``, whose format is in ``FORMATS``. Raises ValueError, OSError."""
        manifest = {"claim_generator_info": [{"name": "sdbatch", "version": __version__}], "title": source.name}
        settings = self._c2pa.Settings.from_dict(_SETTINGS)
        builder = self._c2pa.Builder(manifest | {"assertions": [_CREATED]}, self._c2pa.Context(settings))
        try:
            with source.open("rb") as f, to.open("w+b") as out:
                builder.sign(self._signer, TYPES[source.suffix], f, out)
        except self._c2pa.C2paError as e:
            raise ValueError(f"cannot be signed: {e}") from e


def state(file: IO[bytes], suffix: str) -> str:
    """``trusted``, ``valid`` (the signer is unknown here) or ``invalid``. Raises ConfigError without C2PA."""
    c2pa = library()
    try:
        found: dict[str, Any] = json.loads(c2pa.Reader(TYPES[suffix], file).json())
        failures = {f["code"] for f in found["validation_results"]["activeManifest"]["failure"]}
    except (c2pa.C2paError, KeyError, ValueError, TypeError):
        return "invalid"
    return "trusted" if not failures else "valid" if failures == {_UNTRUSTED} else "invalid"


def library() -> Any:
    """The package c2pa. Raises ConfigError."""
    try:
        import c2pa
    except ImportError as e:
        raise ConfigError.one(KEY, "needs the package c2pa-python", "pip install 'sdbatch[sign]'") from e
    return c2pa


def _algorithm(pem: bytes) -> str:
    """The C2PA name of the private key's algorithm. Raises ValueError, TypeError."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key(_key_block(pem), None)
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.key_size in (256, 384):
        return f"es{key.curve.key_size}"
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(key, rsa.RSAPrivateKey):
        return "ps256"
    raise ValueError("the private key is not of P-256, P-384, Ed25519 or RSA")


def _key_block(pem: bytes) -> bytes:
    return next((found for kind in (b"PRIVATE KEY", b"EC PRIVATE KEY") if (found := _blocks(pem, kind))), b"")


def _blocks(pem: bytes, kind: bytes) -> bytes:
    """The blocks of one kind in a PEM file."""
    begin, end = b"-----BEGIN %s-----" % kind, b"-----END %s-----" % kind
    pieces = (piece.partition(end)[0] for piece in pem.split(begin)[1:])
    return b"".join(b"%s%s%s\n" % (begin, piece, end) for piece in pieces)
