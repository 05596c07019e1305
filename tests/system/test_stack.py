"""The stack that other tests stand on: pages, desk and Redis answer, and nothing is left after it."""

import psycopg
import pytest

from tests.services import Services
from tests.stack import Stack
from tradingdesk.embedded import port_open
from tradingdesk.probes import engine_ready, site_ready


def test_stack_when_entered_then_all_parts_answer_and_when_left_nothing_remains(services: Services) -> None:
    with Stack(services) as stack:
        assert site_ready(stack.url)
        assert engine_ready(stack.database_url, 1)
        stack.tick("NOSUCH", "1.1", "1.2")
        with stack.redis() as client:
            assert client.xlen("ticks") == 1

    assert not port_open(stack.port)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(stack.database_url)
