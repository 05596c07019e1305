"""Rounding of the twin: the base of every comparison."""

from fractions import Fraction

import pytest

from tests.oracle.numbers import digits_of, on_grid, printed, rounded


@pytest.mark.parametrize(
    ("value", "digits", "expected"),
    [
        (Fraction(5, 1000), 2, Fraction(1, 100)),
        (Fraction(-5, 1000), 2, Fraction(-1, 100)),
        (Fraction(4999, 1_000_000), 2, Fraction(0)),
        (Fraction(1, 2), 0, Fraction(1)),
        (Fraction(-3, 2), 0, Fraction(-2)),
    ],
)
def test_rounded_when_a_tie_then_away_from_zero(value: Fraction, digits: int, expected: Fraction) -> None:
    assert rounded(value, digits) == expected


def test_printed_when_negative_and_small_then_keeps_zero_before_the_point() -> None:
    assert printed(Fraction(-1, 100), 2) == "-0.01"
    assert printed(Fraction(0), 2) == "0.00"
    assert printed(Fraction(-1, 1000), 2) == "0.00"
    assert printed(Fraction(17), 0) == "17"
    assert printed(None, 2) is None


def test_grid_when_step_is_coarse_then_only_whole_steps_pass() -> None:
    assert on_grid(Fraction("0.15"), Fraction("0.05"))
    assert not on_grid(Fraction("0.12"), Fraction("0.05"))
    assert digits_of("0.050") == 2
    assert digits_of("1") == 0
