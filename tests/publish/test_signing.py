"""publish.sign: signed copies beside results that stay as they are, checked by task=check."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sdbatch.errors import ConfigError
from sdbatch.media import png
from tests.publish.conftest import MORE, run, working
from tests.publish.test_tampering import _listed_again


def _certificate(subject: str, key: Any, issuer: Any) -> x509.Certificate:
    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    own, start = key is issuer, datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    made = x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name("authority"))
    made = made.public_key(key.public_key()).serial_number(x509.random_serial_number())
    made = made.not_valid_before(start).not_valid_after(start + datetime.timedelta(days=36500))
    usage = x509.KeyUsage(True, False, False, False, False, own, own, False, False)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key())
    made = made.add_extension(x509.BasicConstraints(own, None), True).add_extension(usage, True)
    made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
    made = made.add_extension(identifier, False)
    if not own:
        made = made.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)
    return made.sign(issuer, hashes.SHA256())


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of an authority of our own, and its key."""
    authority, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    chain = [_certificate("me", key, authority), _certificate("authority", authority, authority)]
    form = serialization.PrivateFormat.PKCS8
    private = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    path = tmp_path_factory.mktemp("keys") / "cert.pem"
    path.write_bytes(b"".join(c.public_bytes(serialization.Encoding.PEM) for c in chain) + private)
    return path


@pytest.fixture
def signed(project: Path, tmp_path: Path, pem: Path) -> Path:
    with working(project):
        assert run("task=publish", publish=MORE | {"folder": str(tmp_path), "sign": str(pem)}) == 0
    return tmp_path / "little"


def test_copies_are_signed_and_results_are_not(project: Path, signed: Path, report: Callable[..., Any]) -> None:
    pictures = sorted((signed / "images").iterdir())
    for picture in pictures:
        copy = signed / "signed/images" / picture.name
        assert picture.read_bytes() == (project / "publish/little/images" / picture.name).read_bytes()
        assert b"caBX" in copy.read_bytes()
        assert np.array_equal(png.decode(copy), png.decode(picture))
        assert png.read_text(copy) == png.read_text(picture)
    code, said = report(signed.with_name("little.zip"))
    assert (code, said["signatures"]) == (0, {"valid": len(pictures)})
    assert b"PRIVATE KEY" not in b"".join(p.read_bytes() for p in signed.rglob("*") if p.is_file())


def test_a_copy_that_was_changed_does_not_fit_its_signature(signed: Path, report: Callable[..., Any]) -> None:
    """Also where all digests were made to fit."""
    copy = sorted((signed / "signed/images").iterdir())[0]
    data = bytearray(copy.read_bytes())
    data[-100] ^= 1
    copy.write_bytes(data)
    _listed_again(signed)
    code, said = report(signed, sample=0)
    assert code == 3
    assert said["signatures"]["invalid"] == 1
    assert {f["note"] for f in said["findings"]} == {"its signature does not fit"}
    copy.write_bytes(b"no picture")
    _listed_again(signed)
    assert report(signed, sample=0)[0] == 3


def test_without_the_library(project: Path, signed: Path, pem: Path, monkeypatch, report: Callable[..., Any]) -> None:
    monkeypatch.setitem(sys.modules, "c2pa", None)
    code, said = report(signed, sample=0)
    assert (code, said["signatures"]) == (0, {"not checked": 10})
    with working(project), pytest.raises(ConfigError, match=r"publish\.sign: needs the package c2pa-python"):
        run("task=publish", publish={"sign": str(pem)})


@pytest.mark.parametrize("damage", ["missing", "no key", "no certificate", "garbage"])
def test_a_file_that_cannot_sign(project: Path, tmp_path: Path, pem: Path, damage: str) -> None:
    text = pem.read_text()
    key = text.index("-----BEGIN PRIVATE")
    kinds = {"no key": text[:key], "no certificate": text[key:], "garbage": "x" * 99}
    if damage in kinds:
        (tmp_path / "mine.pem").write_text(kinds[damage])
    with working(project), pytest.raises(ConfigError, match=r"publish\.sign: 'mine\.pem' cannot be used"):
        run("task=publish", publish={"sign": str(tmp_path / "mine.pem"), "folder": str(tmp_path / "p")})
    assert not (tmp_path / "p").exists()


def test_digests_cannot_be_signed(project: Path, pem: Path) -> None:
    with working(project), pytest.raises(ConfigError, match=r"publish\.sign: needs the pictures themselves"):
        run("task=publish", publish={"sign": str(pem), "pictures": "digests"})
