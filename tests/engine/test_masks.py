"""Masks of groups: what they name, and what is refused as none."""

import pytest

from engine.masks import MaskError, Masks, masks_from


@pytest.mark.parametrize(
    ("text", "covered", "uncovered"),
    [
        ("real*", ["real", "real-vip", "really"], ["demo-real", "Real", ""]),
        ("real*,!real-vip*", ["real", "real-pro"], ["real-vip", "real-vip-2"]),
        ("!real-vip*,real*", ["real", "real-pro"], ["real-vip", "real-vip-2"]),
        ("*,!demo*", ["real", "x"], ["demo", "demo-1"]),
        ("*, ! demo ", ["real", "demo-1"], ["demo"]),
        ("pro", ["pro"], ["pro1", "xpro", "PRO"]),
        ("*-usd", ["real-usd", "-usd"], ["real-usd-2", "usd"]),
        ("a*b*c", ["abc", "axxbyyc", "abbcc"], ["ab", "ac", "acb"]),
        ("ab*ba", ["abba", "ab-ba"], ["aba"]),
        ("real*,!real*", [], ["real", "real-1"]),
        ("*,!*", [], ["real"]),
        ("real.*", ["real.x"], ["realx"]),
        ("real\\pro*", ["real\\pro", "real\\pro-1"], ["real", "realpro"]),
        ("", [], ["", "real"]),
        ("   ", [], ["", "real"]),
    ],
)
def test_masks_when_read_then_an_exclusion_wins_and_nothing_names_nothing(
    text: str, covered: list[str], uncovered: list[str]
) -> None:
    masks = masks_from(text)

    assert {name: masks.cover(name) for name in covered} == dict.fromkeys(covered, True)
    assert {name: masks.cover(name) for name in uncovered} == dict.fromkeys(uncovered, False)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("real*,,pro", "nothing stands between two commas"),
        ("real*,", "nothing stands between two commas"),
        (",", "nothing stands between two commas"),
        ("real*,!", "none does"),
        ("!real*", "only excludes"),
        ("!a,!b*", "*,!a,!b* names all others"),
        ("real* !real-vip*", "has ! inside it"),
        ("!!real*,x", "has ! inside it"),
        ("real?", "'?'"),
        ("real[12]", "'['"),
        ("real*;pro", "';'"),
        ("real*\npro", "'\\n'"),
        ("real\x00", "'\\x00'"),
    ],
)
def test_masks_when_they_are_none_then_refused_with_a_sentence(text: str, found: str) -> None:
    with pytest.raises(MaskError) as refused:
        masks_from(text)

    assert found in str(refused.value)


def test_masks_when_they_cover_everything_then_only_a_star_without_exclusions_does() -> None:
    assert [masks_from(text).cover_everything for text in ("*", "**", "x,*", "*,!x", "x*", "")] == [
        True, True, True, False, False, False,
    ]  # fmt: skip
    assert Masks() == masks_from("")


def test_masks_when_a_mask_is_all_stars_then_answered_at_once() -> None:
    assert not masks_from("*a" * 199 + "b").cover("a" * 48)
