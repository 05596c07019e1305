"""Orders while everything else stands still, and the OpenAPI document that costs nothing twice."""

import gzip
import json
import threading
import time
from typing import Any

import psycopg
import pytest

from tests.api.world import Answer, Client

pytestmark = pytest.mark.stack
MARKET = {"symbol": "EURUSD", "type": "buy", "volume": "0.01"}


def test_orders_when_all_reads_wait_for_the_database_then_are_executed_and_closed(world: Any) -> None:
    readers = [world.client() for _ in range(14)]
    trader = world.client()
    assert trader.post("/api/v1/orders/", MARKET).status == 201  # the process has met the symbol
    answers: list[tuple[Answer, float]] = []

    def read(client: Client) -> None:
        for path in ("/api/v1/candles/?symbol=EURUSD", "/api/v1/symbols/", "/api/v1/candles/?symbol=EURUSD"):
            begun = time.monotonic()
            answers.append((client.get(path), time.monotonic() - begun))

    with psycopg.connect(world.database_url) as holding:
        holding.execute("LOCK TABLE markets_candle, markets_symbol IN ACCESS EXCLUSIVE MODE")
        threads = [threading.Thread(target=read, args=(client,)) for client in readers]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        begun = time.monotonic()
        placed = trader.post("/api/v1/orders/", MARKET)
        closed = trader.post(f"/api/v1/positions/{placed.body['position']}/close/")
        took_s = time.monotonic() - begun
        still_waiting = sum(thread.is_alive() for thread in threads)
        world.until(lambda: len(answers) > 10, "refusals of reads", 15)
        holding.rollback()
    for thread in threads:
        thread.join(30)

    assert (placed.status, closed.status) == (201, 200), (placed, closed)
    assert took_s < 5
    assert still_waiting == len(readers)
    refused = [(answer, took) for answer, took in answers if answer.status != 200]
    assert refused
    for answer, took in refused:
        assert (answer.status, answer.body["code"], answer.headers["retry-after"]) == (
            503,
            "unavailable",
            "1",
        )
        assert took < 8


def test_schema_when_asked_again_then_the_same_bytes_or_304(world: Any) -> None:
    stranger = Client(world)
    first = stranger.get("/api/v1/schema/?format=json", Accept_Encoding="gzip")
    again = stranger.get(
        "/api/v1/schema/?format=json", Accept_Encoding="gzip", If_None_Match=first.headers["etag"]
    )
    plain = stranger.get("/api/v1/schema/?format=json")
    stale = stranger.get("/api/v1/schema/?format=json", If_None_Match='"0"')

    assert first.status == 200
    assert first.headers["content-encoding"] == "gzip"
    assert (again.status, again.raw) == (304, b"")
    assert gzip.decompress(first.raw) == plain.raw == stale.raw
    assert plain.headers["etag"] != first.headers["etag"]
    assert json.loads(plain.raw)["info"]["title"] == "tradingdesk"
    assert first.headers["cache-control"] == "no-cache"
    assert set(first.headers["vary"].lower().split(", ")) >= {"accept", "accept-encoding"}


def test_schema_when_asked_as_yaml_then_that(world: Any) -> None:
    answer = Client(world).get("/api/v1/schema/")

    assert answer.headers["content-type"].startswith("application/vnd.oai.openapi;")
    assert answer.raw.startswith(b"openapi: 3.")
