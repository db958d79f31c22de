"""Which films wait for which shots. Films and jobs are positions in the plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable


class Needs:
    """``elsewhere`` says whether another process has finished a job."""

    def __init__(self, elsewhere: Callable[[int], bool]) -> None:
        self._elsewhere = elsewhere
        self._missing: dict[int, int] = {}  # film -> shots that are not stored yet
        self._owners: dict[str, list[int]] = {}  # shot -> films that wait for it
        self._over: set[int] = set()  # films that failed
        self.shared: dict[str, int] = {}  # shot of a film -> the picture job that it is as well

    def add(self, film: int, shot_ids: Iterable[str]) -> list[str]:
        """A film and the shots that it lacks; returns those that no film before it has asked for."""
        new = []
        for shot_id in shot_ids:
            owners = self._owners.setdefault(shot_id, [])
            owners.append(film)
            self._missing[film] = self._missing.get(film, 0) + 1
            if len(owners) == 1:
                new.append(shot_id)
        return new

    def share(self, stills: Iterable[tuple[str, int]]) -> None:
        """Picture jobs (id, position) that are to be rendered: some may be shots of films too."""
        if self._owners:
            self.shared = {job_id: i for job_id, i in stills if job_id in self._owners}

    def is_film(self, i: int) -> bool:
        return i in self._missing

    def __contains__(self, shot_id: str) -> bool:
        """Whether films wait for the shot."""
        return shot_id in self._owners

    def alive(self, shot_id: str) -> bool:
        """Whether a film that may still come about waits for the shot."""
        return any(i not in self._over and not self._elsewhere(i) for i in self._owners.get(shot_id, ()))

    def stored(self, shot_id: str) -> list[int]:
        """The shot is on disk; returns the films that are complete now."""
        complete = []
        for i in self._owners.pop(shot_id, ()):
            self._missing[i] -= 1
            if not self._missing[i] and i not in self._over:
                complete.append(i)
        return complete

    def failed(self, shot_id: str) -> list[int]:
        """The shot cannot be made; returns the films that fail with it."""
        films = [i for i in self._owners.pop(shot_id, ()) if i not in self._over]
        self._over.update(films)
        return films

    def waiting(self) -> list[int]:
        """Films that lack shots and did not fail."""
        return [i for i, n in self._missing.items() if n and i not in self._over and not self._elsewhere(i)]
