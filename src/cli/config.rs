//! The settings file: typed, and strict about what it does not know.

mod budget;

use std::path::Path;

use jiff::civil::Weekday;
use serde::Deserialize;

use crate::cli::channels::ChannelTable;
use crate::cli::prices::PriceTables;
use crate::cli::rules::RuleTable;
use crate::cli::users::Privacy;
use crate::error::{Failure, Kind, Result, plain};
use crate::words::nearest;

pub(crate) use budget::{BudgetSetting, PeriodSetting};

/// Everything the file can say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    pub display: Display,
    /// Alert rules; each is checked when it is used, so that a bad one leaves the others alone.
    #[serde(rename = "rule")]
    pub rules: Vec<RuleTable>,
    /// Prices of models, over every list.
    pub prices: PriceTables,
    /// Other names of providers, for prices only.
    pub aliases: std::collections::BTreeMap<String, String>,
    /// Where alerts go; each is checked when it is used, too.
    #[serde(rename = "channel")]
    pub channels: Vec<toml::Spanned<ChannelTable>>,
    pub budget: Vec<BudgetSetting>,
    /// What is kept of users' names.
    pub privacy: Privacy,
}

/// How answers look.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Display {
    /// Zone of days and printed times.
    pub timezone: Option<String>,
    /// The first day of a week.
    pub week_start: Option<WeekStart>,
    /// Default of `--range`.
    pub range: Option<String>,
    /// Default of `--color`.
    pub color: Option<Color>,
}

/// The first day of a week.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum WeekStart {
    #[default]
    Monday,
    Saturday,
    Sunday,
}

impl WeekStart {
    pub(crate) const fn weekday(self) -> Weekday {
        match self {
            Self::Monday => Weekday::Monday,
            Self::Saturday => Weekday::Saturday,
            Self::Sunday => Weekday::Sunday,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Monday => "monday",
            Self::Saturday => "saturday",
            Self::Sunday => "sunday",
        }
    }
}

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

/// What `config init` writes.
pub(crate) const TEMPLATE: &str = "\
# Settings of ax monitor. Flags and AX_MONITOR_* variables win over what stands here.

[display]
# Zone of days and printed times; without it TZ, then the system's.
# timezone = \"Europe/Berlin\"

# Where [week] starts: monday, saturday or sunday
# week_start = \"monday\"

# Time span when --range is not given: 15m, 1h, 7d, today, month …
# range = \"1h\"

# auto, always or never
# color = \"auto\"

# What `record` and `import` keep of users' names: keep, hash (told apart, but not to be read) or drop.
# [privacy]
# users = \"keep\"

# Alerts. `ax monitor alerts create` makes them too; those of this file are changed here only.
# Try one on your history first: ax monitor alerts test --when 'error_rate > baseline * 3'

# [[rule]]
# name = \"slow\"
# when = \"avg(latency) > 2000\"
# for = \"5m\"

# [[rule]]
# name = \"errors\"
# when = \"error_rate > baseline * 3\"
# for = \"1m\"
# severity = \"critical\"

# [[rule]]
# name = \"budget\"
# when = \"monthly_spend >= budget * 0.8\"

# [[rule]]
# name = \"cache\"
# when = \"hit_rate < 50%\"
# for = \"30m\"
# severity = \"info\"

# [[rule]]
# name = \"limits\"
# when = \"denied / (allowed + denied) > 5%\"

# Limits of spending; `ax monitor budgets` shows how they stand.
# [[budget]]
# name = \"team\"
# limit = 500
# period = \"monthly\"            # daily, weekly or monthly
# scope = \"provider=openai\"     # without it all calls count
# alert_at = [50, 80, 95, 100]   # per cent
# tz = \"Europe/Berlin\"          # zone of its days; without it that of [display]

# Prices of models, in US dollars a million tokens; they win over every list. Without cached and cache_write
# such tokens cost as input. `from` is the first moment: a date, or RFC 3339.
# [prices.\"my-model\"]
# provider = \"openai\"
# input = 0.5
# output = 1.5

# Other names of providers, so that their prices are found.
# [aliases]
# my-gateway = \"openai\"
";

/// Reads a file; one that is not there is the default.
///
/// # Errors
/// A usage error with line, key and suggestion; a system error when it cannot be read.
pub(crate) fn load(path: &Path) -> Result<Config> {
    match std::fs::read_to_string(path) {
        Ok(text) => parse(&text, &path.display().to_string()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Config::default()),
        Err(e) if e.kind() == std::io::ErrorKind::InvalidData => {
            Err(Failure::usage(format!("{} is not UTF-8 text", path.display())))
        }
        Err(e) => Err(Failure::new(Kind::Io, format!("cannot read {}: {}", path.display(), plain(&e)))),
    }
}

/// Reads the text of a settings file called `name`.
///
/// # Errors
/// As [`load`].
pub(crate) fn parse(text: &str, name: &str) -> Result<Config> {
    let mut config: Config = toml::from_str(text).map_err(|error| explain(&error, text, name))?;
    for channel in &mut config.channels {
        let line = line_of(text, channel.span().start);
        channel.get_mut().line = line;
    }
    Ok(config)
}

/// The line of the byte `at`, from 1.
fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()[..at.min(text.len())].iter().filter(|byte| **byte == b'\n').count() + 1
}

fn explain(error: &toml::de::Error, text: &str, name: &str) -> Failure {
    let span = error.span().unwrap_or(0..0);
    let line = line_of(text, span.start);
    let word = text.get(span).unwrap_or_default().trim_matches(['"', '\'']);
    let message = error.message().trim_end_matches('\n').replace('\n', "; ");
    if !message.starts_with("unknown field") {
        return Failure::usage(format!("{name}, line {line}: {message}"));
    }
    let failure = Failure::usage(format!("{name}, line {line}: unknown setting '{word}'"));
    // `unknown field `a`, expected one of `b`, `c``: what may stand there is every second piece.
    let known: Vec<&str> = message.split('`').skip(3).step_by(2).collect();
    failure.hint(match (word, nearest(word, known.iter().copied())) {
        ("secret" | "password", _) => {
            format!("secrets do not stand here: {word}_env names a variable, {word}_file a file")
        }
        ("retention", _) => "that is kept with the store: ax monitor store set-retention raw=30d".to_owned(),
        (_, Some(key)) => format!("did you mean {key}?"),
        (_, None) => format!("settings there are {}", known.join(", ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_a_valid_file_and_so_are_its_comments() {
        assert_eq!(parse(TEMPLATE, "t").unwrap(), Config::default());
        let all = TEMPLATE
            .replace("# timezone", "timezone")
            .replace("# range", "range")
            .replace("# week_start", "week_start")
            .replace("# color", "color");
        let config = parse(&all, "t").unwrap();
        assert_eq!(config.display.timezone.as_deref(), Some("Europe/Berlin"));
        assert_eq!(config.display.color, Some(Color::Auto));
    }

    #[test]
    fn a_wrong_setting_is_named_with_its_line_and_the_right_one() {
        for (text, expected) in [
            ("[display]\ntimezon = \"UTC\"\n", "f, line 2: unknown setting 'timezon' | did you mean timezone?"),
            ("[dispaly]\nrange = \"1h\"\n", "f, line 1: unknown setting 'dispaly' | did you mean display?"),
            (
                "[display]\nzzz = 1\n",
                "f, line 2: unknown setting 'zzz' | settings there are timezone, week_start, range, color",
            ),
            (
                "[[rule]]\nzzz = 1\n",
                "f, line 2: unknown setting 'zzz' | settings there are name, when, for, keep_firing_for, severity, \
                 channel, channels, min_events, renotify, enabled, tz",
            ),
            ("[privacy]\nuser = 1\n", "f, line 2: unknown setting 'user' | did you mean users?"),
            (
                "[retention]\nraw = '30d'\n",
                "f, line 1: unknown setting 'retention' | that is kept with the store: ax monitor store set-retention raw=30d",
            ),
            (
                "[display]\ncolor = \"blue\"\n",
                "f, line 2: unknown variant `blue`, expected one of `auto`, `always`, `never` | ",
            ),
            ("[display]\nrange = 5\n", "f, line 2: invalid type: integer `5`, expected a string | "),
            ("x = \x1b[", "f, line 1: invalid string; expected `\"`, `'` | "),
        ] {
            let failure = parse(text, "f").unwrap_err();
            let found = format!("{} | {}", failure.message, failure.hint.unwrap_or_default());
            if text.starts_with('x') {
                assert!(found.starts_with("f, line 1: "), "{found}");
            } else {
                assert_eq!(found, expected);
            }
        }
    }
}
