"""The pictures of the README and the docs, rendered by the embedded models.   python -m scripts.pictures [NAME …]

Names are those of the files in docs/images: ``videos`` is the README's animation. ``gallery`` needs Debian's chromium
and chromium-driver.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

from sdbatch import cli, video_reader
from tests.gallery.browser import Browser

IMAGES = Path("docs/images").resolve()
PROMPTS = {
    "torii": "red torii gate, sea, sunset sky",
    "lighthouse": "red lighthouse, sea, night sky, stars",
    "cherry": "pink cherry tree, mountains, dawn",
    "castle": "white castle, snow hills, day, clouds",
    "balloon": "yellow balloon, desert, sunset sky",
    "boat": "sailing boat, sea, day, clouds",
}
STUDY: dict[str, Any] = {
    "prompts": [{"id": name, "text": text} for name, text in PROMPTS.items()],
    "sampling": {"steps": 24, "guidance": 5},
}


SHEETS = ("image_to_image", "controlled", "lora_styles", "poster")


def main() -> int:
    """Render and write the pictures of docs/images that are named, or all."""
    parts: dict[str, Callable[[Path], None]] = {
        "videos": lambda folder: animation(shipped(folder, "anime_zoom")),
        "video_to_video": strips,
        **{name: partial(experiment_sheet, name) for name in SHEETS},
        "demo": demo,
        "gallery": gallery,
    }
    with tempfile.TemporaryDirectory() as folder:
        for name in sys.argv[1:] or parts:
            parts[name](Path(folder))
    return 0


def experiment_sheet(name: str, folder: Path) -> None:
    """The contact sheet of a shipped experiment."""
    for task in ("render", "sheet"):
        assert cli.run([f"+experiment={name}", f"task={task}", *where(folder)]) == 0
    keep_webp(Image.open(folder / f"outputs/{name}/sheet.png"), name)


def demo(folder: Path) -> None:
    """A contact sheet of six scenes and six seeds."""
    sheet = rendered(folder, "land", STUDY | {"seeds": "0..5"})
    assert cli.run([*where(folder), "name=land", "task=sheet"]) == 0
    keep_webp(Image.open(sheet / "sheet.png"), "demo")


def gallery(folder: Path) -> None:
    """A screenshot of a gallery."""
    sweep = [{"sampling.guidance": [2, 6]}]
    page = rendered(folder, "landscapes", STUDY | {"seeds": "0..3", "sweep": sweep})
    keep(seen(page, folder), "gallery.png")


def shipped(folder: Path, name: str) -> list[list[Path]]:
    """The frames of each video of a shipped experiment, in the order of its plan."""
    assert cli.run([f"+experiment={name}", "output.frames=true", "gallery.enabled=false", *where(folder)]) == 0
    results = folder / "outputs" / name
    ids = [json.loads(line)["id"] for line in (results / "plan.jsonl").read_text("utf-8").splitlines()]
    return [sorted(frames.glob("*.png")) for video in ids if (frames := results / "frames" / video).is_dir()]


def animation(videos: list[list[Path]]) -> None:
    """The videos side by side as an animated WebP, at half the frame rate (12 fps)."""
    frames = [side_by_side(together) for together in list(zip(*videos, strict=False))[::2]]
    frames[0].save(
        IMAGES / "videos.webp", save_all=True, append_images=frames[1:], duration=83, loop=0, quality=60, method=6
    )


def strips(folder: Path) -> None:
    """Seven frames of the video of +experiment=video_to_video, and below it of each film that follows it."""
    films: list[list[Any]] = [[Image.open(path) for path in film] for film in shipped(folder, "video_to_video")]
    clip: list[Any] = [Image.fromarray(pixels) for pixels in video_reader.decode(Path("conf/experiment/pan.mp4"))]
    rows = [[film[round(k * (len(film) - 1) / 6)] for k in range(7)] for film in (clip, *films)]
    width, height = rows[0][0].size
    sheet = Image.new("RGB", (7 * width, len(rows) * height))
    for y, row in enumerate(rows):
        for x, frame in enumerate(row):
            sheet.paste(frame, (x * width, y * height))
    keep_webp(sheet, "video_to_video")


def side_by_side(paths: tuple[Path, ...]) -> Image.Image:
    pictures = [Image.open(path).convert("RGB") for path in paths]
    row = Image.new("RGB", (sum(p.width for p in pictures), pictures[0].height))
    for i, picture in enumerate(pictures):
        row.paste(picture, (i * picture.width, 0))
    return row


def keep_webp(image: Image.Image, name: str) -> None:
    image.convert("RGB").save(IMAGES / f"{name}.webp", quality=88, method=6)


def keep(picture: Path, name: str) -> None:
    """With 256 colours, mixed where they are not enough: half the size, and skies stay smooth."""
    image = Image.open(picture).convert("RGB")
    palette = image.quantize(256, kmeans=3)
    image.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).save(IMAGES / name, optimize=True)


def rendered(folder: Path, name: str, data: dict[str, Any]) -> Path:
    (folder / "experiment").mkdir(exist_ok=True)
    text = "# @package _global_\n" + yaml.safe_dump({"name": name} | data)
    (folder / "experiment" / f"{name}.yaml").write_text(text, "utf-8")
    assert cli.run([f"--config-dir={folder}", f"+experiment={name}", *where(folder)]) == 0
    return folder / "outputs" / name


def where(folder: Path) -> list[str]:
    return [f"output.folder={folder / 'outputs'}"]


def seen(page: Path, folder: Path) -> Path:
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    assert chromium, "needs chromium"
    assert driver, "needs chromium-driver"
    browser = Browser(chromium, driver, folder, folder)
    try:
        browser.size(1080, 850)
        browser.open(page)
        browser.pictures()
        return browser.shot("gallery")
    finally:
        browser.quit()


if __name__ == "__main__":
    sys.exit(main())
