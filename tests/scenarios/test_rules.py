"""Every rule of the rulebook is shown by a scenario, and scenarios cite rules that there are.

The numbers are read from docs/trading-rules.md, the citations from each file's `why`: "(§4.3, §6.2)" at its
end. What no file can show, because a file sees neither HTTP nor recovery's clock, is listed here with the test
that proves it instead.
"""

import json
import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
FILES = sorted(FOLDER.rglob("*.json"))
RULES = re.findall(
    r"^\*\*§(\d+\.\d+)\*\*", (ROOT / "docs/trading-rules.md").read_text(encoding="utf-8"), re.M
)

CITATION = re.compile(r" \((§\d+\.\d+(?:, §\d+\.\d+)*)\)\Z")

#: Rule, why no file can show it, and the test that proves it: file and function.
PROVED_ELSEWHERE = {
    "3.14": (
        "an expectation compares what an order is, not the price beside it",
        "tests/browser/test_slips.py",
        "test_pending_when_it_waits_then_the_price_of_its_side_stands_beside_it",
    ),
    "6.11": (
        "a deal's evidence is not compared",
        "tests/engine/test_commands.py",
        "test_stop_loss_when_it_closes_then_keeps_tick_trigger_level_and_answers",
    ),
    "7.17": (
        "a preview is asked of a door and changes nothing",
        "tests/api/test_smart_orders.py",
        "test_preview_when_asked_then_the_money_that_the_plan_then_makes",
    ),
    "10.5": (
        "the rows of a day end are not compared",
        "tests/engine/test_day_rows.py",
        "test_day_end_when_it_comes_then_each_account_is_kept_with_that_days_swaps",
    ),
    "11.3": (
        "a restart of a scenario takes no time in which a request could grow old",
        "tests/desk/test_lease.py",
        "test_late_market_order_when_it_is_older_than_its_patience_then_it_fails_with_timeout",
    ),
    "12.2": (
        "a file speaks no HTTP",
        "tests/api/test_rest.py",
        "test_order_when_refused_then_the_codes_status_and_nothing_opens",
    ),
}


def cited(path: Path) -> list[str]:
    """Return the rules that a file says it shows, none where they do not stand at the end of its `why`."""
    why = json.loads(path.read_text(encoding="utf-8-sig"))["why"]
    found = CITATION.search(why)
    return [] if found is None else found.group(1).replace("§", "").split(", ")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_scenario_when_read_then_cites_rules_that_there_are(path: Path) -> None:
    rules = cited(path)

    assert rules, "the rules that a scenario shows stand at the end of its why: (§4.3, §6.2)"
    assert [rule for rule in rules if rule not in RULES] == []
    assert len(set(rules)) == len(rules)
    assert path.read_text(encoding="utf-8-sig").count("§") == len(rules)


def test_rulebook_when_read_then_each_number_stands_once_and_in_order() -> None:
    numbers = [tuple(map(int, rule.split("."))) for rule in RULES]

    assert len(numbers) > 100
    assert sorted(set(numbers)) == numbers


def test_rules_when_counted_then_each_is_shown_by_a_scenario_or_proved_elsewhere() -> None:
    shown = {rule for path in FILES for rule in cited(path)}

    assert [rule for rule in RULES if rule not in shown and rule not in PROVED_ELSEWHERE] == []
    assert [rule for rule in PROVED_ELSEWHERE if rule in shown or rule not in RULES] == []


@pytest.mark.parametrize("rule", PROVED_ELSEWHERE)
def test_rule_when_no_scenario_can_show_it_then_the_test_that_does_is_there(rule: str) -> None:
    why, file, name = PROVED_ELSEWHERE[rule]

    assert why
    assert re.search(rf"^def {name}\(", (ROOT / file).read_text(encoding="utf-8"), re.M)
