"""Passes after the first as values and as jobs: shots, ids, files, sweeps, bad input. With the fake renderer."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdbatch import motion
from sdbatch.api import load
from sdbatch.config.validation import validate
from sdbatch.errors import ConfigError
from sdbatch.imaging.enlarge import lanczos
from sdbatch.media import infotext, metadata, png
from sdbatch.models.upscalers import Upscalers
from sdbatch.motion.settings import Motion
from sdbatch.plan import parse, passes
from sdbatch.plan.plan import plan as make_plan
from sdbatch.plan.resolve import resolve
from sdbatch.runner import Options, run
from sdbatch.spec.control import Control
from sdbatch.spec.cost import cost, evaluations
from sdbatch.spec.jobs import Encoding, Job, Model
from sdbatch.spec.passes import Pass, Upscaler
from sdbatch.store import Store
from sdbatch.tasks import foreign
from sdbatch.tasks.final_jobs import changed
from sdbatch.terminal.progress import Progress
from tests.motion.videos import video
from tests.runner.little import BASE, Opener, plan, still

HIRES = Pass(2, 0.5, 6)
LAST = Pass(1.5)


def passed(*found: Pass, seed: int = 0) -> Job:
    return motion.make(still(seed).shot, Motion(), Encoding(), "a-sea", (), found)


def planned(**data: Any) -> Any:
    base = {"prompts": ["a sea"], "model": {"kind": "fake"}, "canvas": ["64x48"], "sampling": {"steps": 10}}
    return make_plan(resolve(validate(base | data)))


def wrong(**data: Any) -> list[str]:
    with pytest.raises(ConfigError) as found:
        planned(**data)
    return [str(problem) for problem in found.value.problems]


def test_the_first_shot_is_the_plain_picture_and_the_last_one_names_the_job() -> None:
    job = passed(HIRES, LAST)
    first, second, last = motion.shots(job)
    assert first == still(0).shot
    assert (second.start.parent, last.start.parent) == (first.id, second.id)
    assert (second.width, second.height, last.width, last.height) == (64, 48, 96, 72)
    assert job.id == last.id != still(0).id
    assert (job.size.width, job.size.height) == (96, 72)
    assert passed(HIRES, Pass(1.5, upscaler=Upscaler("b2:" + "0" * 32))).id != job.id
    assert passed(Pass(2, 0.5, 6, Upscaler("lanczos", "another name"))).id == passed(HIRES).id


def test_steps_are_those_that_are_computed() -> None:
    for strength in (0.1, 0.3, 0.45, 0.7, 1.0):
        for steps in (1, 6, 12, 37):
            assert evaluations(motion.shots(passed(Pass(2, strength, steps)))[1]) == steps
    assert evaluations(motion.shots(passed(Pass(2, 0.5)))[1]) == 2  # half of the first pass's 4


def test_cost_is_steps_times_area() -> None:
    first, second, last = motion.shots(passed(HIRES, Pass(2, upscaler=Upscaler("b2:" + "0" * 32))))
    assert cost(second) / cost(first) == pytest.approx(6 / 4 * 4)
    assert cost(last) == pytest.approx(128 * 96 / 1e6)
    assert cost(motion.shots(passed(LAST))[1]) == 0


def test_a_job_is_read_back_from_its_metadata() -> None:
    network = Upscaler("b2:" + "a" * 32, "sharp")
    for job in (passed(HIRES, LAST), passed(Pass(2, 0.4, 0, network)), passed(Pass(2, 0.5, 3, Upscaler("latent")))):
        data = json.loads(json.dumps({"id": job.id, **motion.job_spec(job)}))
        found = parse.job(data, name="a sea")
        assert (found, found.passes) == (parse.job(data, name="a sea"), job.passes)
        assert found.id == job.id
        assert [p.upscaler.name for p in found.passes] == [p.upscaler.name for p in job.passes]


@pytest.mark.parametrize(
    "bad",
    [
        [{"scale": 0.5}],
        [{"scale": 17}],
        [{"scale": 2, "strength": 1.5}],
        [{"scale": 2, "steps": -1}],
        [{"scale": 2, "upscaler": {"method": "../x"}}],
        [{"scale": 2, "upscaler": {"method": "lanczos", "path": "/etc/passwd"}}],
        [{"scale": 16}, {"scale": 16}, {"scale": 16}],
        [{"scale": 2}] * 9,
        {"scale": 2},
        "no",
    ],
)
def test_passes_of_untrusted_files_are_validated(bad: Any) -> None:
    job = passed(HIRES)
    with pytest.raises(ConfigError):
        parse.job({"id": job.id, **motion.job_spec(job), "passes": bad})


def test_plain_pictures_and_passes_share_the_first_pass(store: Store) -> None:
    opener = Opener()
    jobs = plan(passed(HIRES), still(0), passed(HIRES, LAST), passed(HIRES, seed=1))
    outcome = run(jobs, store, opener)
    assert (outcome.done, outcome.failed) == (4, 0)
    assert len(opener.rendered) == len(set(opener.rendered)) == 5
    sizes = [png.decode(store.root / jobs[i].path).shape[1::-1] for i in range(4)]
    assert sizes == [(64, 48), (32, 24), (96, 72), (64, 48)]
    kept = {path.stem for profile in store.shot_profiles() for path in store.shot_files(profile)}
    assert kept == {still(1).id}  # the first pass that is no job of its own
    assert run(jobs, store, opener).skipped == 4
    assert opener.opened == 1


def test_the_order_of_jobs_changes_no_picture(tmp_path: Path) -> None:
    jobs = [passed(HIRES), still(0), passed(HIRES, LAST), passed(LAST)]
    found = []
    for n, order in enumerate(([0, 1, 2, 3], [3, 2, 1, 0], [2])):
        store = Store(tmp_path / str(n), durable=False)
        run(plan(*(jobs[i] for i in order)), store, Opener())
        found.append({r.id: (r.pixels, r.file) for r in store.ledger().records()})
    assert found[0] == found[1]
    assert found[2][jobs[2].id] == found[0][jobs[2].id]


def test_upscaling_alone_is_the_enlarged_picture(store: Store) -> None:
    run(plan(still(0), passed(LAST)), store, Opener())
    plain, large = (png.decode(store.root / job.path) for job in (still(0), passed(LAST)))
    assert np.array_equal(large, lanczos(plain, (48, 36)))


def test_a_run_that_was_interrupted_goes_on_after_the_last_stored_pass(store: Store) -> None:
    run(plan(passed(HIRES)), store, Opener())
    opener = Opener()
    run(plan(passed(HIRES, LAST)), store, opener)
    assert opener.rendered == [passed(HIRES, LAST).id]


def test_keyframes_of_a_film_pass_too_and_frames_show_them() -> None:
    plain = video("zoom")
    job = motion.make(plain.shot, plain.video.motion, plain.video.encoding, "zoom", (), (HIRES, LAST))
    first, every = motion.shots(plain), motion.shots(job)
    assert every[: len(first)] == first
    assert len(every) == 3 * len(first)
    shown = {layer.shot for frame in motion.frames(job) for layer in frame}
    sizes = {(every[i].width, every[i].height) for i in shown}
    assert sizes == {(job.size.width, job.size.height)} == {(144, 96)}
    for frame, other in zip(motion.frames(job), motion.frames(plain), strict=True):
        for layer, before in zip(frame, other, strict=True):
            assert every[layer.shot].start.parent == every[layer.shot - 1].id
            assert every[layer.shot - 1].start.parent == first[before.shot].id


def test_a_film_with_passes_is_written_at_the_large_size(store: Store) -> None:
    job = motion.make(BASE, video("walk").video.motion, Encoding(preset="ultrafast"), "walk", (), (Pass(2, 0.5),))
    assert run(plan(job), store, Opener()).done == 1
    poster = (store.root / job.path).with_suffix(".png")
    assert png.decode(poster).shape == (48, 64, 3)


def test_a_sweep_of_the_scale_has_plain_pictures_at_1(tmp_path: Path) -> None:
    found = planned(hires={"strength": 0.5, "steps": 3}, sweep=[{"hires.scale": [1, 2]}], seeds="0..1")
    plain = planned(seeds="0..1")
    assert found.ids[:2] == plain.ids
    assert [job.passes for job in found] == [()] * 2 + [(Pass(2, 0.5, 3),)] * 2
    assert [motion.shots(job)[0].id for job in found] == [*plain.ids, *plain.ids]
    assert [dict(job.labels)["hires.scale"] for job in found] == ["1", "1", "2", "2"]


def test_sections_become_passes_and_back() -> None:
    settings = {"scale": 2, "strength": 0.3, "steps": 5, "upscaler": "latent"}
    (job,) = planned(hires=settings, upscale={"scale": 3})
    assert job.passes == (Pass(2, 0.3, 5, Upscaler("latent")), Pass(3))
    assert passes.sections(job.passes) == {"hires": settings, "upscale": {"scale": 3, "model": "lanczos"}}
    (again,) = planned(**passes.sections(job.passes))
    assert again.id == job.id


def test_infotext_has_the_field_names_of_a1111() -> None:
    job = passed(Pass(2, 0.45, 12, Upscaler("latent")), Pass(4, upscaler=Upscaler("b2:0", "tiny-2x")))
    text = infotext.write(job.shot, job.passes)
    for field in (
        "Denoising strength: 0.45",
        "Hires upscale: 2",
        "Hires steps: 12",
        "Hires upscaler: Latent (bicubic)",
    ):
        assert f", {field}" in text
    assert ", Postprocess upscale by: 4, Postprocess upscaler: tiny-2x" in text
    assert ", Size: 32x24" in text  # the first pass, as A1111 writes it


def test_a_second_pass_of_a1111_is_read() -> None:
    about = "Steps: 20, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 64x64, Denoising strength: 0.4, Hires upscale: 2"
    for more, expected, said in (
        (", Hires steps: 8, Hires upscaler: Lanczos", Pass(2, 0.4, 8), ""),
        (", Hires upscaler: Latent (nearest)", Pass(2, 0.4, 20, Upscaler("latent")), "the picture is encoded again"),
        (", Hires upscaler: ~nouser/x", Pass(2, 0.4, 20), "no upscaler '~nouser/x' here, using lanczos"),
        (", Hires upscaler: R-ESRGAN 4x+", Pass(2, 0.4, 20), "no upscaler 'R-ESRGAN 4x+' here, using lanczos"),
    ):
        fields = infotext.parse(f"a sea\n{about}{more}")
        job, assumed = foreign.job(fields, Model("b2:x"), (128, 128), "source")
        assert job.passes == (expected,)
        assert (job.size.width, job.size.height) == (128, 128)
        assert said in "; ".join(assumed)
        assert "not used" not in "; ".join(assumed)
    for bad in ("Hires upscale: nan", "Hires upscale: 99", "Hires upscale: 2, Hires steps: x"):
        fields = infotext.parse(f"a sea\nSteps: 20, Sampler: Euler, Seed: 1, {bad}")
        job, assumed = foreign.job(fields, Model("b2:x"), (64, 64), "source")
        assert job.passes == ()
        assert "its settings are not understood" in "; ".join(assumed)


def test_mistakes_are_named_with_their_keys(tmp_path: Path) -> None:
    pickle = tmp_path / "x4.pth"
    pickle.write_bytes(b"\x80\x04")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"\x10")
    for data, said in (
        (
            {"hires": {"scale": 2, "upscaler": "lanzcos"}},
            "hires.upscaler: unknown upscaler 'lanzcos': no file of that name is here or in upscaler_folders (",
        ),
        ({"hires": {"scale": 2, "upscaler": "lanzcos"}}, "or a .safetensors file (did you mean 'lanczos'?)"),
        ({"hires": {"scale": 2, "upscaler": "pick.safetensors"}}, "unknown upscaler 'pick.safetensors': no file of"),
        ({"hires": {"scale": 2, "upscaler": "tiny2x.safetensors"}}, "did you mean 'tiny-2x'?"),
        ({"hires": {"scale": 40}}, "hires.scale: 40 is out of range 1"),
        ({"upscale": {"scale": 0.5}}, "upscale.scale: 0.5 is out of range 1"),
        ({"hires": {"scale": 2, "strength": 0}}, "hires.strength: 0 is out of range"),
        ({"upscale": {"scale": 2, "model": "latent"}}, "upscale.model: latent only prepares a denoising"),
        ({"hires": {"scale": 2, "upscaler": str(pickle)}}, "'x4.pth' is a pickle file, which can run code"),
        (
            {"upscale": {"scale": 2, "model": str(broken)}},
            "upscale.model: 'broken.safetensors' is not a valid safetensors",
        ),
        ({"hires": {"strength": 0.4}}, "hires.strength: has no effect, because hires.scale is 1"),
        ({"upscale": {"scale": 16}, "canvas": ["1024x64"]}, "upscale.scale: 1024x64 would become 16384x1024"),
        ({"sweep": [{"hires.upscaler": ["lanczos", "latnt"]}], "hires": {"scale": 2}}, "did you mean 'latent'?"),
        (
            {"hires": {"scale": 2, "strength": 0.1, "steps": 12}, "sampling": {"sampler": "lcm", "steps": 8}},
            "hires.steps: 12 steps of strength 0.1 need a schedule of 120",
        ),
    ):
        assert any(said in text for text in wrong(**data)), (said, wrong(**data))


def test_a_file_with_passes_is_rendered_again_and_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x.yaml").write_text(
        "name: x\nprompts: [a sea]\ncanvas: [64x48]\nseeds: 0..1\nhires: {strength: 0.5}\n"
        "sweep: [{hires.scale: [1, 2]}]\n"
    )
    found = load("x.yaml", ["model=fake"]).plan()
    for result in found.render():
        assert result.error == "", result.error
    job = found[2]
    data = metadata.read(Path("outputs/x") / job.path)
    assert parse.job(data["job"]).passes == job.passes
    assert data["job"]["passes"] == [{"scale": 2.0, "strength": 0.5}]


def test_a_first_pass_that_is_a_job_too_is_counted_once(tmp_path: Path) -> None:
    class First(Progress):
        def _on_start(self) -> None:
            self.expected = self.shots

    progress = First()
    jobs = plan(still(0), passed(HIRES), still(1), passed(HIRES, seed=1))
    outcome = run(jobs, Store(tmp_path), Opener(), Options(progress=progress))
    assert (outcome.done, progress.expected, progress.shots, progress.rendered) == (4, 4, 4, 4)


def test_final_refuses_to_take_the_pass_whose_start_a_control_shows() -> None:
    data: Any = {"prompts": ["a sea"], "model": {"kind": "fake"}}
    source = resolve(validate(data)).source
    base = replace(still(0).shot, controls=(Control("b2:" + "a" * 32, None),))
    job = motion.make(base, Motion(), Encoding(), "a-sea", (), (HIRES,))
    with pytest.raises(ConfigError, match="there is none"):
        changed(job, {"hires.scale": 1}, source, Upscalers((), {}))
