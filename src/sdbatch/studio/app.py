"""The routes: checks what requests contain, and calls the studio in worker threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from sdbatch.errors import StoreError
from sdbatch.studio import files
from sdbatch.studio.events import TooMany
from sdbatch.studio.form import Form, Opened, Wanted
from sdbatch.studio.guard import App, Guard, Refused, Rules
from sdbatch.studio.queue import Conflict
from sdbatch.studio.studio import Studio

M = TypeVar("M", bound=BaseModel)
Endpoint = Callable[[Request], Any]


class Paused(BaseModel):
    """Whether new entries start."""

    model_config = ConfigDict(extra="forbid", strict=True)

    paused: bool


def app(studio: Studio, rules: Rules) -> App:
    """The application, guarded by ``rules``."""
    routes = Routes(studio)
    handlers = {
        Refused: _refused,
        HTTPException: _http_error,
        KeyError: _no_entry,
        Conflict: routes.conflict,
        StoreError: _cannot_write,
        ClientDisconnect: _no_body,
    }
    return Guard(Starlette(routes=routes.table(), exception_handlers=handlers), rules)


class Routes:
    """The endpoints of one studio."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    def table(self) -> list[Route]:
        s = self._studio
        reads = {"/api/form": s.form, "/api/queue": s.snapshot, "/api/experiments": s.experiments}
        posts = {
            "/api/check": _posting(Form, s.check),
            "/api/estimate": _posting(Form, s.estimate),
            "/api/camera": _posting(Form, s.camera),
            "/api/render": _posting(Form, s.render),
            "/api/open": _posting(Opened, s.open),
            "/api/final": _posting(Wanted, s.final),
            "/api/import": self._import,
            **{path: self._changing(call) for path, call in self._changes().items()},
        }
        return [
            Route("/", self._page),
            Route("/static/{name}", self._static),
            Route("/gallery/{name}/{path:path}", self._gallery),
            Route("/api/events", self._events),
            *(Route(path, _answering(call)) for path, call in reads.items()),
            *(Route(path, endpoint, methods=["POST"]) for path, endpoint in posts.items()),
        ]

    def _changes(self) -> dict[str, Callable[[Request, Any], None]]:
        """The requests that change the queue."""
        s = self._studio
        return {
            "/api/queue/clear": lambda r, _: s.clear(),
            "/api/queue/cancel": lambda r, _: s.cancel_all(),
            "/api/queue/pause": lambda r, body: s.pause(_checked(Paused, body).paused),
            "/api/queue/only/{id}": lambda r, _: s.cancel_all(r.path_params["id"]),
            "/api/queue/{id}/cancel": lambda r, _: s.cancel(r.path_params["id"]),
            "/api/queue/{id}/again": lambda r, _: s.again(r.path_params["id"]),
            "/api/queue/{id}/remove": lambda r, _: s.remove(r.path_params["id"]),
            "/api/queue/{id}/up": lambda r, _: s.move(r.path_params["id"], "up"),
            "/api/queue/{id}/down": lambda r, _: s.move(r.path_params["id"], "down"),
            "/api/queue/{id}/first": lambda r, _: s.move(r.path_params["id"], "first"),
        }

    def _changing(self, call: Callable[[Request, Any], None]) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            body = await request.body()
            await run_in_threadpool(call, request, await _json(request) if body else {})
            return JSONResponse(self._studio.snapshot())

        return endpoint

    async def _page(self, request: Request) -> Response:
        return files.static("index.html")

    async def _static(self, request: Request) -> Response:
        return files.static(request.path_params["name"])

    async def _gallery(self, request: Request) -> Response:
        found = request.path_params
        download = "download" in request.query_params
        return await run_in_threadpool(
            files.gallery, self._studio.workspace.output, found["name"], found["path"], download
        )

    async def _events(self, request: Request) -> Response:
        try:
            stream = self._studio.events.subscribe()
        except TooMany:
            raise Refused(429, "too many pages are open") from None
        return StreamingResponse(stream, media_type="text/event-stream", headers={"cache-control": "no-store"})

    async def _import(self, request: Request) -> Response:
        if request.headers.get("content-type") != "application/octet-stream":
            raise Refused(415, "send the file as application/octet-stream")
        name, model = (request.query_params.get(key, "")[:255] for key in ("name", "model"))
        return JSONResponse(await run_in_threadpool(self._studio.dropped, name, await request.body(), model))

    async def conflict(self, request: Request, error: Exception) -> Response:
        """Another page was faster."""
        return JSONResponse({"error": str(error), "queue": self._studio.snapshot()}, 409)


def _answering(call: Callable[[], dict[str, Any]]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(call))

    return endpoint


def _posting(model: type[M], call: Callable[[M], dict[str, Any]]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(call, _checked(model, await _json(request))))

    return endpoint


async def _json(request: Request) -> dict[str, Any]:
    """The body, which must be a JSON object."""
    from sdbatch.media.metadata import loads

    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise Refused(415, "send application/json")
    try:
        return loads(await request.body())
    except ValueError as e:
        raise Refused(422, str(e)) from e


def _checked(model: type[M], body: Any) -> M:
    try:
        return model.model_validate(body)
    except ValidationError as e:
        first = e.errors(include_url=False)[0]
        raise Refused(422, f"{'.'.join(map(str, first['loc']))}: {first['msg']}"[:300]) from e


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return JSONResponse({"error": str(error)}, error.status)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code)


async def _no_entry(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": "there is no such entry"}, 404)


async def _cannot_write(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 507)


async def _no_body(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": "the request ended early"}, 400)
