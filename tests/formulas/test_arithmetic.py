"""No arithmetic on contracts, spreads, margins and profits outside engine, audit and tests, but what a table explains.

A formula that is written a second time is found by `test_formulas` where the first one moves without it; here it is found where it
is written. The scripts of the pages are held to the same by what they take from `lib/decimal.js`.
"""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(
    not (ROOT / ".git").exists(), reason="git says which files are the project's own"
)
WORDS = frozenset(
    (
        "contract_size", "spread", "spread_diff", "spread_points", "diff", "open_price", "close_price", "margin_rate",
        "margin_rate_buy", "margin_rate_sell", "margin_hedged", "pending_margin_rate", "leverage", "swap_long", "swap_short", "volume",
        "volume_opened", "lots", "tick_value", "tick_size", "profit_rate",
    )
)  # fmt: skip
OPERATORS = (ast.Mult, ast.Div, ast.FloorDiv)
ROOMS_OF_FORMULAS = ("engine/", "manager/audit/", "tests/", "benchmarks/", "scenario/")
#: Functions that multiply or divide one of these words, and why that is no formula of the engine.
EXPLAINED = {
    "api/trade.py:open_trades": "lots in units of the base currency, as that address counts",
    "api/trade.py:show_closed": "the same",
    "api/trade.py:show_closing": "the same",
    "api/trade.py:lots_of": "the same, backwards",
    "api/trade.py:quantities": "the same, of the limits of a symbol",
    "gateways/walk.py:usual_quote": "a market that is made up has a spread of its own",
    "gateways/walk.py:step": "the same",
    "manager/dashboard.py:_market": "what the house holds at market value: no figure of an account",
}
#: Scripts that multiply or divide, and why.
SCRIPTS = {
    "market/lines.js": "one line for all positions of a side: the mean of the open prices that the server told, by volume",
    "market/moves.js": "a line that is dragged: what the server told a point is worth, times the points",
    "ticket/exits.js": "stops typed as money or points: what the server told a point is worth, times the points",
    "plans/smart_levels.js": "how much of the hundred percent the levels take",
    "plans/smart_builder.js": "a first proposal of a volume",
    "plans/smart_dialogs.js": "an estimate of moved levels: what the server told a point is worth, times points and percent",
}


def own(*endings: str) -> list[str]:
    """Return the names of the project's files with these endings."""
    listed = subprocess.run(
        ["git", "ls-files", "--", *(f"*.{one}" for one in endings)],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
    ).stdout.split()  # fmt: skip
    return [name for name in listed if (ROOT / name).exists()]


def reckons(node: ast.AST) -> bool:
    """Return whether this multiplies or divides one of the words."""
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, OPERATORS):
        return False
    inner = (one for one in ast.walk(node) if isinstance(one, ast.Attribute | ast.Name))
    return any((one.attr if isinstance(one, ast.Attribute) else one.id) in WORDS for one in inner)


def test_python_when_read_then_only_what_is_explained_reckons_with_contracts_and_spreads() -> None:
    found = set()
    for name in own("py"):
        if name.startswith(ROOMS_OF_FORMULAS) or "/tests/" in name or "/migrations/" in name:
            continue
        for function in ast.walk(ast.parse((ROOT / name).read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and any(
                map(reckons, ast.walk(function))
            ):
                found.add(f"{name}:{function.name}")

    assert found == set(EXPLAINED)


def test_scripts_when_read_then_only_what_is_explained_multiplies_or_divides() -> None:
    folder = "static/portal/js/"
    found = set()
    for name in own("js"):
        if not name.startswith(folder) or name.endswith("lib/decimal.js"):
            continue
        for words in re.findall(
            r"import \{([^}]*)\} from \"[./a-z]*decimal\.js\"", (ROOT / name).read_text()
        ):
            if {"mul", "div"} & {word.strip() for word in words.split(",")}:
                found.add(name.removeprefix(folder))

    assert found == set(SCRIPTS)
