"""Which videos wait for which shots. Videos and jobs are positions in the plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable


class Dependencies:
    """``elsewhere`` says whether another process has done a job, or failed at it."""

    def __init__(self, elsewhere: Callable[[int], bool]) -> None:
        self._elsewhere = elsewhere
        self._missing: dict[int, int] = {}  # video -> shots that are not stored yet
        self._owners: dict[str, list[int]] = {}  # shot -> videos that wait for it
        self._over: set[int] = set()  # videos that failed
        self.shared: dict[str, int] = {}  # shot of a video -> the picture job that it is as well

    def add(self, video: int, shot_ids: Iterable[str]) -> list[str]:
        """A video and the shots that it lacks; returns those that no video before it has asked for."""
        new = []
        for shot_id in shot_ids:
            owners = self._owners.setdefault(shot_id, [])
            owners.append(video)
            self._missing[video] = self._missing.get(video, 0) + 1
            if len(owners) == 1:
                new.append(shot_id)
        return new

    def share(self, stills: Iterable[tuple[str, int]]) -> None:
        """Picture jobs (id, position) that are to be rendered: some may be shots of videos too."""
        if self._owners:
            self.shared = {job_id: i for job_id, i in stills if job_id in self._owners}

    def is_video(self, i: int) -> bool:
        return i in self._missing

    def __contains__(self, shot_id: object) -> bool:
        """Whether videos wait for the shot."""
        return shot_id in self._owners

    def owner(self, shot_id: str) -> int | None:
        """The first video that waits for the shot and may still come about."""
        waiting = self._owners.get(shot_id, ())
        return next((i for i in waiting if i not in self._over and not self._elsewhere(i)), None)

    def stored(self, shot_id: str) -> list[int]:
        """The shot is on disk; returns the videos that are complete now."""
        complete = []
        for i in self._owners.pop(shot_id, ()):
            self._missing[i] -= 1
            if not self._missing[i] and i not in self._over:
                complete.append(i)
        return complete

    def failed(self, shot_id: str) -> list[int]:
        """The shot cannot be made; returns the videos that fail with it."""
        videos = [i for i in self._owners.pop(shot_id, ()) if i not in self._over and not self._elsewhere(i)]
        self._over.update(videos)
        return videos

    def waiting(self) -> list[int]:
        """Videos that lack shots and did not fail."""
        return [i for i, n in self._missing.items() if n and i not in self._over and not self._elsewhere(i)]
