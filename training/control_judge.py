"""Judges the shipped ControlNet: do the edges of its pictures follow those given?   python -m training.control_judge

Scenes are drawn that the training never saw, of combinations that it left out. Their edges control pictures of their
own captions, and of captions of other scenes, where only the edges say where things are. The share of edges that are
followed is compared with that for the edges of another scene (shuffled), and for pictures without control.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from diffusers import ControlNetModel, StableDiffusionControlNetPipeline

from sdbatch.imaging.preprocess import canny
from training.captions import plain_caption
from training.controlnet import SHIPPED, say
from training.latents import FIRST_SEED
from training.painter import paint
from training.render import GUIDANCE, STEPS, load
from training.scene import draw_scene

RESULTS = Path(__file__).parent / "controlnet.json"
NEAR = np.ones((3, 3), np.uint8)  # an edge may be one pixel away
UNSEEN = FIRST_SEED + 90_500_000


def followed(pictures: Sequence[np.ndarray], edges: Sequence[np.ndarray]) -> dict[str, float]:
    """Of the edges given the share that is in the pictures, of the pictures' edges the share that was given, and F1."""
    found = np.stack([canny(p)[..., 0] > 0 for p in pictures])
    given = np.stack([e[..., 0] > 0 for e in edges])
    recall = (given & _near(found)).sum() / given.sum()
    precision = (found & _near(given)).sum() / found.sum()
    shares = {"recall": recall, "precision": precision, "f1": 2 * recall * precision / (recall + precision)}
    return {name: round(float(share), 3) for name, share in shares.items()}


def _near(edges: np.ndarray) -> np.ndarray:
    return np.stack([cv2.dilate(e.astype(np.uint8), NEAR) > 0 for e in edges])


def judge(model: Path = SHIPPED, count: int = 48, batch: int = 16) -> dict[str, Any]:
    """Write the results; returns them."""
    scenes = [draw_scene(UNSEEN + i, "1:1", unseen=True) for i in range(count)]
    edges = [canny(paint(scene)) for scene in scenes]
    same = [plain_caption(scene) for scene in scenes]
    pipe = load()
    net = ControlNetModel.from_pretrained(model, torch_dtype=torch.float32, local_files_only=True)
    controlled = StableDiffusionControlNetPipeline(**pipe.components, controlnet=net, requires_safety_checker=False)
    controlled.set_progress_bar_config(disable=True)
    others = same[count // 2 :] + same[: count // 2]
    away = edges[1:] + edges[:1]
    digest = hashlib.sha256((model / "diffusion_pytorch_model.safetensors").read_bytes()).hexdigest()
    results: dict[str, Any] = {"sha256": digest, "pictures": count, "steps": STEPS, "guidance": GUIDANCE}
    for name, texts in (("captions of the scenes", same), ("captions of other scenes", others)):
        made: list[np.ndarray] = []
        for at in range(0, count, batch):
            images = torch.from_numpy(np.stack(edges[at : at + batch])).movedim(-1, 1).float() / 255
            made += _pictures(controlled, texts[at : at + batch], at, image=images)
        results[name] = {"own edges": followed(made, edges), "shuffled edges": followed(made, away)}
    plain = [p for at in range(0, count, batch) for p in _pictures(pipe, same[at : at + batch], at)]
    results["without control"] = followed(plain, edges)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", "utf-8")
    return results


def _pictures(pipe: Any, texts: Sequence[str], first: int, **more: Any) -> list[np.ndarray]:
    noise = [torch.Generator().manual_seed(first + i) for i in range(len(texts))]
    made = pipe(
        list(texts), guidance_scale=GUIDANCE, num_inference_steps=STEPS, generator=noise, output_type="np", **more
    ).images
    return [(image * 255 + 0.5).clip(0, 255).astype(np.uint8) for image in made]


if __name__ == "__main__":
    torch.set_num_threads(1)
    say(json.dumps(judge()))
