"""The routes of the studio, in this process; nothing is rendered here."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import sdbatch
from sdbatch import motion
from sdbatch.media import png
from sdbatch.studio import files
from sdbatch.studio.dispatcher import Dispatcher
from sdbatch.studio.events import Events
from sdbatch.studio.queue import Conflict, Entry, Queue
from sdbatch.studio.studio import Studio
from tests.studio.sessions import client, form, made

OCTETS = {"Content-Type": "application/octet-stream"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SDBATCH_MODEL", raising=False)
    return tmp_path


@pytest.fixture
def studio(folder):
    return made()


@pytest.fixture
def page(studio):
    return client(studio)


@pytest.fixture
def rendered(folder):
    """A finished experiment with its file: pictures, of two prompts, two seeds and two guidances."""
    text = 'name: sea\ndefaults: [override /model: fake]\nprompts: ["a {red|blue} sea"]\nseeds: 0..1\n'
    text += "canvas: [64x64]\nsweep: [{sampling.guidance: [5, 7]}]\n"
    (folder / "experiments").mkdir()
    (folder / "experiments" / "sea.yaml").write_text(text)
    return list(sdbatch.load(folder / "experiments" / "sea.yaml").plan().render())


def test_the_form_begins_with_what_the_studio_was_started_with(folder):
    plain = client(made()).get("/api/form").json()["start"]
    assert (plain["kind"], plain["model"], plain["name"]) == ("picture", "fake", "")
    assert plain["fields"]["motion.mode"] == "zoom"
    given = {"name": "torii", "prompts": ["a"], "sampling": {"steps": 9}, "motion": {"mode": "zoom", "frames": 9}}
    start = client(made(**given)).get("/api/form").json()["start"]
    assert (start["kind"], start["name"]) == ("film", "torii")
    assert {"sampling.steps": 9, "motion.mode": "zoom", "motion.frames": 9}.items() <= start["fields"].items()


def test_a_film_can_be_ordered_from_the_form_as_it_begins(page):
    start = page.get("/api/form").json()["start"]
    found = page.order("/api/check", form("film") | {"fields": start["fields"] | {"prompts": "x"}})
    assert (found["problems"], found["jobs"]) == ([], 1)


def test_a_check_counts_jobs_and_says_what_is_written(page):
    sent = form(prompts="a {red|blue} sea", seeds="0..3", sampling__guidance="5, 7", skip="[{seeds: 3}]")
    found = page.order("/api/check", sent | {"n": 7})
    assert (found["n"], found["jobs"], found["skipped"], found["done"], found["todo"]) == (7, 12, 4, 0, 12)
    assert (found["name"], found["taken"], found["more"]) == ("a-red-blue-sea", False, False)
    assert found["seconds"] is None
    assert not Path("experiments").exists()


def test_a_check_knows_what_is_done_and_how_long_the_rest_takes(page, rendered):
    timings = {"x": {"model": rendered[0].job.shot.model.weights, "work": 2.0, "seconds": 10.0}}
    Path("runs/sea/timings.json").write_text(json.dumps(timings))
    opened = page.order("/api/open", {"name": "sea"})
    sent = {key: opened[key] for key in ("kind", "model", "name", "fields")}
    found = page.order("/api/check", sent)
    assert (found["jobs"], found["done"], found["seconds"]) == (8, 8, 0)
    more = page.order("/api/check", sent | {"fields": opened["fields"] | {"seeds": "0..3"}, "replace": True})
    assert (more["name"], more["done"], more["todo"]) == ("sea", 8, 8)
    shot = rendered[0].job.shot
    rows = 24 * 2 * shot.width * shot.height / 1e6
    assert more["seconds"] == pytest.approx(8 * rows * 5, rel=0.2)


def test_large_plans_are_counted_at_once_and_estimated_when_asked(page):
    sent = form(prompts="x", sampling__guidance="1..10..0.1", sampling__steps="10..109")
    found = page.order("/api/check", sent)
    assert (found["jobs"], found["more"], found["done"]) == (9100, True, None)
    films = form("film", prompts="x", seeds="0..9999", motion__mode="zoom", motion__seconds="4")
    found = page.order("/api/check", films)
    assert (found["jobs"], found["more"], found["problems"]) == (10_000, True, [])
    few = form("film", prompts="x", seeds="0..2", motion__mode="prompt", motion__frames="3", motion__phrase="{t}")
    assert page.order("/api/check", few)["more"]
    assert page.order("/api/estimate", few)["done"] == 0


def test_the_path_of_the_camera_has_a_value_for_every_frame(page):
    sent = form(prompts="x", canvas=["16:9"], motion__mode="feedback", motion__frames="5",
                motion__zoom="[[0, 1], [end, 16]]", motion__x="{wave: sin, period: 2s, from: 0, to: 1}")  # fmt: skip
    found = page.order("/api/camera", sent)
    assert found["curves"]["zoom"] == [1, 2, 4, 8, 16]
    assert found["keys"] == {"zoom": [[0, 1], [4, 16]], "x": [], "y": [[0, 0]], "roll": [[0, 0]]}
    assert found["width"] > found["height"]
    wrong = page.order("/api/camera", form(prompts="x", motion__mode="zoom", motion__frames="1"))
    assert wrong["problems"][0]["key"] == "motion.frames"


def test_a_click_writes_the_file_and_the_command_line_plans_the_same(page):
    sent = form(prompts="a {red|blue} sea", seeds="0..3")
    found = page.order("/api/render", sent)
    assert (found["problems"], found["file"]) == ([], "experiments/a-red-blue-sea.yaml")
    assert Path(found["file"]).read_text() == found["yaml"]
    assert found["command"] == f"python -m sdbatch {found['file']}"
    entry = page.get("/api/queue").json()["entries"][0]
    assert (entry["state"], entry["name"], entry["id"]) == ("waiting", "a-red-blue-sea", found["entry"]["id"])
    assert page.order("/api/render", sent)["entry"]["id"] == entry["id"]  # it waits already
    assert len(sdbatch.load(found["file"]).plan()) == 8


def test_a_click_with_mistakes_writes_nothing(page):
    found = page.order("/api/render", form(prompts="x", sampling__steps="0"))
    assert [p["key"] for p in found["problems"]] == ["sampling.steps"]
    found = page.order(
        "/api/render", form("film", prompts="x", motion__mode="zoom", motion__frames="9", motion__cadence="3")
    )
    assert [p["key"] for p in found["problems"]] == ["motion.cadence"]
    assert page.get("/api/queue").json()["entries"] == []
    assert not Path("experiments").exists()


def test_a_dropped_picture_gives_the_form_of_its_job(page, rendered):
    for result in rendered[::3]:
        found = page.post("/api/import?name=x.png&model=tiny", content=result.path.read_bytes(), headers=OCTETS).json()
        assert (found["error"], found["id"], found["model"], found["notes"]) == (None, result.job.id, "fake", [])
        sent = {key: found[key] for key in ("kind", "model", "fields")}
        written = page.order("/api/render", sent)
        assert sdbatch.load(written["file"]).plan().ids == [result.job.id]


@pytest.mark.parametrize("mode", ["zoom", "feedback"])
def test_a_dropped_film_gives_the_form_of_its_job(page, mode):
    camera = {"mode": mode, "frames": 5, "zoom": [[0, 1], ["end", 2, "ramp"]]}
    settings = {"name": "film", "model": {"kind": "fake"}, "prompts": ["x"], "canvas": ["64x64"], "motion": camera}
    (result,) = sdbatch.load(settings).plan().render()
    for path in (result.path, result.path.with_suffix(".json")):
        found = page.post(f"/api/import?name={path.name}", content=path.read_bytes(), headers=OCTETS).json()
        assert (found["kind"], found["id"], found["notes"]) == ("film", result.job.id, [])


def test_a_dropped_picture_of_another_tool_names_what_was_assumed(page, rendered):
    text = "a sea\nNegative prompt: fog\nSteps: 20, Sampler: Euler a, CFG scale: 6, Seed: 1, Size: 64x64, Model: dream"
    data = png.encode(np.asarray(rendered[0].image()), {"parameters": text})
    found = page.post("/api/import?name=x.png&model=tiny", content=data, headers=OCTETS).json()
    expected = {
        "prompts": ["a sea"],
        "negative": "fog",
        "sampling.steps": 20,
        "sampling.sampler": "euler_a",
        "seeds": 1,
    }
    assert expected.items() <= found["fields"].items()
    assert found["model"] == "tiny"
    assert any("dream" in note for note in found["notes"])


def test_weights_that_are_not_here_are_named(page, rendered):
    job = rendered[0].job
    shot = replace(job.shot, model=replace(job.shot.model, weights="b2:" + "0" * 32))
    foreign = replace(job, shot=shot, id=shot.id)
    data = json.loads(png.read_text(rendered[0].path)["sdbatch"])
    data["job"] = {"id": shot.id, "kind": "picture", **motion.job_spec(foreign)}
    sent = png.encode(np.asarray(rendered[0].image()), {"sdbatch": json.dumps(data)})
    found = page.post("/api/import?name=x.png", content=sent, headers=OCTETS).json()
    assert (found["error"], found["id"], found["fields"]["prompts"]) == (None, shot.id, [job.shot.prompt])
    assert any("0" * 32 in note for note in found["notes"])
    assert any("another job" in note for note in found["notes"])


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("x.png", b""),
        ("x.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 100),
        ("x.mp4", b"\0" * 1000),
        ("x.json", b"[" * 100_000),
        ("x.json", b'{"job": {"id": "x"}}'),
        ("x.yaml", b"prompts: ["),
        ("x.yaml", b"_target_: os.system"),
        ("x.yaml", b"hydra: {run: {dir: /}}"),
        ("x.exe", b"MZ"),
        ("../../x", b"a"),
    ],
)
def test_a_dropped_file_that_says_nothing_is_an_answer(page, folder, name, data):
    answer = page.post("/api/import", params={"name": name}, content=data, headers=OCTETS)
    assert answer.status_code == 200
    assert answer.json()["error"]
    assert {p.name for p in folder.iterdir()} <= {"runs"}


def test_a_dropped_experiment_fills_the_form(page):
    text = b"prompts: [a, {id: b, text: b}]\nsweep: [{sampling.steps: [5, 6]}, {seeds: [1, 2]}]\ntask: sheet\n"
    text += b"output: {folder: /elsewhere}\nsheet: {limit: 3}\n"
    found = page.post("/api/import?name=x.yaml", content=text, headers=OCTETS).json()
    assert found["fields"]["sampling.steps"] == "5, 6"
    assert found["fields"]["sweep"] == [{"seeds": [1, 2]}]
    assert found["notes"] == ["sheet.limit: 3 is not in the form and was left out"]


def test_an_experiment_is_opened_with_and_without_its_file(page, rendered):
    whole = page.order("/api/open", {"name": "sea"})
    assert whole["fields"]["sampling.guidance"] == "5, 7"
    assert whole["fields"]["prompts"] == ["a {red|blue} sea"]
    Path("experiments/sea.yaml").unlink()
    found = page.order("/api/open", {"name": "sea"})
    assert (found["model"], found["notes"]) == ("fake", [])
    draft = page.order("/api/render", {"kind": "picture", "model": "fake", "fields": found["fields"]})
    assert set(sdbatch.load(draft["file"]).plan().ids) == {r.job.id for r in rendered}
    listed = page.get("/api/experiments").json()
    assert [(e["name"], e["done"], e["jobs"]) for e in listed["experiments"] if e["folder"]] == [("sea", 8, 8)]
    assert {"infinite_zoom", "prompt_walk"} <= {e["name"] for e in listed["shipped"]}
    assert page.order("/api/open", {"shipped": "infinite_zoom"})["kind"] == "film"
    assert "no experiment" in page.order("/api/open", {"name": "nothing"})["error"]


def test_favourites_become_a_final_with_better_settings(page, rendered):
    jobs = [r.job.id for r in rendered[:2]]
    wanted = {"name": "sea", "jobs": jobs, "set": {"sampling.steps": "50", "canvas": "128x128"}}
    found = page.order("/api/final", wanted)
    assert (found["problems"], found["file"]) == ([], "experiments/sea-final.yaml")
    assert (found["entry"]["name"], found["entry"]["kind"]) == ("sea-final", "final")
    final = sdbatch.load(found["file"]).plan()
    assert [(j.origin, j.shot.steps, j.shot.width) for j in final] == [(i, 50, 128) for i in jobs]
    wrong = page.order("/api/final", wanted | {"jobs": ["j0000000000000000"], "set": {"sampling.steps": "0", "x": 1}})
    assert {p["key"] for p in wrong["problems"]} >= {"final.jobs", "final.set.x"}
    outside = page.order("/api/final", wanted | {"jobs": ["/etc/hosts"]})
    assert [(p["key"], "outside the working folder" in p["text"]) for p in outside["problems"]] == [
        ("final.jobs[0]", True)
    ]


def test_the_gallery_is_the_packages_own_page_and_data(page, rendered):
    index = page.get("/gallery/sea/index.html")
    Path("outputs/sea/index.html").write_text("<script>alert(1)</script>")
    assert page.get("/gallery/sea/index.html").text == index.text
    assert index.headers["content-security-policy"] == "frame-ancestors 'self'"
    plan_script = page.get("/gallery/sea/gallery/plan.js").text
    assert plan_script == Path("outputs/sea/gallery/plan.js").read_text()
    state = page.get("/gallery/sea/gallery/state.js").text
    assert state.startswith('sdbatch("state",')
    picture = rendered[0].path.relative_to(Path("outputs/sea")).as_posix()
    shown = page.get(f"/gallery/sea/{picture}")
    assert (shown.headers["content-type"], shown.content) == ("image/png", rendered[0].path.read_bytes())
    part = page.get(f"/gallery/sea/{picture}", headers={"Range": "bytes=0-7"})
    assert (part.status_code, part.content) == (206, b"\x89PNG\r\n\x1a\n")
    assert "attachment" in page.get(f"/gallery/sea/{picture}?download").headers["content-disposition"]


@pytest.mark.parametrize(
    "script",
    [
        "alert(1)",
        'sdbatch("plan",{});alert(1)',
        'sdbatch("plan",{"a":alert(1)});',
        'sdbatch("plan",[1]);',
        '// x\nalert(1)\nsdbatch("plan",{});',
        "sdbatch(\"plan\",{'a':1});",
        'sdbatch("plan",{"a":1}+alert(1)+{"a":1});',
    ],
)
def test_a_data_script_that_is_more_than_data_is_not_sent(page, folder, script):
    target = folder / "outputs" / "sea" / "gallery" / "plan.js"
    target.parent.mkdir(parents=True)
    target.write_text(script)
    assert page.get("/gallery/sea/gallery/plan.js").status_code == 404


def test_links_do_not_lead_out_of_an_experiment(page, folder):
    (folder / "outputs" / "sea").mkdir(parents=True)
    (folder / "secret.png").write_bytes(b"secret")
    (folder / "outputs" / "sea" / "x.png").symlink_to(folder / "secret.png")
    (folder / "outputs" / "away").symlink_to(folder)
    assert page.get("/gallery/sea/x.png").status_code == 404
    assert page.get("/gallery/away/secret.png").status_code == 404


def test_static_files_are_small_and_known(page):
    assert page.get("/").headers["content-type"].startswith("text/html")
    assert "--" in page.get("/static/gallery.css").text
    assert page.get("/static/../task.py").status_code == 404
    assert page.get("/static/task.py").status_code == 404
    assert sum(p.stat().st_size for p in [*files.STATIC.iterdir(), *files.SHARED.values()]) <= 300_000


def test_entries_move_and_a_page_that_was_too_slow_is_told(page):
    ids = [page.order("/api/render", form(prompts=f"sea {n}"))["entry"]["id"] for n in "abc"]
    order = [e["id"] for e in page.order(f"/api/queue/{ids[2]}/up")["entries"]]
    assert order == [ids[0], ids[2], ids[1]]
    assert [e["id"] for e in page.order(f"/api/queue/{ids[1]}/first")["entries"]] == [ids[1], ids[0], ids[2]]
    assert [e["id"] for e in page.order(f"/api/queue/{ids[1]}/down")["entries"]] == [ids[0], ids[1], ids[2]]
    left = page.order(f"/api/queue/only/{ids[2]}")["entries"]
    assert {e["id"]: e["state"] for e in left} == {ids[0]: "cancelled", ids[1]: "cancelled", ids[2]: "waiting"}
    late = page.post(f"/api/queue/{ids[0]}/cancel")
    assert (late.status_code, late.json()["queue"]["entries"]) == (409, left)
    assert page.post("/api/queue/e000/cancel").status_code == 404
    again = page.order(f"/api/queue/{ids[0]}/again")["entries"]
    assert [e["state"] for e in again] == ["waiting", "waiting", "cancelled"]
    page.order(f"/api/queue/{ids[1]}/remove")
    assert page.order("/api/queue/pause", {"paused": True})["paused"]
    page.order("/api/queue/cancel")
    assert page.order("/api/queue/clear")["entries"] == []


def test_the_queue_survives_and_damaged_entries_are_left_out(tmp_path):
    path = tmp_path / "queue.json"
    queue = Queue(path)
    for n in "abc":
        queue.add(Entry(n, n, f"{n}.yaml"))
    queue.set(queue.get("a"), "running")
    queue.set(queue.get("b"), "failed", "why")
    queue.pause(True)
    data = json.loads(path.read_text())
    data["entries"] += [{"id": 1}, 7, {**data["entries"][0], "name": "../x"}]
    path.write_text(json.dumps(data))
    again = Queue(path)
    assert again.paused
    assert again.next() is None
    again.pause(False)
    assert not Queue(path).paused
    assert [(e.id, e.state, e.error) for e in again.entries()] == [
        ("a", "waiting", ""),
        ("c", "waiting", ""),
        ("b", "failed", "why"),
    ]
    with pytest.raises(Conflict):
        again.remove("a")
    for text in ("", "[", "[]", '{"entries": 3}', '{"paused": "yes"}'):
        path.write_text(text)
        assert Queue(path).entries() == []
        assert not Queue(path).paused


def test_every_change_reaches_every_page(folder):
    studio: Studio = made()

    async def listen(count):
        stream = studio.events.subscribe()
        return [json.loads((await anext(stream)).partition("data: ")[2]) for _ in range(count)]

    async def both():
        pages = [asyncio.create_task(listen(2)) for _ in range(2)]
        await asyncio.sleep(0.05)
        await asyncio.to_thread(client(studio).order, "/api/queue/pause", {"paused": True})
        return await asyncio.gather(*pages)

    first, second = asyncio.run(both())
    assert first == second
    assert [e["paused"] for e in first] == [False, True]
    assert first[0]["version"] < first[1]["version"]


def test_streams_end_with_the_server(folder):
    events = Events(lambda: {"version": 1}, lambda: None)

    async def listen():
        stream = events.subscribe()
        first = await anext(stream)
        events.close()
        return first, [e async for e in stream]

    first, rest = asyncio.run(listen())
    assert first.startswith("event: queue\nid: 1\n")
    assert rest == []


def test_a_dead_renderer_fails_its_entry_and_says_how(tmp_path):
    queue = Queue(tmp_path / "queue.json")
    entry = queue.add(Entry("a", "a", "a.yaml"))
    dispatcher = Dispatcher(queue, lambda: None)
    dispatcher._entry = entry
    queue.set(entry, "running")
    dispatcher._handle("message", "Killed: out of memory")
    dispatcher._handle("ended", -9)
    assert (entry.state, dispatcher.renderer["state"]) == ("failed", "crashed")
    assert "SIGKILL" in entry.error
    assert "out of memory" in dispatcher.renderer["message"]
