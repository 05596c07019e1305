"""What a tick costs with 1,000, 10,000 and 100,000 things resting on its symbol, in the engine alone.

    python -m benchmarks.ticks [FILE] [--kind positions|pendings|smart] [--sizes 1000 10000 100000]

FILE is a tick file (CSV or CSV.gz with the header time,symbol,bid,ask); the quotes of one symbol are used.
Without a file a random walk stands in. Levels are far enough away that nearly no tick triggers, so that it
is the resting that is measured. Costs are CPU microseconds a tick and ratios to the first size; on a shared
machine only the ratios of one run mean something. Exit status 1 when a ratio is above --limit, 2 where the file is not
one of quotes.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from itertools import dropwhile, islice
from pathlib import Path
from random import Random

from benchmarks.instruments import Seen, is_good, look_at
from benchmarks.instruments import quotes as all_quotes
from engine import commands as c
from engine.engine import Engine
from engine.enums import EntryType, Side
from engine.order_types import OrderType
from engine.records import Account
from engine.settings import Group, Symbol
from engine.state import State
from gateways.quotefile import BadQuoteFile

PER_ACCOUNT = 10
FEWEST = 100
Quote = tuple[str, str, int]


def read_quotes(path: Path, name: str | None, most: int) -> tuple[Seen, list[Quote]]:
    """Return a symbol of the file and up to `most` of its quotes, from the first good one on, as (bid, ask, time in ms).

    Raises:
        BadQuoteFile: the file is not one of quotes, or has none of the symbol.
    """
    symbols = {seen.name: seen for seen in look_at(path).symbols}
    usual = "EURUSD" if "EURUSD" in symbols else next(iter(symbols))
    seen = symbols.get(name or usual)
    if seen is None:
        raise BadQuoteFile(f"{path}: there is no good quote of {name}; there are {', '.join(symbols)}")
    found = ((bid, ask, when) for symbol, bid, ask, when in all_quotes(path) if symbol == seen.name)
    usable = dropwhile(lambda quote: not is_good(quote[0], quote[1]), found)
    return seen, list(islice(usable, most))


def walk(most: int) -> tuple[Seen, list[Quote]]:
    """Return a random walk around 1.38 of `most` quotes."""
    random, points = Random(1), 138_000
    quotes = []
    for number in range(most):
        points += random.choice((-2, -1, 0, 1, 2))
        quotes.append((text(points, 5), text(points + 8, 5), number))
    return Seen("EURUSD", Decimal(quotes[0][0]), Decimal(quotes[0][1]), 5), quotes


def engine_at(seen: Seen, first: Quote, accounts: int) -> Engine:
    """Return an engine with funded accounts and the first quote."""
    state = State()
    state.symbols[seen.name] = Symbol.from_values(seen.settings(), index=0)
    state.groups["bench"] = Group.from_values({"name": "bench", "leverage": 500})
    for login in range(1, accounts + 1):
        state.accounts[login] = Account(login=login, group="bench", currency="USD", balance=10**8)
    engine = Engine(state)
    engine.on_tick(seen.name, *first)
    return engine


def text(points: int, digits: int) -> str:
    """Return points as a price."""
    return format(Decimal(points).scaleb(-digits), "f")


def commands(kind: str, size: int, seen: Seen) -> Iterator[c.Command]:
    """Yield the commands that put `size` things of a kind to rest around the first quote."""
    random = Random(size)
    name, digits = seen.name, seen.digits
    middle = int(seen.bid.scaleb(digits))
    part = max(middle // 20, 1)
    for number in range(size):
        login, ticket = 1 + number // PER_ACCOUNT, 10 * (2 * number + 1)
        away = part + random.randrange(part)
        buy = number % 2 == 0
        if kind == "positions":
            low, high = text(middle - away, digits), text(middle + away, digits)
            yield c.PlaceOrder(
                login=login, symbol=name, type=OrderType.BUY if buy else OrderType.SELL, volume="0.01",
                sl=low if buy else high, tp=high if buy else low, ticket=ticket,
            )  # fmt: skip
        elif kind == "pendings":
            yield c.PlaceOrder(
                login=login, symbol=name, type=OrderType.BUY_LIMIT if buy else OrderType.SELL_LIMIT,
                volume="0.01", price=text(middle - away if buy else middle + away, digits), ticket=ticket,
            )  # fmt: skip
        else:
            yield c.PlaceSmart(
                login=login, symbol=name, side=Side.BUY if buy else Side.SELL, volume="0.01",
                entry=EntryType.MARKET, callback=f"{5 + random.randrange(500) / 100:.2f}", ticket=ticket,
                smart=ticket + 10,
            )  # fmt: skip


def cost(kind: str, size: int, seen: Seen, quotes: list[Quote]) -> tuple[int, int]:
    """Return (CPU nanoseconds of all ticks but the first two, events of triggers among them)."""
    engine = engine_at(seen, quotes[0], size // PER_ACCOUNT + 1)
    for command in commands(kind, size, seen):
        done = engine.on_command(command, quotes[0][2])[-1]
        if getattr(done, "code", ""):
            raise SystemExit(f"the bench could not be set up: {done}")
    engine.on_tick(seen.name, *quotes[1])  # arms the price bounds of every account
    busy = 0
    started = time.process_time_ns()
    for quote in quotes[2:]:
        busy += len(engine.on_tick(seen.name, *quote)) > 2
    return time.process_time_ns() - started, busy


def main() -> int:
    """Run the bench and print one line a size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--symbol", help="default: EURUSD where the file has it, else its first by name")
    parser.add_argument("--kind", choices=("positions", "pendings", "smart"), default="smart")
    parser.add_argument("--sizes", nargs="+", type=int, default=[1_000, 10_000, 100_000])
    parser.add_argument("--ticks", type=int, default=100_000, help="at most so many quotes")
    parser.add_argument("--limit", type=float, default=1.5, help="highest ratio to the first size")
    options = parser.parse_args()
    try:
        asked = (options.symbol, options.ticks)
        seen, quotes = read_quotes(options.file, *asked) if options.file else walk(options.ticks)
    except BadQuoteFile as error:
        print(error, file=sys.stderr)
        return 2
    if len(quotes) < FEWEST:
        print(f"{len(quotes)} quotes of {seen.name} are too few to measure with", file=sys.stderr)
        return 2
    print(seen.told(), flush=True)
    base = 0
    worst = 0.0
    for size in options.sizes:
        spent, busy = cost(options.kind, size, seen, quotes)
        base = base or spent
        worst = max(worst, spent / base)
        each = spent / 1000 / max(1, len(quotes) - 2)
        print(
            f"{options.kind:>9} {size:>8,}: {each:6.2f} us a tick, ratio {spent / base:4.2f}, "
            f"{len(quotes):,} ticks, {busy:,} with events",
            flush=True,
        )
    return 1 if worst > options.limit else 0


if __name__ == "__main__":
    sys.exit(main())
