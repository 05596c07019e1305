"""What the supervisor prints: progress, prefixed logs, the banner.

Colours only on a terminal and never with NO_COLOR. A terminal that has gone away does not stop
the desk: what cannot be printed is still in the log files.
"""

import os
import sys

COLOURS = {
    "postgres": 34,
    "redis": 31,
    "engine": 33,
    "worker": 36,
    "beat": 90,
    "daphne": 35,
    "feed": 32,
    "ticks": 32,
}
WIDTH = 9


class Console:
    """The terminal, or whatever the standard output is."""

    def __init__(self, *, quiet: bool = False) -> None:
        """Take the standard output; quiet leaves out the parts' logs."""
        self.quiet = quiet
        self.colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")

    def _print(self, line: str) -> None:
        try:
            print(line, flush=True)
        except (OSError, ValueError):
            pass  # the terminal is gone; the log files have it all

    def _paint(self, text: str, colour: int) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self.colour else text

    def log(self, name: str, line: str) -> None:
        """Print a line of a part's log with the part's name before it."""
        if line and not self.quiet:
            clean = "".join(sign if sign.isprintable() or sign == "\t" else "?" for sign in line)
            prefix = self._paint(f"{name:<{WIDTH}}|", COLOURS.get(name.partition("-")[0], 37))
            self._print(f"{prefix} {clean}")

    def say(self, text: str) -> None:
        """Print what the supervisor does."""
        prefix = self._paint(f"{'desk':<{WIDTH}}|", 1)
        self._print(f"{prefix} {text}")

    def ready(self, name: str, seconds: float) -> None:
        """Print that a part is ready, and how long that took."""
        self.say(f"{name} is ready ({seconds:.1f} s)")

    def error(self, text: str) -> None:
        """Print what went wrong."""
        for line in text.splitlines() or [""]:
            self.say(self._paint(line, 31))

    def banner(self, title: str, addresses: list[tuple[str, str]], logins: str) -> None:
        """Print where the desk is and who can log in."""
        lines = ["", self._paint(title, 1), ""]
        lines += [f"  {name:<8} {self._paint(place, 36)}" for name, place in addresses]
        if logins:
            lines += ["", *(f"  {line}" for line in logins.splitlines())]
        lines += [
            "",
            "  ./desk status shows this again; stop with Ctrl-C, or ./desk down from elsewhere.",
            "",
        ]
        for line in lines:
            self._print(line)
