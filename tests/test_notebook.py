"""The notebook runs in a kernel of its own, on the embedded model; its forms offer what there is."""

from __future__ import annotations

import ast
import re
import zipfile
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from sdbatch.media.metadata import read
from sdbatch.spec.canvas import RATIOS
from tests.config.building import ROOT

FILE = ROOT / "notebooks" / "sdbatch.ipynb"
# Stands for Colab's modules: what the notebook shows and downloads is printed.
COLAB = """
import sys, types, urllib.request
def show(port, path, height):
    print("shown", urllib.request.urlopen(f"http://127.0.0.1:{port}{path}").status, height)
google, colab = types.ModuleType("google"), types.ModuleType("google.colab")
colab.output = types.SimpleNamespace(serve_kernel_port_as_iframe=show)
colab.files = types.SimpleNamespace(download=lambda path: print("downloaded", path))
sys.modules |= {"google": google, "google.colab": colab}
"""
IN_COLAB = ("install", "gallery", "download")  # cells that have parts for Colab
FIELD = re.compile(r'^(\w+) = (.+?) #@param (?:\{type:"(\w+)"(?:, min:(\S+), max:(\S+), step:\S+)?\}|(\[.*\]))$', re.M)


def notebook() -> Any:
    return nbformat.read(FILE, as_version=4)


def fields() -> dict[str, tuple[str, ...]]:
    """The forms' fields: default, type, smallest and largest value, choices."""
    found = FIELD.findall("\n".join(cell.source for cell in notebook().cells))
    return {name: tuple(rest) for name, *rest in found}


def test_the_form_has_the_controls_of_the_original():
    form = fields()
    assert form["steps"][1:4] == ("slider", "5", "80")
    assert form["guidance"][1:4] == ("slider", "1", "20")
    assert form["pictures"][1:4] == ("slider", "1", "6")
    assert form["seed"][1] == "integer"
    assert form["prompt"][1] == form["negative_prompt"][1] == "string"
    assert ast.literal_eval(form["ratio"][4]) == list(RATIOS)
    assert form["zoom"][1] == "slider"


def test_the_file_has_no_outputs():
    nbformat.validate(notebook())
    assert [cell.id for cell in notebook().cells if cell.cell_type == "code" and cell.outputs] == []


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder in which the notebook has run, with few steps and frames, and its cells by id."""
    folder, nb = tmp_path_factory.mktemp("notebook"), notebook()
    values = {"steps": "5", "seed": "3", "seconds": "1", "fps": "8", "model": '"tiny"'}
    for cell in nb.cells:
        cell.source = FIELD.sub(lambda m: m[0].replace(m[2], values.get(m[1], m[2]), 1), cell.source)
    again = [nbformat.v4.new_code_cell(c.source, id=f"{c.id}-colab") for c in nb.cells if c.id in IN_COLAB]
    nb.cells += [nbformat.v4.new_code_cell(COLAB), *again]
    NotebookClient(nb, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
    return folder, {cell.id: cell for cell in nb.cells}


def shown(cell: Any, kind: str) -> list[str]:
    return [o.data[kind] for o in cell.outputs if o.output_type == "display_data" and kind in o.data]


def printed(cell: Any) -> str:
    return "".join(o.text for o in cell.outputs if o.output_type == "stream" and o.name == "stdout")


def test_its_pictures_have_the_settings_of_the_form(run: tuple[Path, dict[str, Any]]):
    folder, cells = run
    pictures = sorted((folder / "outputs/notebook/images").glob("*.png"))
    assert len(pictures) == len(shown(cells["pictures"], "image/png")) == 2
    shots = [read(path)["job"]["shot"] for path in pictures]
    assert sorted(shot["seed"] for shot in shots) == [3, 4]
    assert {shot["steps"] for shot in shots} == {5}
    assert printed(cells["settings"]) == "model tiny, seed 3 to 4\n"


def test_its_film_is_played_in_the_page(run: tuple[Path, dict[str, Any]]):
    folder, cells = run
    assert [path.suffix for path in (folder / "outputs/notebook-film/videos").glob("*.mp4")] == [".mp4"]
    (html,) = shown(cells["film"], "text/html")
    assert "<video controls loop autoplay muted" in html
    assert "data:video/mp4;base64," in html


def test_its_gallery_and_its_archive_are_there(run: tuple[Path, dict[str, Any]]):
    folder, cells = run
    (html,) = shown(cells["gallery"], "text/html")
    address = re.search(r'src="([^"]+)"', html)
    assert address
    assert (folder / address[1]).is_file()
    with zipfile.ZipFile(folder / "notebook.zip") as archive:
        assert "notebook/index.html" in archive.namelist()
        assert sum(name.endswith(".png") for name in archive.namelist()) == 2


def test_in_colab_the_gallery_is_served_and_the_archive_downloaded(run: tuple[Path, dict[str, Any]]):
    folder, cells = run
    assert printed(cells["gallery-colab"]) == "shown 200 700\n"
    assert printed(cells["download-colab"]) == f"downloaded {folder / 'notebook.zip'}\n"
