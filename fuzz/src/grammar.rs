//! Queries made of bytes: each byte takes one of the ways the grammar leaves open, and most of what
//! comes out fits together in its units.

/// What the two sides of a comparison measure.
#[derive(Clone, Copy, PartialEq)]
enum Unit {
    Time,
    Money,
    Ratio,
    Count,
}

const TIME: &[&str] = &["latency", "ttft"];
const MONEY: &[&str] =
    &["cost", "saved_cost", "cost_per_request", "spend", "daily_spend", "weekly_spend", "monthly_spend"];
const RATIO: &[&str] = &["error_rate", "success_rate", "hit_rate", "miss_rate", "utilization"];
const COUNT: &[&str] = &[
    "requests",
    "errors",
    "tokens",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "reasoning_tokens",
    "saved_tokens",
    "cache_hits",
    "cache_misses",
    "allowed",
    "denied",
    "violations",
];
const VALUES: &[&str] = &["avg", "sum", "min", "max", "count", "stddev", "p0", "p50", "p95", "p99.9", "p100"];
const FILTERS: &[&str] = &[
    "provider=a",
    "provider!=a",
    "model=~\".*1\"",
    "user=\"\"",
    "status=error",
    "status=ok",
    "error=~\"rate.*\"",
    "NOT model=m1",
    "provider in (a, b)",
    "model not in (m0)",
    "latency > 200ms",
    "cost <= $0.001",
    "user=nobody",
    "kind=minute OR key=k",
    "service_tier!=batch",
    "tokens > 100 AND NOT provider=b",
];
const RANGES: &[&str] = &[
    "1h",
    "5m",
    "10s",
    "6h",
    "1d",
    "2d",
    "7d",
    "30d",
    "365d",
    "36500d",
    "today",
    "yesterday",
    "week",
    "last week",
    "month",
    "last month",
    "year",
    "last year",
    "2025-11",
    "2025-11-09",
    "2025-11-09..now",
    "2025-11-09T10:00..2025-11-10T11:30",
    "1970-01-01..",
    "9999-12-31..",
];
const STEPS: &[&str] = &["1s", "7s", "1m", "5m", "7m", "1h", "6h", "1d", "1w", "30d", "1ms"];
const GROUPS: &[&str] = &["provider", "model", "user", "status", "error", "key", "kind", "service_tier"];

/// Bytes as a source of choices; when they end, the first choice is taken.
pub struct Choices<'a>(std::slice::Iter<'a, u8>);

impl<'a> Choices<'a> {
    /// Over these bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes.iter())
    }

    fn below(&mut self, n: usize) -> usize {
        self.0.next().map_or(0, |b| usize::from(*b) % n.max(1))
    }

    fn of(&mut self, list: &[&'static str]) -> &'static str {
        list.get(self.below(list.len())).copied().unwrap_or_default()
    }

    /// A query: a metric, a calculation or a condition.
    pub fn query(&mut self) -> String {
        // The same groups and steps everywhere, or operands would hardly ever fit.
        let shape = Shape { group: self.group(), every: self.every() };
        match self.below(4) {
            0 => self.metric(&shape, true),
            1 => {
                let unit = self.unit();
                self.number(unit, &shape, 3)
            }
            _ => self.truth(&shape, 3),
        }
    }

    fn unit(&mut self) -> Unit {
        Unit::ANY[self.below(4)]
    }

    fn group(&mut self) -> String {
        match self.below(5) {
            0 | 1 => String::new(),
            2 => format!(" by({})", self.of(GROUPS)),
            3 => format!(" by({}, {})", GROUPS[self.below(4)], GROUPS[4 + self.below(4)]),
            _ => format!(" without({})", self.of(GROUPS)),
        }
    }

    fn every(&mut self) -> String {
        if self.below(3) == 2 { format!(" every {}", self.of(STEPS)) } else { String::new() }
    }

    fn metric(&mut self, shape: &Shape, alone: bool) -> String {
        let unit = self.unit();
        let mut text = self.select(unit, shape);
        if alone {
            text += ["", "", " topk(1)", " bottomk(2)", " topk(10000)"][self.below(5)];
            text += ["", "", " vs previous", " vs 1d", " vs 36500d"][self.below(5)];
        }
        text
    }

    fn select(&mut self, unit: Unit, shape: &Shape) -> String {
        let mut text = self.of(unit.metrics()).to_owned();
        if self.below(2) == 1 {
            text += &format!("{{{}}}", self.of(FILTERS));
        }
        if self.below(4) != 0 && !text.contains("spend") {
            text += &format!(" [{}]", self.of(RANGES));
        }
        let agg = match unit {
            Unit::Time => self.of(VALUES),
            Unit::Ratio => self.of(&["", "avg", "max", "min", "count"]),
            Unit::Money => self.of(&["", "sum", "avg", "p95", "max"]),
            Unit::Count => self.of(&["", "sum", "rate", "max", "p50"]),
        };
        text = format!("{text} {agg}{}{}", shape.group, shape.every);
        if self.below(6) == 5 {
            text += &format!(" offset {}", self.of(&["1h", "1d", "7d", "36500d"]));
        }
        text
    }

    fn number(&mut self, unit: Unit, shape: &Shape, deep: u8) -> String {
        if deep == 0 {
            return self.select(unit, shape);
        }
        match self.below(8) {
            0..=2 => self.select(unit, shape),
            3 => format!("-({})", self.number(unit, shape, deep - 1)),
            4 => {
                let op = self.of(&["+", "-"]);
                format!("({} {op} {})", self.number(unit, shape, deep - 1), self.number(unit, shape, deep - 1))
            }
            5 => format!(
                "{} {} {}",
                self.select(unit, shape),
                self.of(&["*", "/"]),
                self.of(&["2", "0", "0.5", "1e300", "1e-300", "1e15"])
            ),
            6 => {
                let op = self.of(&["/", "*"]);
                format!("({} {op} {})", self.number(unit, shape, deep - 1), self.number(Unit::Count, shape, deep - 1))
            }
            _ => self.literal(unit),
        }
    }

    fn literal(&mut self, unit: Unit) -> String {
        self.of(match unit {
            Unit::Time => &["200ms", "1s", "0", "2000", "36500d", "1ns"],
            Unit::Money => {
                &["$0.01", "$0", "1e9", "$1.5M", "budget * 0.8", "budget(\"all\")", "forecast(month)", "forecast"]
            }
            Unit::Ratio => &["5%", "0.5", "0%", "100%", "1"],
            Unit::Count => &["0", "20", "10k", "1e15", "1e308"],
        })
        .to_owned()
    }

    fn truth(&mut self, shape: &Shape, deep: u8) -> String {
        match if deep == 0 { 0 } else { self.below(10) } {
            0..=2 => {
                let unit = self.unit();
                let left = self.number(unit, shape, 2);
                let op = self.of(&[">", "<", ">=", "<=", "=", "!="]);
                let right = if self.below(3) == 0 { self.number(unit, shape, 2) } else { self.literal(unit) };
                format!("{left} {op} {right}")
            }
            3 | 4 => {
                let unit = self.unit();
                let usual = self.of(&["baseline", "baseline * 3", "baseline(2d) / 2", "baseline(30d)", "3 * baseline"]);
                format!("{} {} {usual}", self.select(unit, shape), self.of(&[">", "<", ">=", "="]))
            }
            5 => {
                let unit = self.unit();
                format!("anomaly({}, {})", self.select(unit, shape), self.of(&["5", "3", "0.1"]))
            }
            6 => {
                let unit = self.unit();
                format!("trend({}) > {}", self.select(unit, shape), self.of(&["10%", "0", "-50%"]))
            }
            7 => format!("NOT ({})", self.truth(shape, deep - 1)),
            _ => {
                let word = self.of(&["AND", "OR"]);
                format!("({} {word} {})", self.truth(shape, deep - 1), self.truth(shape, deep - 1))
            }
        }
    }
}

struct Shape {
    group: String,
    every: String,
}

impl Unit {
    const ANY: [Self; 4] = [Self::Time, Self::Money, Self::Ratio, Self::Count];

    const fn metrics(self) -> &'static [&'static str] {
        match self {
            Self::Time => TIME,
            Self::Money => MONEY,
            Self::Ratio => RATIO,
            Self::Count => COUNT,
        }
    }
}
