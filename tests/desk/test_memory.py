"""The collector of cycles: off while a desk serves, on as before afterwards, and nothing that it would miss piles up."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from benchmarks.ticks import commands, engine_at, walk
from dealing import memory
from dealing.changes import Changes


class Knot:
    """Something that only the collector frees."""

    def __init__(self) -> None:
        self.self = self


@pytest.fixture(autouse=True)
def _collector() -> Iterator[None]:
    gc.collect()
    yield
    gc.unfreeze()
    gc.enable()
    gc.collect()


@pytest.mark.parametrize("was_on", [True, False])
def test_collector_when_a_desk_has_served_then_it_is_as_it_was(was_on: bool) -> None:
    (gc.enable if was_on else gc.disable)()

    with pytest.raises(KeyError), memory.held():
        memory.loaded()
        assert not gc.isenabled()
        assert gc.get_freeze_count()
        raise KeyError

    assert gc.isenabled() is was_on
    assert not gc.get_freeze_count()


def test_book_when_another_is_loaded_then_it_is_freed_a_moment_later_though_it_was_set_aside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with memory.held():
        book = Knot()
        memory.loaded()
        monkeypatch.setattr(memory, "FREED_AFTER_S", 0.0)
        memory.between_batches()
        monkeypatch.setattr(memory, "FREED_AFTER_S", 1000.0)
        seen = weakref.ref(book)
        del book
        memory.loaded()
        memory.between_batches()
        assert seen() is not None, "the load was made longer, or what waited behind it"
        monkeypatch.setattr(memory, "FREED_AFTER_S", 0.0)

        memory.between_batches()

        assert seen() is None


def test_books_when_one_is_loaded_after_the_other_then_no_more_than_one_is_left() -> None:
    with memory.held():
        books = [Knot() for _ in range(5)]
        seen = [weakref.ref(book) for book in books]
        while books:
            memory.loaded()
            del books[0]

        memory.loaded()

        assert sum(one() is not None for one in seen) <= 1


def test_cycles_when_enough_was_made_then_they_are_freed_between_batches() -> None:
    with memory.held():
        memory.loaded()
        knots = [Knot() for _ in range(memory.ENOUGH // 4)]
        seen = weakref.ref(knots[0])
        del knots
        memory.between_batches()
        assert seen() is not None, "a look was taken at next to nothing"
        more = [Knot() for _ in range(memory.ENOUGH)]

        memory.between_batches()

        assert seen() is None
        assert len(more) == memory.ENOUGH


def test_ticks_and_commands_when_worked_off_then_they_leave_no_cycles() -> None:
    seen, quotes = walk(400)
    engine = engine_at(seen, quotes[0], 30)
    changes = Changes(engine.state)
    with memory.held():
        for command in commands("positions", 200, seen):
            changes.collect(engine.on_command(command, 1), 1)
        memory.loaded()
        for quote in quotes[1:]:
            changes.collect(engine.on_tick(seen.name, *quote), quote[2])
        changes.collect(engine.on_tick(seen.name, "0.50000", "0.50010", 1_000), 1_000)
        assert len(changes.deals) > 200
        changes = Changes(engine.state)

        assert gc.collect() == 0
