"""Each formula of the engine is changed by one point or cent, and every door that shows a figure of it shows the change.

A door whose figure does not move reckons by itself, or keeps what it should ask for.
"""

import json
import sys
from collections.abc import Iterator
from importlib import import_module
from types import FunctionType

import pytest

from tests.formulas import switched
from tests.formulas.changes import FORMULAS, NO_FORMULAS
from tests.formulas.doors import DOORS, NO_FIGURES, Book, Reading
from tests.recorded.world import World
from tests.stack import Stack

pytestmark = pytest.mark.stack

MODULES = ("profit", "margin", "rates", "valuation", "figures")
#: Asked every time; the others only where the long form is wanted, for each takes some seconds.
ALWAYS = (
    "profit.raw_profit",
    "profit.floating_profit",
    "rates.widen",
    "margin.margin_parts",
    "profit.commission_of",
)


def launch(stack: Stack) -> None:
    """Start desk and pages with formulas that listen."""
    switch = stack.folder / "switch"
    switched.make(switch)
    stack.env["FORMULA_SWITCH"] = str(switch)
    start = [sys.executable, "-m", "tests.formulas.switched"]
    stack.start("desk-0", [*start, "desk", "--shard", "0"])
    words = ["-b", "127.0.0.1", "-p", str(stack.port), "-v", "0", "tradingdesk.asgi:application"]
    stack.start("daphne", [*start, "web", *words])


class Switched:
    """A book whose formulas can be changed, and what its doors show while none is."""

    def __init__(self, world: World) -> None:
        self.switch = world.stack.folder / "switch"
        self.book = Book(world)
        self.usual = self.book.read()

    def read(self, name: str) -> Reading:
        """Return what the doors show while that formula is another."""
        switched.turn(self.switch, name)
        try:
            return self.book.read()
        finally:
            switched.turn(self.switch)


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Switched]:
    """Return the doors of a desk in which one account has everything that figures are of."""
    with World(tmp_path_factory.mktemp("formulas"), launch) as world:
        yield Switched(world)


def test_doors_when_read_then_they_show_what_the_table_says(doors: Switched) -> None:
    shown: dict[str, set[str]] = {}
    for door, figure in doors.usual:
        shown.setdefault(door, set()).add(figure)

    assert shown == {door: set(figures) for door, figures in DOORS.items()}
    assert doors.read("") == doors.usual


def test_doors_when_compared_with_the_document_then_none_is_missing(doors: Switched) -> None:
    document = json.loads(doors.book.owner.call("GET", "/api/v1/schema/?format=json").raw)
    addresses = {path.removeprefix("/api/v1/") for path in document["paths"]}
    told = {door.split(" ")[0].rstrip("/") for door in DOORS}

    assert {path for path in addresses if path.rstrip("/") not in told} == set(NO_FIGURES)


def test_formulas_when_compared_with_the_engine_then_none_is_missing() -> None:
    functions = {
        f"{module}.{name}"
        for module in MODULES
        for name, thing in vars(import_module(f"engine.{module}")).items()
        if isinstance(thing, FunctionType)
        and thing.__module__ == f"engine.{module}"
        and not name.startswith("_")
    }
    listed = {name for name in FORMULAS if name.split(".")[0] in MODULES and name.count(".") == 1}

    assert functions == listed | set(NO_FORMULAS)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in ALWAYS else pytest.mark.slow) for name in FORMULAS]
)
def test_formula_when_it_is_changed_then_every_door_shows_the_change(doors: Switched, name: str) -> None:
    formula = FORMULAS[name]

    now = doors.read(name)

    changed = {key for key, text in doors.usual.items() if now.get(key) != text}
    expected = {
        (door, figure)
        for door, figure in doors.usual
        if figure in formula.figures and door not in formula.but
    }
    assert formula.figures <= {figure for _, figure in doors.usual}
    assert {"not shown": sorted(expected - changed), "not expected": sorted(changed - expected)} == {
        "not shown": [],
        "not expected": [],
    }


def test_doors_when_no_formula_is_changed_any_more_then_they_are_as_before(doors: Switched) -> None:
    assert doors.read("") == doors.usual
