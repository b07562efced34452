//! `prices list`: every price in force, by provider and model.

use std::collections::BTreeSet;

use ax_storage::time::Timestamp;
use serde::Serialize;

use super::ListArgs;
use crate::cli::context::Context;
use crate::cli::prices::book;
use crate::cli::text::minute;
use crate::dashboard::Warning;
use crate::error::{Result, escaped};
use crate::pricing::{Book, Origin, Override, Price, PriceList, Rates, When, normalized, usd_per_mtok};
use crate::render::{Cell, Column, Role, Table, count};

/// One price as it is shown.
#[derive(Clone, Debug)]
pub(super) struct Row {
    provider: String,
    model: String,
    origin: Origin,
    price: Price,
}

impl Row {
    /// The row of an override.
    pub(super) fn of(o: &Override) -> Self {
        Self { provider: o.provider.clone(), model: o.model.clone(), origin: Origin::Override, price: o.price.clone() }
    }
}

/// Lists.
pub(super) fn run(args: &ListArgs, context: &Context) -> Result<u8> {
    let book = book(context.store()?.as_ref(), true, context)?;
    let provider = args.provider.as_deref().map(|name| book.provider(name));
    let wanted = args.model.as_deref().map(normalized);
    let mut rows = rows(&book);
    rows.retain(|row| {
        let fits = |name: &String| row.provider.is_empty() || book.provider(&row.provider) == *name;
        provider.as_ref().is_none_or(fits)
            && wanted.as_ref().is_none_or(|w| normalized(&row.model).contains(w.as_str()))
    });
    show(&rows, context)
}

/// What is in force: a list hides the models of those below it.
fn rows(book: &Book) -> Vec<Row> {
    let contents = book.contents();
    let mut rows: Vec<Row> = contents.settings.iter().chain(&contents.set).map(Row::of).collect();
    let mut seen = BTreeSet::new();
    for list in contents.imported.iter().rev() {
        for provider in &list.providers {
            for model in provider.models.iter().filter(|m| !m.prices.is_empty()) {
                if seen.insert((provider.id.as_str(), model.id.as_str())) {
                    let row = |price: &Price| Row {
                        provider: provider.id.clone(),
                        model: model.id.clone(),
                        origin: Origin::Imported,
                        price: price.clone(),
                    };
                    rows.extend(model.prices.iter().map(row));
                }
            }
        }
    }
    for (provider, model, prices) in PriceList::embedded().rows() {
        if !contents.imported.is_empty() && !book.uses_embedded(provider, model) {
            continue;
        }
        let (provider, model) = (provider.to_owned(), model.to_owned());
        rows.extend(prices.iter().map(|price| Row {
            provider: provider.clone(),
            model: model.clone(),
            origin: Origin::Embedded,
            price: price.clone(),
        }));
    }
    let key = |row: &Row| (row.provider.to_ascii_lowercase(), row.model.to_ascii_lowercase(), row.origin as u8);
    rows.sort_by_cached_key(key);
    rows
}

/// Prints the rows.
pub(super) fn show(rows: &[Row], context: &Context) -> Result<u8> {
    if context.json() {
        context.print_json(&View {
            schema: "ax.monitor.prices/1",
            generated_at: context.now().to_string(),
            data: rows.iter().map(RowView::of).collect(),
            warnings: context.take_warnings(),
        })?;
        return Ok(0);
    }
    if rows.is_empty() {
        context.print("No price of such a model is known.\n")?;
        context.note("`ax monitor prices set MODEL --input 3 --output 15` sets one, in US dollars a million tokens");
        return Ok(0);
    }
    let style = context.style()?;
    let mut table = Table::new(vec![
        Column { drop: 1, ..Column::name("PROVIDER") },
        // Models of a family differ in the end of their names.
        Column { shrinks_to: Some(22), ..Column::name("MODEL") },
        Column::figure("INPUT", 0),
        Column::figure("CACHED", 2),
        Column::figure("WRITE", 3),
        Column::figure("WRITE 1H", 5),
        Column::figure("OUTPUT", 0),
        // What tells two rows of a model apart is never left out.
        Column::word("HOLDS", 0),
        Column::word("ORIGIN", 4),
    ]);
    for row in rows {
        let mut push = |model: &str, rates: &Rates, holds: &str| {
            let mut cells: Vec<Cell> = vec![provider_name(&row.provider).into(), escaped(model).into()];
            let figures = [rates.input, rates.cached, rates.cache_write, rates.cache_write_1h, rates.output];
            cells.extend(figures.map(|pico| Cell::from(usd_per_mtok(pico))));
            cells.extend([Cell::from(holds), Cell::new(Role::Dim, row.origin.name())]);
            table.push(cells);
        };
        push(&row.model, &row.price.rates, &holds(row.price.when));
        for long in &row.price.long {
            push(&row.model, &long.rates, &format!("input > {}", count(long.above.into())));
        }
    }
    let title = style.paint(Role::Title, "PRICES");
    context.print(&format!("{title}  US dollars a million tokens\n\n{}", table.draw(&style)))?;
    Ok(0)
}

fn provider_name(name: &str) -> String {
    if name.is_empty() { "any".to_owned() } else { escaped(name) }
}

fn holds(when: When) -> String {
    match when {
        When::ALWAYS => String::new(),
        When::From(ms) => format!("from {}", minute(Timestamp::from_millis(ms)).trim_end_matches(" 00:00")),
        When::Daily { from_ms, to_ms } => format!("{}-{} UTC", time_of_day(from_ms), time_of_day(to_ms)),
    }
}

fn time_of_day(ms: u32) -> String {
    format!("{:02}:{:02}", ms / 3_600_000, ms / 60_000 % 60)
}

#[derive(Serialize)]
struct View {
    schema: &'static str,
    generated_at: String,
    data: Vec<RowView>,
    warnings: Vec<Warning>,
}

#[derive(Serialize)]
struct RowView {
    /// Null = any.
    provider: Option<String>,
    model: String,
    origin: &'static str,
    /// Null = ever since, or daily.
    from: Option<String>,
    /// Two times of day in UTC.
    daily: Option<[String; 2]>,
    #[serde(flatten)]
    rates: RatesView,
    long: Vec<LongView>,
}

#[derive(Serialize)]
struct RatesView {
    input_usd: f64,
    cached_usd: f64,
    cache_write_usd: f64,
    cache_write_1h_usd: f64,
    output_usd: f64,
    reasoning_usd: f64,
}

#[derive(Serialize)]
struct LongView {
    above_tokens: u64,
    #[serde(flatten)]
    rates: RatesView,
}

impl RatesView {
    fn of(rates: &Rates) -> Self {
        // A quotient of two whole numbers below 2^53 prints as the decimal that it means.
        let usd = |pico: u64| pico as f64 / 1e6;
        Self {
            input_usd: usd(rates.input),
            cached_usd: usd(rates.cached),
            cache_write_usd: usd(rates.cache_write),
            cache_write_1h_usd: usd(rates.cache_write_1h),
            output_usd: usd(rates.output),
            reasoning_usd: usd(rates.reasoning),
        }
    }
}

impl RowView {
    fn of(row: &Row) -> Self {
        let (from, daily) = match row.price.when {
            When::ALWAYS => (None, None),
            When::From(ms) => (Some(Timestamp::from_millis(ms).to_string()), None),
            When::Daily { from_ms, to_ms } => (None, Some([time_of_day(from_ms), time_of_day(to_ms)])),
        };
        let long = |l: &crate::pricing::Long| LongView { above_tokens: l.above, rates: RatesView::of(&l.rates) };
        Self {
            provider: (!row.provider.is_empty()).then(|| row.provider.clone()),
            model: row.model.clone(),
            origin: row.origin.name(),
            from,
            daily,
            rates: RatesView::of(&row.price.rates),
            long: row.price.long.iter().map(long).collect(),
        }
    }
}
