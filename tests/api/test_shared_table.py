"""What the web processes of a machine count together."""

import mmap
import os
from collections.abc import Iterator

import pytest

from api.http import shared_table
from api.http.limits import Buckets
from api.http.shared_table import MEMORY_BYTES, PLACES, ROWS, SharedTable
from tradingdesk.seats import Seats


@pytest.fixture
def memory(settings) -> Iterator[None]:
    descriptor = os.memfd_create("test")
    os.ftruncate(descriptor, MEMORY_BYTES)
    settings.WEB_MEMORY = descriptor
    shared_table._memory.cache_clear()
    yield
    shared_table._memory.cache_clear()
    os.close(descriptor)


def seats(settings, index: int, *, by_address: int) -> Seats:
    settings.WEB_INDEX, settings.WEB_COUNT = index, 2
    return Seats(total=100, by_address=by_address, sockets_per_s=100, behind_proxies=False)


def test_table_when_written_then_another_view_of_the_memory_reads_it(memory, settings) -> None:
    ours = SharedTable(mmap.mmap(settings.WEB_MEMORY, MEMORY_BYTES), "users")
    theirs = SharedTable(mmap.mmap(settings.WEB_MEMORY, MEMORY_BYTES), "users")
    other = SharedTable(mmap.mmap(settings.WEB_MEMORY, MEMORY_BYTES), "misses")

    ours.put("user 7", 1.5, 2.5)

    assert theirs.get("user 7") == (1.5, 2.5)
    assert theirs.get("user 8") is None
    assert other.get("user 7") is None
    theirs.drop("user 7")
    assert ours.get("user 7") is None


def test_table_when_more_come_than_it_holds_then_the_newest_stay_and_it_does_not_grow(
    memory, settings
) -> None:
    table = SharedTable(mmap.mmap(settings.WEB_MEMORY, MEMORY_BYTES), "users")
    callers = 3 * ROWS * PLACES

    for number in range(callers):
        table.put(f"address {number}", 1, number)

    assert all(table.get(f"address {number}") == (1, number) for number in range(callers - 100, callers))
    assert table.get("address 0") is None


def test_buckets_when_two_processes_take_then_from_one_bucket(memory) -> None:
    first, second = (Buckets(per_s=1, burst=10, region="users") for _ in range(2))

    taken = [buckets.take("user 1", now_s=5.0) for _ in range(5) for buckets in (first, second)]

    assert taken == [0.0] * 10
    assert first.take("user 1", now_s=5.0) == second.take("user 1", now_s=5.0) == pytest.approx(1.0)
    assert first.take("user 2", now_s=5.0) == 0.0


def test_seats_when_two_processes_hold_an_address_then_its_limit_is_one(memory, settings) -> None:
    first, second = seats(settings, 0, by_address=3), seats(settings, 1, by_address=3)

    held = [first.take("a"), second.take("a"), first.take("a")]

    assert all(held)
    assert first.take("a") is None
    assert second.take("a") is None
    assert second.take("b")
    held[0].leave()
    assert second.take("a")


def test_seats_when_a_process_begins_anew_then_what_its_forerunner_held_is_free(memory, settings) -> None:
    first, second = seats(settings, 0, by_address=2), seats(settings, 1, by_address=2)
    assert first.take("a")
    assert first.take("a")
    assert second.take("a") is None

    seats(settings, 0, by_address=2)

    assert second.take("a")
