#!/usr/bin/env python3
"""ax monitor beside DuckDB, SQLite and the Prometheus client: one run, one table.

  compare.py [EVENTS ...] [--rounds 9] [--folder DIR] [--ax PROGRAM] [--peers PROGRAM]

Makes a week of EVENTS calls (a million unless said otherwise, the same each time), gives them to every tool, asks eight
questions, and prints a table for each number of events: medians, and in brackets the least and the greatest. Rounds go in
turns, so that a slow moment meets all. Needs cargo, and `pip install duckdb`. The programs are built
(release) unless they are given. Ten million events take 8 GB in DIR, or else in the directory for temporary files.

Every answer is compared with the exact one, from the calls themselves. Counts, sums and the percentiles of DuckDB and SQLite
have to be equal to it; where one is not, the table says WRONG and the exit code is 1. Of what is an estimate the error is told.

A whole process is charged from its start to its end. DuckDB's is Python with its package, charged from opening the file to
the last row. SQLite's is a small program with SQLite inside. Warm is a process that has asked the same before."""
import argparse, json, os, shutil, statistics, subprocess, sys, tempfile

try:
    import duckdb
except ModuleNotFoundError:
    sys.exit("DuckDB is not there to compare with: pip install duckdb")

from measure import Asker, in_turns, run, size, spread
from questions import PERCENTILES, QUESTIONS, from_ours, from_rows, statements

HERE = os.path.dirname(os.path.abspath(__file__))
TOOLS = ["ax", "duckdb", "sqlite", "minutes"]


class Table:
    def __init__(self):
        self.lines, self.notes, self.wrong = [], [], []

    def row(self, what, cells):
        self.lines.append(f"| {what} | " + " | ".join(cells.get(tool, "–") for tool in [*TOOLS, "prometheus"]) + " |")

    def show(self, events):
        print(f"\n**{events:,} events in a week**\n")
        print(f"| | ax monitor | DuckDB {duckdb.__version__} | SQLite, a row a call | SQLite, a row a minute | Prometheus client |")
        print("|---|---|---|---|---|---|")
        print("\n".join(self.lines))
        print("\n" + "\n".join(self.notes), flush=True)


class Comparison:
    def __init__(self, events, a, folder):
        self.events, self.rounds, self.ax, self.peers, self.folder = events, a.rounds, a.ax, a.peers, folder
        self.table = Table()
        self.truth = json.loads(run([self.peers, "truth", str(events)]).output)
        self.env = {"AX_MONITOR_NOW": str(self.truth["end_ms"]), "TZ": "UTC", "XDG_CONFIG_HOME": self.at("config")}

    def at(self, name):
        return os.path.join(self.folder, name)

    def ours(self, store, *arguments):
        return run([self.ax, "monitor", *arguments], {**self.env, "AX_MONITOR_STORE": self.at(store)})

    def duck(self, *arguments, line=None):
        return run([sys.executable, os.path.join(HERE, "duck.py"), *arguments], line=line)

    def fresh(self, name):
        """A path at which nothing is."""
        for path in (self.at(name) + ending for ending in ("", "-wal", "-shm", ".wal")):
            if os.path.isdir(path):
                shutil.rmtree(path)
            elif os.path.exists(path):
                os.remove(path)
        return self.at(name)

    def recording(self):
        ns = json.loads(run([self.peers, "record"]).output)
        ns["duckdb"] = [float(self.duck("insert", self.fresh("inserted"), "500").output) for _ in range(3)]
        shown = {name: spread(values, 0) for name, values in ns.items()}
        self.table.row("record a call, ns", {
            "ax": f"by handle {shown['handle']}; by name {shown['event']}", "sqlite": shown["sqlite"],
            "duckdb": shown["duckdb"], "prometheus": f"its latency alone {shown['prometheus']}"})
        self.table.notes.append(f"Reading the clock, which recording includes but for Prometheus, takes {shown['clock']} ns; "
                                f"a JSON line by write(2) {shown['json line']} ns.")

    def loading(self):
        ndjson, csv = (self.at(f"events.{kind}") for kind in ("ndjson", "csv"))
        for path in (ndjson, csv):
            run([self.peers, "events", str(self.events), path.rpartition(".")[2], path])
        rounds = min(self.rounds, 3)
        self.loaded("NDJSON", in_turns(rounds, {
            "ax": lambda: (self.fresh("store"), self.ours("store", "import", "ndjson", ndjson))[1],
            "duckdb": lambda: self.duck("load", ndjson, self.fresh("duckdb")),
            "sqlite": lambda: run([self.peers, "sqlite", "load", ndjson, self.fresh("sqlite")])}))
        self.loaded("CSV", in_turns(rounds, {
            "ax": lambda: (self.fresh("store-csv"), self.ours("store-csv", "import", "csv", csv))[1],
            "duckdb": lambda: self.duck("load", csv, self.fresh("duckdb-csv"))}))
        for name in ("store-csv", "duckdb-csv", "events.ndjson", "events.csv"):
            self.fresh(name)

    def loaded(self, what, seen):
        rate = lambda costs: spread([self.events / cost.seconds / 1e6 for cost in costs], 2)
        self.table.row(f"import {what}, million events a second", {tool: rate(costs) for tool, costs in seen.items()})
        peak = lambda costs: f"{max(cost.peak_mb for cost in costs):,.0f}"
        self.table.row("memory of that, MB", {tool: peak(costs) for tool, costs in seen.items()})

    def sizes(self):
        """Also makes the minutes, in the file of the rows."""
        each = {tool: size(self.at(name)) for tool, name in (("ax", "store"), ("duckdb", "duckdb"), ("sqlite", "sqlite"))}
        run([self.peers, "sqlite", "minutes", self.at("sqlite")])
        each["minutes"] = size(self.at("sqlite")) - each["sqlite"]
        info = json.loads(self.ours("store", "store", "info", "--json").output)
        shutil.copytree(self.at("store"), self.at("compacted"))
        self.ours("compacted", "compact")
        compacted = size(self.at("compacted"))
        self.fresh("compacted")
        shown = {tool: f"{bytes / self.events:.1f}" for tool, bytes in each.items()}
        shown["ax"] += (f"; single events alone {info['bytes']['raw'] / self.events:.1f}; "
                        f"all after `compact` {compacted / self.events:.1f}")
        self.table.row("on disk, bytes an event", {**shown, "prometheus": "no events"})

    def asking(self):
        asked = statements(self.truth["end_ms"])
        warm = {"ax": Asker([self.peers, "ax", self.at("store"), str(self.truth["end_ms"])]),
                "duckdb": Asker([sys.executable, os.path.join(HERE, "duck.py"), "ask", self.at("duckdb")]),
                "sqlite": Asker([self.peers, "sqlite", "ask", self.at("sqlite")])}
        warm["minutes"] = warm["sqlite"]
        peaks, whole_rows, errors = dict.fromkeys(TOOLS, 0), [], {}
        for name, words, query in QUESTIONS:
            texts = {"ax": query, **{tool: asked[tool][name] for tool in TOOLS[1:] if name in asked[tool]}}
            whole = in_turns(self.rounds, {tool: lambda tool=tool: self.whole(tool, texts[tool]) for tool in texts})
            for tool, costs in whole.items():
                peaks[tool] = max(peaks[tool], *(cost.peak_mb for cost, _ in costs))
                self.check(name, tool, costs[0][0].output, errors)
            for tool in texts:
                # What takes seconds is not read from memory much faster.
                if statistics.median(ms for _, ms in whole[tool]) < 5000:
                    warm[tool].ask(texts[tool])
            again = in_turns(self.rounds, {tool: lambda tool=tool: warm[tool].ask(texts[tool])["ms"] for tool in texts})
            self.table.row(f"{words}: warm, ms", {tool: spread(values, 2) for tool, values in again.items()})
            whole_rows.append((words, {tool: spread([ms for _, ms in costs]) for tool, costs in whole.items()}))
        for asker in set(warm.values()):
            asker.end()
        empty = spread([run(["/bin/true"]).seconds * 1000 for _ in range(self.rounds)])
        for words, cells in whole_rows:
            self.table.row(f"{words}: whole process, ms", cells)
        self.table.row("memory of a question, at most, MB (SQLite maps its file)", {tool: f"{mb:,.0f}" for tool, mb in peaks.items()})
        self.accuracy(errors)
        self.table.notes.append(f"A process that does nothing takes {empty} ms when it is started the same way.")

    def whole(self, tool, text):
        """A process that is asked once: its cost, and the milliseconds that it is charged with."""
        if tool == "ax":
            cost = self.ours("store", "metrics", "-q", text, "--json")
        elif tool == "duckdb":
            cost = self.duck("ask", self.at("duckdb"), line=text)
            return cost, json.loads(cost.output)["ms"]
        else:
            cost = run([self.peers, "sqlite", "ask", self.at("sqlite")], line=text)
        return cost, cost.seconds * 1000

    def check(self, name, tool, output, errors):
        """Compares an answer with the exact one: equal, or by how much it is off."""
        output, exact = json.loads(output), self.truth["answers"][name]
        answer = from_ours(name, output) if tool == "ax" else from_rows(name, output["rows"])
        self.judge(name, tool, answer, exact, errors)

    def judge(self, name, tool, answer, exact, errors):
        missing = set(answer) ^ set(exact)
        pairs = [(got, true) for key in set(answer) & set(exact) for got, true in zip(answer[key], exact[key], strict=True)]
        if name in PERCENTILES and tool not in ("duckdb", "sqlite"):
            errors.setdefault(tool, {})[name] = [abs(got - true) / true for got, true in pairs]
            pairs = []
        # Ours prints money and rates as decimals: what is not a whole number only for that is one.
        unequal = [(got, true) for got, true in pairs if abs(got - true) > max(1e-6, abs(true) * 1e-15)]
        if missing or unequal:
            self.table.wrong.append(f"{tool}: {name}: {len(missing)} groups too few or too many, "
                                    f"{len(unequal)} numbers differ, such as (got, exact) {unequal[:3]}")

    def accuracy(self, errors):
        for layout, answers in self.truth["buckets"].items():
            for name in PERCENTILES:
                self.judge(name, layout, answers[name], self.truth["answers"][name], errors)
        percent = lambda share: f"{share * 100:.3g} %"
        for name, words, _ in QUESTIONS:
            if name not in PERCENTILES:
                continue
            # Of thousands of numbers the middle one too.
            many = len(errors["ax"][name]) > 10
            shown = lambda of: (f"{percent(statistics.median(of))}, " if many else "") + percent(max(of))
            cells = {tool: shown(errors[tool][name]) for tool in ("ax", "minutes")}
            cells["prometheus"] = "; ".join(f"{layout} {shown(errors[layout][name])}" for layout in self.truth["buckets"])
            what = "error, in the middle and greatest" if many else "greatest error"
            self.table.row(f"{words}: {what}", {**cells, "duckdb": "0", "sqlite": "0"})


def built(folder, name):
    subprocess.run(["cargo", "build", "--release", "--locked"], cwd=folder, check=True)
    return os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(folder, "target")), "release", name)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("events", nargs="*", type=int, default=[1_000_000])
    arguments.add_argument("--rounds", type=int, default=9)
    arguments.add_argument("--folder")
    arguments.add_argument("--ax")
    arguments.add_argument("--peers")
    a = arguments.parse_args()
    a.ax = os.path.abspath(a.ax or built(os.path.join(HERE, "..", ".."), "ax"))
    a.peers = os.path.abspath(a.peers or built(HERE, "peers"))
    wrong = []
    for events in a.events:
        with tempfile.TemporaryDirectory(dir=a.folder) as folder:
            comparison = Comparison(events, a, folder)
            comparison.recording()
            comparison.loading()
            comparison.sizes()
            comparison.asking()
        comparison.table.show(events)
        wrong += [f"{events:,} events: {line}" for line in comparison.table.wrong]
    for line in wrong:
        print(f"WRONG: {line}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
