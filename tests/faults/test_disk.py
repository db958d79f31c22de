"""A disk that is full, read-only or limits files: a clear message and exit code 1; it continues when there is space."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.harness import Disk, check_whole, render, tree

WISH = {"stills": 80, "films": 1, "frames": 6}


@pytest.fixture
def reference(tmp_path: Path) -> dict[str, bytes]:
    render(tmp_path / "reference", **WISH)
    return tree(tmp_path / "reference")


@pytest.mark.parametrize("size", ["60k", "150k", "250k"])
def test_a_full_disk(disk: Disk, reference: dict[str, bytes], size: str) -> None:
    disk.remount(f"size={size}")
    root = disk.path / "x"
    code, said = render(root, **WISH)
    assert code == 1
    assert "no space left on the disk; free some space, then run the same command again" in said["error"]
    done = check_whole(root, reference)
    disk.remount("size=100m")
    code, said = render(root, **WISH)
    assert (code, said["failed"]) == (0, 0)
    assert said["skipped"] >= len(done)
    assert tree(root) == reference


def test_a_full_disk_while_a_video_is_encoded(disk: Disk) -> None:
    wish = {"films": 1, "frames": 40}
    root = disk.path / "x"
    render(root, **wish)
    before = tree(root)
    for path in root.glob("videos/*"):
        path.unlink()
    used = sum(-(-len(data) // 4096) * 4 for data in before.values())
    disk.remount(f"size={used - 4}k")
    code, said = render(root, **wish)
    assert (code, "no space left" in said.get("error", "")) == (1, True), said
    disk.remount("size=100m")
    assert render(root, **wish)[0] == 0
    assert tree(root) == before


def test_a_limit_on_files(tmp_path: Path) -> None:
    code, said = render(tmp_path / "x", stills=3, file_limit=500)
    assert code == 1
    assert "no space left" in said["error"]
    assert render(tmp_path / "x", stills=3)[0] == 0


def test_a_read_only_disk(disk: Disk) -> None:
    root = disk.path / "x"
    assert render(root, stills=3)[0] == 0
    disk.remount("ro")
    code, said = render(root, stills=3)
    assert (code, said["skipped"]) == (0, 3), "a finished experiment needs no writing"
    code, said = render(root, stills=4)
    assert code == 1
    assert "cannot be written" in said["error"]
    disk.remount("rw")
    code, said = render(root, stills=4)
    assert (code, said["done"], said["skipped"]) == (0, 1, 3)


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("not a folder")
    code, said = render(tmp_path / "x", stills=1)
    assert (code, str(tmp_path / "x") in said["error"]) == (1, True)
