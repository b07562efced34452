//! Why an answer is empty. Asked of the store only then, so it need not be quick.

use ax_storage::Store;
use ax_storage::query::plan::{Kinds, Label, Plan};
use ax_storage::query::series::{Aggregate, Series};
use ax_storage::time::{TimeRange, Zone};

use crate::cli::commands::import::inputs::tool;
use crate::cli::context::Context;
use crate::dashboard::{Emptiness, FoundLogs, Known, Only};
use crate::error::Result;
use crate::import::Format;
use crate::render;
use crate::words::{escaped, nearest};

/// Names that a warning lists.
const KNOWN_MAX: usize = 10;

/// Files of a tool's logs that an empty screen counts.
const FILES_MAX: usize = 5_000;

/// A range in the words of a sentence: `the last hour`.
pub(crate) fn range_words(text: Option<&str>) -> String {
    match text {
        Some("1h") => "the last hour".to_owned(),
        Some("1d" | "24h") => "the last day".to_owned(),
        Some(text) if text.starts_with(|c: char| c.is_ascii_digit()) && !text.contains(['-', '.']) => {
            format!("the last {text}")
        }
        _ => "this range".to_owned(),
    }
}

/// A question as far as it decides what there could have been.
pub(crate) struct Asked<'a> {
    /// The window.
    pub range: TimeRange,
    /// What it was narrowed to.
    pub only: &'a Only,
    /// The kinds of events it is about.
    pub kinds: Kinds,
    /// Zone of printed times.
    pub zone: &'a Zone,
    /// The window in words: `the last hour`.
    pub words: String,
    /// The window is part of a query's text.
    pub written: bool,
}

impl Asked<'_> {
    /// Prints why there is nothing and what helps.
    ///
    /// # Errors
    /// Those of the store and of stdout.
    pub(crate) fn explain(&self, store: Option<&Store>, context: &Context) -> Result<()> {
        let why = match store.map(|store| self.why(store)).transpose()? {
            None | Some(Emptiness::NothingYet { .. }) => Emptiness::NothingYet { logs: logs(context) },
            Some(Emptiness::NothingInRange { newest, .. }) => {
                Emptiness::NothingInRange { newest, in_query: self.written }
            }
            Some(why) => why,
        };
        let place = context.store_dir()?.display().to_string();
        context.print(&render::empty(&why, &place, context.now(), self.zone, &context.style()?))
    }

    /// Warns of names that match nothing. An answer that is not empty is only doubted where several
    /// names of a label were given: a single one has matched.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) fn warn_of_unknown(&self, store: &Store, empty: bool, context: &Context) -> Result<()> {
        for known in self.unknown(store, |values| empty || values.len() > 1)? {
            let near = known.near.map(|near| format!("; did you mean \"{}\"?", escaped(&near))).unwrap_or_default();
            let (label, asked) = (known.label.name(), escaped(&known.asked));
            let shown: Vec<String> = known.values.iter().take(KNOWN_MAX).map(|v| escaped(v)).collect();
            let more = if known.values.len() > KNOWN_MAX { ", …" } else { "" };
            let values = if shown.is_empty() { String::new() } else { format!(" known: {}{more}", shown.join(", ")) };
            let end = if near.is_empty() && !values.is_empty() { ";" } else { "" };
            context
                .warn("no_match", format!("no events with {label}=\"{asked}\" in {}{near}{end}{values}", self.words));
        }
        Ok(())
    }

    fn why(&self, store: &Store) -> Result<Emptiness> {
        let ever = self.ask(store, TimeRange::ALL, self.kinds, &[])?;
        let inside = self.ask(store, self.range, Kinds::ALL, &[])?;
        let known = self.unknown(store, |_| true)?;
        let (in_range, of_kind) = (events(&inside.all, Kinds::ALL), events(&ever.all, self.kinds));
        Ok(Emptiness::decide(ever.newest, self.range, in_range, of_kind, self.kinds, known))
    }

    /// The names that match nothing in the window, of those labels whose names are worth a look.
    fn unknown(&self, store: &Store, doubtful: impl Fn(&[Box<str>]) -> bool) -> Result<Vec<Known>> {
        let mut out = Vec::new();
        for (label, asked) in self.only.0.iter().filter(|(_, values)| doubtful(values)) {
            let mut groups = self.ask(store, self.range, self.kinds, &[*label])?.groups;
            groups.retain(|g| events(&g.total, self.kinds) > 0 && !g.labels[0].is_empty());
            groups.sort_by(|a, b| {
                let by_size = events(&b.total, self.kinds).cmp(&events(&a.total, self.kinds));
                by_size.then_with(|| a.labels.cmp(&b.labels))
            });
            let values: Vec<Box<str>> = groups.into_iter().filter_map(|g| g.labels.into_iter().next()).collect();
            out.extend(asked.iter().filter(|name| !values.contains(name)).map(|name| Known {
                label: *label,
                asked: name.clone(),
                near: nearest(name, values.iter().map(|v| &**v)).map(Into::into),
                values: values.clone(),
            }));
        }
        Ok(out)
    }

    fn ask(&self, store: &Store, range: TimeRange, kinds: Kinds, group: &[Label]) -> Result<Series> {
        let plan = Plan { kinds, group: group.to_vec(), ..Plan::new(range, self.zone.clone()) };
        Ok(store.run(&plan)?)
    }
}

/// Logs of other tools that could be imported. Only so many files are looked at that nobody waits.
fn logs(context: &Context) -> Vec<FoundLogs> {
    let home = context.log_home();
    let found = Format::ALL.into_iter().map(|format| home.logs(format, FILES_MAX));
    let found = found.filter(|logs| !logs.files.is_empty()).map(|logs| FoundLogs {
        tool: tool(logs.format),
        files: logs.files.len() as u64,
        more: logs.more,
        days: logs.days(),
    });
    found.collect()
}

/// Events of these kinds.
pub(crate) fn events(aggregate: &Aggregate, kinds: Kinds) -> u64 {
    let c = &aggregate.counts;
    [(kinds.requests, c.requests), (kinds.caches, c.hits + c.misses), (kinds.rates, c.allowed + c.denied)]
        .into_iter()
        .filter_map(|(wanted, n)| wanted.then_some(n))
        .sum()
}
