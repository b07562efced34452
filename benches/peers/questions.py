"""The eight questions in the words of each tool, and what its answers say in the same words as `peers truth`:
a map from the group (labels and time joined by `|`) to numbers, percentiles in ms, money in nano-dollars."""
from datetime import datetime

HOUR, DAY = 3_600_000, 86_400_000

# Name in the truth, what is asked, our query.
QUESTIONS = [
    ("percentiles, 1 h", "p50, p95, p99 of a provider, 1 h", 'latency{provider="claude"} [1h] p95'),
    ("percentiles, 7 d", "the same, 7 d", 'latency{provider="claude"} [7d] p95'),
    ("p95 by provider", "p95 by provider", "latency [7d] p95 by(provider)"),
    ("cost by model", "cost by model", "cost [7d] sum by(model)"),
    ("errors", "error rate by 5 min and provider, 24 h", "error_rate [24h] every 5m by(provider)"),
    ("slow calls", "calls of a provider over 1 s", 'requests{provider="claude", latency > 1000} [7d]'),
    ("p95 by hour and model", "p95 by hour and model", "latency [7d] p95 every 1h by(model)"),
    ("dearest users", "top ten users by cost", "cost [7d] sum by(user) topk(10)"),
]
PERCENTILES = ["percentiles, 1 h", "percentiles, 7 d", "p95 by provider", "p95 by hour and model"]


def statements(end):
    """By tool, by question. A row's last columns are its numbers, those before its group."""
    week, day, hour = (f"ts >= {end - span} AND ts < {end}" for span in (7 * DAY, DAY, HOUR))
    claude = "provider = 'claude' AND"
    alike = {
        "cost by model": f"SELECT model, sum(cost) FROM calls WHERE {week} GROUP BY model",
        "slow calls": f"SELECT count(*) FROM calls WHERE {claude} latency > 1000 AND {week}",
        "dearest users": f'SELECT "user", sum(cost) AS s FROM calls WHERE {week} GROUP BY "user" ORDER BY s DESC LIMIT 10',
    }
    three, p95 = "quantile_disc(latency, [0.5, 0.95, 0.99])", "quantile_disc(latency, 0.95)"
    duckdb = {
        **alike,
        "percentiles, 1 h": f"SELECT {three} FROM calls WHERE {claude} {hour}",
        "percentiles, 7 d": f"SELECT {three} FROM calls WHERE {claude} {week}",
        "p95 by provider": f"SELECT provider, {p95} FROM calls WHERE {week} GROUP BY provider",
        "errors": "SELECT provider, ts // 300000 * 300000 AS t, count(*) FILTER (NOT ok), count(*) "
                  f"FROM calls WHERE {day} GROUP BY provider, t",
        "p95 by hour and model": f"SELECT model, ts // {HOUR} * {HOUR} AS t, {p95} FROM calls WHERE {week} GROUP BY model, t",
    }

    def ranks(by, where, shares):
        # SQLite has no percentiles: the rows at their ranks, side by side.
        part = f"PARTITION BY {by}" if by else ""
        wanted = ", ".join(f"max(CASE WHEN r = (n * {s} + 999) / 1000 THEN latency END)" for s in shares)
        groups = [f"g{i}" for i, _ in enumerate(by.split(", "))] if by else []
        named = "".join(f"{column} AS {group}, " for column, group in zip(by.split(", "), groups))
        return (f"SELECT {''.join(group + ', ' for group in groups)}{wanted} FROM (SELECT {named}latency, "
                f"row_number() OVER ({part} ORDER BY latency) AS r, count(*) OVER ({part}) AS n FROM calls WHERE {where})"
                + (f" GROUP BY {', '.join(groups)}" if by else ""))

    sqlite = {
        **alike,
        "percentiles, 1 h": ranks("", f"{claude} {hour}", (500, 950, 990)),
        "percentiles, 7 d": ranks("", f"{claude} {week}", (500, 950, 990)),
        "p95 by provider": ranks("provider", week, (950,)),
        "errors": f"SELECT provider, ts / 300000 * 300000 AS t, sum(NOT ok), count(*) FROM calls WHERE {day} GROUP BY provider, t",
        "p95 by hour and model": ranks(f"model, ts / {HOUR} * {HOUR}", week, (950,)),
    }
    mean = lambda *names: ", ".join(f"sum(n * {name}) * 1.0 / sum(n)" for name in names)
    minutes = {
        "percentiles, 1 h": f"SELECT {mean('p50', 'p95', 'p99')} FROM minutes WHERE {claude} {hour}",
        "percentiles, 7 d": f"SELECT {mean('p50', 'p95', 'p99')} FROM minutes WHERE {claude} {week}",
        "p95 by provider": f"SELECT provider, {mean('p95')} FROM minutes WHERE {week} GROUP BY provider",
        "cost by model": f"SELECT model, sum(cost) FROM minutes WHERE {week} GROUP BY model",
        "errors": f"SELECT provider, ts / 300000 * 300000 AS t, sum(errors), sum(n) FROM minutes WHERE {day} GROUP BY provider, t",
        "p95 by hour and model":
            f"SELECT model, ts / {HOUR} * {HOUR} AS t, {mean('p95')} FROM minutes WHERE {week} GROUP BY model, t",
    }
    return {"duckdb": duckdb, "sqlite": sqlite, "minutes": minutes}


def from_rows(name, rows):
    """The answer in rows of one of the other tools."""
    if name.startswith("percentiles"):
        # One row; DuckDB has the three in a list.
        return {"": rows[0][0] if isinstance(rows[0][0], list) else rows[0]}
    numbers = 2 if name == "errors" else 1
    return {"|".join(str(column) for column in row[:-numbers]): row[-numbers:] for row in rows}


def from_ours(name, json):
    """The answer in what `ax monitor metrics --json` prints."""
    data, millis = json["data"], lambda text: round(datetime.fromisoformat(text).timestamp() * 1000)
    label = lambda row: "|".join(row["labels"].values())
    if name.startswith("percentiles"):
        return {"": [json["summary"][p] for p in ("p50", "p95", "p99")]}
    if name == "errors":
        points = {f"{label(row)}|{millis(p['t'])}": p for row in data for p in row["points"]}
        return {key: [p["value"] * p["count"], p["count"]] for key, p in points.items() if p["value"] is not None}
    if name == "p95 by hour and model":
        points = {f"{label(row)}|{millis(p['t'])}": p["value"] for row in data for p in row["points"]}
        return {key: [value] for key, value in points.items() if value is not None}
    scale = 1e9 if json["unit"] == "usd" else 1
    return {label(row): [row["value"] * scale] for row in data if row["labels"].get("user") != "(other)"}
