"""`python -m tests.formulas.switched desk|web WORDS`: the process as it always is, but its formulas listen to a switch.

The switch is a small file (FORMULA_SWITCH) that holds the name of one formula or nothing; who named it gets one point or
cent more out of that formula, at once and in every process. The code of a function is replaced, not its name, so that all who
imported it meet the change.
"""

import mmap
import os
import sys
from pathlib import Path
from types import FunctionType
from typing import Any

LENGTH = 64
_originals: dict[str, tuple[FunctionType, Any]] = {}
_seen: list[mmap.mmap] = []


def turn(path: Path, name: str = "") -> None:
    """Let the processes change this formula, or none."""
    with path.open("r+b") as file:
        file.write(name.encode().ljust(LENGTH))


def make(path: Path) -> None:
    """Write a switch that names nothing."""
    path.write_bytes(b" " * LENGTH)


def answer(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return what the formula gives, changed where the switch names it."""
    original, change = _originals[name]
    if _seen[0][:LENGTH].rstrip() == name.encode():
        return change(original, *args, **kwargs)
    return original(*args, **kwargs)


def listen(name: str, function: FunctionType, change: Any) -> None:
    """Let a function ask the switch whenever it is called."""
    original = FunctionType(function.__code__, function.__globals__, function.__name__, function.__defaults__)
    original.__kwdefaults__ = function.__kwdefaults__
    _originals[name] = original, change
    made: dict[str, Any] = {}
    exec(
        "def replaced(*args, **kwargs):\n"
        f"    return __import__('tests.formulas.switched', fromlist=['answer']).answer({name!r}, args, kwargs)",
        made,
    )
    function.__code__ = made["replaced"].__code__
    function.__defaults__ = function.__kwdefaults__ = None


def listen_all() -> None:
    """Let every formula of the list listen."""
    from tests.formulas.changes import FORMULAS, found

    with open(os.environ["FORMULA_SWITCH"], "r+b") as file:
        _seen.append(mmap.mmap(file.fileno(), LENGTH, access=mmap.ACCESS_READ))
    for name, formula in FORMULAS.items():
        listen(name, found(name), formula.change)


def main(words: list[str]) -> None:
    """Become the desk or daphne."""
    import django

    sys.modules["tests.formulas.switched"] = sys.modules[__name__]
    django.setup()
    listen_all()
    if words[0] == "desk":
        from django.core.management import call_command

        from dealing import publisher

        publisher.ACCOUNT_EVERY_S = 0.2  # so that one need not wait for two seconds a formula
        call_command("desk", *words[1:])
    else:
        from tradingdesk.server import main as serve

        serve(words[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
