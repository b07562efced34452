//! Single events as a table.

use ax_storage::row::Body;
use ax_storage::time::Zone;

use super::table::{Cell, Column, Table};
use super::{Role, Style, banner, edges, number, text, when};
use crate::dashboard::{EventView, EventsView};
use crate::metric::Money;

/// The newest events, one a row.
pub fn events(view: &EventsView, style: &Style) -> String {
    let shown = view.events.len();
    let left = match view.count {
        1 => "1 event".to_owned(),
        n if n > shown as u64 => format!("{} events, the newest {shown}", number::count(n.into())),
        n => format!("{} events", number::count(n.into())),
    };
    let range = &view.range;
    let right = when::window(range.range.start, range.range.end, &range.zone);
    let mut table = Table::new(vec![
        Column::word("TIME", 0),
        Column::name("PROVIDER"),
        Column::name("MODEL"),
        Column { drop: 3, ..Column::name("USER") },
        Column::figure("LATENCY", 0),
        Column::figure("TTFT", 6),
        Column::figure("IN", 4),
        Column::figure("OUT", 5),
        Column::figure("COST", 2),
        Column { shrinks_to: Some(17), ..Column::name("RESULT") },
    ]);
    let day = |t| range.zone.day(t);
    let with_day = view.events.iter().any(|e| !day(range.range.end.minus_ms(1)).contains(e.ts));
    for event in &view.events {
        table.push(row(event, &range.zone, with_day, style));
    }
    banner(style) + &edges((Role::Title, &left), (Role::Dim, &right), style) + "\n" + &table.draw(style)
}

/// Events as they come: one a line, without a heading, fields two spaces apart.
pub fn event_lines(events: &[EventView], zone: &Zone, style: &Style) -> String {
    let mut out = String::new();
    for event in events {
        let cells: Vec<String> = row(event, zone, false, style).iter().map(|c| style.paint(c.role, &c.text)).collect();
        out += cells.join("  ").trim_end();
        out.push('\n');
    }
    out
}

fn row(event: &EventView, zone: &Zone, with_day: bool, style: &Style) -> Vec<Cell> {
    let none = || Cell::new(Role::Dim, style.none());
    let time = when::exact(event.ts, zone, with_day);
    let names =
        [&event.provider, &event.model, &event.user].map(|n| if n.is_empty() { none() } else { text::name(n).into() });
    let [provider, model, user] = names;
    #[expect(clippy::cast_precision_loss, reason = "at most 7 days of microseconds")]
    let duration = |us: Option<u64>| us.map_or_else(none, |us| number::duration_ms(us as f64 / 1e3).into());
    let detail = |word: &str| {
        if event.detail.is_empty() { word.to_owned() } else { format!("{word} {}", text::name(&event.detail)) }
    };
    let (latency, ttft, input, output, cost, result) = match &event.body {
        Body::Request(r) => {
            let priced = r.cost_source != ax_storage::event::CostSource::Unpriced;
            (
                duration(r.latency_us.get()),
                duration(r.ttft_us.get()),
                number::count(r.tokens.input.into()).into(),
                number::count(r.tokens.output.into()).into(),
                if priced {
                    number::money(Money(r.cost_nanos.into())).into()
                } else {
                    Cell::new(Role::Dim, "unpriced")
                },
                if r.ok { Cell::new(Role::Good, "ok") } else { Cell::new(Role::Bad, detail("error")) },
            )
        }
        Body::Cache(c) => {
            let saved = c.saved_cost_nanos.get().map(|n| format!("saved {}", number::money(Money(n.into()))));
            let word = if c.hit { "cache hit" } else { "cache miss" };
            let result = match saved {
                Some(saved) => format!("{word}, {saved}"),
                None => word.to_owned(),
            };
            (none(), none(), none(), none(), none(), result.into())
        }
        Body::Rate(l) => {
            let result = if l.allowed { "let through".into() } else { Cell::new(Role::Warn, "denied") };
            (none(), none(), none(), none(), none(), result)
        }
    };
    vec![time.into(), provider, model, user, latency, ttft, input, output, cost, result]
}
