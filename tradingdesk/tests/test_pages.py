"""The pages that belong to no face, but for health: metrics, and the headers of every face."""

import os

import pytest
from django.test import Client


def test_metrics_when_a_desk_counted_quotes_then_tells_them_by_cause(redis_db, client: Client) -> None:
    redis_db.hset("td:ticks:0", mapping={"accepted": 7, "crossed": 2})
    redis_db.xadd("ticks", {"d": "EURUSD,1.1,1.2,1"})

    lines = client.get("/metrics").content.decode().splitlines()

    assert 'tradingdesk_ticks_total{shard="0",cause="accepted"} 7' in lines
    assert 'tradingdesk_ticks_total{shard="0",cause="crossed"} 2' in lines
    assert "tradingdesk_stream_entries 1" in lines


@pytest.mark.django_db
def test_policy_when_a_page_is_the_admins_then_only_there_is_it_looser(services, client: Client) -> None:
    strict = client.get("/health/live")["Content-Security-Policy"]
    admin = client.get("/admin/login/")["Content-Security-Policy"]

    assert "script-src 'self';" in strict + ";"
    assert "unsafe" not in strict
    assert "script-src 'self' 'unsafe-eval'" in admin
    assert "frame-ancestors 'none'" in admin


def test_services_when_a_session_runs_then_the_addresses_are_on_the_loopback(services) -> None:
    assert "@127.0.0.1:" in os.environ["DATABASE_URL"]
    assert "@127.0.0.1:" in os.environ["REDIS_URL"]
