//! Views as text. Width, colour and signs are decided once, elsewhere, and passed in.

mod advice;
mod alerts;
mod axis;
mod budgets;
mod catalogue;
mod channels;
mod chart;
mod costs;
mod empty;
mod events;
mod explain;
mod flat;
mod forecast;
mod metrics;
mod number;
mod spark;
mod status;
mod table;
mod text;
mod when;

pub use advice::advice;
pub use alerts::{alert, alert_history, alert_numbers, alert_rules, alert_tested, alerts};
pub use budgets::budgets;
pub use catalogue::catalogue;
pub use channels::channels;
pub use costs::{costs, costs_line};
pub use empty::empty;
pub use events::{event_lines, events};
pub use explain::explain;
pub use flat::{metrics_csv, metrics_markdown, metrics_ndjson};
pub use forecast::forecast;
pub use metrics::{metrics_chart, metrics_line, metrics_table};
pub use number::{count, duration_ms, figure, money, number, percent, value};
pub use spark::{bar, sparkline};
pub use status::{status, status_line};
pub use table::{Align, Cell, Column, Table};
pub use text::{clip, pad, width, words};
pub use when::{ago, clock, moment};

/// What the text is drawn for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Columns that lines may take.
    pub width: usize,
    /// Use colours.
    pub color: bool,
    /// Use signs beyond ASCII.
    pub unicode: bool,
    /// The store holds made-up traffic: say so, and give next steps that work on it.
    pub demo: bool,
}

/// Columns for tables that nobody bounds: wide enough for anything, small enough to calculate with.
pub const WIDTH_UNLIMITED: usize = 10_000;
/// Columns of charts, bars and headings where the width is not bounded.
const WIDTH_DRAWN_MAX: usize = 200;
/// Below this many columns a table is no use: each row becomes a block of lines.
const WIDTH_TABLE_MIN: usize = 40;

/// Colours of lines, the first that of a line alone.
const SERIES: [anstyle::AnsiColor; 6] = {
    use anstyle::AnsiColor::{Blue, Cyan, Green, Magenta, Red, Yellow};
    [Cyan, Magenta, Yellow, Green, Blue, Red]
};

/// What a piece of text means; the colour only underlines it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Role {
    #[default]
    Plain,
    Title,
    Dim,
    Good,
    Warn,
    Bad,
    Line,
    /// The line of a row in a chart, counted from 0.
    Series(usize),
}

impl Style {
    /// Columns for what is drawn rather than listed.
    fn drawn(&self) -> usize {
        if self.width >= WIDTH_UNLIMITED { 80 } else { self.width.min(WIDTH_DRAWN_MAX) }
    }

    /// The text in the role's colour.
    pub fn paint(&self, role: Role, text: &str) -> String {
        use anstyle::{AnsiColor, Effects, Style as Ansi};
        if !self.color || role == Role::Plain || text.trim().is_empty() {
            return text.to_owned();
        }
        let color = |c: AnsiColor| Ansi::new().fg_color(Some(c.into()));
        let ansi = match role {
            Role::Plain => return text.to_owned(),
            Role::Title => Ansi::new().effects(Effects::BOLD),
            Role::Dim => Ansi::new().effects(Effects::DIMMED),
            Role::Good => color(AnsiColor::Green),
            Role::Warn => color(AnsiColor::Yellow),
            Role::Bad => color(AnsiColor::Red).effects(Effects::BOLD),
            Role::Line => color(AnsiColor::Cyan),
            Role::Series(i) => color(SERIES[i % SERIES.len()]),
        };
        format!("{ansi}{text}{ansi:#}")
    }

    /// One of two texts, by whether signs beyond ASCII are allowed.
    pub const fn sign<'a>(&self, unicode: &'a str, ascii: &'a str) -> &'a str {
        if self.unicode { unicode } else { ascii }
    }

    /// What stands for no data.
    pub const fn none(&self) -> &'static str {
        if self.unicode { "–" } else { "-" }
    }

    /// What stands between facts of a line.
    const fn dot(&self) -> &'static str {
        if self.unicode { " · " } else { ", " }
    }

    /// How a next step begins.
    const fn command(&self) -> &'static str {
        if self.demo { "ax monitor demo --" } else { "ax monitor" }
    }
}

/// A line that says that nothing here is real.
pub(crate) fn banner(style: &Style) -> String {
    if !style.demo {
        return String::new();
    }
    let long = "DEMO DATA: made-up traffic in a temporary store, gone when this command ends";
    let text = if text::width(long) > style.drawn() { "DEMO DATA: made-up traffic, gone afterwards" } else { long };
    format!("{}\n", style.paint(Role::Warn, &text::clip(text, style.drawn(), style)))
}

/// `left` and, at the right edge, `right`; on lines of their own where both do not fit.
pub(crate) fn edges(left: (Role, &str), right: (Role, &str), style: &Style) -> String {
    let room = style.drawn();
    let (a, b) = (text::width(left.1), text::width(right.1));
    let paint = |(role, text): (Role, &str)| style.paint(role, &text::clip(text, room, style));
    if b == 0 {
        return format!("{}\n", paint(left));
    }
    if a + b + 2 > room {
        return format!("{}\n{}\n", paint(left), paint(right));
    }
    format!("{}{}{}\n", paint(left), " ".repeat(room - a - b), paint(right))
}

#[cfg(test)]
mod tests;
