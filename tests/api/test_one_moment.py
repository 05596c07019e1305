"""An account's card is of one moment: its balance and what follows from it were read together."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import Account
from accounts.setup import put_accounts, put_groups
from api.v1 import accounts
from live.account_view import AccountView, read_account_view
from markets.setup import put_symbols


@pytest.mark.django_db
def test_accounts_when_money_moves_while_they_are_read_then_balance_and_equity_agree(
    monkeypatch: pytest.MonkeyPatch, django_user_model: Any
) -> None:
    put_symbols([{"name": "EURUSD"}])
    put_groups([{"name": "retail"}])
    put_accounts([{"login": 1001, "group": "retail"}])
    user = django_user_model.objects.create_user("anna", password="p")
    Account.objects.filter(login=1001).update(user=user, balance="100")

    def late(login: int) -> AccountView:
        Account.objects.filter(login=login).update(balance="250")  # after the list was read
        return read_account_view(login)

    monkeypatch.setattr(accounts, "read_account_view", late)
    client = APIClient(REMOTE_ADDR="127.0.0.1")
    client.force_authenticate(user)

    card = client.get("/api/v1/accounts/").json()["results"][0]

    assert (card["balance"], card["equity"], card["free_margin"]) == ("250.00", "250.00", "250.00")
