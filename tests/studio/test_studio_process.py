"""The studio as a program: it renders, stops, goes on and ends in order, beside real processes."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import queue
import signal
import socket
import sys
from importlib import util
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest

import sdbatch
from sdbatch import cli
from sdbatch.config.tasks import StudioSettings
from sdbatch.errors import ConfigError
from sdbatch.studio import child, dispatcher, task
from sdbatch.studio.form import Form
from sdbatch.studio.queue import Entry, Queue, new_id
from sdbatch.studio.workspace import Workspace
from tests.patience import runs, until
from tests.studio.sessions import form, made, running

SLOW = {"delay": 0.3}  # seconds per picture


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SDBATCH_MODEL", raising=False)
    return tmp_path


def small(name, seeds="0..1", **fields):
    return form(name=name, prompts="a sea", seeds=seeds, canvas="64x64", **fields)


def test_what_is_rendered_is_what_the_command_line_renders(folder):
    film = form("film", name="film", prompts="a sea", canvas="64x64", motion__mode="zoom", motion__frames="4")
    half = form(name="half", prompts=["good", "bad"], canvas="64x64", model__fake={"fail": ["bad"]})
    with running(folder, "model=fake") as studio:
        studio.ask("/api/render", small("one"))
        studio.wait_for(one="done")
        (first,) = studio.renderers()
        studio.ask("/api/queue/pause", {"paused": True})
        for sent in (film, half, small("changed")):
            assert studio.ask("/api/render", sent)["problems"] == []
        Path("experiments/changed.yaml").write_text("prompts: [a]\nseedz: 3\n")
        studio.ask("/api/queue/pause", {"paused": False})
        studio.wait_for(film="done", half="failed", changed="failed")
        assert studio.renderers() == [first]
        found = {e["name"]: e for e in studio.queue()}
        assert (found["one"]["jobs"], found["one"]["done"], found["one"]["failed"]) == (2, 2, 0)
        assert found["one"]["gallery"] == "/gallery/one/index.html"
        assert (found["half"]["done"], found["half"]["failed"]) == (1, 1)
        assert found["half"]["failures"][0]["error"] == "simulated failure"
        assert "did you mean 'seeds'" in found["changed"]["error"]
        assert studio.ask("/api/queue")["renderer"]["state"] == "ready"
        assert studio.stop() == 130
        assert not runs(first)
    for name in ("one", "film"):
        again = list(sdbatch.load(f"experiments/{name}.yaml").plan().render())
        assert again
        assert not any(result.new for result in again)


def test_an_entry_is_cancelled_after_its_picture_and_resumes_and_a_killed_renderer_is_shown(folder):
    with running(folder, "model=fake") as studio:
        studio.ask("/api/render", small("slow", "0..99", model__fake=SLOW))
        studio.ask("/api/render", small("next"))
        until(lambda: studio.queue()[0]["done"] > 1)
        entry = studio.queue()[0]
        assert (entry["name"], entry["progress"]["total"]) == ("slow", 100)
        studio.ask(f"/api/queue/{entry['id']}/cancel", {})
        studio.wait_for(slow="cancelled", next="done")
        slow = next(e for e in studio.queue() if e["name"] == "slow")
        assert 1 < slow["done"] < 100
        assert len(list(Path("outputs/slow/images").glob("*.png"))) == slow["done"]

        studio.ask(f"/api/queue/{slow['id']}/again", {})
        studio.ask("/api/render", small("third"))
        until(lambda: studio.queue()[0]["done"] > slow["done"])
        (first,) = studio.renderers()
        os.kill(first, signal.SIGKILL)
        studio.wait_for(slow="failed", third="done")
        assert "SIGKILL" in next(e for e in studio.queue() if e["name"] == "slow")["error"]
        assert studio.renderers() != [first]


def test_a_full_queue_survives_a_kill_and_the_end_of_the_studio(folder):
    with running(folder, "model=fake") as studio:
        studio.ask("/api/render", small("slow", "0..29", model__fake=SLOW))
        studio.ask("/api/render", small("next"))
        until(lambda: studio.queue()[0]["done"] > 1)
        (renderer,) = studio.renderers()
        with pytest.raises(ConfigError, match="another studio works in this folder"):
            task.run(made(studio={"port": 0, "browser": False})._experiment)
        studio.process.kill()
        until(lambda: not runs(renderer))  # it does not outlive the studio
    with running(folder, "model=fake") as studio:
        until(lambda: studio.queue()[0]["done"] > 4)
        assert studio.states() == {"slow": "running", "next": "waiting"}
        assert studio.stop(signal.SIGTERM) == 130
    kept = Queue(Path("runs/studio/queue.json")).entries()
    assert [(e.name, e.state) for e in kept] == [("slow", "waiting"), ("next", "waiting")]
    assert 4 < kept[0].done < 30


def test_a_renderer_that_says_nothing_is_ended_soon_after_it_is_cancelled(tmp_path, monkeypatch):
    silent = "import sys, time; sys.stdin.readline(); print('[\"ready\"]', flush=True); time.sleep(600)"
    monkeypatch.setattr(dispatcher, "COMMAND", (sys.executable, "-c", silent))
    monkeypatch.setattr(dispatcher, "GRACE", 0.5)
    entries = Queue(tmp_path / "queue.json", lambda: None)
    one = dispatcher.Dispatcher(entries, lambda: None)
    one.start()
    entry = entries.add(Entry(new_id(), "x", "x.yaml"))
    one.wake()
    until(lambda: entry.state == "running")
    with entries.lock:
        one.cancel(entry)
    until(lambda: entry.state == "cancelled")
    one.stop()


def test_a_studio_starts_on_a_file_system_without_locks(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fcntl, "flock", no_locks)
    with task._only_one():
        pass


def test_a_port_in_use_is_an_error_of_its_key(folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = {"browser": False, "port": taken.getsockname()[1]}
        with pytest.raises(ConfigError, match=r"studio.port: .*in use .*\(studio.port=0"):
            task.run(made(studio=settings)._experiment)


def test_other_addresses_get_a_token_and_the_address_contains_it():
    settings = StudioSettings(host="0.0.0.0")
    token = task._token(settings, local=False)
    assert len(token) >= 32
    assert task._address(settings, 8765, token).endswith(f":8765/?token={token}")
    assert task._token(StudioSettings(), local=True) == ""
    assert task._token(StudioSettings(token="mine-1234"), local=True) == "mine-1234"
    assert len(task._token(StudioSettings(token="auto"), local=True)) >= 32
    assert task._address(StudioSettings(host="::1"), 80, "") == "http://[::1]:80/"


def test_without_the_extra_the_message_says_how_to_get_it(monkeypatch, folder):
    monkeypatch.setattr(task, "find_spec", lambda name: None if name == "uvicorn" else util.find_spec(name))
    with pytest.raises(ConfigError, match=r"studio needs uvicorn \(python -m pip install 'sdbatch\[studio\]'\)"):
        task.run(made()._experiment)
    assert list(folder.iterdir()) == []


def test_the_renderer_keeps_the_model_until_another_one_is_asked_for(folder):
    told: list[Any] = []
    kept = child.ReportingRenderer(lambda *event: told.append(event))
    workspace = Workspace("experiments", "outputs")

    def render(stopped=False, **sent):
        told.clear()
        order = child.Order("e1", str(workspace.write(Form(**small(**sent))).file))
        order.stopped = stopped
        child._render(order, kept, lambda *event: told.append(event))
        return [event[0] for event in told]

    assert {"started", "phase", "model", "job", "progress", "ended"} <= set(render(name="a"))
    first = kept._renderer
    assert told[-1] == ("ended", "e1", "", {"jobs": 2, "done": 2, "failed": 0, "failures": []})
    assert "phase" not in render(name="b")
    assert kept._renderer is first
    assert "phase" in render(name="c", model__fake={"fail": ["sea"]})
    assert kept._renderer is not first
    assert (told[-1][3]["failed"], told[-1][3]["failures"][0]["error"]) == (2, "simulated failure")
    render(name="d", stopped=True)
    assert told[-1][2] == "cancelled"
    Path("experiments/a.yaml").write_text("seedz: 3")
    child._render(child.Order("e2", "experiments/a.yaml"), kept, lambda *event: told.append(event))
    assert "did you mean 'seeds'" in told[-1][2]
    kept.close()
    assert kept._renderer is None


def test_orders_are_received_and_the_end_of_the_input_stops_everything(monkeypatch):
    lines = [{"cancel": "b"}, {"render": "a.yaml", "id": "a"}, {"render": "b.yaml", "id": "b"}]
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO("".join(f"{json.dumps(x)}\n" for x in lines).encode())))
    orders = child.Orders()
    orders.receive()
    a, b = orders.next(), orders.next()
    assert (a.file, a.stopped, b.file, b.stopped) == ("a.yaml", False, "b.yaml", True)
    assert orders.next() is None


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server_in_order(folder, monkeypatch, how):
    before = signal.getsignal(how)
    addresses = []

    def announced(address, browser):
        addresses.append((address, browser))
        os.kill(os.getpid(), how)

    monkeypatch.setattr(task, "_announce", announced)
    assert task.run(made(studio={"port": 0, "browser": False})._experiment) == 130
    assert addresses[0][0].startswith("http://127.0.0.1:")
    assert signal.getsignal(how) is before


def test_the_address_is_printed_and_opened(monkeypatch, capsys):
    opened: queue.Queue[str] = queue.Queue()
    monkeypatch.setattr("webbrowser.open", opened.put)
    task._announce("http://127.0.0.1:1/", browser=True)
    assert capsys.readouterr().out == "sdbatch studio: http://127.0.0.1:1/\n"
    assert opened.get(timeout=60) == "http://127.0.0.1:1/"


def test_the_second_name_of_the_command_is_the_task(monkeypatch):
    monkeypatch.setattr("sys.argv", ["sdbatch-studio", "studio.port=0"])
    monkeypatch.setattr(cli, "run", lambda arguments: 7 if arguments == ["task=studio", "studio.port=0"] else 1)
    monkeypatch.setattr(cli.streams, "install", lambda: None)
    with pytest.raises(SystemExit) as e:
        cli.studio()
    assert e.value.code == 7
