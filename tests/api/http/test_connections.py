"""Connections as attackers hold them, over raw sockets: each is told why, and ends."""

import json
import socket
import time
from collections.abc import Callable

import pytest

from tests.api.http.conftest import Served, read_all

Serve = Callable[..., Served]
API = b"POST /api/v1/orders/ HTTP/1.1\r\nHost: a\r\n"
GET = b"GET /here HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = b"GET /here HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
UPGRADE = (
    b"GET /ws/ HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s\r\n"
)


def parts(answer: bytes) -> tuple[int, dict[str, str], dict[str, object]]:
    """Return status, headers and the JSON body of an answer."""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return int(first.split()[1]), headers, json.loads(body)


def is_closed(connection: socket.socket) -> bool:
    """Return whether the server ends the connection without a word."""
    try:
        return connection.recv(100) == b""
    except ConnectionResetError:
        return True


def until(done: Callable[[], bool], limit_s: float = 5.0) -> None:
    end = time.monotonic() + limit_s
    while not done():
        assert time.monotonic() < end
        time.sleep(0.05)


# ---- bodies ----


@pytest.mark.parametrize("length", [b"65537", b"99999999999", b"9" * 5000])
def test_body_when_its_length_is_too_much_then_refused_before_it_is_sent(serve: Serve, length: bytes) -> None:
    answer = serve().ask(API + b"Content-Length: " + length + b"\r\n\r\n")

    status, headers, body = parts(answer)
    assert status == 413
    assert body == {"code": "too_large", "message": "The body has more than 65536 bytes.", "ticket": None}
    assert headers["connection"] == "close"


def test_body_when_the_caller_asks_first_then_is_not_told_to_go_on(serve: Serve) -> None:
    answer = serve().ask(API + b"Expect: 100-continue\r\nContent-Length: 70000\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 413 ")


def test_body_when_it_fits_exactly_then_taken(serve: Serve) -> None:
    answer = serve().ask(API + b"Connection: close\r\nContent-Length: 65536\r\n\r\n" + b"x" * 65_536)

    assert answer.endswith(b"/api/v1/orders/ 65536\n")


def test_body_when_it_comes_in_pieces_without_end_then_cut_at_the_limit(serve: Serve) -> None:
    server = serve()
    with server.open() as connection:
        connection.sendall(API + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(17):
            connection.sendall(b"1000\r\n" + b"x" * 4096 + b"\r\n")

        status, _, body = parts(read_all(connection))

    assert (status, body["code"]) == (413, "too_large")


def test_body_when_sent_whole_before_the_answer_is_read_then_the_answer_arrives(serve: Serve) -> None:
    answer = serve().ask(API + b"Content-Length: 500000\r\n\r\n" + b"x" * 500_000)

    assert parts(answer)[0] == 413


def test_body_when_it_is_a_file_for_the_admin_then_only_with_a_session_larger(serve: Serve) -> None:
    server = serve()
    head = b"POST /admin/x/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 100000\r\n"

    stranger = server.ask(head + b"\r\n")
    staff = server.ask(head + b"Cookie: sessionid=abc\r\n\r\n" + b"x" * 100_000)

    assert stranger.startswith(b"HTTP/1.1 413 ")
    assert staff.endswith(b"/admin/x/ 100000\n")


def test_body_when_it_drips_then_ended(serve: Serve) -> None:
    server = serve(LIMIT_BODY_S=1)
    with server.open() as connection:
        connection.sendall(API + b"Content-Length: 1000\r\n\r\n1")

        status, _, body = parts(read_all(connection))

    assert (status, body["code"]) == (408, "too_slow")


def test_body_when_it_is_long_and_comes_steadily_then_taken(serve: Serve) -> None:
    server = serve(LIMIT_BODY_S=1)
    with server.open() as connection:
        connection.sendall(API + b"Connection: close\r\nContent-Length: 40960\r\n\r\n")
        for _ in range(10):
            connection.sendall(b"x" * 4096)
            time.sleep(0.25)

        assert read_all(connection).endswith(b" 40960\n")


# ---- headers ----


def test_headers_when_they_drip_then_ended(serve: Serve) -> None:
    server = serve(LIMIT_HEADER_S=1)
    with server.open() as connection:
        connection.sendall(b"GET /here HTTP/1.1\r\nHost: a\r\n")
        begun = time.monotonic()
        for letter in b"X-A: bcdefg":
            time.sleep(0.1)
            connection.sendall(bytes([letter]))

        answer = read_all(connection)

    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert time.monotonic() - begun < 6


def test_headers_when_nothing_comes_then_ended(serve: Serve) -> None:
    with serve(LIMIT_HEADER_S=1).open() as connection:
        assert read_all(connection).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    "headers",
    [
        b"X-A: " + b"a" * 17_000 + b"\r\n\r\n",
        b"X-A: " + b"a" * 40_000,
        b"".join(b"X-%d: a\r\n" % number for number in range(101)) + b"\r\n",
        b"".join(b"X-%d: %s\r\n" % (number, b"a" * 500) for number in range(50)) + b"\r\n",
    ],
    ids=["a long line", "a line without an end", "many", "many bytes"],
)
def test_headers_when_too_many_then_refused(serve: Serve, headers: bytes) -> None:
    answer = serve().ask(API + headers)

    status, _, body = parts(answer)
    assert (status, body["code"]) == (431, "headers_too_large")


@pytest.mark.parametrize(
    "sent", [b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/1.1\r\nno colon\r\n\r\n"]
)
def test_request_when_it_is_no_http_then_refused(serve: Serve, sent: bytes) -> None:
    assert serve().ask(sent).startswith(b"HTTP/1.1 400 Bad request\r\n")


def test_length_when_told_twice_then_refused_once(serve: Serve) -> None:
    answer = serve().ask(API + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + LAST)

    assert answer.count(b"HTTP/1.1 400 ") == 1
    assert answer.startswith(b"HTTP/1.1 400 ")


# ---- connections ----


def test_connection_when_kept_and_not_used_then_ended(serve: Serve) -> None:
    with serve(LIMIT_IDLE_S=1).open() as connection:
        connection.sendall(GET)

        answer = read_all(connection)

    assert b"/here 0\n" in answer
    assert b"408" not in answer


def test_connection_when_kept_after_a_body_then_pauses_longer_than_headers_may_take(serve: Serve) -> None:
    server = serve(LIMIT_HEADER_S=0.5)
    with server.open() as connection:
        connection.sendall(API + b"Content-Length: 2\r\n\r\n{}")
        first = connection.recv(1000)
        time.sleep(2)
        connection.sendall(LAST)

        assert b" 200 " in first
        assert read_all(connection).startswith(b"HTTP/1.1 200 ")


def test_requests_when_sent_ahead_then_answered_one_by_one(serve: Serve) -> None:
    ahead = GET.replace(b"/here", b"/slow")

    answer = serve().ask(ahead * 3 + LAST)

    bodies = [line for line in answer.split(b"\r\n") if b" 0\n" in line]
    assert b"".join(bodies).count(b"/slow 0\n") == 3
    assert answer.endswith(b"/here 0\n")
    assert answer.count(b"HTTP/1.1 200") == 4


def test_connections_when_one_address_has_too_many_then_only_it_is_refused(serve: Serve) -> None:
    server = serve(LIMIT_CONNECTIONS_ADDRESS=5)
    held = [server.open(source="127.0.0.3") for _ in range(5)]

    with server.open(source="127.0.0.3") as sixth:
        assert is_closed(sixth)
    assert server.ask(LAST, source="127.0.0.2").startswith(b"HTTP/1.1 200")
    held.pop().close()

    until(lambda: _answers(server, "127.0.0.3"))
    for one in held:
        one.close()


def test_connections_when_there_are_too_many_in_all_then_refused(serve: Serve) -> None:
    server = serve(LIMIT_CONNECTIONS=5)
    held = [server.open(source=f"127.0.0.{number}") for number in range(3, 8)]

    with server.open(source="127.0.0.9") as sixth:
        assert is_closed(sixth)
    for one in held:
        one.close()

    until(lambda: _answers(server, "127.0.0.9"))


def _answers(server: Served, source: str) -> bool:
    try:
        return server.ask(LAST, source=source).startswith(b"HTTP/1.1 200")
    except ConnectionError:
        return False


def test_sockets_when_open_then_hold_their_seat_until_they_are_lost(serve: Serve) -> None:
    server = serve(LIMIT_CONNECTIONS_ADDRESS=2)
    held = []
    for _ in range(2):
        held.append(server.open(source="127.0.0.3"))
        held[-1].sendall(UPGRADE % b"")
        assert held[-1].recv(1000).startswith(b"HTTP/1.1 101 ")

    with server.open(source="127.0.0.3") as third:
        assert is_closed(third)
    for one in held:
        one.close()

    until(lambda: _answers(server, "127.0.0.3"))


def test_sockets_when_one_address_opens_many_then_only_it_waits(serve: Serve) -> None:
    server = serve(LIMIT_SOCKETS=0.4)  # one at once, then one in 2.5 s
    opened = []
    for _ in range(2):
        opened.append(server.open(source="127.0.0.3"))
        opened[-1].sendall(UPGRADE % b"")
    other = server.open(source="127.0.0.2")
    other.sendall(UPGRADE % b"")

    answers = [one.recv(1000) for one in opened]

    assert [answer.split()[1] for answer in answers] == [b"101", b"429"]
    assert b"Retry-After: 2\r\n" in answers[1]
    assert other.recv(1000).startswith(b"HTTP/1.1 101 ")
    for one in [*opened, other]:
        one.close()


def test_sockets_when_behind_a_proxy_then_counted_by_the_address_that_it_names(serve: Serve) -> None:
    server = serve(PROXY_COUNT=1, LIMIT_CONNECTIONS_ADDRESS=1, LIMIT_SOCKETS=100)
    found = []
    for forwarded in (b"1.2.3.4", b"1.2.3.4", b"5.6.7.8"):
        found.append(server.open())
        found[-1].sendall(UPGRADE % (b"X-Forwarded-For: 9.9.9.9, " + forwarded + b"\r\n"))

    assert [one.recv(1000).split()[1] for one in found] == [b"101", b"429", b"101"]
    for one in found:
        one.close()


# ---- answers and the end ----


def test_stream_when_nobody_reads_it_then_no_more_is_made_than_fits(serve: Serve) -> None:
    server = serve()
    with server.open(source="127.0.0.3") as idle:
        idle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        idle.sendall(b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(1)

        made = int(server.ask(LAST.replace(b"/here", b"/made")).split()[-1])

    assert 1 <= made < 200, "of 512 pieces"


def test_stream_when_read_then_whole(serve: Serve) -> None:
    answer = serve().ask(b"GET /stream HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")

    assert answer.count(b"x") >= 512 * 65_536


def test_server_when_stopped_with_connections_that_ask_nothing_then_ends_well(serve: Serve) -> None:
    server = serve(LIMIT_IDLE_S=60)
    with server.open() as silent, server.open() as half:
        half.sendall(b"GET /here HTTP/1.1\r\nHost")
        time.sleep(0.2)

        assert server.stop() == 0
        assert is_closed(silent)
    assert "Traceback" not in server.log.read_text()
