"""DuckDB in a process of its own: what compare.py starts.

  duck.py load FILE.ndjson|FILE.csv DB   makes the table
  duck.py insert DB N                    ns a row of N, a transaction each
  duck.py ask DB                         a statement a line on stdin; {"ms": …, "rows": […]} a line on stdout

What the first answer takes includes opening the file, and not the start of Python."""
import json, sys, time

import duckdb

COLUMNS = {"ts": "BIGINT", "provider": "VARCHAR", "model": "VARCHAR", "user": "VARCHAR", "latency_ms": "BIGINT",
           "input_tokens": "BIGINT", "output_tokens": "BIGINT", "cost_usd": "DOUBLE", "ok": "BOOLEAN", "error": "VARCHAR"}
CALLS = ("SELECT ts, provider, model, \"user\", latency_ms AS latency, input_tokens, output_tokens, "
         "CAST(round(cost_usd * 1e9) AS BIGINT) AS cost, ok FROM ")


def load(events, path):
    reader = "read_csv(?, header = true" if events.endswith("csv") else "read_json(?, format = 'newline_delimited'"
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in COLUMNS.items())
    table = f"CREATE TABLE calls AS {CALLS} {reader}, columns = {{{columns}}}) ORDER BY ts"
    duckdb.connect(path).execute(table, [events])


def insert(path, rows):
    db = duckdb.connect(path)
    db.execute("CREATE TABLE calls (ts BIGINT, provider VARCHAR, model VARCHAR, \"user\" VARCHAR, latency BIGINT, "
               "input_tokens BIGINT, output_tokens BIGINT, cost BIGINT, ok BOOLEAN)")
    row = ["claude", "claude-sonnet", "u0000", 1250, 600, 250, 5_550_000, True]
    start = time.perf_counter_ns()
    for _ in range(rows):
        db.execute("INSERT INTO calls VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", [time.time_ns() // 1_000_000, *row])
    print((time.perf_counter_ns() - start) / rows)


def ask(path):
    db = None
    for line in sys.stdin:
        start = time.perf_counter()
        db = db or duckdb.connect(path, read_only=True)
        rows = db.execute(line).fetchall()
        print(json.dumps({"ms": (time.perf_counter() - start) * 1000, "rows": rows}), flush=True)


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    if command == "load":
        load(*arguments)
    elif command == "insert":
        insert(arguments[0], int(arguments[1]))
    else:
        ask(*arguments)
