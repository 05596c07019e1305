"""Whatever is sent, the answer is the caller's fault or a result: never a 500, always JSON.

Requests are drawn from the table of addresses: bodies near to valid ones with a field replaced, left out or
added, bodies of any JSON, bytes that are no JSON, and addresses with odd words. The long form (--slow) sends
100,000, or FUZZ_REQUESTS.
"""

import copy
import json
import os
import string
from functools import cache
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.test_routes import METHODS, TABLE, Row, filled, owner, things

__all__ = ["owner", "things"]  # fixtures
pytestmark = pytest.mark.stack

ROWS = [row for row in TABLE if row.name not in ("api-schema", "api-docs")]
NASTY: list[Any] = [
    None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63) - 1, 10**38, 0.1, -0.0, 1e38, 5e-324,
    "", " ", "0", "-1", "1e5", "1e400", "-1e-400", "NaN", "Infinity", "-Infinity", "0x10", "1_000", "1,5", "+1", ".",
    "\u0000", "\ud83d\ude00", "\u202e", "１２", "ß", "Ω" * 40, "a" * 10_000, "'; DROP TABLE x; --", "%00", "../..",
    "gtc", "day", "2020-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+23:59", "{login}",
    "9999-12-31T23:59:59-14:00", "9998-12-31T23:59:59-14:00", "10000-01-01T00:00:00Z", "-0001-01-01T00:00:00Z",
    10**400, 1e22, "1e999999999", "1e99999999999999999999", "9" * 5000, 253_370_764_800_000,
    [], {}, [[]], [None], {"": None}, {"a": {"b": {"c": [1, 2, {}]}}}, [{"price": "1"}], {"type": []},
]  # fmt: skip
WORDS = ["account", "symbol", "type", "volume", "price", "sl", "tp", "expires", "leverage", "client_id", "side",
         "entry", "take_profits", "stop_loss", "trailing", "break_even", "version", "callback", "levels",
         "opposite", "orderId", "quantity", "takeProfit", "stopLoss", "username", "password", "refresh",
         "limit_price", "comment", "close", "x", "__access", "login", "userId"]  # fmt: skip

nasty = st.sampled_from(NASTY)
any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20) | nasty,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
odd_word = st.sampled_from(
    ["0", "-1", "1.5", "abc", "9" * 19, "9" * 40, "%00", "%F0%9F%98%80", "%ED%A0%80", "%FF", "..", "1;2", "a" * 3000,
     "%2e%2e%2f", "١٢", "+", "%0d%0aX: y"]
)  # fmt: skip
headers = st.fixed_dictionaries(
    {},
    optional={
        "Idempotency-Key": st.sampled_from(["k", "ü".encode().decode("latin-1"), "x" * 500, "a b", "\t"]),
        "If-Match": st.sampled_from(['"1"', "*", "9" * 30, 'W/"1"', "-1", ""]),
        "Accept": st.sampled_from(["text/html", "*/*", "application/xml;q=0.1", "nonsense", "application/json"]),
        "Content-Type": st.sampled_from(
            ["application/json; charset=utf-16", "text/plain", "multipart/form-data", "application/json;=",
             "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json"]
        ),
        "Accept-Language": st.sampled_from(["de", "xx-yy;q=2", "\u00e9".encode().decode("latin-1")]),
        "Cookie": st.sampled_from(["sessionid=x", "sessionid=", "csrftoken=\x01", "=;=;"]),
    },
)  # fmt: skip


@st.composite
def bodies(draw: st.DrawFn, row: Row, things: dict[str, int]) -> tuple[Any, bytes | None]:
    """Return a body as (JSON value, None) or (None, bytes)."""
    form = draw(st.integers(0, 9))
    if form == 0:
        return None, draw(st.binary(max_size=200))
    if form == 1:
        return None, draw(
            st.sampled_from([b"[" * 50_000, b'{"a":' * 9_000, b'"' + b"x" * 70_000 + b'"', b"\xff\xfe{}"])
        )
    if form == 2:
        return draw(any_json), None
    body = json.loads(json.dumps(filled(row.body or {}, things)))
    if isinstance(body, dict):
        for _ in range(draw(st.integers(1, 3))):
            place = body
            inner = [key for key, value in body.items() if isinstance(value, dict)]
            if inner and draw(st.booleans()):
                place = body[draw(st.sampled_from(inner))]
            key = draw(st.sampled_from(list(place) or WORDS) | st.sampled_from(WORDS))
            if draw(st.integers(0, 4)) == 0:
                place.pop(key, None)
            else:
                place[key] = copy.deepcopy(draw(nasty | any_json))  # a body is changed again below
    return body, None


@st.composite
def addresses(draw: st.DrawFn, row: Row, things: dict[str, int]) -> str:
    """Return the row's address, sometimes with odd words in it and behind it."""
    names = {name: str(number) for name, number in things.items()}
    if draw(st.integers(0, 2)) == 0:
        for name in names:
            names[name] = draw(odd_word)
    path = row.path.format(**names)
    for _ in range(draw(st.integers(0, 2))):
        word = draw(
            st.sampled_from(
                [
                    "account",
                    "limit",
                    "cursor",
                    "status",
                    "state",
                    "symbol",
                    "interval",
                    "before",
                    "kind",
                    "position",
                ]
            )
        )
        value = draw(odd_word | st.text(alphabet=string.printable, max_size=12).map(lambda text: quote(text)))
        path += f"{'&' if '?' in path else '?'}{word}={value}"
    return "/api/v1/" + quote(path, safe="/?&=%:;+,")


@cache
def leaver(world: Any) -> Any:
    """Return a caller whose logins are ended again and again."""
    return world.client()


def send_and_judge(data: st.DataObject, caller: Any, things: dict[str, int]) -> None:
    row = data.draw(st.sampled_from(ROWS))
    method = data.draw(st.sampled_from([row.method] * 6 + list(METHODS)))
    path = data.draw(addresses(row, things))
    body, raw = data.draw(bodies(row, things)) if method != "GET" else (None, None)
    if row.name == "api-logout":
        caller = caller.world.anew(leaver(caller.world))  # what it ends is nobody else's
    answer = caller.request(method, path, body, raw=raw, **data.draw(headers))

    assert answer.status < 500, (method, path, body, raw, answer)
    if method != "GET":  # what reached the desk was judged by it, and made nothing raise
        aside = caller.world.rows("SELECT raw, error FROM dealing_poisonitem LIMIT 1")
        assert not aside, (method, path, body, raw, aside)
    assert isinstance(answer.body, (dict, list)), (method, path, body, raw, answer)
    if answer.status >= 400:
        known = {"error"} <= set(answer.body) or {"code", "message"} <= set(answer.body)
        assert known, (method, path, body, raw, answer)


@settings(
    max_examples=1_200,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def test_request_when_malformed_then_never_a_server_error(world, owner, things, data):
    send_and_judge(data, owner, things)


@pytest.mark.slow
@settings(
    max_examples=int(os.environ.get("FUZZ_REQUESTS", "100000")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def test_request_when_malformed_in_the_long_run_then_never_a_server_error(world, owner, things, data):
    send_and_judge(data, owner, things)
