"""The pictures that shots start from and their masks: of the experiment, and as axes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, TypeVar

from sdbatch.config.keys import INIT
from sdbatch.config.pictures import ALPHA, InitSettings, MaskSettings
from sdbatch.config.validation import check
from sdbatch.errors import ConfigError, Problem, Problems, shown
from sdbatch.plan.pictures import Pictures
from sdbatch.spec.canvas import SIDE, Size
from sdbatch.spec.passes import LATENT, Pass
from sdbatch.spec.pictures import Init, InputPicture, Mask, Sides

KEY, MASK, VIDEO = FILES = "init.image", "mask.image", "init.video"
Choice = InputPicture | None
MaskChoice = InputPicture | str | None  # None: no mask; ALPHA
T = TypeVar("T")


def choices(settings: InitSettings, pictures: Pictures) -> tuple[Choice, ...]:
    """The pictures of the experiment, or only None. Raises ConfigError."""
    if settings.video is not None:
        return (pictures.clip(settings.video, VIDEO),)
    if not settings.image:
        return (None,)
    return pictures.named(settings.image if len(settings.image) > 1 else settings.image[0], KEY)


def mask_of(settings: MaskSettings, pictures: Pictures) -> MaskChoice:
    """The mask of the experiment. Raises ConfigError."""
    found = _mask(settings.image, MASK, pictures)
    if len(found) > 1:
        text = f"{shown(settings.image)} names {len(found)} pictures, and one is needed"
        raise ConfigError.one(MASK, text, f"as an axis write sweep: [{{{MASK}: {settings.image}}}]")
    return found[0]


def swept(values: Any, at: str, pictures: Pictures) -> Sequence[Choice]:
    """The values of an axis: a file, folder or pattern, or a list of these and of null. Raises ConfigError."""
    return _each(values, at, lambda value, here: [None] if value is None else pictures.named(value, here))


def swept_videos(values: Any, at: str, pictures: Pictures) -> Sequence[Choice]:
    """The same for videos, each a file or the folder of its frames."""
    return _each(values, at, lambda value, here: [None if value is None else pictures.clip(value, here)])


def swept_masks(values: Any, at: str, pictures: Pictures) -> Sequence[MaskChoice]:
    """The same for masks, of which one may be ``alpha``."""
    return _each(values, at, lambda value, here: _mask(value, here, pictures))


def _mask(value: str | None, at: str, pictures: Pictures) -> Sequence[MaskChoice]:
    return [value] if value is None or value == ALPHA else pictures.named(value, at)


def _each(values: Any, at: str, read: Callable[[Any, str], Sequence[T]]) -> list[T]:
    problems = Problems()
    out: list[T] = []
    for i, value in enumerate(values if isinstance(values, list) else [values]):
        here = f"{at}[{i}]" if isinstance(values, list) else at
        with problems:
            if value is not None and not isinstance(value, str):
                raise ConfigError.one(here, f"{shown(value)} is not the name of a picture")
            out += read(_path(value, here), here)
    if not out and not problems:
        problems.append(Problem(at, "is empty", "name a picture"))
    problems.report()
    return out


def _path(value: str | None, at: str) -> str | None:
    """``value``, validated as the experiment's own key."""
    try:
        return check(MaskSettings, {"image": value}).image
    except ConfigError as e:
        raise ConfigError(Problem(at, p.message, p.hint) for p in e.problems) from e


def value(settings: InitSettings, mask: MaskSettings, picture: Choice, mask_picture: MaskChoice) -> Init | None:
    """What a shot starts from."""
    if picture is None:
        return None
    sides, edges = (picture.width, picture.height) * 2, mask.outpaint
    amounts = zip((edges.left, edges.top, edges.right, edges.bottom), sides, strict=True)
    extend = Sides(*(round(amount * side if amount <= 1 else amount) for amount, side in amounts))
    painted = None
    if mask_picture is not None or extend != Sides():
        own = mask_picture if isinstance(mask_picture, InputPicture) else None
        painted = Mask(own, mask.blur, mask.invert, mask.content)
    return Init(picture, settings.strength, settings.resize, extend, painted)


def size(init: Init | None, at: str = "canvas") -> Size:
    """The size of a shot that takes that of its picture, as extended. Raises ConfigError."""
    if init is None:
        raise ConfigError.one(at, "is init, the size of init.image, which is not set", "write a size, or init.image")
    picture, more = init.picture, init.extend
    width, height = picture.width + more.left + more.right, picture.height + more.top + more.bottom
    if width not in SIDE or height not in SIDE:
        text = f"{picture.path!r} has {width} x {height} pixels; sides are {SIDE.start}–{SIDE.stop - 1}"
        raise ConfigError.one(at, text, "write a size")
    return Size(width, height)


def problems(
    settings: InitSettings, mask: MaskSettings, keys: Collection[str], pictures: Iterable[Choice]
) -> list[Problem]:
    """Settings without a picture; ``keys`` are swept, ``pictures`` those of the experiment or of the sweep."""
    videos = settings.video is not None or VIDEO in keys
    if videos and (KEY in keys or settings.image):
        other, at = (VIDEO, KEY) if KEY in keys else (KEY, VIDEO)
        return [
            Problem(at, f"is swept although {other} is {'swept' if other in keys else 'set'}", "remove one of them")
        ]
    if videos and mask.image == ALPHA:
        return [Problem(MASK, "init.video has no alpha", "write the name of a mask")]
    if any(pictures):
        return _unused(mask, keys)
    own: list[str] = []
    for section, given, defaults in (("init", settings, InitSettings()), ("mask", mask, MaskSettings())):
        own += [k for k in INIT if k.startswith(section) and _differ(given, defaults, k)]
    used = dict.fromkeys([*own, *(k for k in INIT if k in keys)])
    return [Problem(key, "has no effect without init.image", "name a picture") for key in used]


def _unused(mask: MaskSettings, keys: Collection[str]) -> list[Problem]:
    """Settings of a mask that is not there."""
    if mask.used or not {MASK, "mask.outpaint"}.isdisjoint(keys):
        return []
    found = [k for k in INIT if k.startswith("mask.") and (k in keys or _differ(mask, MaskSettings(), k))]
    return [Problem(key, "has no effect without mask.image or mask.outpaint", "name a mask, or alpha") for key in found]


def masked(settings: Iterable[tuple[Init | None, int | None, Sequence[Pass]]]) -> list[Problem]:
    """Masks that no job paints, and mistakes of masked pictures, given with their padding, that have a second pass."""
    found = [(init, padding, later) for init, padding, later in settings if init and init.mask]
    if found and not any(init.strength for init, _, _ in found):
        key = "mask.outpaint" if any(init.extend != Sides() for init, _, _ in found) else MASK
        return [Problem(key, "paints nothing, because init.strength is 0", "set init.strength, for example 0.8")]
    return next((wrong for each in found if (wrong := second_pass(*each))), [])


def second_pass(init: Init | None, padding: int | None, later: Sequence[Pass]) -> list[Problem]:
    """The mistakes of a masked picture that is denoised again."""
    again = [each for each in later if each.strength]
    if init is None or init.mask is None or not again:
        return []
    hint = "use upscale.scale, or give the results as init.image of another experiment"
    if padding is not None:
        text = "cannot be combined with mask.padding: the second pass renders the whole picture"
        return [Problem("hires.scale", text, f"set mask.padding=null, {hint}")]
    if any(each.upscaler.method == LATENT for each in again):
        return [Problem("hires.upscaler", "latent cannot keep what is outside the mask", "use lanczos or a network")]
    return []


def _differ(one: Any, other: Any, key: str) -> bool:
    name = key.partition(".")[2]
    return bool(getattr(one, name) != getattr(other, name))
