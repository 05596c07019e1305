"""Queries whose SQL is kept: what they return is what their querysets return."""

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Account
from dealing.kept_query import KeptQuery
from live import rights
from manager.tests.book import write_book

pytestmark = pytest.mark.django_db


def test_account_when_asked_for_by_a_kept_query_then_as_its_queryset_has_it_with_its_group(
    redis_db: Any,
) -> None:
    write_book()
    user = get_user_model().objects.create_user("owner", password="correct horse battery")
    Account.objects.filter(login__in=[1001, 1002]).update(user=user)

    for login in (1002, 1001):
        expected = rights.own_accounts(user).get(login=login)
        with CaptureQueriesContext(
            connection,
        ) as asked:
            found = rights.own_account(user, login)
            assert found is not None
            assert found.group == expected.group
        assert len(asked) == 1
        assert {name: value for name, value in vars(found).items() if name != "_state"} == {
            name: value for name, value in vars(expected).items() if name != "_state"
        }
        assert vars(found.group)["currency"] == expected.group.currency
    first = rights.first_own_account(user)
    assert first is not None
    assert first.login == 1001
    assert rights.own_account(user, 1003) is None
    user.is_active = False
    assert rights.first_own_account(user) is None


def test_query_when_its_values_are_not_the_ones_given_then_refused_at_the_first_call() -> None:
    wrong = KeptQuery(lambda login, enabled: Account.objects.filter(enabled=enabled, login=login))

    with pytest.raises(ValueError, match="are not the ones given"):
        wrong.first(1001, True)
