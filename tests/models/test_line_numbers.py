"""Calls and puts of a strike share one number."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from models.line_numbers import LINE, line_numbers

CONTRACTS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b"]),
        st.sampled_from(["USD", "USDT"]),
        st.sampled_from(["X", "XW"]),
        st.sampled_from([datetime(2026, 8, day) for day in (1, 2)]),
        st.sampled_from([90.0, 95.0, 100.0]),
        st.sampled_from(["C", "P"]),
    ),
    max_size=60,
)


@given(CONTRACTS)
def test_lines_are_what_grouping_by_their_key_gives(contracts: list[tuple[object, ...]]) -> None:
    schema = {"venue": pl.String, "book": pl.String, "root": pl.String, "expires_at": pl.Datetime("us"), "strike": pl.Float64}
    rows = pl.DataFrame(contracts, schema=schema | {"option_type": pl.String}, orient="row").with_row_index("at")
    lines = line_numbers(rows)
    keys = lines.series[lines.of_line].with_columns(strike=lines.strike)
    assert keys.equals(rows.select(LINE).unique().sort(LINE).select(keys.columns))
    assert keys[lines.of_row].select(LINE).equals(rows.select(LINE))
    is_call = rows["option_type"] == "C"
    firsts = rows.filter(is_call).unique(LINE, keep="first").select(*LINE, "at")
    expected = keys.join(firsts, on=LINE, how="left", maintain_order="left")["at"].cast(pl.Int64).fill_null(-1)
    assert np.array_equal(lines.first(is_call.to_numpy()), expected.to_numpy())
