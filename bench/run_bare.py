"""The floor: the same bytes read, put into a table as they are, the file copied. No parsing of names, no models, no marts, no checks."""

import time

STARTED = time.perf_counter()

import shutil  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

import duckdb  # noqa: E402
import orjson  # noqa: E402
import polars as pl  # noqa: E402
import zstandard  # noqa: E402

home = Path(sys.argv[1])
imported = time.perf_counter()
body = next((home / "raw" / "cboe").rglob("*.zst")).read_bytes()
frame = pl.DataFrame(orjson.loads(zstandard.ZstdDecompressor().decompress(body))["data"]["options"], infer_schema_length=None)
with duckdb.connect(str(home / "bare.duckdb")) as con:
    con.register("rows", frame)
    con.execute("create table quotes as select * from rows order by option")
shutil.copyfile(home / "bare.duckdb", home / "bare-copy.duckdb")
done = time.perf_counter()
print(orjson.dumps({"import_s": imported - STARTED, "load_s": done - imported, "publish_s": 0.0, "contracts": frame.height}).decode())
