"""/v1/exposure/term-structure: exposures by time to expiration."""

from __future__ import annotations

from datetime import date
from typing import Any

from pydantic import Field

from warehouse.api.flashalpha.chain import OF_A_SETTLEMENT, Chain, OfChain
from warehouse.api.flashalpha.convert import day, known
from warehouse.api.flashalpha.envelope import Day, OfSymbol, Part, Percent, Usd, Usd1Pct, Usd1Vol, UsdDay
from warehouse.api.flashalpha.exposure.summary import net_exposures

BUCKETS = (("0-7d", 0, 7), ("8-30d", 8, 30), ("31-60d", 31, 60), ("61-180d", 61, 180), ("180d+", 181, 2147483647))


class DteBucket(Part):
    """Exposures of a range of days to expiration."""

    bucket: str
    dte_range: tuple[int, int] = Field(description="inclusive")
    net_gex: Usd1Pct
    net_dex: Usd
    net_vex: Usd1Vol
    net_chex: UsdDay
    contract_count: int


class ExpirationExposure(Part):
    """Exposures of one expiration date."""

    expiration: Day
    dte: int
    is_opex: bool = Field(description="monthly or quarterly")
    is_triple_witching: bool
    net_gex: Usd1Pct
    net_dex: Usd
    net_vex: Usd1Vol
    net_chex: UsdDay
    pct_of_chain_gex: Percent


class TermStructure(OfSymbol):
    """Exposures by time to expiration; ranges without contracts are left out."""

    by_dte_bucket: list[DteBucket]
    by_expiry: list[ExpirationExposure]


def term_structure(chain: OfChain) -> TermStructure:
    """Exposures by expiration and by range of days."""
    rows = chain.stored("gex_by_expiry", OF_A_SETTLEMENT["gex_by_expiry"])
    if not rows:
        raise chain.nothing(None)
    counts = dict(chain.report("contract_counts").iter_rows())
    types = {row["expires_at"]: row for row in chain.mart("opex_calendar").to_dicts()}
    dates = sorted({row["expiry"] for row in rows})
    of_date = {one: [row for row in rows if row["expiry"] == one] for one in dates}
    whole = sum(abs(known(net_exposures(of_date[one])["net_gex"])) for one in dates)
    return TermStructure(
        **chain.head(),
        by_dte_bucket=[entry for bucket in BUCKETS if (entry := _bucket(bucket, rows, counts)) is not None],
        by_expiry=[_expiration(chain, one, of_date[one], types, whole) for one in dates],
    )


def _bucket(bucket: tuple[str, int, int], rows: list[dict[str, Any]], counts: dict[Any, int]) -> DteBucket | None:
    name, low, high = bucket
    inside = [row for row in rows if low <= row["dte"] <= high]
    if not inside:
        return None
    exposures = {key: known(value) for key, value in net_exposures(inside).items()}
    return DteBucket(bucket=name, dte_range=(low, high), contract_count=sum(counts[row["expires_at"]] for row in inside), **exposures)


def _expiration(
    chain: Chain, expiry: date, rows: list[dict[str, Any]], types: dict[Any, dict[str, Any]], whole: float
) -> ExpirationExposure:
    exposures = {key: known(value) for key, value in net_exposures(rows).items()}
    kinds = [types[row["expires_at"]] for row in rows]
    is_quarterly = any(kind["type"] == "quarterly" for kind in kinds)
    return ExpirationExposure(
        expiration=day(expiry),
        dte=max(row["dte"] for row in rows),
        is_opex=any(kind["is_anchor"] for kind in kinds),
        is_triple_witching=is_quarterly if chain.market == "crypto" else any(kind["is_triple_witching"] for kind in kinds),
        pct_of_chain_gex=round(100 * abs(exposures["net_gex"]) / whole, 2) if whole else 0.0,
        **exposures,
    )
