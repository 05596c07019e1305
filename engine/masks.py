"""Masks that name groups and symbols, as in MT5: `real*,!real-vip*`.

Masks stand between commas. `*` is any characters, none included; everything else is itself, capital letters
count. `!` before a mask excludes what it names, and an exclusion wins wherever it stands. No mask names nothing.
Knows no group and no symbol: what masks are for is said by who asks.
"""

from dataclasses import dataclass

#: Signs that mean something in other languages of patterns, and nothing here.
STRANGE = "?[];|"


class MaskError(ValueError):
    """A text that is no list of masks; its words are a sentence for whoever wrote it."""


@dataclass(frozen=True, slots=True)
class Masks:
    """What is named, and what is excluded from it."""

    named: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()

    def cover(self, name: str) -> bool:
        """Return whether the name is meant: by a mask, and by no exclusion."""
        return any(_fits(mask, name) for mask in self.named) and not any(
            _fits(mask, name) for mask in self.excluded
        )

    @property
    def cover_everything(self) -> bool:
        """Return whether every name is meant, also those that there will be."""
        return not self.excluded and any(not mask.strip("*") for mask in self.named)


def masks_from(text: str) -> Masks:
    """Return the masks that a text lists; an empty one lists none.

    Raises:
        MaskError: it is no list of masks.
    """
    if not text.strip():
        return Masks()
    named: list[str] = []
    excluded: list[str] = []
    for part in text.split(","):
        mask = part.strip()
        bare = mask.removeprefix("!").strip()
        _check(text, mask, bare)
        (excluded if mask.startswith("!") else named).append(bare)
    if not named:
        raise MaskError(
            f"{text!r} only excludes, so that it names nothing; *,{excluded_text(excluded)} names all others"
        )
    return Masks(tuple(named), tuple(excluded))


def excluded_text(masks: list[str]) -> str:
    """Return exclusions as they are written."""
    return ",".join(f"!{mask}" for mask in masks)


def _check(text: str, mask: str, bare: str) -> None:
    """Raise where one mask of a text is none."""
    if not mask:
        raise MaskError(f"nothing stands between two commas, or at an end, of {text!r}")
    if not bare:
        raise MaskError("! excludes the mask that follows it, and none does: write !real-vip*")
    if "!" in bare:
        raise MaskError(f"{mask!r} has ! inside it: separate masks by commas")
    for sign in bare:
        if sign in STRANGE or not sign.isprintable():
            raise MaskError(
                f"{mask!r} has {sign!r}, which names hold not and masks know not: "
                "write * for any characters and separate masks by commas"
            )


def _fits(mask: str, name: str) -> bool:
    """Return whether a mask names a name, in time that grows with their length only."""
    first, *rest = mask.split("*")
    if not rest:
        return mask == name
    *middle, last = rest
    if not name.startswith(first):
        return False
    at = len(first)
    for part in middle:
        place = name.find(part, at)
        if place < 0:
            return False
        at = place + len(part)
    return len(name) - len(last) >= at and name.endswith(last)
