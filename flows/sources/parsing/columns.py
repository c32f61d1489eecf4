"""From the rows of a reply to typed columns: what cannot be read is refused and remembered, never dropped in silence.

Every source uses it. A broken essential value (name, strike, expiry, type, open interest) refuses its row; any other broken value
becomes NULL and is recorded. So rows in the reply = kept rows + refused rows, always.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np
import orjson
import polars as pl

from flows.sources.parsing.plain_rows import PlainRows
from models.chain import ParsedQuotes, RawPayload, RejectedRows

NUMBERS = {float, int, type(None)}
TEXTS = {str, type(None)}
NUMERIC_TEXT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
LONGEST_SHOWN_VALUE = 100
TOO_LARGE = 1e10  # no count, price or greek of an option comes near; tables could not hold sums of such open interest
FIRST_MS, LAST_MS = 946_684_800_000, 4_102_444_800_000  # the years 2000 to 2099: an instant outside is a mistake
BLOCK_ROWS = 256  # whose fields fit into a processor's cache
QUOTES_NONE, REJECTED_NONE = ParsedQuotes.create_empty(), RejectedRows.create_empty()  # to make one takes as long as to read 200 rows
QUOTE_CASTS = [pl.col(name).cast(dtype) for name, dtype in QUOTES_NONE.schema.items()]
NOISE_DECIMALS = 9  # what is left of 14700 lots of 0.1 after a float multiplication


class Columns:
    """The rows of one reply as columns, and what was refused in them. Plain rows are columns already, and decoded only to show a value.

    `row_numbers`: of the rows in the reply, when they are only some of it. `key`: the field with the instrument's name; a row
    without one is refused. `documented`: the fields that the venue is known to send; others are counted in `unknown_fields`.
    `numbers_are_text`: the venue writes numbers as text, and an empty one where it has none.
    """

    def __init__(
        self,
        payload: RawPayload,
        rows: Sequence[Any],
        *,
        key: str,
        documented: frozenset[str],
        row_numbers: Sequence[int] | None = None,
        numbers_are_text: bool = False,
    ) -> None:
        self.payload = payload
        self._numbers_are_text = numbers_are_text
        self.height = len(rows)
        self.row_numbers = np.arange(self.height) if row_numbers is None else np.array(row_numbers, dtype=np.int64)
        self._refused_rows: dict[int, tuple[str, str | None, Any]] = {}
        self._refused_values: list[tuple[int, str, str, Any]] = []
        self._notes: list[str] = []
        self._read: dict[str, list[Any]] = {}
        self._requested_fields: list[str] = []
        self._carried: Counter[str] = Counter()
        self._plain = rows.frame if isinstance(rows, PlainRows) else None
        self._rows: Sequence[dict[str, Any]] = rows
        if self._plain is not None:
            self._carried.update(dict.fromkeys(self._plain.columns, self.height))
        else:
            strange = {} if set(map(type, rows)) <= {dict} else {at: row for at, row in enumerate(rows) if not isinstance(row, dict)}
            self._refused_rows.update({index: ("not_an_object", None, row) for index, row in strange.items()})
            if strange:
                self._rows = [{} if index in strange else row for index, row in enumerate(rows)]
            for fields, count in Counter(map(tuple, self._rows)).items():  # a reply has few kinds of rows: count kinds, not cells
                self._carried.update(dict.fromkeys(fields, count))
        self.unknown_fields: Mapping[str, int] = {name: n for name, n in sorted(self._carried.items()) if name not in documented}
        self._reply = f"`{payload.name}` of book {payload.book}"
        self._key = key
        self.names = self.text(key)
        is_nameless = pl.col(key).is_null() | (pl.col(key).str.strip_chars() == "")
        self.refuse_rows(self.names.to_frame().select(is_nameless.arg_true()).to_series(), "bad_name", key)

    def text(self, field: str) -> pl.Series:
        """A field of text; null where it is missing, or refused because it is none."""
        values = self._field_values(field)
        if isinstance(values, pl.Series):
            return values
        if not set(map(type, values)) <= TEXTS:
            broken = [index for index, value in enumerate(values) if type(value) not in TEXTS]
            self._refuse_values(broken, "not_text", field)
            values = [value if type(value) in TEXTS else None for value in values]
        return pl.Series(field, values, dtype=pl.String)

    def number(
        self,
        field: str,
        *,
        is_essential: bool = False,
        is_signed: bool = False,
        missing: float | None = None,
        too_large: float = TOO_LARGE,
    ) -> pl.Series:
        """A field of finite numbers, or of texts that hold one; null where it is missing or refused.

        `is_essential`: what cannot be read refuses the whole row. `is_signed`: negative numbers make sense. `missing`: the number that
        stands for none. `too_large`: the least size that is no longer believed.
        """
        values = self._field_values(field)
        refuse = self.refuse_rows if is_essential else self._refuse_values
        numbers = values if isinstance(values, pl.Series) else self._numbers(field, values)
        if numbers is None:
            if self._numbers_are_text:
                values = [None if value == "" else value for value in values]
            else:
                texts = sum(1 for value in values if isinstance(value, str) and is_numeric(value))
                self.note(texts, f"numbers of {field} were sent as text")
            values = [number_in(value) for value in values]
            refuse([index for index, value in enumerate(values) if value is not None and math.isnan(value)], "not_a_number", field)
            numbers = pl.Series(field, values, dtype=pl.Float64).fill_nan(None)
        if missing is not None:
            numbers = numbers.set(numbers == missing, None)
        if lie_within(numbers, -too_large if is_signed else 0.0, too_large):  # nearly always
            return numbers
        bad = {"infinite": numbers.is_infinite()} | ({} if is_signed else {"negative": numbers < 0})
        bad |= {"too_large": (numbers.abs() >= too_large) & numbers.is_finite()}
        for reason, is_bad in bad.items():
            refuse(is_bad.arg_true(), reason, field)
            numbers = numbers.set(is_bad, None)
        return numbers

    def instant_ms(self, field: str) -> pl.Series:
        """A field of milliseconds since 1970, as naive UTC instants; null where it is missing, refused or not of this century."""
        ms = self.number(field, too_large=math.inf)
        is_bad = (ms < FIRST_MS) | (ms > LAST_MS)
        if is_bad.any():
            self._refuse_values(is_bad.arg_true(), "no_instant", field)
            ms = ms.set(is_bad, None)
        return (ms.cast(pl.Int64) * 1000).cast(pl.Datetime("us"))

    def refuse_rows(self, indexes: Iterable[int], reason: str, field: str) -> None:
        """Refuses whole rows, by their place in these columns; the first reason to refuse a row stands."""
        for index in indexes:
            self._refused_rows.setdefault(index, (reason, field, self._rows[index].get(field)))

    def refuse_duplicates(self) -> None:
        """Of several rows with one name the first readable one stays: others are a `duplicate`, or a `conflicting_duplicate`."""
        if self.names.n_unique() == self.height:
            return
        first: dict[str, int] = {}
        for index, name in enumerate(self.names.to_list()):
            if index in self._refused_rows:
                continue
            first_index = first.setdefault(name, index)
            if first_index != index:
                is_same = self._rows[first_index] == self._rows[index]
                self._refused_rows[index] = ("duplicate" if is_same else "conflicting_duplicate", self._key, name)

    def note(self, count: int, what: str) -> None:
        """Adds a warning about so many values, unless there are none."""
        if count:
            self._notes.append(f"{count} {what}, in {self._reply}")

    def lots(self, amounts: pl.Series, steps: pl.Series) -> pl.Series:
        """Amounts rounded to whole steps (of the row; null: unknown), free of float noise. A step that does not fit is noted.

        A step that would round an amount away is not believed.
        """
        amount, step = pl.col("amount"), pl.col("step")
        nearest = (amount / step).round() * step
        whole = pl.when(((nearest == 0) & (amount > 0)).fill_null(False)).then(None).otherwise(nearest)
        lots = pl.DataFrame([amounts.alias("amount"), steps.alias("step")]).select(
            lots=pl.coalesce(whole, amount).round(NOISE_DECIMALS), is_moved=(whole - amount).abs() > 0.01 * step
        )
        self.note(int(lots["is_moved"].sum()), f"values of {amounts.name} are no whole number of lots and were rounded")
        return lots["lots"].alias(amounts.name)

    def table(self, columns: Sequence[pl.Series]) -> pl.DataFrame:
        """Columns beside what every row has: `row` (its place here), instrument, payload_sha256, row_number (its place in the reply)."""
        row, instrument = pl.Series("row", np.arange(self.height)), self.names.alias("instrument")
        sha256 = pl.Series("payload_sha256", [self.payload.sha256]).new_from_index(0, self.height)
        return pl.DataFrame([row, instrument, *columns, sha256, pl.Series("row_number", self.row_numbers)])

    def accepted(self, table: pl.DataFrame) -> pl.DataFrame:
        """The rows of a table, told by its `row`, that were not refused."""
        return table.filter(~pl.col("row").is_in(list(self._refused_rows))) if self._refused_rows else table

    @property
    def gone_fields(self) -> list[str]:
        """Fields that were asked for and that no row carries."""
        return [field for field in self._requested_fields if self.height and not self._carried[field]]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know about these rows, each once."""
        gone = [f"field {field} is gone from every row, in {self._reply}" for field in self.gone_fields]
        return (*gone, *self._notes)

    def rejected(self) -> pl.DataFrame:
        """Refused rows, and refused values of kept rows, in the order of the reply (`RejectedRows`)."""
        if not self._refused_rows and not self._refused_values:
            return REJECTED_NONE
        names = self.names.to_list()
        refused = [(index, reason, field, value, False) for index, (reason, field, value) in self._refused_rows.items()]
        refused += [(index, *what, True) for index, *what in self._refused_values if index not in self._refused_rows]
        rows = [
            (self.payload.sha256, self.row_numbers[index], names[index], reason, field, _shown(value), is_accepted)
            for index, reason, field, value, is_accepted in sorted(refused, key=lambda one: one[0])
        ]
        return pl.DataFrame(rows, schema=REJECTED_NONE.schema, orient="row")

    def read_ahead(self, fields: Sequence[str]) -> None:
        """Take fields out of all rows in one pass, to be asked for later. Rows lie scattered in memory: to visit each once saves half."""
        if self._plain is not None:
            return
        columns: list[list[Any]] = [[] for _ in fields]
        for start in range(0, self.height, BLOCK_ROWS):
            block = self._rows[start : start + BLOCK_ROWS]
            for field, values in zip(fields, columns, strict=True):
                values += [row.get(field) for row in block]
        self._read.update(zip(fields, columns, strict=True))

    def _field_values(self, field: str) -> pl.Series | list[Any]:
        self._requested_fields.append(field)
        if self._plain is not None:
            return self._plain[field]
        if field in self._read:
            return self._read.pop(field)
        if self._carried[field] == self.height:
            return list(map(itemgetter(field), self._rows))
        return [row.get(field) for row in self._rows]

    def _numbers(self, field: str, values: Sequence[Any]) -> pl.Series | None:
        """A field as numbers where every value is what the venue says it sends; None where they must be looked at one by one."""
        kinds = set(map(type, values))
        if kinds <= NUMBERS:
            return pl.Series(field, values, dtype=pl.Float64)
        return numbers_in_texts(pl.Series(field, values, dtype=pl.String)) if self._numbers_are_text and kinds <= TEXTS else None

    def _refuse_values(self, indexes: Iterable[int], reason: str, field: str) -> None:
        self._refused_values += [(index, reason, field, self._rows[index].get(field)) for index in indexes]


def field_names(text: str) -> frozenset[str]:
    """Field names, separated by blanks."""
    return frozenset(text.split())


def is_numeric(text: str) -> bool:
    """Whether a text is a decimal number, as venues write it (`12.5`, `0E-8`); `NaN`, `inf` and `1_000` are none."""
    return NUMERIC_TEXT.fullmatch(text.strip()) is not None


def number_in(value: Any) -> float | None:
    """The number in a JSON value; None for null, NaN for what is no number."""
    if isinstance(value, str) and is_numeric(value):
        return float(value)
    if type(value) not in NUMBERS:
        return math.nan
    return None if value is None else float(value)


def numbers_in_texts(texts: pl.Series) -> pl.Series | None:
    """The numbers that texts hold, null for an empty one, as `number_in` reads them; None unless all are plainly numbers."""
    numbers = texts.cast(pl.Float64, strict=False)
    is_read = numbers.null_count() == texts.null_count() + (texts == "").sum()
    return numbers if is_read and math.isfinite(numbers.sum()) else None  # one `nan` or `inf` makes the sum such


def lie_within(numbers: pl.Series, least: float, limit: float) -> bool:
    """Whether every number that is there is at least so large, and of a size below the limit."""
    lowest, highest = numbers.min(), numbers.max()
    if not isinstance(lowest, float) or not isinstance(highest, float):  # none is there
        return True
    return least <= lowest and -limit < lowest and highest < limit


def price_in(fields: Mapping[str, Any], field: str, notes: list[str]) -> float | None:
    """A single price; None where it is missing or 0, or no price, which is then noted."""
    price = number_in(fields.get(field))
    if price is None or price == 0:
        return None
    if price > 0 and math.isfinite(price):
        return price
    notes.append(f"{field} is no price: {_shown(fields[field])}")
    return None


def missing_when_zero(*names: str) -> list[pl.Expr]:
    """These columns with NULL for 0, for venues that write 0 where there is nothing."""
    return [pl.when(pl.col(name) != 0).then(pl.col(name)).alias(name) for name in names]


def quotes_table(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Frames with the columns of `ParsedQuotes`, one below the other, in the contract's order and types."""
    return pl.concat([part.select(QUOTE_CASTS) for part in parts]) if parts else QUOTES_NONE


def rejected_table(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Frames of `RejectedRows`, one below the other."""
    return pl.concat([REJECTED_NONE, *parts])


def _shown(value: Any) -> str | None:
    if value is None:
        return None
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return text[:LONGEST_SHOWN_VALUE]
