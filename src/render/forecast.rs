//! A projection as text: the sum, past and future as small drawings, a row for each step.

use super::table::{Cell, Column, Table};
use super::{Role, Style, edges, number, sparkline};
use crate::dashboard::ForecastView;
use crate::metric::Unit;
use crate::projection::{Estimate, Status, Step};

/// Rows shown; the JSON has all.
const ROWS_MAX: usize = 60;
/// Columns of the drawing of the past.
const PAST_COLUMNS_MAX: usize = 60;

/// The sum, the drawings, the rows.
pub fn forecast(view: &ForecastView, style: &Style) -> String {
    let total = &view.projection.total;
    let left = format!("FORECAST  next {}", steps(view.times.len(), view.step));
    let right = format!("from {} of history", steps(view.past.len(), view.step));
    let mut out = edges((Role::Title, &left), (Role::Dim, &right), style);
    out += &format!("\nTotal     {}", style.paint(Role::Title, &figure(total.estimate)));
    match total.bounds {
        Some(b) => out += &format!("{}80 % range {}{}{}\n", gap(style), figure(b.low), to(style), figure(b.high)),
        None => out += "\n",
    }
    if view.projection.status == Status::InsufficientHistory {
        let need = steps(view.step.history_min(), view.step);
        out += &style.paint(Role::Warn, &format!("The plain average drawn out: bounds take {need} of history"));
        out.push('\n');
    } else {
        out += &format!("Linear    {}{}the plain average drawn out\n", figure(view.linear), gap(style));
    }
    out += &drawings(view, style);
    out += "\n";
    out + &rows(view, style)
}

/// Past and future on one scale.
fn drawings(view: &ForecastView, style: &Style) -> String {
    let room = style.drawn().saturating_sub(10).max(10);
    let ahead: Vec<f64> = view.projection.points.iter().map(|p| p.estimate).collect();
    let past = &view.past[view.past.len().saturating_sub(PAST_COLUMNS_MAX.min(room))..];
    let most = past.iter().chain(&ahead).copied().fold(0.0, f64::max);
    let line = |name: &str, values: &[f64]| {
        // The greatest of both stands first, to fix the scale, and is cut off again.
        let scaled: Vec<Option<f64>> = std::iter::once(most).chain(values.iter().copied()).map(Some).collect();
        let drawing: String = sparkline(&scaled, scaled.len(), style).chars().skip(1).collect();
        format!("{name:<10}{}\n", style.paint(Role::Line, &drawing))
    };
    line("Past", past) + &line("Ahead", &ahead[..ahead.len().min(room)])
}

fn rows(view: &ForecastView, style: &Style) -> String {
    let title = if view.step == Step::Day { "DAY" } else { "HOUR" };
    let figures = ["ESTIMATE", "LOW", "HIGH"].map(|name| Column::figure(name, 0));
    let mut table = Table::new(std::iter::once(Column::word(title, 0)).chain(figures).collect());
    let pattern = if view.step == Step::Day { "%a %-d %b %Y" } else { "%a %-d %b %H:%M" };
    for (t, point) in view.times.iter().zip(&view.projection.points).take(ROWS_MAX) {
        let time = t.to_zoned_datetime(view.zone.tz().clone()).strftime(pattern).to_string();
        let [estimate, low, high] = cells(point, style);
        table.push(vec![time.into(), estimate, low, high]);
    }
    let mut out = table.draw(style);
    if let Some(more) = view.times.len().checked_sub(ROWS_MAX).filter(|more| *more > 0) {
        out += &style.paint(Role::Dim, &format!("and {} more: --json lists all", steps(more, view.step)));
        out.push('\n');
    }
    out
}

fn cells(point: &Estimate, style: &Style) -> [Cell; 3] {
    let bound = |value: Option<f64>| value.map_or_else(|| Cell::new(Role::Dim, style.none()), |v| figure(v).into());
    let (low, high) = point.bounds.map(|b| (b.low, b.high)).unzip();
    [figure(point.estimate).into(), bound(low), bound(high)]
}

fn figure(value: f64) -> String {
    number::figure(value, Unit::Count)
}

fn steps(count: usize, step: Step) -> String {
    let noun = if step == Step::Day { "day" } else { "hour" };
    let count_text = number::count(i128::try_from(count).unwrap_or(i128::MAX));
    format!("{count_text} {noun}{}", if count == 1 { "" } else { "s" })
}

const fn gap(style: &Style) -> &'static str {
    if style.unicode { "   " } else { "  " }
}

const fn to(style: &Style) -> &'static str {
    if style.unicode { "–" } else { " to " }
}
