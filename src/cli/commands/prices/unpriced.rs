//! `prices unpriced`: which models had calls without a cost, how many, and what gives them one.

use ax_storage::query::plan::{Kinds, Label, Plan};
use ax_storage::time::TimeRange;
use serde::Serialize;

use super::UnpricedArgs;
use crate::cli::context::Context;
use crate::cli::prices::book;
use crate::cli::text::{count, counted};
use crate::dashboard::Warning;
use crate::error::{Result, escaped};
use crate::render::{Cell, Column, Role, Table};

/// Calls without a cost of one model.
#[derive(Serialize)]
struct RowView {
    provider: String,
    model: String,
    unpriced_requests: u64,
    requests: u64,
    /// A price is known now, so calls from now on have a cost.
    priced_now: bool,
    /// What sets a price.
    command: Option<String>,
}

#[derive(Serialize)]
struct View {
    schema: &'static str,
    generated_at: String,
    data: Vec<RowView>,
    warnings: Vec<Warning>,
}

/// Lists them.
pub(super) fn run(args: &UnpricedArgs, context: &Context) -> Result<u8> {
    let store = context.store()?;
    let range = context.range_if_given(&args.span)?.unwrap_or(TimeRange::ALL);
    let book = book(store.as_ref(), true, context)?;
    let mut rows = Vec::new();
    if let Some(store) = &store {
        let group = vec![Label::Provider, Label::Model];
        let plan = Plan { kinds: Kinds::REQUESTS, group, ..Plan::new(range, store.zone().clone()) };
        let series = store.run(&plan)?;
        context.warn_of_backlog(Some(store))?;
        for missing in &series.missing {
            context.warn("damaged", missing);
        }
        for group in &series.groups {
            let counts = &group.total.counts;
            let [provider, model] = group.labels.as_slice() else { continue };
            if counts.unpriced == 0 {
                continue;
            }
            let priced_now = book.resolve(provider, model).at(context.now()).is_some();
            let command = (!priced_now && !model.is_empty()).then(|| command(provider, model));
            rows.push(RowView {
                provider: provider.to_string(),
                model: model.to_string(),
                unpriced_requests: counts.unpriced,
                requests: counts.requests,
                priced_now,
                command,
            });
        }
    }
    rows.sort_by(|a, b| {
        (b.unpriced_requests, &a.provider, &a.model).cmp(&(a.unpriced_requests, &b.provider, &b.model))
    });
    if context.json() {
        let (schema, generated_at) = ("ax.monitor.prices/1", context.now().to_string());
        context.print_json(&View { schema, generated_at, data: rows, warnings: context.take_warnings() })?;
    } else {
        context.print(&text(&rows, context)?)?;
    }
    Ok(0)
}

/// A command line for a shell: names that could be more than a word are quoted.
fn command(provider: &str, model: &str) -> String {
    let word = |name: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._/:@".contains(c);
        if name.chars().all(plain) && !name.starts_with('-') {
            name.to_owned()
        } else {
            format!("'{}'", name.replace('\'', r"'\''"))
        }
    };
    format!("ax monitor prices set {} --provider {} --input USD --output USD", word(model), word(provider))
}

fn text(rows: &[RowView], context: &Context) -> Result<String> {
    if rows.is_empty() {
        return Ok("Every call has a cost.\n".to_owned());
    }
    let style = context.style()?;
    let columns = vec![
        Column::name("PROVIDER"),
        Column::name("MODEL"),
        Column::figure("UNPRICED", 0),
        Column::figure("OF", 1),
        Column::word("NOW", 2),
    ];
    let mut table = Table::new(columns);
    let name = |text: &str| if text.is_empty() { style.none().to_owned() } else { escaped(text) };
    for row in rows {
        let now = match row.priced_now {
            true => Cell::new(Role::Good, "has a price"),
            false => Cell::new(Role::Warn, "no price"),
        };
        let (unpriced, requests) = (count(row.unpriced_requests), count(row.requests));
        table.push(vec![name(&row.provider).into(), name(&row.model).into(), unpriced.into(), requests.into(), now]);
    }
    let total = rows.iter().map(|row| row.unpriced_requests).sum();
    let title = style.paint(Role::Title, "UNPRICED");
    let mut out = format!("{title}  {} without a cost\n\n{}", counted(total, "request"), table.draw(&style));
    let commands: Vec<&str> = rows.iter().filter_map(|row| row.command.as_deref()).collect();
    if !commands.is_empty() {
        out += "\nTo price calls from now on (US dollars a million tokens):\n";
        commands.iter().for_each(|command| out += &format!("  {}\n", escaped(command)));
        out += "or take a whole list: ax monitor prices import FILE\n";
    }
    if rows.iter().any(|row| row.priced_now) {
        out += "\nWhat has a price now had none, or no tokens, when it was recorded; recorded calls keep their cost.\n";
    }
    Ok(out)
}
