"""Pages while PostgreSQL is silent: 503 with a page of our own, and well again afterwards."""

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client

from tradingdesk.embedded import free_port


@pytest.mark.parametrize(
    ("path", "form"),
    [("/", "text/html"), ("/admin/", "text/html"), ("/api/v1/accounts/", "application/json")],
)
def test_page_when_the_database_is_silent_then_503_and_well_again_afterwards(
    transactional_db: None, path: str, form: str
) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(get_user_model().objects.create_superuser("anna"))
    port = connection.settings_dict["PORT"]
    connection.close()
    connection.settings_dict["PORT"] = free_port()
    try:
        answer = client.get(path)
    finally:
        connection.close()
        connection.settings_dict["PORT"] = port

    assert answer.status_code == 503
    assert answer["Retry-After"] == "1"
    assert answer["Content-Type"].startswith(form)
    assert client.get(path).status_code < 400


def test_page_when_the_fault_is_ours_then_500(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("ours")

    monkeypatch.setattr("tradingdesk.health.recent_look", broken)

    assert Client(raise_request_exception=False).get("/healthz").status_code == 500
