"""Number fields: the table of cases that the terminal's parser is held to as well, and the forms that use it."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse

from accounts.models import Group
from manager.forms import MoneyForm, NumberField
from manager.numbers import NotANumber, StrictDecimalField, StrictIntegerField, number_text
from manager.tests.book import write_book

CASES = json.loads((Path(__file__).parents[2] / "tests" / "number_cases.json").read_text("utf-8"))["cases"]


@pytest.mark.parametrize("case", CASES, ids=[ascii(case["text"]) for case in CASES])
def test_number_when_typed_then_understood_or_refused_as_the_table_says(case: dict[str, Any]) -> None:
    if "value" in case:
        assert number_text(case["text"]) == case["value"]
        return

    with pytest.raises(NotANumber) as refusal:
        number_text(case["text"])

    assert refusal.value.kind == case["refused"]
    assert str(refusal.value).endswith(".")


@pytest.mark.parametrize("field", [NumberField(), StrictDecimalField(), StrictIntegerField()])
@pytest.mark.parametrize("text", ["1,000", "1e3", "1_000", "\u0661", "1 000"])
def test_field_when_a_number_can_be_read_in_two_ways_then_every_kind_of_field_refuses_it(
    field: Any, text: str
) -> None:
    with pytest.raises(ValidationError):
        field.clean(text)


def test_money_form_when_a_comma_is_typed_then_the_sentence_says_what_to_write() -> None:
    form = MoneyForm({"kind": "deposit", "amount": "1,000"}, may_override=False)

    assert form.errors["amount"] == [
        "1,000 can be read in two ways: write a point before decimals and nothing between thousands, "
        "such as 1250.5 or 0.25."
    ]


@pytest.mark.django_db
def test_settings_form_when_numbers_carry_separators_then_refused_at_their_fields_and_nothing_is_written(
    redis_db: object, admin_client: Client
) -> None:
    write_book()
    before = Group.objects.filter(name="retail").values().get()
    page = admin_client.get(reverse("admin:accounts_group_change", args=["retail"]))
    form = page.context["adminform"].form
    sent = {name: form[name].value() for name in form.fields}
    sent |= {"leverage": "1,000", "stop_out": "5e1", "margin_call": "1_00", "currency": "USD"}
    sent = {name: value for name, value in sent.items() if value is not None and value is not False}
    sent |= {"securities-TOTAL_FORMS": "0", "securities-INITIAL_FORMS": "0"}

    answer = admin_client.post(reverse("admin:accounts_group_change", args=["retail"]), sent)

    errors = answer.context["adminform"].form.errors
    assert set(errors) == {"leverage", "stop_out", "margin_call"}
    assert Group.objects.filter(name="retail").values().get() == before
    assert before["stop_out"] == Decimal(50)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "page",
    ["accounts_group_add", "accounts_account_add", "markets_symbol_add", "markets_security_add"],
)
def test_settings_page_when_shown_then_no_box_drops_a_comma_before_it_is_judged(
    redis_db: object, admin_client: Client, page: str
) -> None:
    write_book()

    shown = admin_client.get(reverse(f"admin:{page}")).content.decode()

    assert 'id="id_name"' in shown
    assert 'type="number"' not in shown
