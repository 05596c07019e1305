"""Whose address a request has, for every shape of X-Forwarded-For and any number of proxies."""

import pytest
from django.test import RequestFactory

from credentials.address import UNKNOWN, caller_address, came_by_tls, limit_key

CASES = [
    # proxies, the connection's other end, X-Forwarded-For as it came, the caller
    (0, "192.0.2.1", "", "192.0.2.1"),
    (0, "192.0.2.1", "198.51.100.7", "192.0.2.1"),
    (1, "127.0.0.1", "198.51.100.7", "198.51.100.7"),
    (1, "127.0.0.1", "10.0.0.1, 198.51.100.7", "198.51.100.7"),
    (1, "127.0.0.1", "8.8.8.8,9.9.9.9,198.51.100.7", "198.51.100.7"),
    (2, "127.0.0.1", "8.8.8.8, 198.51.100.7, 10.0.0.2", "198.51.100.7"),
    (2, "127.0.0.1", "198.51.100.7,10.0.0.2", "198.51.100.7"),
    (2, "127.0.0.1", "198.51.100.7", "127.0.0.1"),
    (3, "127.0.0.1", "198.51.100.7,10.0.0.2", "127.0.0.1"),
    (1, "127.0.0.1", "", "127.0.0.1"),
    (1, "127.0.0.1", " , ", "127.0.0.1"),
    (1, "127.0.0.1", "198.51.100.7,unknown", "127.0.0.1"),
    (1, "127.0.0.1", "198.51.100.7,_hidden", "127.0.0.1"),
    (1, "127.0.0.1", "198.51.100.7,999.1.1.1", "127.0.0.1"),
    (1, "127.0.0.1", "198.51.100.7,<script>", "127.0.0.1"),
    (1, "127.0.0.1", "9" * 5000, "127.0.0.1"),
    (1, "127.0.0.1", "198.51.100.7:50123", "198.51.100.7"),
    (1, "127.0.0.1", "[2001:db8::7]:50123", "2001:db8::7"),
    (1, "127.0.0.1", "[2001:db8::7]", "2001:db8::7"),
    (1, "::1", "2001:0DB8:0000:0000::0007", "2001:db8::7"),
    (1, "::1", "fe80::1%eth0", "fe80::1"),
    (1, "::1", "::ffff:198.51.100.7", "198.51.100.7"),
    (0, "::ffff:192.0.2.1", "", "192.0.2.1"),
    (0, "", "198.51.100.7", UNKNOWN),
    (1, "", "198.51.100.7", "198.51.100.7"),
    (1, "", "", UNKNOWN),
]


@pytest.mark.parametrize(("proxies", "peer", "forwarded", "expected"), CASES)
def test_address_when_asked_of_a_scope_and_of_a_request_then_both_say_the_caller(
    settings, proxies, peer, forwarded, expected
):
    settings.PROXY_COUNT = proxies
    scope = {"client": [peer, 4000] if peer else None, "headers": [(b"x-forwarded-for", forwarded.encode())]}
    request = RequestFactory().get("/", REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR=forwarded)

    assert caller_address(scope) == expected
    assert caller_address(request) == expected


def test_address_when_the_header_comes_twice_then_its_values_are_one_list(settings):
    settings.PROXY_COUNT = 1
    headers = [(b"x-forwarded-for", b"8.8.8.8"), (b"x-forwarded-for", b"198.51.100.7")]

    assert caller_address({"client": ["127.0.0.1", 1], "headers": headers}) == "198.51.100.7"


def test_address_when_a_header_is_only_spelled_alike_then_it_does_not_count(settings):
    settings.PROXY_COUNT = 1
    headers = [(b"x-forwarded-for", b"198.51.100.7"), (b"x_forwarded_for", b"8.8.8.8")]

    assert caller_address({"client": ["127.0.0.1", 1], "headers": headers}) == "198.51.100.7"


def test_address_when_the_scope_is_one_of_a_unix_socket_then_it_is_unknown(settings):
    settings.PROXY_COUNT = 0

    assert caller_address({"client": None, "headers": []}) == UNKNOWN
    assert caller_address({"headers": []}) == UNKNOWN


def test_limit_when_the_address_is_of_ipv6_then_its_network_counts():
    assert limit_key("2001:db8:1:2:3:4:5:6") == limit_key("2001:db8:1:2::9") == "2001:db8:1:2::/64"
    assert limit_key("2001:db8:1:3::9") != limit_key("2001:db8:1:2::9")
    assert limit_key("198.51.100.7") == "198.51.100.7"
    assert limit_key(UNKNOWN) == UNKNOWN


@pytest.mark.parametrize(
    ("proxies", "https", "headers", "expected"),
    [
        (0, False, [(b"x-forwarded-proto", b"https")], False),
        (1, False, [(b"x-forwarded-proto", b"https")], True),
        (1, False, [(b"x-forwarded-proto", b"http")], False),
        (1, False, [], False),
        (0, True, [], True),
    ],
)
def test_tls_when_only_the_caller_says_so_then_it_is_not_believed(
    settings, proxies, https, headers, expected
):
    settings.PROXY_COUNT, settings.HTTPS = proxies, https

    assert came_by_tls({"headers": headers, "scheme": "ws"}) is expected
