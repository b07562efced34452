//! One metric as a number, a table, a chart, or plain lines.

use super::table::{Cell, Column, Table};
use super::{Role, Style, banner, bar, chart, edges, number, sparkline, text, when};
use crate::dashboard::{Change, Evidence, MetricsView, PointView, Previous, RowView, Value, ValueUnit};
use crate::metric::{Aggregation, Metric, Number, Unit};

/// Most columns of a bar.
const BAR_MAX: usize = 30;

/// A table: a row a group, or a row a step where there are no groups.
pub fn metrics_table(view: &MetricsView, style: &Style) -> String {
    let mut out = head(view, style);
    match (view.grouped, &view.data[..]) {
        (true, _) => out += &groups(view, false, style),
        (false, [RowView { points: Some(points), .. }]) => out += &steps(view, points, style),
        (false, rows) => {
            let value = super::value(rows.first().and_then(|r| r.value), &view.unit, style);
            // The title has said what it is; a long question is not repeated.
            let heading = format!("{}  ", heading(view));
            let fits = text::width(&heading) + text::width(&value) <= style.drawn();
            out += &format!("{}{}\n", if fits { &heading } else { "" }, style.paint(Role::Title, &value));
            let more: Vec<String> = rows.iter().filter_map(|row| beside(view, row, style)).collect();
            if !more.is_empty() {
                out += &text::flow(&more, "", 0, style);
            }
        }
    }
    out + &foot(view, style)
}

/// A line chart over the steps, of each group one, over a table of the groups.
pub fn metrics_chart(view: &MetricsView, style: &Style) -> String {
    let has_steps = view.data.iter().any(|row| row.points.is_some());
    if !has_steps || style.width < super::WIDTH_TABLE_MIN {
        return metrics_table(view, style);
    }
    let drawn = chart::chart(view, style);
    if drawn.is_empty() {
        return metrics_table(view, style);
    }
    let groups = if view.grouped { format!("\n{}", groups(view, true, style)) } else { String::new() };
    head(view, style) + &drawn + &groups + &foot(view, style)
}

/// One fact a line and no drawing signs, for narrow places and for screen readers.
pub fn metrics_line(view: &MetricsView, style: &Style) -> String {
    let mut out = banner(style);
    let plain = Style { color: false, ..*style };
    out += &format!("{}, {}\n", heading(view), range_text(view));
    for row in &view.data {
        let value = super::value(row.value, &view.unit, &plain);
        let name = if view.grouped { format!("{}: ", group_name(row)) } else { String::new() };
        let more = beside(view, row, &plain).map(|more| format!(", {more}")).unwrap_or_default();
        out += &format!("{name}{value}{more}, {}\n", counted(view.metric, row.count));
        for point in row.points.iter().flatten() {
            let time = point_time(view, point);
            out += &format!("  {time}: {}\n", super::value(point.value, &view.unit, &plain));
        }
    }
    out
}

/// `latency p95`; of what is calculated, the question.
fn heading(view: &MetricsView) -> String {
    let (Some(metric), Some(aggregation)) = (view.metric, view.aggregation) else { return view.query.clone() };
    let default = metric.info().default == aggregation;
    let shown = match aggregation {
        Aggregation::Sum | Aggregation::Rate if default => return metric.name().to_owned(),
        Aggregation::Avg if is_ratio(view) => return metric.name().to_owned(),
        other => other,
    };
    format!("{} {shown}", metric.name())
}

/// `+9.0 %`; from nothing the change itself.
pub(super) fn change(previous: Previous, now: Option<Value>, unit: &ValueUnit, style: &Style) -> String {
    let Change { change, change_pct } = previous.change(now);
    match (change_pct, change) {
        (Some(percent), _) => number::figure(percent / 100.0, Unit::Change),
        (None, Some(change)) => {
            let sign = if change.to_f64() > 0.0 { "+" } else { "" };
            format!("{sign}{}", super::value(Some(change.into()), unit, style))
        }
        (None, None) => style.none().to_owned(),
    }
}

/// What a value is compared with, in words: `7d earlier 1.10 s, +9.0 %`, or `2.15 s against 2.00 s`.
fn beside(view: &MetricsView, row: &RowView, style: &Style) -> Option<String> {
    if let Some(previous) = row.previous {
        let name = view.previous.as_ref().map_or("before", |p| &p.name);
        let before = super::value(previous.0.map(Value::Number), &view.unit, style);
        return Some(format!("{name} {before}, {}", change(previous, row.value, &view.unit, style)));
    }
    let Evidence { current, threshold, unit } = row.evidence.as_ref()?;
    let side = |n: &Option<Number>| super::value(n.map(Value::Number), unit, style);
    Some(format!("{} against {}", side(current), side(threshold)))
}

fn is_ratio(view: &MetricsView) -> bool {
    view.unit == ValueUnit::Of(Unit::Ratio)
}

/// What a column of values is called.
pub(super) fn value_title(view: &MetricsView) -> String {
    view.aggregation.map_or_else(|| "VALUE".to_owned(), |a| a.to_string().to_uppercase())
}

fn head(view: &MetricsView, style: &Style) -> String {
    let mut facts = vec![heading(view)];
    if !view.only.is_empty() && view.metric.is_some() {
        facts.push(view.only.clone());
    }
    let mut range = range_text(view);
    if let Some(step) = view.step_ms {
        range += &format!(", step {}", step_text(step));
    }
    facts.push(range);
    let left = facts.join(style.dot());
    banner(style) + &edges((Role::Title, &left), (Role::Plain, &counted(view.metric, view.count)), style) + "\n"
}

fn range_text(view: &MetricsView) -> String {
    let range = &view.range;
    match &view.range_text {
        Some(text) if text.bytes().next().is_some_and(|b| b.is_ascii_digit()) && !text.contains(['-', '.']) => {
            format!("last {text}")
        }
        Some(text) => text.clone(),
        None => when::window(range.range.start, range.range.end, &range.zone),
    }
}

fn step_text(ms: u64) -> String {
    match ms {
        ms if ms % 86_400_000 == 0 => format!("{}d", ms / 86_400_000),
        ms if ms % 3_600_000 == 0 => format!("{}h", ms / 3_600_000),
        ms if ms % 60_000 == 0 => format!("{}m", ms / 60_000),
        ms => format!("{} s", ms / 1000),
    }
}

/// `14,760 requests`.
fn counted(metric: Option<Metric>, n: u64) -> String {
    let (one, many) = metric.map_or(("event", "events"), nouns);
    format!("{} {}", number::count(n.into()), if n == 1 { one } else { many })
}

fn nouns(metric: Metric) -> (&'static str, &'static str) {
    let kinds = crate::metric::kinds(metric);
    match metric {
        Metric::Errors => ("error", "errors"),
        Metric::CacheHits => ("hit", "hits"),
        Metric::CacheMisses => ("miss", "misses"),
        _ if kinds.caches => ("look-up", "look-ups"),
        _ if kinds.rates => ("decision", "decisions"),
        _ => ("request", "requests"),
    }
}

fn group_name(row: &RowView) -> String {
    row.labels.0.iter().map(|(_, value)| text::name(value)).collect::<Vec<_>>().join(", ")
}

/// The table of groups; `under_chart` with the letters of their lines, and no more lines.
fn groups(view: &MetricsView, under_chart: bool, style: &Style) -> String {
    if view.data.is_empty() {
        return format!("{}\n", style.paint(Role::Dim, "no groups"));
    }
    let names: Vec<&str> = view.data[0].labels.0.iter().map(|(name, _)| *name).collect();
    if style.width < super::WIDTH_TABLE_MIN {
        return blocks(view, style);
    }
    let most = view.data.iter().filter_map(|r| r.value).map(Value::to_f64).fold(0.0, f64::max);
    let total: f64 = view.data.iter().filter_map(|r| r.value).map(Value::to_f64).sum();
    let additive = view.metric.is_some_and(Metric::is_additive) && view.aggregation == Some(Aggregation::Sum);
    let shares = additive && total > 0.0;
    let trend = view.step_ms.is_some();
    let longest = view.data.iter().filter_map(|r| r.points.as_ref()).map(Vec::len).max().unwrap_or(0);

    let lettered = under_chart && view.data.len() > 1;
    let mut columns: Vec<Column> = lettered.then(|| Column::word("", 0)).into_iter().collect();
    columns.extend(names.iter().map(|n| Column::name(n.to_uppercase())));
    columns.push(Column::figure(value_title(view), 0));
    if shares {
        columns.push(Column::figure("SHARE", 2));
    }
    let compared = view.data.iter().any(|row| row.previous.is_some());
    let judged = view.data.iter().any(|row| row.evidence.is_some());
    match (compared, judged) {
        (true, _) => columns.extend([Column::figure("BEFORE", 1), Column::figure("CHANGE", 0)]),
        (_, true) => columns.extend([Column::figure("CURRENT", 0), Column::figure("AGAINST", 1)]),
        _ => {}
    }
    columns.push(Column::figure(count_title(view.metric), 3));
    let mut table = Table::new(columns);
    for (i, row) in view.data.iter().enumerate() {
        let letter = chart::letter(i).map_or_else(|| style.none().to_owned(), String::from);
        let mut cells: Vec<Cell> = lettered.then(|| Cell::new(Role::Series(i), letter)).into_iter().collect();
        cells.extend(row.labels.0.iter().map(|(_, value)| Cell::from(text::name(value))));
        cells.push(super::value(row.value, &view.unit, style).into());
        if shares {
            cells.push(row.value.map_or(style.none().into(), |v| number::percent(v.to_f64() / total).into()));
        }
        let number = |n: Option<Number>, unit: &ValueUnit| super::value(n.map(Value::Number), unit, style).into();
        if compared {
            let previous = row.previous.unwrap_or(Previous(None));
            cells.push(number(previous.0, &view.unit));
            cells.push(change(previous, row.value, &view.unit, style).into());
        } else if judged {
            let sides = row.evidence.as_ref().map(|e| [number(e.current, &e.unit), number(e.threshold, &e.unit)]);
            cells.extend(sides.unwrap_or_else(|| [style.none().into(), style.none().into()]));
        }
        cells.push(number::count(row.count.into()).into());
        table.push(cells);
    }
    // What room is left beside the table goes to bars or sparklines.
    let used = table.draw(&Style { color: false, ..*style }).lines().map(text::width).max().unwrap_or(0);
    let left = style.drawn().saturating_sub(used + 2).min(if trend { longest } else { BAR_MAX });
    if left >= 5 && !under_chart {
        table.columns.push(Column::word(if trend { "TREND" } else { "" }, 9));
        for (cells, row) in table.rows.iter_mut().zip(&view.data) {
            let drawn = match &row.points {
                Some(points) => {
                    let values: Vec<_> = points.iter().map(|p| p.value.map(Value::to_f64)).collect();
                    sparkline(&values, left, style)
                }
                None => bar(row.value.map_or(0.0, Value::to_f64), most, left, style),
            };
            cells.push(Cell::new(Role::Line, drawn));
        }
    }
    table.draw(style)
}

pub(super) fn count_title(metric: Option<Metric>) -> &'static str {
    let Some(metric) = metric else { return "EVENTS" };
    let kinds = crate::metric::kinds(metric);
    match (kinds.caches, kinds.rates) {
        (true, _) => "LOOK-UPS",
        (_, true) => "DECISIONS",
        _ => "REQUESTS",
    }
}

fn blocks(view: &MetricsView, style: &Style) -> String {
    let mut out = String::new();
    for row in &view.data {
        out += &format!("{}\n", text::clip(&group_name(row), style.width, style));
        out += &format!("  {} {}\n", value_title(view).to_lowercase(), super::value(row.value, &view.unit, style));
        if let Some(more) = beside(view, row, style) {
            out += &text::flow(&[format!("  {more}")], "", 2, style);
        }
        out += &format!("  {}\n", counted(view.metric, row.count));
    }
    out
}

pub(super) fn point_time(view: &MetricsView, point: &PointView) -> String {
    let range = &view.range;
    when::point(point.t, &range.zone, range.range.millis(), view.step_ms.unwrap_or(60_000))
}

fn steps(view: &MetricsView, points: &[PointView], style: &Style) -> String {
    let compared = points.iter().any(|p| p.previous.is_some());
    let mut columns = vec![Column::word("TIME", 0), Column::figure(value_title(view), 0)];
    if compared {
        columns.extend([Column::figure("BEFORE", 1), Column::figure("CHANGE", 0)]);
    }
    columns.push(Column::figure(count_title(view.metric), 3));
    let mut table = Table::new(columns);
    let cut = |p: &PointView| if p.partial { "*" } else { "" };
    for p in points {
        let time = format!("{}{}", point_time(view, p), cut(p));
        let mut cells: Vec<Cell> = vec![time.into(), super::value(p.value, &view.unit, style).into()];
        if compared {
            let previous = p.previous.unwrap_or(Previous(None));
            cells.push(super::value(previous.0.map(Value::Number), &view.unit, style).into());
            cells.push(change(previous, p.value, &view.unit, style).into());
        }
        cells.push(number::count(p.count.into()).into());
        table.push(cells);
    }
    let used = table.draw(&Style { color: false, ..*style }).lines().map(text::width).max().unwrap_or(0);
    let left = style.drawn().saturating_sub(used + 2).min(BAR_MAX);
    let values: Vec<f64> = points.iter().map(|p| p.value.map_or(0.0, Value::to_f64)).collect();
    let most = values.iter().copied().fold(0.0, f64::max);
    if left >= 5 {
        table.columns.push(Column::word("", 9));
        for (cells, value) in table.rows.iter_mut().zip(values) {
            cells.push(Cell::new(Role::Line, bar(value, most, left, style)));
        }
    }
    let mut out = table.draw(style);
    if points.iter().any(|p| p.partial) {
        out += &format!("{}\n", style.paint(Role::Dim, "* cut short by the window"));
    }
    out
}

fn foot(view: &MetricsView, style: &Style) -> String {
    let mut out = String::new();
    if let (Some(s), Some(metric)) = (&view.summary, view.metric) {
        let figure = |name: &str, value: Option<Number>| {
            value.map(|v| format!("{name} {}", super::number(Some(v), metric.info().unit, style)))
        };
        let facts: Vec<String> = [
            figure("p50", s.p50),
            figure("p95", s.p95),
            figure("p99", s.p99),
            figure("avg", s.avg),
            figure("min", s.min),
            figure("max", s.max),
        ]
        .into_iter()
        .flatten()
        .collect();
        if !facts.is_empty() {
            out += "\n";
            out += &text::flow(&facts, "   ", 0, style);
        }
    }
    if let ([RowView { points: Some(points), .. }], false) = (&view.data[..], view.grouped) {
        out += &spread(view, points, style);
    }
    let source = source_text(view, style);
    if !out.is_empty() && !out.starts_with('\n') {
        out.insert(0, '\n');
    }
    const QUERY: &str = "query  ";
    let lines = text::wrap(&view.query, style.drawn().saturating_sub(QUERY.len()));
    let (last, before) = lines.split_last().map_or(("", &lines[..]), |(last, before)| (last, before));
    let mut label = QUERY.to_owned();
    for line in before {
        out += &format!("{}\n", style.paint(Role::Dim, &format!("{label}{line}")));
        label = " ".repeat(QUERY.len());
    }
    out += &edges((Role::Dim, &format!("{label}{last}")), (Role::Dim, &source), style);
    if out.starts_with('\n') { out } else { format!("\n{out}") }
}

/// `per-step p95: low 471 ms · median 853 ms · high 2.16 s`.
fn spread(view: &MetricsView, points: &[PointView], style: &Style) -> String {
    let mut known: Vec<Value> = points.iter().filter_map(|p| p.value).collect();
    if known.len() < 3 {
        return String::new();
    }
    known.sort_by(|a, b| a.order(*b));
    let show = |i: usize| super::value(known.get(i).copied(), &view.unit, style);
    let facts = [
        format!("per-step {}: low {}", spread_name(view), show(0)),
        format!("median {}", show(known.len() / 2)),
        format!("high {}", show(known.len() - 1)),
    ];
    text::flow(&facts, style.dot(), 2, style)
}

fn spread_name(view: &MetricsView) -> String {
    match (view.metric, view.aggregation) {
        (Some(metric), _) if is_ratio(view) => metric.name().to_owned(),
        (_, Some(aggregation)) => aggregation.to_string(),
        _ => "value".to_owned(),
    }
}

/// `1m tier, 60 buckets, 3 ms`.
fn source_text(view: &MetricsView, style: &Style) -> String {
    let source = &view.source;
    let mut facts: Vec<String> = source.buckets.iter().map(|(t, n)| number::buckets(*n, t, style)).collect();
    if source.raw_events > 0 {
        facts.push(format!("{} raw", number::count(source.raw_events.into())));
    }
    facts.push(number::duration_ms(source.elapsed_ms));
    facts.join(style.dot())
}
