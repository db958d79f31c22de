"""Surfaces and fittings that appear when the camera comes near: bricks, planks, tiles, windows, doors."""

# ruff: noqa: PLR0917
from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from training.second.pen import INK, Colour, Pen, Point, light, mix, scale, shade

GLOW: Colour = (255, 224, 134)
GLASS: Colour = (116, 160, 206)
CREAM: Colour = (250, 238, 214)
STONE: Colour = (206, 204, 214)
WOOD: Colour = (126, 82, 58)
STEEL: Colour = (92, 96, 112)

Quad = tuple[Point, Point, Point, Point]


def inside(quad: Quad, u: float, v: float) -> Point:
    """The point of a quadrilateral (low left, low right, top right, top left) at shares `u` across and `v` up."""
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = quad
    lx, ly, rx, ry = ax + (dx - ax) * v, ay + (dy - ay) * v, bx + (cx - bx) * v, by + (cy - by) * v
    return lx + (rx - lx) * u, ly + (ry - ly) * u


def patch(quad: Quad, u0: float, v0: float, u1: float, v1: float) -> Quad:
    """A part of a quadrilateral."""
    return inside(quad, u0, v0), inside(quad, u1, v0), inside(quad, u1, v1), inside(quad, u0, v1)


def bricks(pen: Pen, quad: Quad, size: float, colour: Colour) -> None:
    """Some of the bricks of a wall, lighter or darker than the rest, and all joints when very near."""
    alpha = pen.fade(size * 0.5)
    height, width = abs(quad[3][1] - quad[0][1]), abs(quad[1][0] - quad[0][0])
    rows, columns = max(1, int(height / size / 0.5)), max(1, int(width / size))
    if not alpha or rows * columns > 4000:
        return
    rng = np.random.default_rng(int(1e4 * (abs(quad[0][0]) + abs(quad[3][1]))))
    tones = rng.random((rows, columns))
    near = pen.pixels(size) > 12
    for i in range(rows):
        for j in range(columns):
            if tones[i, j] < 0.68 and not near:
                continue
            u = (j + 0.5 * (i % 2)) / columns
            part = patch(quad, u + 0.05 / columns, (i + 0.1) / rows, min(1.0, u + 0.95 / columns), (i + 0.9) / rows)
            if u < 1.0 - 0.1 / columns:
                pen.poly(part, scale(colour, 0.86 + 0.2 * float(tones[i, j])), alpha)


def planks(pen: Pen, quad: Quad, count: int, colour: Colour, upright: bool = False) -> None:
    """Joints between boards, and their grain when near."""
    span = max(abs(quad[1][0] - quad[0][0]), 1e-3) if upright else max(abs(quad[3][1] - quad[0][1]), 1e-3)
    size = span / count
    alpha = pen.fade(size, 2.0)
    if not alpha:
        return
    for k in range(1, count):
        ends = [(k / count, 0.0), (k / count, 1.0)] if upright else [(0.0, k / count), (1.0, k / count)]
        pen.line([inside(quad, *ends[0]), inside(quad, *ends[1])], size * 0.10, scale(colour, 0.72), alpha)
    fine = pen.fade(size * 0.3, 3.0)
    for k in range(count) if fine else ():
        at = (k + 0.45) / count
        ends = [(at, 0.1), (at, 0.7)] if upright else [(0.1 + 0.2 * (k % 3), at), (0.5 + 0.2 * (k % 3), at)]
        pen.line([inside(quad, *ends[0]), inside(quad, *ends[1])], size * 0.06, scale(colour, 0.84), fine)


def tiles(pen: Pen, quad: Quad, rows: int, colour: Colour) -> None:
    """Rows of roof tiles; their round ends show when near."""
    height = abs(quad[3][1] - quad[0][1]) / rows
    alpha = pen.fade(height, 2.2)
    if not alpha:
        return
    width = abs(quad[1][0] - quad[0][0])
    columns = max(2, int(width / height / 0.9))
    near = pen.fade(height, 4.0) and columns * rows < 900
    dark, bright = scale(colour, 0.76), light(colour)
    for i in range(rows):
        pen.line([inside(quad, 0, i / rows), inside(quad, 1, i / rows)], height * 0.14, dark, alpha)
        for j in range(columns) if near else ():
            u = (j + 0.5 * (i % 2)) / columns
            a, b = inside(quad, u, (i + 0.05) / rows), inside(quad, min(1.0, u + 0.92 / columns), (i + 0.9) / rows)
            if u >= 0.99 or not pen.sees(min(a[0], b[0]), min(a[1], b[1]), max(a[0], b[0]), max(a[1], b[1])):
                continue
            middle, half = (a[0] + b[0]) / 2, abs(b[0] - a[0]) / 2
            pen.line(
                [(a[0], b[1]), (a[0], a[1] + half * 0.4), (middle, a[1]), (b[0], a[1] + half * 0.4)],
                height * 0.09,
                dark,
            )
            pen.line(
                [(middle - half * 0.5, b[1] - height * 0.25), (middle - half * 0.5, a[1] + height * 0.4)],
                height * 0.1,
                bright,
                150,
            )


def window(pen: Pen, x: float, y: float, w: float, h: float, lit: bool, frame: Colour = WOOD) -> None:
    """A window with its foot at (x, y): frame, panes, and behind them curtains, a plant or a cat."""
    if not pen.sees(x - w, y - h, x + w, y + 2 * h):
        return
    pen.rect(x - w / 2, y, x + w / 2, y + h, frame, line=True)
    b = min(w, h) * 0.09
    pane = GLOW if lit else GLASS
    pen.rect(x - w / 2 + b, y + b, x + w / 2 - b, y + h - b, pane, glow=lit)
    if not lit:
        pen.poly(
            [(x - w * 0.3, y + h - b), (x + w * 0.05, y + h - b), (x - w * 0.25, y + b), (x - w * 0.42, y + b)],
            light(GLASS),
            150,
        )
    if pen.pixels(w) > 14:
        _behind(pen, x, y, w, h, lit)
    if pen.fade(b * 0.6, 0.8):
        pen.rect(x - b * 0.3, y, x + b * 0.3, y + h, frame)
        pen.rect(x - w / 2, y + h * 0.55, x + w / 2, y + h * 0.55 + b * 0.6, frame)
    if pen.pixels(w) > 10:
        pen.rect(x - w * 0.62, y - h * 0.10, x + w * 0.62, y, light(frame), line=True)


def _behind(pen: Pen, x: float, y: float, w: float, h: float, lit: bool) -> None:
    cloth = mix((250, 160, 130), (255, 240, 220), 0.5 if lit else 0.75)
    for side in (-1, 1):
        edge = x + side * w * 0.41
        pen.blob(
            [
                (edge, y + h * 0.9),
                (edge - side * w * 0.26, y + h * 0.9),
                (edge - side * w * 0.13, y + h * 0.45),
                (edge, y + h * 0.12),
            ],
            cloth,
        )
        for k in (0.06, 0.13):
            pen.line(
                [(edge - side * w * k, y + h * 0.88), (edge - side * w * k * 0.6, y + h * 0.4)],
                w * 0.012,
                shade(cloth),
                pen.fade(w * 0.02, 0.8),
            )
    inner = pen.inside(x, y + h * 0.09, h * 0.42)
    if int(abs(x) * 100) % 2:
        _plant(inner)
    else:
        _sitter(inner)


def _plant(pen: Pen) -> None:
    for lean, size in ((-0.34, 0.8), (0.0, 1.0), (0.32, 0.75)):
        pen.blob(
            [(0, 0.4), (lean - 0.16, 0.4 + 0.35 * size), (lean, 0.4 + 0.55 * size), (lean + 0.14, 0.4 + 0.3 * size)],
            (70, 150, 84),
            line=True,
        )
    pen.poly([(-0.25, 0.42), (0.25, 0.42), (0.18, 0), (-0.18, 0)], (204, 104, 72), line=True)


def _sitter(pen: Pen) -> None:
    fur: Colour = (64, 54, 72)
    pen.blob([(-0.3, 0), (-0.26, 0.4), (0, 0.6), (0.26, 0.4), (0.3, 0)], fur, line=True)
    pen.disc(0, 0.78, 0.25, 0.22, fur, line=True)
    for side in (-1, 1):
        pen.poly([(side * 0.22, 0.84), (side * 0.2, 1.12), (side * 0.04, 0.96)], fur)
        pen.disc(side * 0.1, 0.79, 0.05, 0.06, (250, 220, 110), glow=True)
        pen.disc(side * 0.1, 0.79, 0.02, 0.05, INK)


def door(pen: Pen, x: float, w: float, h: float, colour: Colour = WOOD, arch: bool = False, y: float = 0.0) -> None:
    """A door with boards, a knob and a step."""
    if arch:
        t = np.linspace(0, np.pi, 9)
        top = [(x + w / 2 * float(np.cos(a)), y + h - w / 2 + w / 2 * float(np.sin(a))) for a in t]
        pen.poly([(x - w / 2, y), (x + w / 2, y), *top], colour, line=True)
    else:
        pen.rect(x - w / 2, y, x + w / 2, y + h, colour, line=True)
    planks(
        pen,
        ((x - w / 2, y), (x + w / 2, y), (x + w / 2, y + h * 0.8), (x - w / 2, y + h * 0.8)),
        4,
        colour,
        upright=True,
    )
    pen.disc(x + w * 0.3, y + h * 0.45, w * 0.06, w * 0.06, (250, 210, 110))
    pen.rect(x - w * 0.65, y - 0.012, x + w * 0.65, y + 0.012, STONE, line=True)


def wall(pen: Pen, quad: Quad, colour: Colour, line: bool = True) -> None:
    """A wall with its shaded side."""
    pen.poly(quad, colour, line=line)
    pen.poly(patch(quad, 0.72, 0, 1, 1) if pen.light < 0 else patch(quad, 0, 0, 0.28, 1), shade(colour))


def box(x0: float, y0: float, x1: float, y1: float) -> Quad:
    """An upright rectangle as a quadrilateral."""
    return (x0, y0), (x1, y0), (x1, y1), (x0, y1)


def dotted(points: Sequence[Point]) -> list[Point]:
    """The middles between neighbouring points."""
    return [((a[0] + b[0]) / 2, (a[1] + b[1]) / 2) for a, b in pairwise(points)]
