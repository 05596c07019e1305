"""What is said about servers that the environment names: what is wrong, whether waiting helps, and no password."""

import os
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.services import Services
from tradingdesk.embedded import free_port
from tradingdesk.probes import database_fault, find_fault, redis_fault, without_password


def with_user(url: str, who: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{who}@{parts.hostname}:{parts.port}"))


def test_given_servers_when_well_then_nothing_is_wrong(services: Services) -> None:
    assert find_fault("DATABASE_URL", os.environ["DATABASE_URL"]) == ("", False)
    assert find_fault("REDIS_URL", os.environ["REDIS_URL"]) == ("", False)


def test_given_servers_when_the_password_is_wrong_then_said_at_once_and_not_asked_again(
    services: Services,
) -> None:
    told, may_come = database_fault(with_user(os.environ["DATABASE_URL"], "tradingdesk:wr0ng"))
    assert 'password authentication failed for user "tradingdesk"' in told
    assert not may_come

    told, may_come = redis_fault(with_user(os.environ["REDIS_URL"], ":wr0ng"))
    assert "invalid username-password pair" in told
    assert not may_come


def test_given_servers_when_nobody_listens_then_they_may_still_come() -> None:
    for told, may_come in (
        database_fault(f"postgres://a:secret@127.0.0.1:{free_port()}/b"),
        redis_fault(f"redis://:secret@127.0.0.1:{free_port()}/0"),
    ):
        assert "refused" in told
        assert "secret" not in told
        assert may_come


@pytest.mark.parametrize(
    ("variable", "url"),
    [
        ("DATABASE_URL", "nonsense"),
        ("DATABASE_URL", "sqlite:///desk.db"),
        ("DATABASE_URL", "postgres://a:se%cret@127.0.0.1/b"),
        ("REDIS_URL", "nonsense"),
        ("REDIS_URL", "redis://:secret@127.0.0.1:port/0"),
    ],
)
def test_given_address_when_it_is_none_then_refused_for_good(variable: str, url: str) -> None:
    told, may_come = find_fault(variable, url)

    assert told and "cret" not in told
    assert not may_come


def test_address_when_shown_then_without_its_password() -> None:
    assert without_password("postgres://me:s@cret@host:5432/desk") == "postgres://me:***@host:5432/desk"
    assert without_password("redis://:secret@host/0") == "redis://:***@host/0"
    assert without_password("redis://host/0") == "redis://host/0"
