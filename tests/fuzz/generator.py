"""Random steps for one seed, led by the twin's book so that they meet something.

Prices lie near the market, names mostly exist, a few requests are wrong on purpose. The same
seed gives the same scenario; the records are those of the scenario format, without `expect`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from random import Random

from tests.fuzz.market import MONEY, PROFILES, ZONES, Kind, Market, Profile, Record, commission, sessions
from tests.oracle.book import Book
from tests.oracle.margin import account_state

#: Pending types: the side, whether their price belongs above the market, whether they have a limit price.
PENDING = {
    "buy_limit": ("buy", False, False), "sell_limit": ("sell", True, False), "buy_stop": ("buy", True, False),
    "sell_stop": ("sell", False, False), "buy_stop_limit": ("buy", True, True),
    "sell_stop_limit": ("sell", False, True),
}  # fmt: skip
FILTERS = ("pendings_filter", "stops_filter", "stopouts_filter")
#: When clocks change in 2024 in New York, Berlin and on Lord Howe Island.
CLOCK_CHANGES = (
    1_710_054_000_000, 1_711_846_800_000, 1_712_415_600_000, 1_728_140_400_000, 1_729_990_800_000, 1_730_613_600_000,
)  # fmt: skip
APPLIES = ("pendings_apply", "stops_apply", "stopouts_apply")


def profile_of(seed: int, name: str | None = None) -> Profile:
    """Return the profile of a seed, or the one that is named."""
    if name is not None:
        return next(profile for profile in PROFILES if profile.name == name)
    return PROFILES[seed % len(PROFILES)]


class Generator:
    """Makes the header at once and one step at a time; `book` is the twin's, to look at only."""

    def __init__(self, seed: int, profile: Profile) -> None:
        self.rng = Random(seed)
        self.profile = profile
        self.market = Market(self.rng, profile)
        self.server = self.market.server()
        self.kinds = {kind.name: kind for kind in self.market.kinds}
        self.mids = {kind.name: Decimal(kind.price) for kind in self.market.kinds}
        self.securities = {symbol["name"]: symbol for symbol in self.market.symbols}
        self.count = 0
        self.names: list[str] = []
        self.closes: list[str] = []
        self.plans: list[str] = []
        self.last_close_ms = 0
        actions, weights = zip(*profile.weights.items(), strict=True)
        self._actions, self._weights = list(actions), list(weights)

    def header(self, seed: int) -> Record:
        """Return the scenario without its steps."""
        market = self.market
        return {
            "name": f"seed {seed}",
            "why": f"A random scenario of the profile {self.profile.name}.",
            "symbols": market.symbols,
            "groups": market.groups,
            "accounts": market.accounts,
            "server": self.server,
        }

    def step(self, number: int, book: Book) -> Record:
        """Return the next step; the first ones quote every symbol."""
        if number <= len(self.kinds) and self.rng.random() < 0.95:
            return self._tick(book, list(self.kinds)[number - 1], calm=True)
        made = self._revival(book)
        if made is None:
            action = self.rng.choices(self._actions, self._weights)[0]
            made = getattr(self, f"_{action}")(book)
        return made if made is not None else self._tick(book)

    def _revival(self, book: Book) -> Record | None:
        """Return, now and then, what brings a blocked or ruined account back into the play."""
        rng = self.rng
        login = self._account()["login"]
        account = book.accounts[login]
        if (not account.enabled or account.read_only or account.close_only) and rng.random() < 0.15:
            return {
                "set": {
                    "account": login,
                    "values": {"enabled": True, "read_only": False, "close_only": False},
                }
            }
        if account.balance <= 0 and rng.random() < 0.05:
            amount = next(a["balance"] for a in self.market.accounts if a["login"] == login)
            return {"balance": {"login": login, "kind": "deposit", "amount": amount}}
        return None

    # Prices -----------------------------------------------------------------

    def _text(self, symbol: str, price: Decimal) -> str:
        digits = self.kinds[symbol].digits
        return str(price.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))

    def _point(self, symbol: str) -> Decimal:
        return Decimal(1).scaleb(-self.kinds[symbol].digits)

    def _near(self, symbol: str, points: int) -> str:
        return self._text(symbol, self.mids[symbol] + points * self._point(symbol))

    def _unit(self, kind: Kind) -> int:
        """Return a typical move in points: a few hundredths of a percent of the price."""
        return max(2, int(abs(Decimal(kind.price)) / self._point(kind.name) / 5000))

    def _symbol(self) -> str:
        return self.rng.choice(list(self.kinds))

    # Actions ----------------------------------------------------------------

    def _tick(self, book: Book, symbol: str | None = None, *, calm: bool = False) -> Record:
        rng = self.rng
        if symbol is None:
            symbol = self._symbol()
            if book.positions and rng.random() < 0.5:
                symbol = rng.choice(book.positions).symbol
        kind, point = self.kinds[symbol], self._point(symbol)
        unit = self._unit(kind)
        move = 0 if calm else rng.randint(-unit, unit)
        if not calm and rng.random() < 0.1:
            move *= rng.choice([5, 10, 30, 60])
        if not calm and "hovering" in self.profile.features and rng.random() < 0.5:
            move = self._towards_limit(book, symbol, 60 * unit) + rng.randint(-2, 2)
        base = Decimal(kind.price)
        mid = self.mids[symbol] + move * point
        if not base / 2 < mid < base * 2 and "allow_negative" not in kind.terms:
            mid = base
        if abs(mid - base) > abs(base) * 3:
            mid = base
        self.mids[symbol] = mid
        spread = rng.choice([0, 1, 2, 5, 10, 20]) * max(1, unit // 20)
        bid, ask = mid - spread // 2 * point, mid + (spread - spread // 2) * point
        tick = {"symbol": symbol, "bid": self._text(symbol, bid), "ask": self._text(symbol, ask)}
        step: Record = {"tick": tick}
        luck = rng.random()
        if luck < 0.01:
            tick["bid"], tick["ask"] = self._text(symbol, ask + point), self._text(symbol, bid)
        elif luck < 0.016:
            tick[rng.choice(["bid", "ask"])] = rng.choice(["0", "-1", "NaN", "Infinity", "-Infinity"])
        elif luck < 0.026:
            tick["bid"] += "4" if "." in tick["bid"] else ".4"
            tick["ask"] += "5" if "." in tick["ask"] else ".5"
        elif luck < 0.04 and book.now_ms:
            step["at"] = _iso(book.now_ms - rng.choice([0, 1, 2, 30]) * 1000)
        return step

    def _towards_limit(self, book: Book, symbol: str, most: int) -> int:
        """Return about how many points of the symbol bring one of its holders to their stop-out or margin call."""
        holders = sorted({position.login for position in book.positions if position.symbol == symbol})
        if not holders:
            return 0
        login = self.rng.choice(holders)
        state, group = account_state(book, login), book.group(login)
        mine = [position for position in book.positions_of(login) if position.symbol == symbol]
        lots = sum(p.volume if p.side == "buy" else -p.volume for p in mine)
        money = self.kinds[symbol].notional_usd * MONEY[group.currency] * Decimal(float(lots))
        if not money or group.stop_out_unit == "money":
            return 0
        limit = self.rng.choice([group.stop_out, group.margin_call])
        lacking = Decimal(float(state.margin * limit / 100 - state.equity))
        points = lacking / money * Decimal(self.kinds[symbol].price) / self._point(symbol)
        return max(-most, min(most, int(points)))

    def _account(self) -> Record:
        return self.rng.choice(self.market.accounts)

    def _volume(self, symbol: str, account: Record | None = None, least: int = 1) -> str:
        """Return a volume: often what takes a good part of the account's money, sometimes an invalid one."""
        rng, terms = self.rng, self.securities[symbol]
        step = Decimal(terms.get("volume_step", "0.01"))
        low = Decimal(terms.get("volume_min", "0.01"))
        if rng.random() < 0.02:
            return rng.choice(["0", "-0.10", "0.005", "0.123", "10000"])
        steps = rng.choice([1, 2, 3, 5, 10, 20, 30, 50])
        if "many" in self.profile.features:
            return str(low + step * (steps // 5))
        if account is not None and rng.random() < 0.6:
            steps = int(self._affordable(symbol, account) / step * rng.choice([5, 10, 20, 30, 50, 70]) / 100)
        most = 3000 if "fine" in self.profile.features else 400
        return str(low + step * (min(max(steps, least), most) - 1))

    def _affordable(self, symbol: str, account: Record) -> Decimal:
        """Return roughly how many lots all of the account's starting money would carry."""
        group = next(g for g in self.market.groups if g["name"] == account["group"])
        leverage = account.get("leverage") or group["leverage"]
        dollars = Decimal(account["balance"]) / MONEY[group["currency"]]
        return dollars * leverage / self.kinds[symbol].notional_usd

    def _name(self, letter: str) -> str:
        self.count += 1
        name = f"{letter}{self.count}"
        self.names.append(name)
        return name

    def _stops(self, symbol: str, side: str, reference: Decimal, chance: float = 0.45) -> Record:
        rng, levels = self.rng, {}
        unit, point = self._unit(self.kinds[symbol]), self._point(symbol)
        sign = 1 if side == "buy" else -1
        for key, direction in (("sl", -1), ("tp", 1)):
            if rng.random() >= chance:
                continue
            points = rng.randint(1, unit * 3) + rng.choice([0, 10, 25])
            if rng.random() < 0.05:
                points = -points
            levels[key] = self._text(symbol, reference + sign * direction * points * point)
            if rng.random() < 0.03:
                levels[key] = rng.choice(["0", None])
            elif rng.random() < 0.01:
                levels[key] += "5" if "." in levels[key] else ".5"
        return levels

    def _place(self, book: Book) -> Record:
        rng, account, symbol = self.rng, self._account(), self._symbol()
        side = rng.choice(["buy", "sell"])
        value: Record = {
            "login": account["login"],
            "symbol": symbol,
            "type": side,
            "volume": self._volume(symbol, account),
        }
        value.update(self._stops(symbol, side, self.mids[symbol]))
        if rng.random() < 0.08:
            value["leverage"] = rng.choice([1, 5, 20, 50, 400])
        if rng.random() < 0.1:
            value["by"] = "manager"
            if rng.random() < 0.4:
                value["open_price"] = self._near(symbol, rng.randint(-20, 20))
        if rng.random() < 0.03:
            value["client_id"] = f"c{rng.randint(1, 5)}"
        if rng.random() < 0.01:
            value["symbol"] = "NOTHERE"
        self._expect(value, symbol)
        value["as"] = self._name("o")
        return {"place": value}

    def _expect(self, value: Record, symbol: str) -> None:
        """Let a market order or close carry, now and then, what its sender saw and how much worse it may be."""
        rng = self.rng
        if rng.random() >= (0.5 if "deviation" in self.profile.features else 0.05):
            return
        unit = self._unit(self.kinds[symbol])
        if rng.random() < 0.95:
            value["expected_price"] = self._near(symbol, rng.randint(-unit, unit) // 3)
        if rng.random() < 0.9:
            value["deviation"] = rng.choice([0, 1, 3, 10, unit, -1])

    def _accept(self, book: Book) -> Record | None:
        rng = self.rng
        offers = [offer.order for offer in book.offers if offer.order.name is not None]
        if not offers and (not self.names or rng.random() < 0.9):
            return None
        order = rng.choice(offers) if offers else None
        login = order.login if order is not None and rng.random() < 0.95 else self._account()["login"]
        value: Record = {"login": login, "order": order.name if order is not None else rng.choice(self.names)}
        if rng.random() < 0.7:
            value["as"] = self._name("a")
        return {"accept": value}

    def _pending(self, book: Book) -> Record:
        rng, account, symbol = self.rng, self._account(), self._symbol()
        kind = rng.choice(tuple(PENDING))
        side, is_above, has_limit = PENDING[kind]
        unit = self._unit(self.kinds[symbol])
        points = rng.randint(1, unit * 2) + rng.choice([0, 0, 10, 25])
        if rng.random() < 0.05:
            is_above = not is_above
        price = self.mids[symbol] + (points if is_above else -points) * self._point(symbol)
        value: Record = {
            "login": account["login"], "symbol": symbol, "type": kind,
            "volume": self._volume(symbol, account), "price": self._text(symbol, price),
        }  # fmt: skip
        reference = price
        if has_limit:
            away = rng.randint(0, unit) * (-1 if side == "buy" else 1) * (-1 if rng.random() < 0.05 else 1)
            reference = price + away * self._point(symbol)
            value["limit_price"] = self._text(symbol, reference)
        value.update(self._stops(symbol, side, reference))
        if self.market.has("expiry"):
            value["expires"] = rng.choice(["day", "gtc", _iso(book.now_ms + rng.randint(-2, 60) * 1000)])
        if rng.random() < 0.1:
            value["by"] = "manager"
        if rng.random() < 0.05:
            value["leverage"] = rng.choice([1, 5, 20, 400])
        value["as"] = self._name("p")
        return {"place": value}

    def _position(self, book: Book) -> tuple[int, str] | None:
        """Return login and name of a position: mostly one that is open, sometimes another's or none."""
        rng = self.rng
        named = [p for p in book.positions if p.name is not None]
        if named and rng.random() < 0.95:
            position = rng.choice(named)
            login = position.login if rng.random() < 0.98 else self._account()["login"]
            return login, str(position.name)
        if not self.names:
            return None
        return self._account()["login"], rng.choice(self.names)

    def _close(self, book: Book) -> Record | None:
        rng, found = self.rng, self._position(book)
        if found is None:
            return None
        value: Record = {"login": found[0], "position": found[1]}
        position = book.position_names.get(found[1])
        if position is not None and rng.random() < 0.5:
            symbol = book.symbols[position.symbol]
            steps = max(1, int(position.volume / symbol.volume_step))
            volume = Decimal(rng.randint(1, steps)) * Decimal(
                str(self.securities[symbol.name].get("volume_step", "0.01"))
            )
            value["volume"] = str(volume) if rng.random() < 0.95 else str(volume * 2)
        if rng.random() < 0.15:
            value["by"] = "manager"
        if position is not None:
            self._expect(value, position.symbol)
        if rng.random() < 0.3:
            value["as"] = self._name("c")
        return {"close": value}

    def _close_by(self, book: Book) -> Record | None:
        rng = self.rng
        pairs = [
            (p, q) for p in book.positions for q in book.positions
            if p.login == q.login and p.name and q.name and ((p.symbol == q.symbol and p.side != q.side) or rng.random() < 0.02)
        ]  # fmt: skip
        if not pairs:
            return None
        one, other = rng.choice(pairs)
        if rng.random() < 0.03:
            other = one
        value = {"login": one.login, "position": one.name, "opposite": other.name}
        if rng.random() < 0.3:
            value["as"] = self._name("b")
        return {"close_by": value}

    def _modify(self, book: Book) -> Record | None:
        rng = self.rng
        orders = [o for o in book.resting if o.name is not None]
        if orders and rng.random() < 0.5:
            order = rng.choice(orders)
            symbol = order.symbol
            price = Decimal(order.price.numerator) / Decimal(order.price.denominator)
            value: Record = {"login": order.login, "order": order.name}
            if rng.random() < 0.6:
                unit = self._unit(self.kinds[symbol])
                price += rng.randint(-unit, unit) * self._point(symbol)
                value["price"] = self._text(symbol, price)
            value.update(self._stops(symbol, order.side, price, 0.4))
            return {"modify": value}
        found = self._position(book)
        position = book.position_names.get(found[1]) if found else None
        if found is None or position is None:
            return None
        levels = self._stops(position.symbol, position.side, self.mids[position.symbol], 0.7)
        return {"modify": {"login": found[0], "position": found[1], **levels}}

    def _cancel(self, book: Book) -> Record | None:
        orders = [o for o in book.resting if o.name is not None]
        if orders and self.rng.random() < 0.95:
            order = self.rng.choice(orders)
            return {"cancel": {"login": order.login, "order": order.name}}
        if not self.names:
            return None
        return {"cancel": {"login": self._account()["login"], "order": self.rng.choice(self.names)}}

    def _smart(self, book: Book) -> Record:
        rng, account, symbol = self.rng, self._account(), self._symbol()
        side = rng.choice(["buy", "sell"])
        volume, kind = (
            self._volume(symbol, account, 15),
            rng.choice(["market", "market", "limit", "stop", "position"]),
        )
        is_netting = book.group(account["login"]).margin_mode == "netting"
        if is_netting and kind in ("limit", "stop") and rng.random() < 0.5:
            kind = "market"
        entry: Record = {"type": kind}
        reference, unit, point = self.mids[symbol], self._unit(self.kinds[symbol]), self._point(symbol)
        mine = [p for p in book.positions_of(account["login"]) if p.name is not None]
        if kind == "position" and mine:
            position = rng.choice(mine)
            symbol, side = position.symbol, position.side
            reference, unit, point = self.mids[symbol], self._unit(self.kinds[symbol]), self._point(symbol)
            entry["position"] = position.name
            volume = str(Decimal(position.volume.numerator) / Decimal(position.volume.denominator))
            if rng.random() < 0.05:
                volume = self._volume(symbol)
        elif kind == "position":
            entry["type"] = "market"
        sign = 1 if side == "buy" else -1
        if kind in ("limit", "stop"):
            away = rng.randint(1, unit) * (-sign if kind == "limit" else sign)
            reference += away * point
            entry["price"] = self._text(symbol, reference)
        value: Record = {
            "login": account["login"],
            "symbol": symbol,
            "side": side,
            "volume": volume,
            "entry": entry,
        }
        trails = "trailing" in self.profile.features
        if not trails or rng.random() < 0.2:
            value["take_profits"] = self._levels(symbol, sign, reference)
        if rng.random() < (0.2 if trails else 0.6):
            value["stop_loss"] = self._text(
                symbol, reference - sign * (rng.randint(1, unit * 2) + 25) * point
            )
        if rng.random() < (0.98 if trails else 0.5):
            value["trailing"] = {"callback": rng.choice(["0.02", "0.05", "0.1", "0.25", "1"])}
            if rng.random() < 0.4:
                price = reference + sign * (rng.randint(1, unit * 2) + 25) * point
                value["trailing"]["activation"] = self._text(symbol, price)
        if rng.random() < 0.5:
            value["break_even"] = rng.choice([True, {"offset": rng.randint(0, 30)}])
        value["as"] = self._name("s")
        self.plans.append(value["as"])
        return {"smart": value}

    def _levels(self, symbol: str, sign: int, reference: Decimal) -> list[Record]:
        rng, unit, point = self.rng, self._unit(self.kinds[symbol]), self._point(symbol)
        count = rng.choice([0, 1, 2, 2, 3, 3, 4])
        cuts = sorted(rng.sample(range(5, 100, 5), count - 1)) if count > 1 else []
        percents = [b - a for a, b in zip([0, *cuts], [*cuts, 100], strict=True)][:count]
        if count and rng.random() < 0.25:
            percents = percents[:-1] if count > 1 else [rng.choice([30, 50, 99])]
        price, levels = reference + sign * 25 * point, []
        for percent in percents:
            price += sign * rng.randint(1, unit) * point
            levels.append({"price": self._text(symbol, price), "percent": str(percent)})
        if levels and rng.random() < 0.04:
            levels.append(dict(levels[0]))
        return levels

    def _smart_modify(self, book: Book) -> Record | None:
        rng = self.rng
        plans = [p for p in book.smart if p.is_open and p.name is not None]
        if not self.plans:
            return None
        plan = rng.choice(plans) if plans and rng.random() < 0.95 else None
        value: Record = {"smart": plan.name if plan else rng.choice(self.plans)}
        if plan is not None:
            sign, symbol = (1 if plan.side == "buy" else -1), plan.symbol
            unit = self._unit(self.kinds[symbol])
            if rng.random() < 0.5:
                points = rng.randint(1, unit * 2) + rng.choice([0, 25])
                value["stop_loss"] = rng.choice(
                    [self._near(symbol, -sign * points)] * 6 + ["0", None, self._near(symbol, sign * points)]
                )
            if rng.random() < 0.3:
                value["version"] = max(1, plan.version - (rng.random() < 0.2))
        if rng.random() < 0.3:
            value["callback"] = rng.choice(["0.02", "0.05", "0.1", "0.25", "1"])
        if rng.random() < 0.4:
            value["break_even"] = rng.choice([True, False, {"offset": rng.randint(0, 40)}])
        return {"smart_modify": value}

    def _smart_cancel(self, book: Book) -> Record | None:
        plans = [p.name for p in book.smart if p.is_open and p.name is not None] or self.plans
        return {"smart_cancel": {"smart": self.rng.choice(plans)}} if plans else None

    def _balance(self, book: Book) -> Record:
        rng, account = self.rng, self._account()
        kinds = ("deposit", "withdrawal", "credit_in", "credit_out", "correction", "bonus", "charge")
        currency = self.market.currency_of(account)
        amount = rng.choice([1, 10, 50, 100, 500]) * MONEY[currency]
        if currency != "JPY" and rng.random() < 0.3:
            amount += MONEY[currency] * rng.randint(10, 99) / 100
        text = str(amount)
        kind = rng.choice(kinds)
        if (kind == "correction" and rng.random() < 0.6) or rng.random() < 0.02:
            text = f"-{text}"
        value: Record = {"login": account["login"], "kind": kind, "amount": text}
        if rng.random() < 0.1:
            value["override"] = True
        return {"balance": value}

    def _set(self, book: Book) -> Record:
        rng, has = self.rng, self.market.has
        kind = rng.choice(["symbol", "symbol", "group", "account"])
        if "days" in self.profile.features and rng.random() < 0.2:
            values = rng.choice(
                [{"day_end": rng.choice(["00:00", "17:00", "02:30"])}, {"time_zone": rng.choice(ZONES)}]
            )
            return {"set": {"server": True, "values": values}}
        if kind == "symbol":
            name = self._symbol()
            choices: list[Record] = [
                {
                    "trade_mode": rng.choice(
                        ["full", "full", "full", "close_only", "long_only", "short_only", "disabled"]
                    )
                },
                {"stops_level": rng.choice([0, 0, 5, 20]), "freeze_level": rng.choice([0, 0, 5, 15])},
                {"gateway": rng.random() < 0.2},
                {"sessions": rng.choice([None, sessions(rng)]) if has("sessions") else None},
                {"quotes_timeout": rng.choice([0, 0, 5, 20])},
                {
                    "margin_rate_buy": rng.choice(["1", "2", "0.5"]),
                    "margin_rate_sell": rng.choice(["1", "3"]),
                },
                {"pending_margin_rate": rng.choice(["0", "1", "0.5"])},
                {"margin_hedged": rng.choice(["0", "500", "50000"])},
                {"filter_points": rng.choice([0, 0, 50]), "filter_ticks": rng.randint(1, 3)},
            ]
            return {"set": {"symbol": name, "values": rng.choice(choices)}}
        if kind == "group":
            name = rng.choice(self.market.groups)["name"]
            choices = [
                {"stop_out": rng.choice(["20", "50", "100"])},
                {"hedge_prohibited": rng.random() < 0.3, "close_fifo": rng.random() < 0.3},
                {"free_margin_mode": rng.choice(["use_all", "no_pl", "profit_only", "loss_only"])},
                {"stop_out_mode": rng.choice(["mt4", "mt5", "smart"])},
                {"spread_diff": rng.choice([0, 0, 2, 3, 3000])},
                {"deviation": rng.choice([0, 5]), "requote_ttl": rng.choice(["5", "60"])},
                {"price_bound_points": rng.choice([None, 0, 50])},
                {"commission": commission(rng) if rng.random() < 0.5 else None},
                {"max_orders": rng.choice([0, 0, 0, 3])},
                {"leverage_max": rng.choice([None, None, 20, 100, 250])},
                {"positive_slippage": rng.random() < 0.5, "hedge_larger_leg": rng.random() < 0.5},
                {
                    "execution": rng.choice(["auto", "manual", "manual_unless_no_dealers"])
                    if has("dealers")
                    else "auto"
                },
            ]
            return {"set": {"group": name, "values": rng.choice(choices)}}
        flags = {"enabled": True, "read_only": False, "close_only": False}
        if rng.random() < 0.35:
            flag = rng.choice(list(flags))
            flags[flag] = not flags[flag]
        values: Record = flags if rng.random() < 0.8 else {"leverage": rng.choice([5, 50, 100, 300, None])}
        if has("agents") and rng.random() < 0.15:
            values = {"agent": rng.choice([None, 9999, self._account()["login"]])}
        return {"set": {"account": self._account()["login"], "values": values}}

    def _dealers(self, book: Book) -> Record:
        rng = self.rng
        some = rng.sample([group["name"] for group in self.market.groups], 1)
        bob = {"name": "bob", "groups": some}
        return {"dealers": rng.choice([[], [], ["anna"], ["anna", "bob"], [bob], ["anna", bob]])}

    def _dealer(self, book: Book) -> Record | None:
        rng = self.rng
        waiting = [r for r in book.requests if r.name is not None]
        if waiting and rng.random() < 0.95:
            request = rng.choice(waiting)
            value: Record = {
                "request": request.name,
                "answer": rng.choice(["confirm"] * 6 + ["reject", "requote"]),
            }
            if rng.random() < (0.9 if value["answer"] == "requote" else 0.4):
                value["price"] = self._near(request.symbol, rng.randint(-10, 10))
            return {"dealer": value}
        if not self.names or rng.random() < 0.7:
            return None
        return {"dealer": {"request": rng.choice(self.names), "answer": "confirm"}}

    def _hook(self, book: Book) -> Record:
        rng = self.rng
        name = rng.choice(FILTERS + APPLIES)
        value: Record = {"name": name, "answer": rng.choice(["ok", "ok", "none", "reject", "raise"])}
        if rng.random() < 0.9:
            value["times"] = rng.randint(1, 3)
        is_priced = name in APPLIES and value["answer"] == "ok" and "same_digits" in self.profile.features
        if is_priced and rng.random() < 0.5:
            value["times"] = 1
            value["price"] = self._near(self._symbol(), rng.randint(-15, 15))
        return {"hook": value}

    def _day_end(self, book: Book) -> Record:
        if self.rng.random() < 0.5:
            return {"day_end": {}}
        if "days" in self.profile.features and self.rng.random() < 0.6:
            late = book.now_ms + self.rng.choice([3600, 7200, 40_000, 86_400, 90_000, 200_000]) * 1000
            soon = [moment for moment in CLOCK_CHANGES if moment > book.now_ms]
            if soon and self.rng.random() < 0.3:
                late = soon[0] + self.rng.randint(-4, 4) * 1_800_000
            return {self.rng.choice(["day_end", "restart"]): {}, "at": _iso(late)}
        next_day = (book.now_ms // 86_400_000 + 1) * 86_400_000
        return {"day_end": {}, "at": _iso(next_day)}

    def _wait(self, book: Book) -> Record:
        return {"wait": self.rng.choice([1, 5, 10, 30, 61, 200])}

    def _restart(self, book: Book) -> Record:
        return {"restart": {}}


def _iso(time_ms: int) -> str:
    moment = datetime.fromtimestamp(time_ms // 1000, tz=UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
