//! The metrics there are, as a table.

use super::table::{Cell, Column, Table};
use super::{Role, Style, text};
use crate::dashboard::{CatalogueView, EntryView, Reach};

/// A row a metric; the meaning is the last to go where there is no room.
pub fn catalogue(view: &CatalogueView, style: &Style) -> String {
    let reach = |entry: &EntryView| match (entry.reach, entry.percentiles_reach) {
        (Reach::Raw, _) => "raw",
        (_, Some(Reach::Raw)) => "tiers; pNN raw",
        _ => "tiers",
    };
    let written = |entry: &EntryView| match entry.aggregations.len() {
        0 => style.none().to_owned(),
        // Everything: no list is easier to read.
        8 => "all".to_owned(),
        _ => entry.aggregations.join(" "),
    };
    let mut table = Table::new(vec![
        Column::word("METRIC", 0),
        Column::word("UNIT", 0),
        Column::word("DEFAULT", 2),
        Column::word("AGGREGATIONS", 4),
        Column::word("REACHES", 3),
        Column { shrinks_to: Some(34), drop: 1, ..Column::sentence("MEANING") },
    ]);
    for entry in &view.data {
        table.push(vec![
            Cell::new(Role::Title, entry.name),
            entry.unit.into(),
            entry.default.as_str().into(),
            written(entry).into(),
            reach(entry).into(),
            entry.meaning.into(),
        ]);
    }
    let notes = format!(
        "all = avg sum min max count rate stddev pNN. tiers = as long as buckets are kept, \
         raw = as long as single events are: {} store info.",
        style.command()
    );
    let notes: Vec<String> = notes.split(' ').map(str::to_owned).collect();
    let notes = text::flow(&notes, " ", 0, style);
    format!("{}\n{}\n", table.draw(style), style.paint(Role::Dim, notes.trim_end()))
}
