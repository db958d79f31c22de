"""Is a picture the same alone and among others?   python scripts/needle.py [--write] [--trials N]     (make verify)

A needle is a shot whose pixels alone are compared with its pixels among random others, in random order, many times.
The control renders a needle in calls of other sizes, as a renderer without fixed calls would: bits must differ there,
or this test could not fail. ``--write`` adds what was tested to docs/reproducibility.json and makes the .md of it.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sdbatch.config.experiment import Experiment
from sdbatch.config.model import ModelSettings
from sdbatch.config.runtime import Runtime
from sdbatch.config.validation import validate
from sdbatch.engine.renderers import cards, open_renderer
from sdbatch.models.locate import locate
from sdbatch.models.source import Source
from sdbatch.plan.plan import plan
from sdbatch.plan.resolve import resolve
from sdbatch.runner import Options, run
from sdbatch.samplers import SAMPLERS
from sdbatch.spec.jobs import Job, Shot
from sdbatch.spec.renderer import Renderer
from sdbatch.store import Store
from sdbatch.tasks.rerender import JobList, SharedRenderer

DOCS = Path(__file__).parents[1] / "docs"
RESULTS, DOCUMENT = DOCS / "reproducibility.json", DOCS / "reproducibility.md"
COMBINATIONS = [("cpu", "float32"), ("cpu", "bfloat16"), *(("cuda", d) for d in ("float16", "bfloat16", "float32"))]
COMBINATIONS += [("mps", "float16"), ("mps", "float32")]
PROMPTS = [
    "red torii gate, sea, sunset sky",
    "red lighthouse, night sky, stars",
    "white castle, snow hills",
    "boat, sea",
]
NEEDLES, STRANGERS = 6, 6
SIZES = (2, 4, 8, 16)  # rows per call of the control
Row = dict[str, Any]


def main() -> int:
    """One line for each dtype; 1 if a needle differs, or if no control does."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the documents")
    parser.add_argument("--trials", type=int, default=8, help="companies in which every needle is rendered")
    arguments = parser.parse_args()
    device = "cuda" if cards() else "cpu"
    rows = [measured(device, dtype, arguments.trials) for kind, dtype in COMBINATIONS if kind == device]
    for row in rows:
        sys.stdout.write(f"needle: {_line(row)}\n")
    if arguments.write:
        known = json.loads(RESULTS.read_text()) if RESULTS.is_file() else []
        kept = [r for r in known if all(_key(r) != _key(row) for row in rows)]
        RESULTS.write_text(json.dumps(sorted([*kept, *rows], key=_key), indent=1) + "\n")
        DOCUMENT.write_text(document(json.loads(RESULTS.read_text())), "utf-8")
    equal = all(row["equal"] == row["compared"] for row in rows)
    return 0 if equal and any(row["control"] > 1 for row in rows) else 1


def measured(device: str, dtype: str, trials: int, seed: int = 0) -> Row:
    """Needles alone and in company on one device with one dtype, and the control."""
    source, rng = locate(ModelSettings()), random.Random(seed)  # noqa: S311  (not used for security)
    runtime = Runtime(device=device, dtype=dtype)  # type: ignore[arg-type]
    needles = [_shot(source, rng) for _ in range(NEEDLES)]
    renderer = open_renderer(source, ModelSettings(), runtime)
    try:
        alone = {needle.id: _pixels([needle], renderer)[needle.id] for needle in needles}
        found = [_among(needles, [_shot(source, rng) for _ in range(STRANGERS)], rng, renderer) for _ in range(trials)]
        profile = renderer.profile
    finally:
        renderer.close()
    equal = sum(company[i] == pixels for company in found for i, pixels in alone.items())
    control = {_control(source, runtime, rows, needles[0]) for rows in SIZES}
    return {
        "device": profile.device,
        "name": profile.device_name,
        "dtype": profile.dtype,
        "rows": profile.rows,
        "self_test": profile.exact,
        "compared": trials * NEEDLES,
        "equal": equal,
        "control": len(control),
        "sizes": len(SIZES),
        "versions": dict(profile.versions),
    }


def _shot(source: Source, rng: random.Random) -> Shot:
    """A random shot of the size at which calls are shared."""
    first: Shot = plan(resolve(_experiment(rng.choice(PROMPTS))))[0].shot
    return replace(
        first,
        model=source.model,
        seed=rng.randrange(2**31),
        sampler=rng.choice(sorted(SAMPLERS)),
        steps=rng.randint(3, 8),
        guidance=rng.choice([1.0, 3.0, 7.5]),
    )


def _experiment(prompt: str) -> Experiment:
    return validate({"prompts": [prompt], "canvas": ["96x96"]})


def _among(
    needles: Sequence[Shot], strangers: Sequence[Shot], rng: random.Random, renderer: Renderer
) -> dict[str, str]:
    company = [*needles, *strangers]
    rng.shuffle(company)
    return _pixels(company, renderer)


def _pixels(shots: Sequence[Shot], renderer: Renderer) -> dict[str, str]:
    """The digests of the pixels of ``shots``, by id."""
    jobs = JobList([Job(shot.id, shot, slug="needle") for shot in shots])
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder), durable=False)
        run(jobs, store, lambda: SharedRenderer(renderer), Options())
        return {record.id: record.pixels for record in store.ledger().records()}


def _control(source: Source, runtime: Runtime, rows: int, needle: Shot) -> str:
    """The needle alone, in calls of ``rows`` rows."""
    renderer = open_renderer(source, ModelSettings(), runtime.model_copy(update={"rows": rows}))
    try:
        return _pixels([needle], renderer)[needle.id]
    finally:
        renderer.close()


def _key(row: Row) -> tuple[str, ...]:
    return row["device"], row["name"], row["dtype"], row["versions"]["torch"]


def _line(row: Row) -> str:
    control = f"in calls of {row['sizes']} sizes {row['control']} results"
    where = f"{row['device']} {row['name']} {row['dtype']}"
    return f"{where}: {row['equal']} of {row['compared']} equal among others; control: {control}"


def document(rows: Sequence[Row]) -> str:
    """docs/reproducibility.md."""
    lines = [_cells(row) for row in rows]
    tested = {(row["device"], row["dtype"]) for row in rows}
    lines += [(d, t, "any", "–", "unverified", "–") for d, t in COMBINATIONS if (d, t) not in tested]
    head = ("device", "dtype", "versions", "rows per call", "equal among others", "control")
    table = "\n".join(f"| {' | '.join(line)} |" for line in (head, ("---",) * len(head), *lines))
    return TEXT.replace("TABLE", table)


def _cells(row: Row) -> tuple[str, ...]:
    versions = ", ".join(f"{k} {v}" for k, v in row["versions"].items() if k in ("torch", "cpu"))
    control = f"{row['control']} results of {row['sizes']} sizes" if row["control"] > 1 else "equal at every size"
    device = f"{row['device']} ({row['name']})" if row["name"] else row["device"]
    return device, row["dtype"], versions, str(row["rows"]), f"{row['equal']} of {row['compared']}", control


TEXT = """\
# Reproducibility: what was tested

`python scripts/needle.py --write` makes this file on the machine where it runs, and keeps what was tested on others.

The promise is: **the same profile, the same bytes**. A profile (device, dtype, rows per call, threads, versions) is
recorded with every picture. Where nothing was tested, the promise is *unverified*, not broken: the self-test at
start-up still runs there, and `task=verify` compares.

TABLE

- **Equal among others**: needles (shots with random prompt, seed, sampler, steps and guidance) are rendered alone, then
  among as many random others, in random order; every needle is compared bit by bit in every batch.
- **Control**: the same needle in calls of 2, 4, 8 and 16 rows, as in a renderer whose call size depends on the amount
  of work. More than one result means that the comparison finds what it is made to find. Where all sizes are equal, this
  device and dtype would not need calls of a fixed size.

## Processors of other kinds

Libraries choose kernels by the processor's instruction set, which the profile names (`cpu AVX512`). Pictures of another
kind of processor are therefore of another profile. Measured with the libraries' environment switches, which imitate a
processor with less (AMD EPYC with AVX-512; the embedded model `tiny`, 4 pictures of 96 × 96, 8 steps, float32):

| limited | switch | against all of AVX-512 |
|---|---|---|
| ATen to AVX2, as on such a processor | `ATEN_CPU_CAPABILITY=avx2` | 84.8 – 86.5 dB, largest difference 1 of 255 |
| ATen to no AVX | `ATEN_CPU_CAPABILITY=default` | 86.5 – 87.8 dB, 1 of 255 |
| MKL to its compatible kernels | `MKL_CBWR=COMPATIBLE` | 82.5 – 87.8 dB, 1 of 255 |
| oneDNN to AVX2 | `ONEDNN_MAX_CPU_ISA=AVX2` | bit-equal |
| oneDNN to SSE4.1 (beside the two before) | `ONEDNN_MAX_CPU_ISA=SSE41` | 82.1 – 89.5 dB, 1 of 255 |

`runtime.portable=true` fixes all three (ATen without AVX, MKL compatible, oneDNN at AVX2) before torch is imported.
Then the same limits, and those of numpy (`NPY_DISABLE_CPU_FEATURES`) and of the C library (`GLIBC_TUNABLES`), change no
bit; `tests/engine/test_portable.py` renders both. Rendering takes 1.7 times as long (24 pictures, float32: 7.4 instead
of 4.4 seconds of CPU).

What it cannot promise: it was tried on one processor, with switches. Intel documents that MKL's compatible mode is the
same on Intel's and AMD's processors. oneDNN documents nothing like this; its blocks may depend on the size of caches.
Arm and GPUs have other kernels.

Environment variables that change the bits of a CPU (`MKL_*`, `ONEDNN_*`, `DNNL_*`) are in the profile if they are set.

## In the tests

`make verify` runs the needle test and fails if a needle differs or if no control does. It also renders the
experiments of `params.yaml` twice. GPUs: no test has run on one yet; see [cuda.md](cuda.md).
"""


if __name__ == "__main__":
    sys.exit(main())
