"""Which jobs of several shots wait for which of them: videos, and pictures with passes, here called videos.

They are given by their positions in the plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable


class Dependencies:
    """``finished_elsewhere(i)``: whether another process has finished job ``i``, or has failed at it."""

    def __init__(self, finished_elsewhere: Callable[[int], bool]) -> None:
        self._finished_elsewhere = finished_elsewhere
        self._missing: dict[int, int] = {}  # video -> shots that are not stored yet
        self._owners: dict[str, list[int]] = {}  # shot -> videos that wait for it
        self._failed: set[int] = set()  # videos that failed
        self.shared: dict[str, int] = {}  # shot of a video -> the picture job with the same id

    def add(self, video: int, shot_ids: Iterable[str]) -> list[str]:
        """Add a video and its missing shots; returns the shots that no earlier video needs."""
        new = []
        for shot_id in shot_ids:
            owners = self._owners.setdefault(shot_id, [])
            owners.append(video)
            self._missing[video] = self._missing.get(video, 0) + 1
            if len(owners) == 1:
                new.append(shot_id)
        return new

    def share(self, stills: Iterable[tuple[str, int]]) -> None:
        """Register the picture jobs (id, position) to render: some are shots of videos as well."""
        if self._owners:
            self.shared = {job_id: i for job_id, i in stills if job_id in self._owners}

    def has_several(self, i: int) -> bool:
        """Whether ``i`` was added."""
        return i in self._missing

    def __contains__(self, shot_id: object) -> bool:
        """Whether videos wait for the shot."""
        return shot_id in self._owners

    def owner(self, shot_id: str) -> int | None:
        """The first video that waits for the shot and can still be completed, or None."""
        waiting = self._owners.get(shot_id, ())
        return next((i for i in waiting if i not in self._failed and not self._finished_elsewhere(i)), None)

    def stored(self, shot_id: str) -> list[int]:
        """The shot is on disk; returns the videos whose shots are now all stored."""
        complete = []
        for i in self._owners.pop(shot_id, ()):
            self._missing[i] -= 1
            if not self._missing[i] and i not in self._failed:
                complete.append(i)
        return complete

    def failed(self, shot_id: str) -> list[int]:
        """The shot failed; returns the videos that fail with it."""
        videos = [i for i in self._owners.pop(shot_id, ()) if i not in self._failed and not self._finished_elsewhere(i)]
        self._failed.update(videos)
        return videos

    def waiting(self) -> list[int]:
        """Videos with missing shots that have not failed."""
        return [i for i, n in self._missing.items() if n and i not in self._failed and not self._finished_elsewhere(i)]
