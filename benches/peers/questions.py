#!/usr/bin/env python3
"""Eight questions to a week of calls, each as a whole process: ax monitor, DuckDB and SQLite beside each other.

  questions.py AX EVENTS.ndjson [--folder DIR] [--rounds 15]

EVENTS holds calls of one week that ends with the day of the last one, as `ax monitor import ndjson` takes them. The same
events go into all three. Needs `pip install duckdb`; SQLite is Python's own. A peer's process is this script itself, started
anew for each question; it is charged from opening the database to the last row of the answer only, so not with the start of
an interpreter, while ax monitor is charged with its whole process. Percentiles of the peers are exact, those of SQLite by
window functions, because it has no others."""
import argparse, json, os, shutil, sqlite3, statistics, subprocess, sys, tempfile, time

HOUR, DAY = 3_600_000, 86_400_000
COLUMNS = ("ts", "provider", "model", "user", "latency_ms", "cost_usd", "ok")


def duck_questions(end):
    week = f"ts >= {end - 7 * DAY} AND ts < {end}"
    three = "quantile_disc(latency, [0.5, 0.95, 0.99])"
    return [
        f"SELECT {three} FROM calls WHERE provider = 'claude' AND ts >= {end - HOUR} AND ts < {end}",
        f"SELECT {three} FROM calls WHERE provider = 'claude' AND {week}",
        f"SELECT provider, quantile_disc(latency, 0.95) FROM calls WHERE {week} GROUP BY provider",
        f"SELECT model, sum(cost) FROM calls WHERE {week} GROUP BY model",
        f"SELECT provider, ts // 300000, count(*) FILTER (NOT ok) / count(*) FROM calls WHERE ts >= {end - DAY} AND ts < {end} GROUP BY ALL",
        f"SELECT count(*) FROM calls WHERE provider = 'claude' AND latency > 1000000 AND {week}",
        f"SELECT model, ts // {HOUR}, quantile_disc(latency, 0.95) FROM calls WHERE {week} GROUP BY ALL",
        f"SELECT user, sum(cost) AS s FROM calls WHERE {week} GROUP BY user ORDER BY s DESC LIMIT 10",
    ]


def sqlite_questions(end):
    week = f"ts >= {end - 7 * DAY} AND ts < {end}"

    def ranks(by, where, shares):
        part = f"PARTITION BY {by}" if by else ""
        wanted = " OR ".join(f"r = max(1, (n * {s} + 999) / 1000)" for s in shares)
        return (f"SELECT * FROM (SELECT {by + ',' if by else ''} latency, row_number() OVER ({part} ORDER BY latency) AS r, "
                f"count(*) OVER ({part}) AS n FROM calls WHERE {where}) WHERE {wanted}")

    return [
        ranks("", f"provider = 'claude' AND ts >= {end - HOUR} AND ts < {end}", (500, 950, 990)),
        ranks("", f"provider = 'claude' AND {week}", (500, 950, 990)),
        ranks("provider", week, (950,)),
        f"SELECT model, sum(cost) FROM calls WHERE {week} GROUP BY model",
        f"SELECT provider, ts / 300000, avg(NOT ok) FROM calls WHERE ts >= {end - DAY} AND ts < {end} GROUP BY 1, 2",
        f"SELECT count(*) FROM calls WHERE provider = 'claude' AND latency > 1000000 AND {week}",
        ranks(f"model, ts / {HOUR}", week, (950,)),
        f"SELECT user, sum(cost) AS s FROM calls WHERE {week} GROUP BY user ORDER BY s DESC LIMIT 10",
    ]


OURS = [
    ("p50, p95, p99 of one provider, 1 h", 'latency{provider="claude"} [1h] p95'),
    ("the same, 7 d", 'latency{provider="claude"} [7d] p95'),
    ("p95 by provider", "latency [7d] p95 by(provider)"),
    ("cost by model", "cost [7d] sum by(model)"),
    ("error rate by 5 min and provider, 24 h", "error_rate [24h] every 5m by(provider)"),
    ("calls of a provider over 1 s", 'provider=claude AND latency>1000'),
    ("p95 by hour and model", "latency [7d] p95 every 1h by(model)"),
    ("top ten users by cost", "cost [7d] sum by(user) topk(10)"),
]


def peer(name, path, statement):
    """What the started process does: asks, and prints how long that took in ms."""
    if name == "duckdb":
        import duckdb
    start = time.perf_counter()
    if name == "duckdb":
        duckdb.connect(path, read_only=True).execute(statement).fetchall()
    else:
        sqlite3.connect(f"file:{path}?mode=ro", uri=True).execute(statement).fetchall()
    print((time.perf_counter() - start) * 1000)


def rows(events):
    with open(events, "rb") as lines:
        for line in lines:
            e = json.loads(line)
            ts, provider, model, user, latency, cost, ok = (e.get(c) for c in COLUMNS)
            yield ts, provider, model, user, round(latency * 1000), round(cost * 1e9), bool(ok)


def load_sqlite(path, events):
    db = sqlite3.connect(path)
    db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
                     "CREATE TABLE calls (ts INTEGER, provider TEXT, model TEXT, user TEXT, latency INTEGER, cost INTEGER, ok INTEGER);")
    db.executemany("INSERT INTO calls VALUES (?,?,?,?,?,?,?)", rows(events))
    db.executescript("CREATE INDEX by_provider ON calls (provider, ts); CREATE INDEX by_model ON calls (model, ts);"
                     "CREATE INDEX by_user ON calls (user, ts); CREATE INDEX by_time ON calls (ts); ANALYZE;")
    db.commit()
    end = db.execute("SELECT max(ts) FROM calls").fetchone()[0]
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return (end // DAY + 1) * DAY


def load_duckdb(path, events):
    import duckdb
    db = duckdb.connect(path)
    db.execute("CREATE TABLE calls AS SELECT ts, provider, model, \"user\", CAST(round(latency_ms * 1000) AS BIGINT) AS latency, "
               "CAST(round(cost_usd * 1e9) AS BIGINT) AS cost, ok FROM read_json(?, format = 'newline_delimited', columns = "
               "{ts: 'BIGINT', provider: 'VARCHAR', model: 'VARCHAR', user: 'VARCHAR', latency_ms: 'DOUBLE', "
               "cost_usd: 'DOUBLE', ok: 'BOOLEAN'}) ORDER BY ts", [events])


def timed(command, env=None):
    start = time.perf_counter()
    subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - start) * 1000


def cell(times):
    times = sorted(times)
    tenth = len(times) // 10
    return f"{statistics.median(times):.1f} ({times[tenth]:.1f} .. {times[-1 - tenth]:.1f})"


def main():
    if len(sys.argv) > 1 and sys.argv[1] == "--peer":
        return peer(*sys.argv[2:5])
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("ax")
    arguments.add_argument("events")
    arguments.add_argument("--folder")
    arguments.add_argument("--rounds", type=int, default=15)
    a = arguments.parse_args()
    ax, folder = os.path.abspath(a.ax), a.folder or tempfile.mkdtemp()
    os.makedirs(folder, exist_ok=True)
    at = lambda name: os.path.join(folder, name)
    load = {}
    start = time.perf_counter(); end = load_sqlite(at("sqlite"), a.events); load["SQLite"] = time.perf_counter() - start
    start = time.perf_counter(); load_duckdb(at("duckdb"), a.events); load["DuckDB"] = time.perf_counter() - start
    env = {**os.environ, "AX_MONITOR_STORE": at("store"), "AX_MONITOR_NOW": str(end), "TZ": "UTC", "XDG_CONFIG_HOME": at("config")}
    load["ax monitor"] = timed([ax, "monitor", "import", "ndjson", a.events], env) / 1000
    size = lambda path: sum(os.path.getsize(os.path.join(d, f)) for d, _, fs in os.walk(path) for f in fs) if os.path.isdir(path) else os.path.getsize(path)
    sizes = {"SQLite": size(at("sqlite")), "DuckDB": size(at("duckdb")), "ax monitor": size(at("store"))}
    print("loaded: " + ", ".join(f"{name} {seconds:.1f} s, {sizes[name] / 1e6:.0f} MB" for name, seconds in load.items()))

    def asked(name, statement):
        done = subprocess.run([sys.executable, os.path.abspath(__file__), "--peer", name, at(name), statement],
                              check=True, capture_output=True, text=True)
        return float(done.stdout)

    print("| ms | ax monitor, whole process | DuckDB | SQLite |\n|---|---|---|---|")
    for (name, ours), duck, lite in zip(OURS, duck_questions(end), sqlite_questions(end)):
        window = [] if "[" in ours else ["--range", "7d"]
        times = {"ax": [], "duckdb": [], "sqlite": []}
        # SQLite takes seconds: fewer rounds of it are enough.
        for number in range(a.rounds):
            times["ax"].append(timed([ax, "monitor", "metrics", "-q", ours, *window, "--json"], env))
            times["duckdb"].append(asked("duckdb", duck))
            if number < 3:
                times["sqlite"].append(asked("sqlite", lite))
        print(f"| {name} | {cell(times['ax'])} | {cell(times['duckdb'])} | {cell(times['sqlite'])} |", flush=True)
    if not a.folder:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
