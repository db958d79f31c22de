"""What a dry run says is left to pay agrees with what the run then renders."""

from __future__ import annotations

import json

VIDEO = ("motion.mode=prompt", "motion.frames=3", "motion.phrase='at {t:.1f}'")
BASE = ("model=fake", "prompts=[a sea, a hill]", "canvas=[64x64]", "gallery.enabled=false", *VIDEO)


def left(sdbatch, *more: str) -> dict:
    said = sdbatch(*BASE, *more, "task=plan", "plan.format=json")
    assert said.code == 0
    return json.loads(said.out)["to_render"]


def test_shots_that_are_stored_cost_nothing(sdbatch):
    assert left(sdbatch)["shots"] == 6
    assert sdbatch(*BASE).code == 0
    assert left(sdbatch) == {"jobs": 0, "shots": 0, "evaluations": 0, "rows": 0}
    assert left(sdbatch, "motion.fps=12") == {"jobs": 2, "shots": 0, "evaluations": 0, "rows": 0}
    text = sdbatch(*BASE, "motion.fps=12", "task=plan").out
    assert "to render: 2 jobs, 0 shots, 0 evaluations, 0 rows; all shots are stored, no model is needed" in text
    still = left(sdbatch, "motion.mode=still", "sampling.steps=9")
    assert (still["jobs"], still["shots"]) == (2, 2)


def test_the_largest_picture_is_told(sdbatch):
    """Passes included, of what is left to render; in the text if it is much larger than the model's own."""
    base = ("model=fake", "prompts=[a sea]", "canvas=[64x64]", "gallery.enabled=false")

    def largest(*more: str) -> list[int]:
        found: list[int] = json.loads(sdbatch(*base, *more, "task=plan", "plan.format=json").out)["largest"]
        return found

    assert largest() == [64, 64]
    assert largest("hires.scale=2", "upscale.scale=8") == [1024, 1024]
    text = sdbatch(*base, "hires.scale=2", "upscale.scale=8", "task=plan").out
    assert "largest picture 1024x1024, 64.0 times the model's own area" in text
    assert "largest picture" not in sdbatch(*base, "hires.scale=2", "task=plan").out


def test_a_negative_prompt_with_and_is_one_text(sdbatch):
    words = "a very long list of words that nobody wants to see in any picture at all " * 3
    texts = {"negative": f'negative="{words}AND {words}"', "positive": f"prompts=['{words}AND {words}']"}

    def chunks(*more: str) -> list[int]:
        said = sdbatch("model=tiny", *more, "task=plan", "plan.format=json")
        assert said.code == 0, said.err
        return [text["chunks"] for text in json.loads(said.out)["texts"]]

    parts = chunks(texts["positive"])
    assert len(parts) == 2
    (negative,) = chunks("prompts=[a sea]", texts["negative"])
    assert negative > max(parts)


def test_the_shots_that_a_video_lacks_are_counted(sdbatch, tmp_path):
    assert sdbatch(*BASE).code == 0
    next((tmp_path / "outputs/untitled/shots").rglob("*.png")).unlink()
    assert left(sdbatch, "motion.fps=12")["shots"] == 1
    said = sdbatch(*BASE, "motion.fps=12")
    assert "rendering 1 picture for 1 job" in said.err


def test_cards_and_processes_share_the_estimated_time(sdbatch, tmp_path):
    """A card adds its own speed; processes on one device share the speed that it has."""
    still = ("model=fake", "prompts=[a sea]", "canvas=[64x64]", "gallery.enabled=false", "seeds=0..9")

    def seconds(*more: str) -> float:
        said = sdbatch(*still, "sampling.steps=9", *more, "task=plan", "plan.format=json")
        return float(json.loads(said.out)["estimated_seconds"])

    assert sdbatch(*still).code == 0
    file = tmp_path / "runs/untitled/timings.json"
    (key, figures), *_ = json.loads(file.read_text()).items()
    file.write_text(json.dumps({key: figures | {"work": 0.01, "seconds": 1000}}))
    alone = seconds()
    assert alone > 100
    assert seconds("runtime.processes=4") == alone
    assert abs(seconds("runtime.gpus=4") - alone / 4) < 0.1
    assert abs(seconds("runtime.gpus=64") - alone / 10) < 0.1  # a job is not divided
    file.write_text(json.dumps({key: figures | {"work": 0.01, "seconds": 1000, "sharing": 2}}))
    assert abs(seconds() - alone / 2) < 0.1
    assert abs(seconds("runtime.processes=2") - alone / 2) < 0.1
