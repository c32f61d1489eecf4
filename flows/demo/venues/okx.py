"""OKX v5 on the wire: families, coin-margined and USD-margined, strings for numbers and "" for what is missing (venues §3).

Open interest is split over the families of an underlying; each kind of reply comes from a cache of its own age and leaves out its own rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson

from flows.demo.market.coins import PAIRS, TICKS, Contract, coming, contracts, ms, quotes, share, shuffled, text
from flows.demo.market.market import CryptoChain, Market
from flows.demo.market.positions import name_key
from flows.demo.venues.wire import Reply, Row, Wire, retry_after

SIZES = {"BTC-USD": 0.01, "BTC-USD_UM": 0.01, "ETH-USD": 0.1, "ETH-USD_UM": 0.01, "SOL-USD_UM": 0.1}  # coins per contract
COIN_SHARE, COIN_TICK = 0.7, 0.0005
AGES = {"open-interest": 5.2, "opt-summary": 4.1, "mark-price": 1.2, "tickers": 0.0}  # seconds behind the newest ticker
BAD_PARAMETER, MISSING_PARAMETER, NO_INSTRUMENT, NO_INDEX, TOO_MANY = "51000", "50014", "51001", "51014", "50011"


class Okx(Wire):
    """`/api/v5`."""

    name = "okx"
    instrument = "instId"
    open_interest = "oiCcy"
    open_interest_too = ("oi", "oiUsd")
    no_open_interest = ""
    refusals = ("plain", "seconds", "date", "200")  # 50011 in HTTP 429, with Retry-After, or in HTTP 200
    missing = dict.fromkeys(("markVol", "bidVol", "askVol", "markPx", "bidPx", "askPx", "last"), "")

    def answer(self, market: Market, path: str, query: Mapping[str, str]) -> Reply:
        reply = path.rpartition("/")[2]
        if path == "/api/v5/market/index-tickers":
            return _index(market, query.get("instId"))
        if path not in PATHS:
            return _envelope("404", "Not Found", status=404)
        if reply != "opt-summary" and query.get("instType") != "OPTION":
            missing = "instType" not in query
            message = "Parameter instType can not be empty." if missing else "Parameter instType error"
            return _envelope(MISSING_PARAMETER if missing else BAD_PARAMETER, message, status=400)
        name = query.get("instFamily")
        if not name:
            return _envelope(MISSING_PARAMETER, "Parameter instFamily can not be empty.", status=400)
        if name not in SIZES:
            return _envelope(NO_INSTRUMENT, "Instrument ID, Instrument ID code, or Spread ID doesn't exist.")
        family = Family(name, market.crypto(PAIRS[name.partition("-")[0]]))
        rows = PATHS[path](family)
        return _envelope("0", data=[row for row in rows if query.get("instId") in (None, row["instId"])])

    def refuse(self, variant: str, seconds: float) -> Reply:
        reply = _envelope(TOO_MANY, "Too Many Requests", status=200 if variant == "200" else 429)
        return Reply(reply.status, reply.body, headers=retry_after(variant, seconds))

    def rows(self, document: Any) -> list[Row] | None:
        return document.get("data") if isinstance(document, dict) else None

    def option_type(self, row: Row) -> str:
        return str(row["instId"])[-1]

    def shift_clock(self, document: Any, seconds: float) -> None:
        for row in self.rows(document) or []:
            if "ts" in row:
                row["ts"] = str(int(row["ts"]) + round(seconds * 1000))


@dataclass(frozen=True)
class Family:
    """One family, on the chain of its coin."""

    name: str
    chain: CryptoChain

    @property
    def is_linear(self) -> bool:
        """Whether it is margined in USD, and priced in it."""
        return self.name.endswith("_UM")

    @property
    def size(self) -> float:
        """Coins per contract."""
        return SIZES[self.name]

    @property
    def coin(self) -> str:
        """The coin that its contracts are on."""
        return self.name.partition("-")[0]

    def instrument(self, contract: Contract) -> str:
        """The contract's name in this family."""
        return f"{self.name}-{contract.day:%y%m%d}-{text(contract.strike, 6)}-{contract.side}"

    def listed(self, reply: str) -> list[Contract]:
        """Contracts in the order of a reply."""
        return shuffled(contracts(self.chain), self.instrument, f"okx {reply}")

    def part(self, amount: float, contract: Contract) -> float:
        """What of an amount belongs to this family; the last lot of a coin that has no other family too."""
        name = f"{self.coin}{contract.day}{contract.strike}{contract.side}"
        alone = f"{self.coin}-USD" not in SIZES
        first, second = share(amount, name, 0.0 if alone else COIN_SHARE, max(SIZES.get(f"{self.coin}-USD", 0.0), self.size))
        return (first + second if self.is_linear else 0.0) if alone else second if self.is_linear else first

    def stamp(self, reply: str, row: int) -> str:
        """When a row was made; the first ticker is the newest."""
        return str(ms(self.chain.now - timedelta(seconds=AGES[reply])) - (row * 37 % 400 if reply == "tickers" else 0))


def _instruments(family: Family) -> list[Row]:
    listed = [(contract, "live") for contract in family.listed("instruments")]
    listed[0] = (listed[0][0], "suspend")
    blank = dict.fromkeys(
        ("alias", "auctionEndTime", "baseCcy", "contTdSwTime", "groupId", "lever", "maxMktAmt", "openType", "quoteCcy"), ""
    )
    shared = {
        **blank,
        "category": "1",
        "ctMult": text(family.size),
        "ctType": "linear" if family.is_linear else "",
        "ctVal": "1",
        "ctValCcy": family.coin,
        "futureSettlement": False,
        "instFamily": family.name,
        "instType": "OPTION",
        "lotSz": "1",
        "maxLmtSz": "1000000",
        "maxMktSz": "5000",
        "maxTwapSz": "1000000.0000000000000000",
        "minSz": "1",
        "ruleType": "normal",
        "settleCcy": "USD" if family.is_linear else family.coin,
        "tickSz": text(TICKS[family.coin]) if family.is_linear else text(COIN_TICK),
        "uly": family.name.removesuffix("_UM"),
    }
    return [
        {
            "instId": family.instrument(contract),
            "expTime": str(ms(contract.expires_at)),
            "listTime": str(ms(contract.listed_at)),
            "optType": contract.side,
            "stk": text(contract.strike, 6),
            "state": state,
            **shared,
        }
        for contract, state in [*listed, *((contract, "preopen") for contract in coming(family.chain))]
    ]


def _open_interest(family: Family) -> list[Row]:
    rows = []
    for number, contract in enumerate(family.listed("open-interest")):
        name, coins = family.instrument(contract), family.part(contract.open_interest, contract)
        if coins == 0 and name_key([name], "unsaid")[0] < 0.5:
            continue  # the venue leaves out some of those that have none
        amounts = {"oi": text(coins / family.size, 0), "oiCcy": text(coins), "oiUsd": text(coins * family.chain.index, 4)}
        rows.append({"instId": name, "instType": "OPTION", **amounts, "ts": family.stamp("open-interest", number)})
    return rows


def _summary(family: Family) -> list[Row]:
    rows = []
    for number, contract in enumerate(family.listed("opt-summary")):
        name = family.instrument(contract)
        if name_key([name], "unfitted")[0] < 0.01:
            continue  # without a fitted surface, whether it has open interest or not
        forward, has_bid = contract.forward, quotes(contract, TICKS[family.coin])[0] > 0
        delta = contract.delta - contract.mark / forward
        rows.append(
            {
                "askVol": text(contract.vol * 1.02, 10),
                "bidVol": text(contract.vol * 0.98, 10) if has_bid else ("" if number % 2 else "0"),
                "delta": f"{delta:.16f}",
                "deltaBS": f"{contract.delta:.16f}",
                "fwdPx": f"{forward:.16f}",
                "gamma": f"{forward * contract.gamma - 2 * delta:.16f}",
                "gammaBS": f"{contract.gamma:.20f}",
                "instId": name,
                "instType": "OPTION",
                "lever": text(1 / max(contract.mark / forward, 1e-6), 8),
                "markVol": f"{contract.vol:.16f}",
                "realVol": "" if number % 2 else "0",
                "theta": f"{contract.theta / forward:.16f}",
                "thetaBS": f"{contract.theta:.14f}",
                "ts": family.stamp("opt-summary", number),
                "uly": family.name.removesuffix("_UM"),
                "vega": f"{contract.vega / forward:.20f}",
                "vegaBS": f"{contract.vega:.16f}",
                "volLv": "0",
            }
        )
    return rows


def _marks(family: Family) -> list[Row]:
    rows = [
        (number, contract, 1.0 if family.is_linear else contract.forward) for number, contract in enumerate(family.listed("mark-price"))
    ]
    return [
        {
            "instId": family.instrument(contract),
            "instType": "OPTION",
            "markPx": f"{contract.mark / unit:.16f}",
            "ts": family.stamp("mark-price", number),
        }
        for number, contract, unit in rows
    ]


def _tickers(family: Family) -> list[Row]:
    rows = []
    for number, contract in enumerate(family.listed("tickers")):
        unit, tick = (1.0, TICKS[family.coin]) if family.is_linear else (contract.forward, COIN_TICK)
        scaled = contract._replace(mark=contract.mark / unit, out_of_the_money=contract.out_of_the_money / unit)
        bid, ask = quotes(scaled, tick)
        coins = family.part(contract.volume, contract)
        last = text(bid) if bid and coins else ""
        rows.append(
            {
                "instType": "OPTION",
                "instId": family.instrument(contract),
                "last": last,
                "lastSz": "12" if last else "",
                "askPx": text(ask),
                "askSz": "40",
                "bidPx": text(bid) if bid else "",
                "bidSz": "40" if bid else "",
                **dict.fromkeys(("open24h", "high24h", "low24h", "sodUtc0", "sodUtc8"), last),
                "volCcy24h": text(coins),
                "vol24h": text(coins / family.size, 0),
                "ts": family.stamp("tickers", number),
            }
        )
    return rows


PATHS: dict[str, Callable[[Family], list[Row]]] = {
    "/api/v5/public/instruments": _instruments,
    "/api/v5/public/open-interest": _open_interest,
    "/api/v5/public/opt-summary": _summary,
    "/api/v5/public/mark-price": _marks,
    "/api/v5/market/tickers": _tickers,
}


def _index(market: Market, name: str | None) -> Reply:
    if not name:
        return _envelope(MISSING_PARAMETER, "Parameter instId or quoteCcy can not be empty.", status=400)
    coin = name.removesuffix("-USD")
    if coin not in PAIRS or not name.endswith("-USD"):
        return _envelope(NO_INDEX, "Index doesn't exist.")
    chain = market.crypto(PAIRS[coin])
    levels = dict.fromkeys(("idxPx", "high24h", "sodUtc0", "open24h", "low24h", "sodUtc8"), text(chain.index))
    return _envelope("0", data=[{"instId": name, **levels, "ts": str(ms(chain.now))}])


def _envelope(code: str, message: str = "", data: list[Row] | None = None, status: int = 200) -> Reply:
    return Reply(status, orjson.dumps({"code": code, "msg": message, "data": data or []}))
