"""Bodies in and out: no floats, and nothing that a database or an engine cannot hold."""

import io
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.core.exceptions import RequestDataTooBig
from rest_framework.exceptions import ParseError, ValidationError

from api.http.fields import DecimalText, Number, StrictSerializer, Text, read
from api.http.jsonio import MAX_BODY_BYTES, StrictParser, dumps, loads


def test_numbers_when_read_then_stay_exact():
    assert loads('{"a": 0.1, "b": 3, "c": -1e-3}') == {"a": Decimal("0.1"), "b": 3, "c": Decimal("-0.001")}
    assert not any(isinstance(value, float) for value in loads("[0.1, 1.5e3]"))


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "nonsense", '{"a": NaN}', '{"a": Infinity}', '{"a": -Infinity}', '{"a": "\\u0000"}',
        '{"a": "\\ud800"}', '{"\\u0000": 1}', '{"a": 1, "a": 2}', '{"a": ' + "9" * 5_000 + "}",
        '{"a": 1e999999999}', '{"a": 1e99999999999999999999}', '{"a": -1E-99999999999999999999}', "[" * 100_000, "[" * 30 + "]" * 30,
    ],
)  # fmt: skip
def test_text_when_it_is_nothing_we_can_mean_then_parse_error(text):
    with pytest.raises(ParseError):
        loads(text)


def test_bytes_when_not_utf8_then_parse_error():
    with pytest.raises(ParseError):
        loads(b'{"a": "\xff"}')


def test_body_when_larger_than_64_kib_then_refused():
    with pytest.raises(RequestDataTooBig):
        StrictParser().parse(io.BytesIO(b'"' + b"a" * MAX_BODY_BYTES + b'"'))


def test_decimals_when_written_then_numbers_with_their_own_digits():
    value = {"a": Decimal("0.10"), "b": [Decimal("1E+3"), None, True, 'q"'], "c": Decimal("1E-8")}

    assert dumps(value) == '{"a":0.10,"b":[1000,null,true,"q\\""],"c":0.00000001}'


def test_times_when_written_then_iso_with_milliseconds():
    assert dumps({"t": datetime(2024, 3, 15, 10, 30, tzinfo=UTC)}) == '{"t":"2024-03-15T10:30:00.000Z"}'


class Body(StrictSerializer):
    volume = DecimalText()
    ticket = Number(required=False)
    name = Text(required=False)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("0.10", "0.10"), (Decimal("0.10"), "0.10"), (1, "1"), ("1e-5", "0.00001"), ("-2", "-2"),
        ("NaN", "NaN"), ("much", "much"), (Decimal("1E+2"), "100"),
    ],
)  # fmt: skip
def test_decimal_text_when_read_then_digits_are_kept(given, kept):
    assert read(Body, {"volume": given})["volume"] == kept


@pytest.mark.parametrize(
    "given",
    [True, None, [], {}, "", " ", "1" * 100, "1e99", "1e99999999999", "１e９９９９９９９９９", "1e-999"],
)
def test_decimal_text_when_it_cannot_be_a_number_then_refused(given):
    with pytest.raises(ValidationError):
        read(Body, {"volume": given})


@pytest.mark.parametrize("given", [0, -1, 2**63, True, "abc", "", "1.0", "９", [], {}, None])
def test_ticket_when_it_is_no_number_of_ours_then_refused(given):
    with pytest.raises(ValidationError):
        read(Body, {"volume": "1", "ticket": given})


def test_body_when_a_field_is_unknown_then_it_is_named():
    with pytest.raises(ValidationError) as caught:
        read(Body, {"volume": "1", "slippage": 3})

    assert "slippage" in str(caught.value.detail)


@pytest.mark.parametrize("given", [None, [], "text", 5, [{"volume": "1"}]])
def test_body_when_it_is_no_object_then_refused(given):
    with pytest.raises(ValidationError):
        read(Body, given)
