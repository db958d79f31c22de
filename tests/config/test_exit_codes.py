"""Errors that are not fault of the configuration end with a code and one line, never with a traceback."""

from __future__ import annotations

from sdbatch import cli
from sdbatch.errors import StoreError
from sdbatch.runner.loop import MAX_CRASHES

RENDER = ("model=fake", "canvas=[64x64]", "gallery.enabled=false")


def test_a_renderer_that_fails_at_everything_is_one_line(sdbatch):
    said = sdbatch(*RENDER, "prompts=[a sea]", f"seeds=0..{MAX_CRASHES}", "model.fake.crash=[sea]")
    assert said.code == 1
    last = said.err.splitlines()[-1]
    assert last.startswith(f"sdbatch: the renderer failed {MAX_CRASHES} times in a row")
    assert "simulates a crash" in last
    assert "Traceback" not in said.err


def test_a_renderer_that_crashes_at_one_picture_costs_that_one(sdbatch):
    said = sdbatch(*RENDER, "prompts=[a sea, a hill, a lake]", "model.fake.crash=[sea]")
    assert said.code == 1
    assert "untitled: 2 rendered, 1 failed" in said.out
    assert "Traceback" not in said.err


def test_a_store_error_is_one_line(sdbatch, monkeypatch):
    def no_room(*_: object) -> int:
        raise StoreError("no room left")

    monkeypatch.setattr("sdbatch.tasks.dispatch.run", no_room)
    said = sdbatch(*RENDER)
    assert (said.code, said.err) == (1, "sdbatch: no room left\n")


def test_windows_is_refused_in_words(sdbatch, monkeypatch):
    monkeypatch.setattr(cli.sys, "platform", "win32")
    said = sdbatch(*RENDER)
    assert said.code == 2
    assert "WSL" in said.err
