"""Which requests are answered, and the security headers of every answer. An ASGI middleware.

A page of another site can make a browser send requests here, and a name of its own can lead to this address (DNS
rebinding). So the name in ``Host`` must be one of this machine, ``Origin`` and ``Sec-Fetch-Site`` must be those of our
own page, and a request that changes something needs a header that other sites cannot send without being asked for.
"""

from __future__ import annotations

import hmac
import ipaddress
import json
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

HEADER = ("x-sdbatch", "studio")  # of requests that change something
LOCAL = frozenset(("127.0.0.1", "localhost", "::1"))
JSON_LIMIT = 4 * 2**20  # bytes of a body that is not an upload
UPLOAD_LIMIT = 64 * 2**20  # bytes of a dropped file
UPLOADS = ("/api/import",)
SAFE = frozenset(("GET", "HEAD"))
PAGE_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "frame-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
FRAME_POLICY = "frame-ancestors 'self'"  # the gallery's page has its own policy in its head
HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-cache",
}


class Refused(Exception):  # noqa: N818  (an answer)
    """The request is not answered: a status and a text for people."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Rules:
    """``token``: who does not have it is refused; empty: none. ``hosts``: names of this machine.

    ``port`` is part of the cookie's name, because browsers do not separate the cookies of ports.
    """

    token: str = ""
    hosts: Collection[str] = LOCAL
    port: int = 0

    @property
    def cookie(self) -> str:
        """The name of the cookie with the token."""
        return f"sdbatch_studio_{self.port}"

    def check(self, method: str, path: str, headers: dict[str, str]) -> None:
        """Raise Refused for a request that this server does not answer."""
        if not self._ours(headers.get("host", "")):
            raise Refused(403, "this server does not have that name; add it to studio.hosts")
        if method not in (*SAFE, "POST"):
            raise Refused(405, "only GET and POST")
        self._same_site(method, path, headers)
        if method not in SAFE and headers.get(HEADER[0]) != HEADER[1]:
            raise Refused(403, "the header X-Sdbatch: studio is missing")
        if self.token and not self._has_token(headers):
            raise Refused(403, "open the address that the studio has printed: it contains the token")

    def _ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return bool(name) and (name in self.hosts or (bool(self.token) and _is_address(name)))

    def _same_site(self, method: str, path: str, headers: dict[str, str]) -> None:
        """Only our own pages, and for the first page also a link or the address bar."""
        opened = method in SAFE and path == "/" and headers.get("sec-fetch-dest", "document") == "document"
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none") and not opened:
            raise Refused(403, "requests of other sites are not answered")
        origin = headers.get("origin")
        if origin is not None and _netloc(origin) != headers["host"]:
            raise Refused(403, "requests of other sites are not answered")

    def _has_token(self, headers: dict[str, str]) -> bool:
        given = headers.get("authorization", "").removeprefix("Bearer ")
        try:
            cookies = SimpleCookie(headers.get("cookie", ""))
        except CookieError:
            cookies = SimpleCookie()
        kept = cookies[self.cookie].value if self.cookie in cookies else ""
        return self.valid(given) or self.valid(kept)

    def valid(self, token: str) -> bool:
        """Whether ``token`` is the right one, in constant time."""
        return hmac.compare_digest(token.encode("utf-8", "replace"), self.token.encode())


def _netloc(origin: str) -> str | None:
    """The name and port in ``origin``; None if it cannot be read."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def _is_address(name: str) -> bool:
    """Whether ``name`` is an IP address: another site cannot point that to this machine."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class Guard:
    """Answers what ``rules`` refuse itself, and adds the headers to the answers of ``app``."""

    def __init__(self, app: App, rules: Rules) -> None:
        self._app = app
        self._rules = rules

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return  # a WebSocket is closed without an answer
        headers = _single(scope["headers"])
        try:
            if headers is None:
                raise Refused(400, "a header is given twice")
            if self._enters(scope):
                await _redirect(send, f"{self._rules.cookie}={self._rules.token}")
                return
            self._rules.check(scope["method"], scope["path"], headers)
            limit = UPLOAD_LIMIT if scope["path"] in UPLOADS else JSON_LIMIT
            await self._app(scope, _limited(receive, headers, limit), _with_headers(send, scope["path"]))
        except Refused as e:
            await _answer(send, e.status, str(e))

    def _enters(self, scope: Message) -> bool:
        """Whether this is the printed address with its token."""
        if not self._rules.token or scope["path"] != "/" or scope["method"] != "GET":
            return False
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])
        return self._rules.valid(given[0])


def _single(raw: list[tuple[bytes, bytes]]) -> dict[str, str] | None:
    """The headers by name; None if one that decides about the answer is given twice."""
    found: dict[str, str] = {}
    for name, value in raw:
        key = name.decode("latin-1").lower()
        if key in found and key in ("host", "origin", "content-length", "authorization", HEADER[0]):
            return None
        found[key] = value.decode("latin-1")
    return found


def _limited(receive: Receive, headers: dict[str, str], limit: int) -> Receive:
    """``receive`` that refuses more than ``limit`` bytes, before they are read if their number is announced."""
    text = f"more than {limit // 2**20} MiB"
    announced = headers.get("content-length", "0")
    if not announced.isascii() or not announced.isdigit() or int(announced[:20]) > limit:
        raise Refused(413, text)
    seen = 0

    async def limited() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            raise Refused(413, text)
        return message

    return limited


def _with_headers(send: Send, path: str) -> Send:
    policy = FRAME_POLICY if path.startswith("/gallery/") else PAGE_POLICY

    async def headed(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = {name for name, _ in message["headers"]}
            wanted = {**HEADERS, "content-security-policy": policy}
            more = [(k.encode(), v.encode()) for k, v in wanted.items() if k.encode() not in own]
            message = {**message, "headers": [*message["headers"], *more]}
        await send(message)

    return headed


async def _answer(send: Send, status: int, text: str) -> None:
    body = json.dumps({"error": text}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headed = _with_headers(send, "/")
    await headed({"type": "http.response.start", "status": status, "headers": headers})
    await headed({"type": "http.response.body", "body": body})


async def _redirect(send: Send, cookie: str) -> None:
    """Keep the token in a cookie that no script can read, and open the page without it in its address."""
    kept = f"{cookie}; Path=/; HttpOnly; SameSite=Lax"
    headers = [(b"location", b"/"), (b"set-cookie", kept.encode()), (b"content-length", b"0")]
    headed = _with_headers(send, "/")
    await headed({"type": "http.response.start", "status": 303, "headers": headers})
    await headed({"type": "http.response.body", "body": b""})
