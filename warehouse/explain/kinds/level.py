"""Explains a key level: the profile around it, the rule that chose it, and other meanings of its name."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import polars as pl

from models.errors import UsageError
from warehouse.explain.chain import Chain
from warehouse.explain.explanation import Alternative, Definition, Explanation, Number, Row, Table
from warehouse.explain.kinds.flip import flip_inputs, flip_tables
from warehouse.explain.kinds.gex import CONTRACT_COLUMNS, SIGNS
from warehouse.explain.kinds.level_meanings import BACKQUANT, FLASHALPHA, Meaning, meaning_of
from warehouse.explain.raw_rows import raw_rows

SHOWN = ["strike", "side", "call_gex_usd_1pct", "put_gex_usd_1pct", "net_gex_usd_1pct", "share", "total_oi"]
AROUND = 3  # strikes to either side
CURVES = ("hvl", "gamma_flip")  # levels between strikes


def explain(chain: Chain) -> Explanation:
    """A level of the gamma profile over the requested expiries, or over 0DTE (definitions §6)."""
    level = str(chain.question.level)
    is_zero_dte = chain.question.zero_dte or level == "zero_dte_magnet"
    levels = chain.macro("gex_levels")
    row = levels.filter(pl.col("scope_expiry") == ("0dte" if chain.question.zero_dte else "all")).row(0, named=True)
    instants = _zero_dte(chain) if is_zero_dte else None
    ranking = _ranking(chain, instants)
    (parameters,) = chain.ask("parameters").rows(named=True)
    meaning = meaning_of(level, min_share=parameters["level_min_share"])
    value = row[level]
    contracts = _contracts(chain, ranking, value, instants)
    what = "0DTE" if is_zero_dte else chain.scope.expiries
    tables = [
        Table(f"The profile around {level if value is None else f'{value:g}'} (USD per 1 % move)", _around(chain, ranking, value, level))
    ]
    tables += [Table("How strikes rank", _ranks(chain, ranking, meaning))] if meaning.rank_column else flip_tables(chain, level)
    return Explanation(
        kind="level",
        title=f"{level} of {chain.facts.underlying}, {what}",
        number=Number(level, value, "USD", _note(value, level, row, ranking, meaning, parameters)),
        definition=Definition(meaning.formula, "§6", SIGNS if level != "highest_oi_strike" else None),
        scope=chain.scope,
        inputs=(
            Number("spot", chain.facts.spot, "USD"),
            Number("net_gex_usd_1pct", row["net_gex_usd_1pct"], "USD per 1 % move", "of the whole profile"),
            Number("net_to_gross", row["net_to_gross"]),
            Number("level_min_share", parameters["level_min_share"], "fraction", "of the largest |net|, for the six walls beside spot"),
            *flip_inputs(row, parameters, level),
        ),
        tables=tuple(tables),
        contracts=tuple(contracts.drop("payload_sha256", "row_number").rows(named=True)),
        raw=raw_rows(chain, contracts),
        alternatives=_alternatives(chain, level, row, ranking, parameters["level_min_share"]),
        asked_definition=chain.question.definition,
    )


def _zero_dte(chain: Chain) -> list[datetime]:
    if "+" in chain.facts.scope_venue:
        raise UsageError("The 0DTE profile is explained for all venues or for one: name one venue, or none.")
    return chain.ask("zero_dte", id=chain.facts.snapshot_id, scope_venue=chain.facts.scope_venue)["expires_at"].to_list()


def _ranking(chain: Chain, instants: list[datetime] | None) -> pl.DataFrame:
    question = chain.question
    return chain.ask(
        "level_ranking", underlying=question.underlying, as_of=chain.facts.captured_at, venues=question.venues, expiry=question.expiry,
        expires_at=question.expires_at, instants=instants, spot=chain.facts.spot,
    )  # fmt: skip


def _around(chain: Chain, ranking: pl.DataFrame, value: float | None, level: str) -> tuple[Row, ...]:
    centre = value if value is not None else chain.facts.spot
    if centre is None:
        return ()
    index = ranking["strike"].search_sorted(centre)
    columns = [*SHOWN, *(["cumulative_gex_usd_1pct"] if level == "hvl" else [])]
    return tuple(ranking.slice(max(index - AROUND, 0), 2 * AROUND + (level not in CURVES)).select(columns).rows(named=True))


def _ranks(chain: Chain, ranking: pl.DataFrame, meaning: Meaning) -> tuple[Row, ...]:
    assert meaning.rank_column is not None
    ranked = ranking if meaning.side is None else ranking.filter(pl.col("side") == meaning.side)
    ordered = ranked.sort(meaning.rank_column).head(max(chain.question.top, meaning.number))
    return tuple(ordered.select(pl.col(meaning.rank_column).alias("rank"), *SHOWN).rows(named=True))


def _note(value: Any, level: str, row: Row, ranking: pl.DataFrame, meaning: Meaning, parameters: Row) -> str | None:
    if level == "gamma_flip":
        return None if value is not None else f"null: {row['gamma_flip_status']}"
    if value is not None:
        return None
    if ranking.is_empty():
        return "null: the profile has no strikes"
    if meaning.side is None:
        return "null: no strike has it" if meaning.rank_column else "null: the running sum does not turn positive within 20 % of spot"
    first = ranking.filter((pl.col("side") == meaning.side) & (pl.col("place_on_side") == meaning.number))
    if first.is_empty() or not (first["net_gex_usd_1pct"][0] or 0) > 0:
        return f"null: no {'further ' if meaning.number > 1 else ''}strike {meaning.side} spot has positive net gamma exposure"
    share = first["share"][0]
    return f"null: the strike would be {first['strike'][0]:g}, with a share of {share:.4f}, under {parameters['level_min_share']:g}"


def _alternatives(chain: Chain, level: str, row: Row, ranking: pl.DataFrame, min_share: float) -> tuple[Alternative, ...]:
    flash, back, value = FLASHALPHA[level], BACKQUANT.get(level), row[level]
    other = Alternative("backquant", "definition", "BackQuant has no such level", None)
    if back == "hvl":
        other = Alternative("backquant", "definition", "hvl: the strike of the pair around the crossing with the smaller |running sum|",
                            _hvl_strike(row, ranking), "USD")  # fmt: skip
    elif back:
        other = Alternative("backquant", "definition", f"{back}: {meaning_of(back, min_share=min_share).formula}", row[back], "USD")
    lines = [
        Alternative("flashalpha", "definition", f"{flash}: {meaning_of(flash, min_share=min_share).formula}", row[flash], "USD"),
        other,
    ]
    if level in CURVES:
        turned = "if dealers are short calls and long puts the place is the same, and net falls through it"
        moved = "for a market that has moved on: gamma_flip × implied spot / spot"
        lines.append(Alternative("inverted", "sign", turned, value, "USD"))
        lines.append(Alternative("implied-spot", "time", moved, row["gamma_flip_implied"], "USD"))
    else:
        lines += _other_places(ranking)
    facts = chain.facts
    apart = None if value is None or not facts.spot else 100 * (value / facts.spot - 1)
    when = f"open interest of {facts.oi_as_of}, quotes of {facts.session_date}: exposures move with spot and time"
    lines.append(Alternative("percent-of-spot", "unit", "as distance from spot, signed", apart, "percent of spot"))
    lines.append(Alternative("other-time", "time", when, None))
    return (*lines, *_scopes(chain, level))


def _other_places(ranking: pl.DataFrame) -> list[Alternative]:
    """The levels that other rules choose from the same strikes."""
    return [
        _first(
            ranking,
            "place_by_call_oi",
            "call-oi",
            "definition",
            "the strike of the largest call open interest, which some call a call wall",
        ),
        _first(
            ranking, "place_by_put_oi", "put-oi", "definition", "the strike of the largest put open interest, which some call a put wall"
        ),
        _first(
            ranking, "place_by_negative_net", "inverted", "sign", "the largest net gamma exposure if dealers are short calls and long puts"
        ),
        _first(ranking, "place_by_size", "absolute", "sign", "the strike of the largest |net|, whatever its sign"),
    ]


def _scopes(chain: Chain, level: str) -> list[Alternative]:
    """The same level over other venues and expiries."""
    question = chain.question
    lines = []
    if question.expiry or question.expires_at:
        whole = chain.macro("gex_levels", expiry=None, expires_at=None)
        lines.append(_level_of(whole, level, "all", "all-expiries", "over all live expiries"))
    elif not question.zero_dte:
        lines.append(_level_of(chain.macro("gex_levels"), level, "0dte", "0dte", "over 0DTE alone"))
    if len(chain.venues) > 1:
        lines += [
            _level_of(
                chain.macro("gex_levels", venues=[one]), level, "0dte" if question.zero_dte else "all", f"venue-{one}", f"of {one} alone"
            )
            for one in chain.venues
        ]
    return lines


def _level_of(levels: pl.DataFrame, level: str, scope_expiry: str, convention: str, meaning: str) -> Alternative:
    row = levels.filter(pl.col("scope_expiry") == scope_expiry)
    return Alternative(convention, "scope", meaning, None if row.is_empty() else row[level][0], "USD")


def _first(ranking: pl.DataFrame, rank_column: str, convention: str, about: str, meaning: str) -> Alternative:
    first = ranking.filter(pl.col(rank_column) == 1)
    return Alternative(convention, about, meaning, None if first.is_empty() else first["strike"][0], "USD")


def _hvl_strike(row: Row, ranking: pl.DataFrame) -> float | None:
    pair = ranking.filter(pl.col("strike").is_in([row["hvl_lower_strike"], row["hvl_upper_strike"]]))
    ordered = pair.sort(pl.col("cumulative_gex_usd_1pct").abs(), "strike")
    return None if ordered.is_empty() else float(ordered["strike"][0])


def _contracts(chain: Chain, ranking: pl.DataFrame, value: float | None, instants: list[datetime] | None) -> pl.DataFrame:
    """Contracts with the largest exposure on the level's strike, or on the two strikes around it."""
    live = chain.contracts.filter(pl.col("is_live") & (pl.col("expires_at").is_in(instants) if instants is not None else True))
    if value is not None:
        listed = ranking["strike"]
        below, above = listed.filter(listed <= value).max(), listed.filter(listed >= value).min()
        live = live.filter(pl.col("strike").is_in([one for one in (below, above) if one is not None]))
    ordered = live.sort(pl.col("gex_usd_1pct").abs(), "venue", "instrument", descending=[True, False, False], nulls_last=True)
    return ordered.head(chain.question.top).select(CONTRACT_COLUMNS)
