"""The meaning of each level, the rule that chooses it, and other meanings of its name."""

from __future__ import annotations

from typing import NamedTuple


class Meaning(NamedTuple):
    """How a level is chosen."""

    formula: str
    rank_column: str | None  # column of sql/explain/level_ranking.sql, in which the level has rank `number`
    number: int = 1
    side: str | None = None


_WALL = (
    "of the strikes {side} spot, the one with the {n}largest positive net gamma exposure; null when that is under {share:g} of the "
    "profile's largest |net|"
)
_BIGGEST = "the strike, on either side of spot, of the largest |{side} gamma exposure|"
_ORDINALS = ("", "", "2nd ", "3rd ")


def meaning_of(level: str, *, min_share: float) -> Meaning:
    """The definition of a level (definitions §6)."""
    if level in ("call_resistance", "call_wall_2", "call_wall_3", "put_support", "put_wall_2", "put_wall_3"):
        number = int(level[-1]) if level[-1].isdigit() else 1
        side = "above" if level.startswith("call") else "below"
        return Meaning(_WALL.format(side=side, n=_ORDINALS[number], share=min_share), "place_on_side", number, side)
    return _OTHERS[level]


_OTHERS = {
    "call_wall": Meaning(_BIGGEST.format(side="call"), "place_by_call"),
    "put_wall": Meaning(_BIGGEST.format(side="put"), "place_by_put"),
    "max_positive_gamma": Meaning("the strike of the largest net gamma exposure, if that is positive", "place_by_net"),
    "max_negative_gamma": Meaning("the strike of the smallest net gamma exposure, if that is negative", "place_by_negative_net"),
    "highest_oi_strike": Meaning("the strike of the largest open interest, calls and puts together", "place_by_oi"),
    "zero_dte_magnet": Meaning("the strike of the largest |net gamma exposure| of 0DTE", "place_by_size"),
    "hvl": Meaning(
        "where the net gamma exposure, added up from the lowest strike, turns from negative to positive within 20 % of spot, linear "
        "between two strikes; of several crossings the one nearest spot",
        None,
    ),
    "gamma_flip": Meaning(
        "every live contract's gamma re-priced at spot levels of 80 % to 120 % in steps of 0.25 % (forward moved with spot, volatility "
        "held): the sign change of the total nearest spot, linear between two levels, if net rises through it",
        None,
    ),
}

# our level → our levels that FlashAlpha or BackQuant show under the same or a similar name
FLASHALPHA = {
    "call_resistance": "call_wall", "call_wall_2": "call_wall", "call_wall_3": "call_wall", "call_wall": "call_wall",
    "put_support": "put_wall", "put_wall_2": "put_wall", "put_wall_3": "put_wall", "put_wall": "put_wall",
    "max_positive_gamma": "max_positive_gamma", "max_negative_gamma": "max_negative_gamma", "highest_oi_strike": "highest_oi_strike",
    "zero_dte_magnet": "zero_dte_magnet", "hvl": "gamma_flip", "gamma_flip": "gamma_flip",
}  # fmt: skip
BACKQUANT = {
    "call_resistance": "call_resistance", "call_wall_2": "call_wall_2", "call_wall_3": "call_wall_3", "call_wall": "call_resistance",
    "put_support": "put_support", "put_wall_2": "put_wall_2", "put_wall_3": "put_wall_3", "put_wall": "put_support",
    "gamma_flip": "hvl", "hvl": "hvl",
}  # fmt: skip
STATUS_MEANINGS = {
    "available": "there is a root, net rises through it, and enough strikes stand around it",
    "not_available_filtered": "a filter leaves strikes out, and a ladder has no strikes",
    "insufficient_local_coverage": "too few strikes with open interest and a volatility near spot",
    "no_boundary": "the re-priced total changes its sign nowhere within 20 % of spot",
    "uncertain_root_path": "net falls through the root nearest spot instead of rising",
    "sensitive_root": "a second root lies close to the nearest one",
    "stored_sign_mismatch": "the ladder's sign at spot is not that of the stored exposures, which carry the venue's gamma",
}
