//! A line chart of points over time, in braille dots or in ASCII.
//!
//! The plot is a grid of dots, 2 x 4 in each braille character (1 x 1 in ASCII). Points stand where
//! their time is; where several share a column of dots all of them are drawn, so a peak never
//! vanishes, however many points there are. A line joins neighbours; a missing value leaves a gap.

use ax_storage::time::Timestamp;

use super::axis::{self, Axis};
use super::{Role, Style, text, when};
use crate::dashboard::{MetricsView, PointView, Value, Window};
use crate::metric::{Metric, Number};

/// Bits of a braille character's dots: left column from the top, right column from the top.
const DOTS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];

/// Stands for the fainter line where a cell has only one dot.
const FAINT: u8 = 0x80;

/// The chart of `points`, with axes, times and the peak; nothing when no point has a value.
pub(super) fn chart(view: &MetricsView, points: &[PointView], style: &Style) -> String {
    let (metric, unit, window) = (view.metric, &view.unit, &view.range);
    let values: Vec<Option<f64>> = points.iter().map(|p| p.value.map(Value::to_f64)).collect();
    let before: Vec<Option<f64>> = points.iter().map(|p| p.previous.and_then(|p| p.0).map(Number::to_f64)).collect();
    let known = || values.iter().chain(&before).flatten().copied();
    let (Some(low), Some(high)) = (known().reduce(f64::min), known().reduce(f64::max)) else {
        return String::new();
    };
    let axis = Axis::fit(low, high, !low_is_bad(metric), unit);
    let labels: Vec<String> = (0..axis.rows).map(|r| axis.label(r, unit)).collect();
    let margin = labels.iter().map(|l| text::width(l)).max().unwrap_or(0);
    let columns = style.drawn().saturating_sub(margin + 2).max(4);
    let mut canvas = Canvas::new(columns, axis.rows, style.unicode);
    // Dots that stand apart first, so that the line of today lies over them.
    canvas.dots(&before, &axis);
    canvas.line(&values, &axis);

    let mut out = String::new();
    for (row, label) in labels.iter().enumerate().rev() {
        let edge = style.sign("┤", "|");
        let drawn = canvas.row(row);
        let label = style.paint(Role::Dim, &format!("{} {edge}", text::pad(label, margin, true)));
        out += (label + &style.paint(Role::Line, drawn.trim_end())).trim_end();
        out.push('\n');
    }
    let first = points.first().map_or(Timestamp::MIN, |p| p.t);
    let last = points.last().map_or(first, |p| p.t);
    let column = |t: Timestamp| place(t.since(first), last.since(first), columns);
    out += &time_axis(&axis::ticks(first, last, &window.zone, columns), margin, columns, style, &column);
    out += &extreme(view, points, margin, columns, style, &column);
    out + &legend(view, points, style)
}

/// What the dots beside the line are.
fn legend(view: &MetricsView, points: &[PointView], style: &Style) -> String {
    if points.iter().all(|p| p.previous.is_none()) {
        return String::new();
    }
    let name = view.previous.as_ref().map_or("before", |p| &p.name);
    let mut facts = vec![format!("{} now", style.sign("⠤⠤", "**")), format!("{} {name}", style.sign("⠄⠄", ".."))];
    if let Some((row, previous)) = view.data.first().and_then(|row| row.previous.map(|p| (row, p))) {
        let before = super::value(previous.0.map(Value::Number), &view.unit, style);
        let change = super::metrics::change(previous, row.value, &view.unit, style);
        facts.push(format!("{} then {before}, now {change}", super::metrics::value_title(view).to_lowercase()));
    }
    text::flow(&facts, "   ", 2, style)
}

const fn low_is_bad(metric: Option<Metric>) -> bool {
    matches!(metric, Some(Metric::SuccessRate | Metric::HitRate))
}

/// The column in `0..columns` of a time `at` of `span`; the middle when there is only one time.
fn place(at: u64, span: u64, columns: usize) -> usize {
    let last = columns as u64 - 1;
    let column = (at.min(span) * last + span / 2).checked_div(span).unwrap_or(last / 2);
    usize::try_from(column).unwrap_or(0).min(columns - 1)
}

fn time_axis(
    ticks: &[axis::Tick],
    margin: usize,
    columns: usize,
    style: &Style,
    column: &dyn Fn(Timestamp) -> usize,
) -> String {
    let (corner, flat, mark) = if style.unicode { ('└', '─', '┬') } else { ('+', '-', '+') };
    let mut line: Vec<char> = vec![flat; columns];
    // The labels' line begins at the left edge, so that the first label may stand under its mark.
    let offset = margin + 2;
    let mut under = String::new();
    for tick in ticks {
        let at = column(tick.t);
        let wanted = (offset + at).saturating_sub(tick.label.len() / 2);
        let start = wanted.min((offset + columns).saturating_sub(tick.label.len()));
        if !under.is_empty() && start < text::width(&under) + 2 {
            continue;
        }
        line[at] = mark;
        under = text::pad(&under, start, false) + &tick.label;
    }
    let line: String = std::iter::once(corner).chain(line).collect();
    let line = format!("{}{line}", " ".repeat(margin + 1));
    format!("{}\n{}\n", style.paint(Role::Dim, &line), style.paint(Role::Dim, &under))
}

/// The line that points at the greatest value, or at the least where that is the bad one.
fn extreme(
    view: &MetricsView,
    points: &[PointView],
    margin: usize,
    columns: usize,
    style: &Style,
    column: &dyn Fn(Timestamp) -> usize,
) -> String {
    let known = points.iter().filter_map(|p| p.value.map(|v| (p, v)));
    let low = low_is_bad(view.metric);
    let found = known.reduce(|a, b| {
        let better = if low { b.1.order(a.1).is_lt() } else { b.1.order(a.1).is_gt() };
        if better { b } else { a }
    });
    let Some((point, value)) = found else { return String::new() };
    let Window { range, zone } = &view.range;
    let step = view.step_ms.unwrap_or_else(|| range.millis());
    let word = if low { "low" } else { "peak" };
    let when = when::point(point.t, zone, range.millis(), step);
    let said = format!("{word} {} at {when}", super::value(Some(value), &view.unit, style));
    let offset = margin + 2 + column(point.t);
    let sign = style.sign("▲", "^");
    let room = margin + 2 + columns;
    if text::width(&said) + 2 > room {
        // No room to point at it.
        let facts = [format!("{word} {}", super::value(Some(value), &view.unit, style)), format!("at {when}")];
        return text::flow(&facts, " ", 2, style);
    }
    let line = if offset + 2 + text::width(&said) <= room {
        format!("{}{sign} {said}", " ".repeat(offset))
    } else {
        let before = offset.saturating_sub(text::width(&said) + 1);
        format!("{}{said} {sign}", " ".repeat(before))
    };
    format!("{line}\n")
}

/// A grid of dots.
struct Canvas {
    columns: usize,
    rows: usize,
    /// Dots across and up a character.
    dots: (usize, usize),
    /// Bits by row from the lowest, then column.
    cells: Vec<u8>,
}

impl Canvas {
    fn new(columns: usize, rows: usize, unicode: bool) -> Self {
        Self { columns, rows, dots: if unicode { (2, 4) } else { (1, 1) }, cells: vec![0; columns * rows] }
    }

    fn set(&mut self, x: usize, y: usize) {
        let (column, row) = (x / self.dots.0, y / self.dots.1);
        if column < self.columns && row < self.rows {
            let bits = if self.dots.0 == 1 { 1 } else { DOTS[x % 2][3 - y % 4] };
            self.cells[row * self.columns + column] |= bits;
        }
    }

    fn line(&mut self, values: &[Option<f64>], axis: &Axis) {
        let wide = self.columns * self.dots.0;
        let span = values.len().saturating_sub(1) as u64;
        let mut before: Option<(usize, usize)> = None;
        for (i, value) in values.iter().enumerate() {
            let at = value.map(|v| (place(i as u64, span, wide), self.height(v, axis)));
            match (before, at) {
                (Some(a), Some(b)) => self.segment(a, b),
                (None, Some((x, y))) => self.set(x, y),
                _ => {}
            }
            before = at;
        }
    }

    /// Single dots, one every other column of characters, where nothing else stands.
    fn dots(&mut self, values: &[Option<f64>], axis: &Axis) {
        let wide = self.columns * self.dots.0;
        let span = values.len().saturating_sub(1) as u64;
        let mut before: Option<(usize, usize)> = None;
        for (i, value) in values.iter().enumerate() {
            let at = value.map(|v| (place(i as u64, span, wide), self.height(v, axis)));
            if let (Some(a), Some(b)) = (before, at) {
                // Steps of two dots: a dotted line between distant points, single dots between near ones.
                let apart = a.0.abs_diff(b.0).max(1);
                for x in (a.0..=b.0).filter(|x| x % 2 == 0) {
                    let moved = a.1.abs_diff(b.1) * (x - a.0) / apart;
                    self.mark(x, if b.1 >= a.1 { a.1 + moved } else { a.1 - moved });
                }
            } else if let Some((x, y)) = at {
                self.mark(x, y);
            }
            before = at;
        }
    }

    /// A dot of the fainter line; in ASCII with a sign of its own.
    fn mark(&mut self, x: usize, y: usize) {
        if self.dots.0 > 1 {
            self.set(x, y);
        } else if x < self.columns && y < self.rows {
            self.cells[y * self.columns + x] |= FAINT;
        }
    }

    /// Row of dots of a value: a label's row holds its value in the middle.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "few dots"
    )]
    fn height(&self, value: f64, axis: &Axis) -> usize {
        let dots = self.dots.1 as f64;
        let y = (value - axis.from) / axis.step * dots + (dots - 1.0) / 2.0;
        (y.round().max(0.0) as usize).min(self.rows * self.dots.1 - 1)
    }

    fn segment(&mut self, (x0, y0): (usize, usize), (x1, y1): (usize, usize)) {
        let steps = x0.abs_diff(x1).max(y0.abs_diff(y1)).max(1);
        let between = |a: usize, b: usize, i: usize| {
            // Rounded interpolation in whole numbers.
            let moved = (a.abs_diff(b) * i * 2 + steps) / (2 * steps);
            if b >= a { a + moved } else { a - moved }
        };
        for i in 0..=steps {
            self.set(between(x0, x1, i), between(y0, y1, i));
        }
    }

    fn row(&self, row: usize) -> String {
        let cells = &self.cells[row * self.columns..(row + 1) * self.columns];
        let sign = |bits: &u8| match (self.dots.0, *bits) {
            (_, 0) => ' ',
            (1, FAINT) => '.',
            (1, _) => '*',
            (_, bits) => char::from_u32(0x2800 + u32::from(bits)).unwrap_or(' '),
        };
        cells.iter().map(sign).collect()
    }
}
