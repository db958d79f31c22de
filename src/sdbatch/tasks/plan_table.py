"""The table of ``task=plan``, and how counts, times and warnings are written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from sdbatch.terminal.console import new

LARGE = 3  # times the model's own area: memory may matter
SHOWN = 12  # values, paths and texts in the table; the JSON has more


def show(report: dict[str, Any], console: Console) -> None:
    """Print the report as a table."""
    todo = report["to_render"]
    console.print(f"[bold]{report['name']}[/]  {_count(report['jobs'], 'job')}  in {report['folder']}", highlight=False)
    _states(report, console)
    if not report["seeds_drawn"]:
        text = "random seeds are drawn when they are rendered; the seeds and files shown here are an example"
        console.print(f"[yellow]{text}[/]", soft_wrap=True)
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    partly = 0 < sum(v["done"] for v in report["axes"][0]["values"].values()) < report["jobs"]
    for axis in report["axes"]:
        names = [f"{v} ({n['done']}/{n['jobs']})" if partly else v for v, n in list(axis["values"].items())[:SHOWN]]
        more = [f"… ({len(axis['values'])})"] if len(axis["values"]) > SHOWN else []
        table.add_row(plain(axis["axis"]), plain(", ".join(names + more)))
    for video in report["follows"]:
        length = f"{video['frames']:,} frames, {video['rate']:.4g} per second"
        table.add_row("follows", plain(f"{video['video']} ({length})"))
    console.print(table)
    if todo["jobs"]:
        counts = ", ".join(_count(todo[k], k[:-1]) for k in ("jobs", "shots", "evaluations", "rows"))
        seconds = report["estimated_seconds"]
        time = f"about {duration(seconds)}" if seconds else "no estimate before a first run"
        time = time if todo["shots"] else "all shots are stored, no model is needed"
        console.print(f"to render: {counts}; {time}", highlight=False, soft_wrap=True)
        (width, height), native = report["largest"], report["native"]
        if width * height >= LARGE * native**2:
            text = f"largest picture {width}x{height}, {width * height / native**2:.1f} times the model's own area"
            console.print(text, highlight=False)
        if (loads := report["models"]["loads"]) > 1 and todo["shots"]:
            console.print(f"{loads} models, which every process loads once at most", highlight=False)
    _warnings(report, console)
    for path in report["writes"][:SHOWN]:
        console.print(f"  {path}", highlight=False, markup=False, soft_wrap=True)
    if todo["jobs"] > SHOWN:
        console.print(f"  … and {todo['jobs'] - SHOWN:,} more", highlight=False)


def _states(report: dict[str, Any], console: Console) -> None:
    words = [f"{n:,} {state.replace('_', ' ')}" for state, n in report["states"].items() if n]
    shard = report["shard"]
    if shard["count"] > 1:
        words.append(f"shard {shard['index']} of {shard['count']}: {shard['jobs']:,} jobs")
    words += [
        f"{report[k]:,} {text}"
        for k, text in (("skipped", "skipped by rules"), ("duplicates", "duplicates left out"))
        if report[k]
    ]
    console.print("  ".join(words), highlight=False)


def _warnings(report: dict[str, Any], console: Console) -> None:
    for text in report["texts"][:SHOWN]:
        where = "; ".join(text["cuts"][:3]) or "BREAK"
        console.print(
            f"[yellow]long text[/] {plain(text['text'])}: {text['chunks']} chunks, cut at {plain(where)}",
            highlight=False,
        )
    show_notes([(w["text"], w["warning"]) for w in report["prompt_warnings"]], console)
    if marks := report["plain_words"]:
        console.print(
            f"[yellow]syntax of other tools, treated as plain words:[/] {plain(', '.join(marks[:SHOWN]))}",
            highlight=False,
        )
    if words := report["unknown_words"]:
        more = ", …" if len(words) > 3 * SHOWN else ""
        console.print(
            f"[yellow]unknown words:[/] {plain(', '.join(words[: 3 * SHOWN]))}{more}",
            highlight=False,
        )


def plain(text: str) -> str:
    """User text, escaped for rich's markup."""
    return text.replace("[", r"\[")


def show_notes(notes: Sequence[tuple[str, str]], console: Console) -> None:
    """Print warnings about the texts of prompts."""
    notes = [note for note in notes if new(": ".join(note))]
    for name, warning in notes[:SHOWN]:
        console.print(f"[yellow]prompt[/] {plain(name)}: {plain(warning)}", highlight=False, soft_wrap=True)
    if len(notes) > SHOWN:
        console.print(f"… and {len(notes) - SHOWN:,} more", highlight=False)


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}" + ("" if n == 1 else "s")


def duration(seconds: float) -> str:
    """``95`` s as ``1 min 35 s``."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
