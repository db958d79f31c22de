"""Hundreds of hostile requests: none is carried out, and none is answered with more than a refusal."""

from __future__ import annotations

import itertools
import json
import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from sdbatch.studio import guard
from sdbatch.studio.guard import LOCAL, Refused, Rules
from tests.studio.sessions import HEADERS, TOKEN, client, form, made, running

OURS = "http://127.0.0.1"
# fmt: off
HOSTS = ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "evil.example:80", "192.168.0.9",
         "0.0.0.0", "[::2]", "127.0.0.1@evil.example", "", "127.1", "2130706433", "0x7f.1", "localhost.", "["]
ORIGINS = ["http://evil.example", "null", "https://127.0.0.1:443", "http://127.0.0.1:8000", "http://127.0.0.1.evil.example",
           "file://", "http://localhost", "chrome-extension://x", "", "http://[", "http://127.0.0.1@evil.example"]
CHANGES = ["render", "final", "open", "check", "estimate", "camera", "import", "queue/clear", "queue/cancel",
           "queue/pause", "queue/e1/cancel", "queue/only/e1"]
ESCAPES = ["../../secret.png", "..%2f..%2fsecret.png", "%2e%2e/%2e%2e/secret.png", "....//secret.png", "/etc/passwd",
           "images/../../../secret.png", "images%5c..%5c..%5csecret.png", "images/\x00.png", "images/%00x.png",
           ".lock", "images/.hidden.png", "manifest.jsonl", "index.htm", "gallery/x.html", "gallery/../plan.js",
           "images/x.svg", "images/x.html", "images/x.js", "gallery/evil/plan.js", "~root/x.png", "C:/x.png",
           "images//x.png", "images/x.png/", "images/con.png:stream", "%252e%252e/secret.png"]
NAMES = ["sea", "..", ".", "%2e%2e", "sea%2f..", "SEA", "away", "sea\\..", "-", "a" * 300]
STATIC = ["../task.py", "..%2ftask.py", "%2e%2e%2ftask.py", "x.py", ".js", "a/b.js", "index.html.bak", "\x00.js",
          "..\\task.py", "main.js.map", "etc.passwd", "%2e%2e", "~.css"]
BODIES = [b"", b"[", b"[]", b"3", b"null", b'{"a": NaN}', b"[" * 50_000, b'{"fields": 3}', b'{"kind": "x"}',
          b'{"fields": {}, "more": 1}', b"\xff\xfe", b'{"fields": {"prompts": "x"}, "model": 3}', b'{"n": "x"}',
          b'{"name": "../x", "jobs": []}', b'{"paused": "yes"}', b'{"kind": "film"', b'"' + b"x" * 1000]
TYPES = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "text/json"]
NOT_OURS = ("/", "/api/queue", "/api/form", "/api/events", "/static/gallery.css")
METHODS = ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND"]
# fmt: on
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder beside a secret, with an experiment and a link out of the folder."""
    home = tmp_path / "home"
    (home / "outputs" / "sea" / "images").mkdir(parents=True)
    (tmp_path / "secret.png").write_bytes(b"secret")
    (home / "outputs" / "away").symlink_to(tmp_path)
    (home / "outputs" / "sea" / "manifest.jsonl").write_text("secret")
    (home / "outputs" / "sea" / "images" / "x.svg").write_text("<svg onload=alert(1) secret/>")
    monkeypatch.chdir(home)
    return home


GOOD = json.dumps(form(prompts="hostile")).encode()
SENT = {**HEADERS, **JSON}


def _from_elsewhere():
    """Requests with a foreign name, origin or site, or without the header."""
    for host, path in itertools.product(HOSTS, NOT_OURS):
        yield "GET", path, {"Host": host}, b""
    for host, change in itertools.product(HOSTS, CHANGES[:3]):
        yield "POST", f"/api/{change}", {**SENT, "Host": host}, GOOD
    for origin, change in itertools.product(ORIGINS, CHANGES):
        yield "POST", f"/api/{change}", {**SENT, "Origin": origin}, GOOD
    for site, change in itertools.product(("cross-site", "same-site", "x"), CHANGES):
        yield "POST", f"/api/{change}", {**SENT, "Sec-Fetch-Site": site}, GOOD
    for own, change in itertools.product((JSON, {**JSON, "X-Sdbatch": "other"}), CHANGES):
        yield "POST", f"/api/{change}", own, GOOD


def _damaged():
    """Bodies that are no form, types that are not JSON, methods and entries that do not exist."""
    for kind, change in itertools.product(TYPES, ("render", "final", "queue/pause", "import")):
        yield "POST", f"/api/{change}", {**HEADERS, "Content-Type": kind}, GOOD
    for body, change in itertools.product(BODIES, ("render", "final", "check", "open", "queue/pause")):
        yield "POST", f"/api/{change}", SENT, body
    for method, path in itertools.product(METHODS, ("/", "/api/render", "/api/queue/clear")):
        yield method, path, SENT, GOOD
    entries = ("..", "%2e%2e", "e1/../e2", "<script>", "e" * 5000, "'; --")
    for entry, act in itertools.product(entries, ("cancel", "again", "remove", "up", "explode")):
        yield "POST", f"/api/queue/{entry}/{act}", SENT, b"{}"


def _paths():
    """Files that are not served."""
    for path in ESCAPES:
        yield "GET", f"/gallery/sea/{path}", HEADERS, b""
    for name, path in itertools.product(NAMES[1:], ("secret.png", "../../secret.png")):
        yield "GET", f"/gallery/{name}/{path}", HEADERS, b""
    for name in STATIC:
        yield "GET", f"/static/{name}", HEADERS, b""


def test_no_hostile_request_does_anything(folder):
    studio = made()
    page = client(studio, headers={})
    before = sorted(p.relative_to(folder) for p in folder.rglob("*"))
    requests = [*_from_elsewhere(), *_damaged(), *_paths()]
    assert len(requests) >= 500
    for method, path, headers, body in requests:
        answer = page.request(method, path.replace("\x00", "%00"), headers=headers, content=body)
        assert 400 <= answer.status_code < 500, (method, path, headers, body[:60], answer.text[:200])
        assert "secret" not in answer.text
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers.get("content-type", "application/json") == "application/json"
    assert sorted(p.relative_to(folder) for p in folder.rglob("*")) == before
    assert studio.snapshot()["entries"] == []


def test_prompts_are_never_markup(folder):
    page = client(made())
    evil = "</script><img src=x onerror=alert(1)>\u2028\"'`${alert(1)}"
    found = page.order("/api/render", form(prompts=[evil], negative=evil, name="evil"))
    assert found["entry"]["title"] == evil
    for path in ("/api/queue", "/api/experiments"):
        answer = page.get(path)
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
    policy = page.get("/").headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "require-trusted-types-for 'script'" in policy


def test_bodies_that_are_too_large_are_refused_before_they_are_read(folder, monkeypatch):
    monkeypatch.setattr(guard, "JSON_LIMIT", 2**20)
    monkeypatch.setattr(guard, "UPLOAD_LIMIT", 2 * 2**20)
    page = client(made())
    octets = {"Content-Type": "application/octet-stream"}
    assert page.post("/api/import?name=x.png", content=b"x" * (3 * 2**20), headers=octets).status_code == 413
    assert page.post("/api/check", content=b" " * 2**21, headers=JSON).status_code == 413

    def pieces():
        yield from itertools.repeat(b" " * 2**16, 40)

    assert page.post("/api/check", content=pieces(), headers=JSON).status_code == 413
    assert page.post("/api/check", content=b"{}", headers={**JSON, "Content-Length": "-1"}).status_code == 413


def test_who_does_not_have_the_token_is_refused(folder):
    studio = made()
    page = client(studio, TOKEN)
    assert page.get("/").status_code == 403
    assert page.get("/?token=wrong").status_code == 403
    assert page.get("/api/queue", headers={"Authorization": "Bearer wrong"}).status_code == 403
    assert page.get("/api/queue", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    entered = page.get(f"/?token={TOKEN}", follow_redirects=False)
    assert (entered.status_code, entered.headers["location"]) == (303, "/")
    assert "HttpOnly" in entered.headers["set-cookie"]
    assert page.get("/").status_code == 200
    assert page.get("/", headers={"Host": "192.168.0.9:80"}).status_code == 200  # no site can have this name
    assert page.get("/", headers={"Host": "evil.example"}).status_code == 403


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8765", "localhost:9000", "[::1]:8765"])
def test_names_of_this_machine_are_answered_at_any_port(host):
    Rules("", LOCAL).check("GET", "/", {"host": host})
    Rules("", LOCAL).check("POST", "/api/x", {"host": host, "origin": f"http://{host}", "x-sdbatch": "studio"})


def test_a_link_to_the_page_works_and_one_to_its_data_does_not():
    link = {"host": "localhost", "sec-fetch-site": "cross-site", "sec-fetch-dest": "document"}
    Rules("", LOCAL).check("GET", "/", link)
    for headers in (link | {"sec-fetch-dest": "iframe"}, link | {"sec-fetch-dest": "image"}):
        with pytest.raises(Refused):
            Rules("", LOCAL).check("GET", "/", headers)
    with pytest.raises(Refused):
        Rules("", LOCAL).check("GET", "/api/queue", link)


TWO = b"Content-Length: 2\r\nContent-Length: 3\r\n"
SOCKET = b"Connection: Upgrade\r\nUpgrade: websocket\r\nOrigin: http://evil.example\r\n"
RAW = [
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
    b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    b"GET /static/../../task.py HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /gallery/sea/../../../secret.png HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"POST /api/queue/clear HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n",
    b"POST /api/render HTTP/1.1\r\nHost: localhost\r\nX-Sdbatch: studio\r\n" + TWO + b"\r\n{}",
    b"GET /api/events HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n" + SOCKET + b"\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 200_000 + b"\r\n\r\n",
]


def test_raw_requests_on_a_real_socket_are_refused(folder):
    with running(folder, "model=tiny") as studio:
        port = int(studio.address.rstrip("/").rpartition(":")[2])
        for raw in RAW:
            with socket.create_connection(("127.0.0.1", port), 20) as connection:
                connection.sendall(raw + b"\r\n\r\n" if raw.startswith(b"\x16") else raw)
                connection.shutdown(socket.SHUT_WR)
                answer = connection.recv(65536)
            assert not answer or answer.split()[1].startswith(b"4"), (raw[:80], answer[:200])
        request = urllib.request.Request(studio.address + "api/queue/clear", b"{}", {"Content-Type": "text/plain"})
        with pytest.raises(urllib.error.HTTPError) as e:
            urllib.request.urlopen(request, timeout=20)
        e.value.close()
        assert studio.ask("/api/queue")["version"] == 1
        assert studio.ask("/api/form")["start"]["model"] == "tiny"
        assert studio.ask("/api/check", form(model="tiny", prompts="a sea"))["jobs"] == 1
        loaded = Path(f"/proc/{studio.process.pid}/maps").read_text()
        assert "libtorch" not in loaded
        assert studio.stop() == 130
