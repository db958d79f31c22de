"""Texts that change with the step, and prompts of several parts: which rows the denoiser gets, and equal bits."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch

from sdbatch.engine.denoise import Recipe, Row, Wording, denoise, guide
from sdbatch.prompts.schedule import by_step
from sdbatch.samplers import SAMPLERS
from sdbatch.spec import cost
from sdbatch.spec.jobs import PromptBlend, Shot
from sdbatch.spec.start import Start
from tests.engine.models import render, shot

CPU = torch.device("cpu")
EDIT, CYCLE, BOTH = "[red boat:blue car:0.5]", "[red|blue] boat", "a cat:0.7 AND [red:blue:2] boat AND fog:-0.4"
TEXTS = (EDIT, CYCLE, BOTH, "([a|b]:1.3) BREAK [c::1]")


def stepped(prompt: str, **changes: Any) -> Shot:
    return shot(prompt=prompt, step_syntax=True, **changes)


def pixels(engine: Any, *shots: Shot) -> list[Any]:
    found = render(engine, shots)
    return [found[one.id].pixels for one in shots]


def test_the_same_bits_alone_and_in_company(opened: Any) -> None:
    samplers = ["euler_a", "heun", "pndm", "dpmpp_2m_karras"]
    shots = [
        stepped(text, sampler=sampler, seed=seed, steps=3 + seed, guidance=1.0 if seed == 2 else 6.0)
        for seed, (text, sampler) in enumerate(product(TEXTS, samplers))
    ]
    company = [shot(seed=i, steps=2 + i % 3) for i in range(9)]
    together = render(opened, [*company, *shots])
    for one in shots:
        alone = render(opened, [one])[one.id].pixels
        assert np.array_equal(together[one.id].pixels, alone), one


def test_rows_are_what_the_plan_says(opened: Any) -> None:
    for one in (
        stepped(EDIT, steps=5),
        stepped(CYCLE, guidance=1.0),
        stepped(BOTH, steps=5, sampler="heun"),
        stepped(BOTH, guidance=1.0),
        stepped(BOTH, guidance_interval=(0.0, 0.5)),
    ):
        opened.stats.reset_counts()
        render(opened, [one])
        assert opened.stats.rows_used == cost.rows(one)
    assert cost.rows(stepped(EDIT, steps=5)) == 10
    assert cost.rows(stepped(BOTH, steps=5)) == cost.rows(stepped(BOTH, steps=5, guidance=1.0)) == 20


def test_a_text_that_says_the_same_at_every_step_is_that_text(opened: Any) -> None:
    plain = pixels(opened, shot(prompt="red boat", negative="fog"))[0]
    for text in ("[red boat|red boat]", "[x:red boat:0]", "[red boat:y:99]", "red boat AND cat:0"):
        assert np.array_equal(pixels(opened, stepped(text, negative="[fog|fog]"))[0], plain), text
    assert not np.array_equal(pixels(opened, stepped("red boat AND cat", negative="fog"))[0], plain)
    assert not np.array_equal(pixels(opened, stepped("red boat", negative="[fog:sea:0.5]"))[0], plain)


def test_without_the_mark_old_files_mean_what_they_meant(opened: Any) -> None:
    """Their brackets are attention and their AND is a word."""
    old, same = shot(prompt="[red|blue] AND sea"), shot(prompt="[red|blue] and sea")
    assert np.array_equal(*pixels(opened, old, same))
    assert not np.array_equal(*pixels(opened, old, replace(old, step_syntax=True)))


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("start", [None, Start("j0", 0.5)])
def test_an_evaluation_shows_the_text_of_its_step(sampler: str, start: Start | None) -> None:
    one = stepped("[a|b|c] x AND [d:e:0.5]", sampler=sampler, steps=6, start=start)
    table = cost.table_of(one)
    steps = table.steps
    assert steps == (6 if start is None else 3)
    names = [by_step(part, steps) for part in ("[a|b|c] x ", " [d:e:0.5]")]
    numbers: dict[str, torch.Tensor] = {n: torch.full((1, 1), float(i)) for i, n in enumerate(sum(names, ("no",)))}
    conds = tuple(tuple(numbers[name[step]] for name in names) for step in range(steps))
    recipe = Recipe(one, table, Wording((1.0, 1.0), conds, (numbers["no"],) * steps), (4, 2, 2))
    shown = [tuple(row.text.item() for row in rows) for rows in evaluations(recipe)]
    assert len(shown) == table.evaluations
    expected = [tuple(numbers[t].item() for t in ("no", *(n[step] for n in names))) for step in range(steps)]
    assert list(dict.fromkeys(shown)) == list(dict.fromkeys(expected))
    assert [shown[e] for e in range(len(shown))] == [expected[int(s)] for s in table.step]


def evaluations(recipe: Recipe) -> list[tuple[Row, ...]]:
    generator, out = denoise(recipe, CPU), []
    rows = next(generator)
    while True:
        out.append(rows)
        try:
            rows = generator.send([torch.zeros(4, 2, 2) for _ in rows])
        except StopIteration:
            return out


def test_parts_are_summed_as_composable_diffusion_does() -> None:
    uncond, a, b = (torch.randn(4, 2, 2, generator=torch.Generator().manual_seed(i)) for i in range(3))
    found = guide([uncond, a, b], (0.7, -0.4), 6.0)
    assert torch.allclose(found, uncond + 6 * 0.7 * (a - uncond) - 6 * 0.4 * (b - uncond), atol=1e-5)
    assert torch.equal(guide([uncond, a], (1.0,), 6.0), uncond + (a - uncond) * 6.0)
    assert guide([a], (1.0,), 6.0) is a


def test_blends_of_parts_begin_and_end_at_the_prompts(opened: Any) -> None:
    here, there = stepped("red boat", seed=4), stepped("red boat AND a cat:0.8", seed=4)
    ends = [replace(here, toward=PromptBlend(there.prompt, "", 4, amount)) for amount in (0.0, 1.0)]
    first, last, *blends = pixels(opened, here, there, *ends)
    assert np.array_equal(blends[0], first)
    assert np.array_equal(blends[1], last)
    middle = pixels(opened, replace(here, toward=PromptBlend(there.prompt, "", 4, 0.5)))[0]
    assert not np.array_equal(middle, first)
    assert not np.array_equal(middle, last)


def test_every_text_fits_into_the_bucket(opened: Any) -> None:
    long = stepped("[sea:" + "a red boat, " * 40 + ":0.5] AND cat")
    assert opened.bucket(long).chunks == 3 == opened.bucket(shot(prompt="a red boat, " * 40)).chunks
    assert opened.bucket(stepped("[sea BREAK sky|cat]")).chunks == 2
    assert pixels(opened, long)[0].shape == (64, 64, 3)
