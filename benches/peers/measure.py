"""How compare.py measures: processes that run once, processes that answer line by line, rounds in turns."""
import json, os, statistics, subprocess, sys, time

# Seconds that the rounds of one thing may take together, but for the first.
PATIENCE = 20


class Cost:
    """Of a process that ended, and what it said."""

    def __init__(self, seconds, usage, output):
        self.seconds, self.output = seconds, output
        self.peak_mb = usage.ru_maxrss / 1024


def run(command, env=None, line=None):
    """Runs a command to its end, with a line to read."""
    start = time.perf_counter()
    process = subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    if line:
        process.stdin.write(line + "\n")
    process.stdin.close()
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)}: failed")
    return Cost(seconds, usage, output)


def in_turns(rounds, ways):
    """What each way returned in each round; a slow one sits out the later rounds."""
    seen, spent = {name: [] for name in ways}, dict.fromkeys(ways, 0)
    for _ in range(rounds):
        for name, way in ways.items():
            if spent[name] < PATIENCE:
                start = time.perf_counter()
                seen[name].append(way())
                spent[name] += time.perf_counter() - start
    return seen


def spread(values, digits=1):
    """The middle, the least and the greatest."""
    if not values:
        return "–"
    shown = lambda value: f"{value:,.{digits}f}"
    middle = shown(statistics.median(values))
    return middle if len(values) == 1 else f"{middle} ({shown(min(values))} .. {shown(max(values))})"


def size(path):
    """Bytes on the medium of a file, or of all in a folder."""
    files = [path] if os.path.isfile(path) else [os.path.join(d, f) for d, _, fs in os.walk(path) for f in fs]
    return sum(os.stat(f).st_blocks * 512 for f in files)


class Asker:
    """A process that answers a line with a line."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def end(self):
        self.process.stdin.close()
        self.process.wait()
