"""Random symbols, groups and accounts for one seed.

A profile says which features a seed concentrates on, so that rare rules meet often enough.
The records are those of the scenario format; nothing is traded here.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any

Record = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """A symbol of the pool: its fixed terms and where its price starts."""

    name: str
    price: str
    digits: int
    terms: Record
    notional_usd: int  # of one lot, roughly: to choose volumes that an account can just afford


def _cfd(currency: str, mode: str, contract: str) -> Record:
    names = ("base_currency", "profit_currency", "margin_currency")
    return {**dict.fromkeys(names, currency), "calc_mode": mode, "contract_size": contract}


def _future(currency: str, size: str, value: str, initial: str, maintenance: str | None) -> Record:
    terms = _cfd(currency, "futures", "10")
    return {
        **terms,
        "tick_size": size,
        "tick_value": value,
        "margin_initial": initial,
        "margin_maintenance": maintenance,
    }


POOL = (
    Kind("EURUSD", "1.10000", 5, {}, 110000),
    Kind("USDJPY", "150.000", 3, {}, 100000),
    Kind("GBPUSD", "1.27000", 5, {}, 127000),
    Kind("USDCHF", "0.90000", 5, {}, 100000),
    Kind("EURJPY", "165.000", 3, {}, 110000),
    Kind("EURGBP", "0.86000", 5, {"calc_mode": "forex_no_leverage", "contract_size": "1000"}, 33000),
    Kind("GBPJPY", "190.000", 3, {"margin_initial": "400"}, 127000),
    Kind("XAUUSD", "2000.00", 2, {"contract_size": "100", "security": "metals"}, 200000),
    Kind(
        "BTCUSD",
        "43000.00",
        2,
        {"contract_size": "1", "calc_mode": "cfd_leverage", "base_currency": "BTC"},
        43000,
    ),
    Kind("US500", "5000.0", 1, _cfd("USD", "cfd_leverage", "10"), 50000),
    Kind("UK100", "7600.00", 2, _cfd("GBP", "cfd", "1"), 291000),
    Kind("JP225", "38000", 0, _cfd("JPY", "cfd_leverage", "10"), 2500),
    Kind("FUTUSD", "33.00", 2, _future("USD", "0.01", "1", "300", "200"), 30000),
    Kind("FUTEUR", "120.0", 1, _future("EUR", "0.1", "5", "700", None), 77000),
    Kind("OILFUT", "2.00", 2, {**_future("USD", "0.01", "2", "150", "100"), "allow_negative": True}, 15000),
    Kind("WTIUSD", "0.40", 2, {**_cfd("USD", "cfd_leverage", "1000"), "allow_negative": True}, 3000),
    Kind("NATGAS", "-1.50", 2, {**_cfd("USD", "cfd", "100"), "allow_negative": True}, 2000),
    Kind("SHBUSD", "0.00000850", 8, {**_cfd("USD", "cfd_leverage", "1000000"), "base_currency": "SHB"}, 900),
    Kind("CHFPLN", "4.5000", 4, {}, 112000),
    Kind("EURPLN", "4.3000", 4, {}, 110000),
)
ZONES = ("America/New_York", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "UTC")
SAME_DIGITS = ("EURUSD", "GBPUSD", "USDCHF", "EURGBP")
MONEY = {
    "USD": Decimal(1),
    "EUR": Decimal(1),
    "GBP": Decimal(1),
    "JPY": Decimal(150),
    "BTC": Decimal("0.00002"),
}


@dataclass(frozen=True)
class Profile:
    """Which features a seed concentrates on: chances of settings, and weights of actions."""

    name: str
    features: frozenset[str]
    weights: dict[str, float]


BASE_WEIGHTS = {
    "tick": 60.0, "place": 14.0, "pending": 6.0, "close": 4.0, "close_by": 1.0, "modify": 3.0, "cancel": 1.5,
    "smart": 1.5, "smart_modify": 0.7, "smart_cancel": 0.3, "balance": 1.0, "set": 1.5, "dealers": 0.3,
    "accept": 0.4,
    "dealer": 0.5, "hook": 0.6, "day_end": 0.6, "wait": 0.6, "restart": 0.4,
}  # fmt: skip


def _profile(name: str, features: str, **weights: float) -> Profile:
    return Profile(name, frozenset(features.split()), {**BASE_WEIGHTS, **weights})


PROFILES = (
    _profile("plain", ""),
    _profile("hedging", "hedging hedge_margin", place=20, close_by=4),
    _profile("netting", "netting", place=24, smart=2, set=4),
    _profile("below-zero", "below_zero pending_margin fees swaps", place=20, pending=10, smart=3, day_end=1),
    _profile("requotes", "dealers deviation", dealers=1, dealer=12, accept=6, place=20, close=6),
    _profile("days", "days sessions expiry swaps", day_end=6, pending=10, wait=2, set=3),
    _profile("pending", "pending_margin expiry levels", pending=20, cancel=4, modify=6),
    _profile("dealers", "dealers", dealers=2, dealer=10, wait=2, smart=3),
    _profile("hooks", "hooks same_digits dealers", hook=8, dealer=3, dealers=1, pending=12, smart=3),
    _profile("stopout", "poor stopout", place=22, balance=2),
    _profile("stopout-hooks", "poor stopout hooks same_digits dealers", place=22, hook=5, dealer=4, dealers=1),
    _profile("smart", "smart", smart=8, smart_modify=4, smart_cancel=1, tick=70),
    _profile("smart-dealers", "smart dealers hooks same_digits", smart=8, smart_modify=3, dealer=6, dealers=1, hook=3),
    _profile("trailing", "trailing few rich", smart=16, smart_modify=3, place=1, pending=0.5, tick=75),
    _profile("fine-steps", "fine few poor", place=16, smart=2, balance=2),
    _profile("sessions", "sessions filters levels", wait=2, modify=6, pending=10),
    _profile("fees", "fees swaps agents", day_end=3, close=8, close_by=3, balance=3),
    _profile("fifo", "fifo hedging", place=22, close=9, close_by=3),
    _profile("limits", "levels limits pending_margin", place=20, pending=14, modify=8, set=4),
    _profile("currencies", "currencies", place=18, day_end=1),
    _profile(
        "everything",
        "hedge_margin pending_margin expiry levels dealers stopout smart sessions filters fees swaps agents limits",
        smart=4, dealer=4, dealers=1, hook=2, pending=12, close_by=2, set=4, wait=1.5, day_end=1.5,
    ),
    _profile("hovering", "hovering poor stopout few", tick=90, place=16, balance=2),
    _profile("hovering-wide", "hovering poor stopout currencies hedge_margin pending_margin fees swaps", tick=90, place=18),
    _profile("asleep", "poor stopout sessions hovering", place=22, wait=3, set=4),
    _profile("many", "many rich hedging hedge_margin fees swaps currencies", tick=40, place=60, close=8, close_by=2),
)  # fmt: skip


class Market:
    """The header of a scenario, made from a random source and a profile."""

    def __init__(self, rng: Random, profile: Profile) -> None:
        self.rng = rng
        self.profile = profile
        self.kinds = self._kinds()
        self.symbols = [self._symbol(kind) for kind in self.kinds]
        self.groups = [self._group(f"g{i}") for i in range(rng.randint(1, 3))]
        self.accounts = self._accounts()

    def server(self) -> Record:
        """Return the server's clock: mostly the usual one."""
        rng = self.rng
        if not self.has("days", 0.1):
            return {}
        day_end = rng.choice(["00:00", "17:00", "23:59", "02:30", "01:15"])
        return {"day_end": day_end, "time_zone": rng.choice(ZONES)}

    def has(self, feature: str, chance: float = 0.1) -> bool:
        """Return whether a feature is on here: often where the profile concentrates on it."""
        if feature in self.profile.features:
            chance = 0.6
        return self.rng.random() < chance

    def _kinds(self) -> list[Kind]:
        if "same_digits" in self.profile.features:
            pool = [kind for kind in POOL if kind.name in SAME_DIGITS]
        else:
            pool = list(POOL)
        most = 2 if "few" in self.profile.features else 6
        kinds = self.rng.sample(pool, min(len(pool), self.rng.randint(1 if most == 2 else 2, most)))
        if "below_zero" in self.profile.features:
            kinds += [k for k in POOL if k.name in ("WTIUSD", "NATGAS") and k not in kinds]
        # Without a way to convert, most requests would only say off_quotes.
        names = ["EURUSD", "USDJPY", "GBPUSD"]
        if "currencies" in self.profile.features:
            names.append("BTCUSD")
        ways = [kind for kind in POOL if kind.name in names]
        for kind in ways:
            is_possible = "same_digits" not in self.profile.features or kind.name in SAME_DIGITS
            if kind not in kinds and is_possible and self.rng.random() < 0.8:
                kinds.append(kind)
        return kinds

    def _symbol(self, kind: Kind) -> Record:
        rng, symbol = self.rng, {"name": kind.name, "digits": kind.digits, **kind.terms}
        if self.has("levels"):
            symbol["stops_level"] = rng.choice([0, 5, 10, 20])
            symbol["freeze_level"] = rng.choice([0, 0, 5, 15])
        if self.has("filters", 0.05):
            symbol["filter_points"] = rng.choice([20, 60, 200])
            symbol["filter_ticks"] = rng.randint(1, 4)
        if self.has("sessions", 0.03):
            symbol["sessions"] = sessions(rng)
            if self.has("days", 0.1):
                symbol["sessions"]["time_zone"] = rng.choice(ZONES)
        if self.has("sessions", 0.03):
            symbol["quotes_timeout"] = rng.choice([5, 20, 60])
        if self.has("hedge_margin"):
            symbol["margin_rate_buy"] = rng.choice(["1", "2", "1.5", "0.25"])
            symbol["margin_rate_sell"] = rng.choice(["1", "4", "0.5"])
            symbol["margin_hedged"] = rng.choice(["0", symbol.get("contract_size", "100000"), "500", "33333"])
        if self.has("pending_margin"):
            symbol["pending_margin_rate"] = rng.choice(["1", "0.5", "0.333"])
        if self.has("swaps"):
            symbol["swap_mode"] = rng.choice(
                ["points", "money", "money_profit", "money_base", "money_margin", "percent", "percent_open"]
            )
            symbol["swap_long"] = rng.choice(["-3.5", "1.25", "-12", "0"])
            symbol["swap_short"] = rng.choice(["2.05", "-7.77", "0.1"])
            if rng.random() < 0.5:
                symbol["swap_multipliers"] = [rng.choice([0, 1, 1, 3]) for _ in range(7)]
        if self.has("conversion"):
            symbol["conversion"] = rng.choice(["deal", "market"])
        if self.has("fine", 0):
            symbol.update(volume_min="0.0002", volume_step="0.0002")
        elif self.has("limits"):
            volumes = rng.choice(
                [("0.10", "5", "0.05"), ("0.01", "2", "0.01"), ("0.02", "50", "0.02"), ("1", "20", "1")]
            )
            symbol.update(zip(("volume_min", "volume_max", "volume_step"), volumes, strict=True))
        if rng.random() < 0.03:
            symbol["gateway"] = True
        if rng.random() < 0.3:
            symbol["security"] = rng.choice(["metals", "minors"])
        return symbol

    def _group(self, name: str) -> Record:
        rng, has = self.rng, self.has
        currencies = (
            ["EUR", "JPY", "GBP", "USD", "BTC"]
            if "currencies" in self.profile.features
            else ["USD", "USD", "EUR", "JPY", "GBP"]
        )
        group: Record = {
            "name": name,
            "currency": rng.choice(currencies),
            "leverage": rng.choice(
                [100, 200, 500] if "poor" in self.profile.features else [10, 33, 100, 200, 500]
            ),
        }
        if has("deviation", 0.1):
            group["requote_ttl"] = rng.choice(["5", "1", "30", "0"])
            group["deviation"] = rng.choice([0, 2, 10])
            group["price_bound_points"] = rng.choice([None, None, 0, 5, 100])
        is_netting = has("netting", 0 if "hedging" in self.profile.features else 0.25)
        group["margin_mode"] = "netting" if is_netting else "hedging"
        group["free_margin_mode"] = rng.choice(["use_all", "use_all", "no_pl", "profit_only", "loss_only"])
        is_fine = "fine" in self.profile.features
        if has("stopout", 0.9 if is_fine else 0.2):
            group["stop_out_mode"] = "smart" if is_fine else rng.choice(["mt4", "mt5", "smart", "smart"])
            group["stop_out"] = rng.choice(["20", "50", "80", "99.5"])
            if rng.random() < 0.15:
                group["stop_out_unit"], group["stop_out"] = "money", rng.choice(["100", "0", "5000"])
            group["skip_fully_hedged"] = rng.random() < 0.5
        group["negative_balance_protection"] = rng.random() < 0.4
        group["positive_slippage"] = rng.random() < 0.3
        group["close_fifo"] = has("fifo", 0.08)
        group["hedge_prohibited"] = has("hedge_prohibited", 0.1)
        group["hedge_larger_leg"] = has("hedge_margin")
        group["swap_free"] = rng.random() < 0.1
        if has("limits"):
            group["max_orders"] = rng.choice([2, 4, 8])
        group.update(self._security(is_default=True))
        securities = {s: self._security() for s in ("metals", "minors") if rng.random() < 0.3}
        if securities:
            group["securities"] = securities
        if has("dealers", 0.2):
            group["timeout"] = rng.choice([5, 30, 180])
        return group

    def _security(self, *, is_default: bool = False) -> Record:
        rng, result = self.rng, {}
        if self.has("dealers", 0.05):
            result["execution"] = rng.choice(["manual", "manual_unless_no_dealers"])
        if rng.random() < 0.25:
            result["spread_diff"] = rng.choice([1, 2, 5, 7])
        if self.has("fees", 0.25):
            result["commission"] = commission(rng)
        if self.has("agents", 0.1):
            result["agent_commission"] = commission(rng)
        if not is_default and not result:
            result["spread_diff"] = 3
        return result

    def _accounts(self) -> list[Record]:
        rng, accounts = self.rng, []
        scale = Decimal("0.3") if "poor" in self.profile.features else Decimal(1)
        if "rich" in self.profile.features:
            scale = Decimal(100)
        if "many" in self.profile.features:
            scale = Decimal(10)
        for i in range(rng.randint(1, 4)):
            group = rng.choice(self.groups)
            money = MONEY[group["currency"]]
            balance = rng.choice([100, 300, 1000, 3000, 10000]) * money * scale
            account: Record = {"login": 1001 + i, "group": group["name"], "balance": str(balance)}
            if rng.random() < 0.2:
                account["credit"] = str(rng.choice([50, 250]) * money)
            if rng.random() < 0.3:
                account["leverage"] = rng.choice([5, 50, 100, 300])
            account["tier"] = rng.choice(
                ["PRO", "PRO", "ENTERPRISE", "FREE"] if rng.random() < 0.3 else ["PRO"]
            )
            accounts.append(account)
        for account in accounts:
            currency = self.currency_of(account)
            agents = [a["login"] for a in accounts if self.currency_of(a) == currency and a is not account]
            if agents and self.has("agents", 0.15):
                account["agent"] = rng.choice(agents)
        return accounts

    def currency_of(self, account: Record) -> str:
        """Return the currency of the account's group."""
        return next(str(g["currency"]) for g in self.groups if g["name"] == account["group"])


def commission(rng: Random) -> Record:
    """Return a commission setting."""
    kind = rng.choice(["per_lot", "per_deal", "percent"])
    amounts = ["0.0025", "0.01", "0.035"] if kind == "percent" else ["7", "3.5", "1", "0.33"]
    return {"kind": kind, "amount": rng.choice(amounts)}


def sessions(rng: Random) -> Record | None:
    """Return a table in which the first minutes of the day have holes."""
    table: Record = {}
    for day in ("mon", "tue", "wed", "thu", "fri"):
        table[day] = rng.choice(
            [
                [["00:00", "00:02"], ["00:03", "24:00"]],
                [["00:01", "00:04"], ["00:05", "12:00"]],
                [["00:00", "24:00"]],
                [["00:00", "00:03"], ["00:04", "23:59"]],
            ]
        )
    return table
