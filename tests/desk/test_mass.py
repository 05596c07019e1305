"""A mass action against a desk that runs: every row is done once, and an order in between is not kept waiting."""

from typing import Any

import pytest

from dealing import services
from manager import mass
from positions.models import Position
from tests.desk.conftest import AT_ONCE, LOGIN, World, assert_clean, deposit

pytestmark = pytest.mark.stack


def test_positions_when_hundreds_are_closed_by_one_job_then_all_are_closed_once_and_the_book_is_clean(
    world: World, admin_user: Any
) -> None:
    world.serving()
    world.quoted("1.10000", "1.10010")
    deposit()
    for _ in range(250):
        services.place_order(LOGIN, symbol="EURUSD", type="buy", volume="0.01", caller=AT_ONCE)
    world.settled()
    job = mass.start(
        "close_positions", "Close", admin_user, Position.objects.filter(status="open"), client_key="b" * 32
    )

    while mass.run(job.pk):
        pass

    job.refresh_from_db()
    assert (job.state, job.total, mass.counts(job)["done"]) == ("done", 250, 250)
    assert not Position.objects.filter(status="open").exists()
    assert_clean()
