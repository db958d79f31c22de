"""Whether the texts of a job change with the step."""

from __future__ import annotations

from sdbatch.motion.chains import joined
from sdbatch.motion.settings import Motion
from sdbatch.spec import wording


def has_step_syntax(prompt: str, negative: str, motion: Motion) -> bool:
    """Whether a text of a job has step syntax; for a video also with the words that its motion adds."""
    if motion.mode == "still":
        return wording.has_step_syntax(prompt, negative)
    words = [key.value for key in motion.prompts] or [""]
    if not any(mark in text for text in (prompt, negative, motion.phrase, *words) for mark in ("[", "AND")):
        return False  # fast path: phrases are computed for every frame
    phrases = motion.phrases()
    added = ((word, phrase) for word in words for phrase in dict.fromkeys((phrases[0], phrases[-1])))
    return any(wording.has_step_syntax(joined(prompt, *both), negative) for both in added)
