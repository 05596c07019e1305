"""Every refusal that the engine can make has a sentence, and brings the facts that it names."""

import ast
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

from engine.codes import Code
from engine.precedence import CODES_OF, PRECEDENCE, ROWS, Family, Rule, judge
from engine.refusals import SENTENCES, refuse

ENGINE = Path(__file__).parents[2] / "engine"
SENTENCE = [(code, reason) for code, by_reason in SENTENCES.items() for reason in by_reason]


def made() -> Iterator[tuple[str, Code, set[str], set[str]]]:
    """Yield each call of `refuse`: place, code, the reasons it may give, the facts it names."""
    for path in sorted(ENGINE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for function in ast.walk(tree):
            if not isinstance(function, ast.FunctionDef):
                continue
            for call in ast.walk(function):
                if (
                    isinstance(call, ast.Call)
                    and isinstance(call.func, ast.Name)
                    and call.func.id == "refuse"
                ):
                    code, reason = call.args
                    facts = {word.arg or "**" for word in call.keywords} - {"at_level"}
                    named = Code[ast.unparse(code).removeprefix("Code.")]
                    yield f"{path.name}:{call.lineno}", named, set(reasons(reason, function)), facts


def reasons(given: ast.expr, function: ast.FunctionDef) -> Iterator[str]:
    """Yield the reasons that a call may give: its text, or both of a choice that was named before."""
    if isinstance(given, ast.Name):
        for node in ast.walk(function):
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == given.id:
                yield from reasons(node.value, function)
    elif isinstance(given, ast.IfExp):
        yield from reasons(given.body, function)
        yield from reasons(given.orelse, function)
    else:
        assert isinstance(given, ast.Constant), ast.unparse(given)
        yield given.value


def test_refusals_when_made_then_each_brings_the_facts_that_its_sentence_names() -> None:
    wrong = []
    for place, code, may_be, facts in made():
        assert may_be, place
        for reason in may_be:
            sentence = SENTENCES[code].get(reason, "{a sentence}")
            named = {field for _, field, _, _ in Formatter().parse(sentence) if field}
            if not named <= facts:
                wrong.append(f"{place}: {code} {reason}: {sorted(named - facts)}")

    assert wrong == []


def test_sentences_when_listed_then_each_is_made_somewhere() -> None:
    used = {(code, reason) for _, code, may_be, _ in made() for reason in may_be}

    assert [entry for entry in SENTENCE if entry not in used] == []


def test_sentence_when_a_fact_holds_braces_then_they_stay_as_they_are() -> None:
    refusal = refuse(Code.SYMBOL_NOT_FOUND, "unknown", symbol="{login}")

    assert refusal.sentence == "there is no symbol {login}"


def test_rules_when_listed_then_each_has_codes_and_a_row() -> None:
    assert set(CODES_OF) == set(Rule)
    assert set(ROWS) == set(Family)
    assert {rule for row in ROWS.values() for rule in row} == set(Rule)


def test_rows_when_listed_then_none_names_a_rule_twice() -> None:
    assert [family for family, row in ROWS.items() if len(set(row)) != len(row)] == []


@pytest.mark.parametrize("family", PRECEDENCE)
def test_judge_when_a_rule_has_no_check_then_raises(family: Family) -> None:
    checks = dict.fromkeys(ROWS[family], lambda: None)
    checks.popitem()

    with pytest.raises(KeyError):
        judge(family, checks)


def test_judge_when_two_rules_are_broken_then_the_row_decides_and_not_the_handler() -> None:
    late, taken = (
        refuse(Code.REQUEST_NOT_FOUND, "unknown", request=1),
        refuse(Code.TIMEOUT, "late", symbol="A"),
    )

    refusal = judge(Family.ACCEPT_REQUOTE, {Rule.OFFER_STANDS: lambda: taken, Rule.OFFER_THERE: lambda: late})

    assert refusal is late
