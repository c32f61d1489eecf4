"""Pain curves of 1.7 million strike rows: `sql` is core.pain as it is published, `naive` tries every strike against every strike."""

import sys
import time
from itertools import pairwise

import duckdb
import numpy as np
import orjson

from warehouse.catalog.relations import SQL_FOLDER

file, way = sys.argv[1:]
con = duckdb.connect(file, read_only=True, config={"threads": 2})
started = time.perf_counter()
if way == "sql":
    con.execute(f"create temp table pain as {(SQL_FOLDER / 'core' / 'pain.sql').read_text()}")
    checksum = con.execute("select sum(total_pain_usd) from pain").fetchall()[0][0]
else:
    rows = con.execute("select series_id, strike, call_oi, put_oi from core.oi_by_strike order by series_id, strike").fetchnumpy()
    checksum = 0.0
    bounds = np.flatnonzero(np.diff(rows["series_id"], prepend=-1, append=-1))
    for start, end in pairwise(bounds):
        strike, calls, puts = (rows[name][start:end] for name in ("strike", "call_oi", "put_oi"))
        gap = strike[:, None] - strike[None, :]
        checksum += float((np.maximum(gap, 0) @ calls + np.maximum(-gap, 0) @ puts).sum())
print(orjson.dumps({"query_s": time.perf_counter() - started, "checksum": checksum}).decode())
