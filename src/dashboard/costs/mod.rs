//! What calls cost: on what, compared with before, and what it will come to.

mod json;

use std::collections::HashMap;

use ax_storage::bucket::Measure;
use ax_storage::query::plan::{Filter, Keep, Kinds, Label, Plan, Step};
use ax_storage::query::series::Series;
use ax_storage::time::{DAY_MS, HOUR_MS, TimeRange, Timestamp};
use jiff::ToSpan;

use super::{BudgetView, Labels, OTHER, SourceView, Warning, Window};
use crate::answer::GROUPS_MAX;
use crate::calendar::{Calendar, Period};
use crate::costs::advice::{self, Advice, Usage};
use crate::costs::breakdown::First;
use crate::costs::{self, By, Every, Histories, Kept, Outlook, Ready, Row, Standing, Told};
use crate::metric::Money;
use crate::pricing::Book;
use crate::projection::{Held, Step as Width};

/// A window shorter than this is drawn by the hour.
const DAYS_MS_MIN: u64 = 2 * DAY_MS;
/// Two windows whose lengths differ by more than a fiftieth are not compared.
const UNLIKE_PART: u64 = 50;

/// A question about costs, with absolute times.
#[derive(Clone, Debug)]
pub struct CostsQuestion<'a> {
    /// The time it is asked at.
    pub now: Timestamp,
    /// The window.
    pub range: TimeRange,
    /// The window as the user wrote it, when in one word.
    pub range_text: Option<String>,
    /// What rows are told apart by; empty = by provider, and by model.
    pub by: Vec<By>,
    /// What is compared with.
    pub before: Option<Before>,
    /// Days, weeks and months.
    pub calendar: Calendar<'a>,
    /// What more is shown.
    pub more: More,
    /// Budgets, each with the parts told of it.
    pub budgets: Vec<(Ready, Vec<u16>)>,
    /// Prices that calls would have elsewhere.
    pub book: &'a Book,
    /// Projections of days past, where they are asked for.
    pub kept: Option<Kept>,
}

/// A window to compare with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Before {
    /// From and to.
    pub range: TimeRange,
    /// As a column is called: `Oct`, `30d before`.
    pub name: String,
    /// It ends where this one has come to, not at its own end.
    pub in_part: bool,
}

/// What is shown beside totals and rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct More {
    /// The amounts that are compared with.
    pub compare: bool,
    /// Projections in full, and how well they would have held.
    pub projection: bool,
    /// How each budget stands.
    pub budget: bool,
    /// So many rows; `None` = all in JSON, and what a screen has room for.
    pub top: Option<usize>,
}

/// The plans of a costs screen, or the series that answer them: all of one view of the store.
#[derive(Clone, Debug)]
pub struct CostsSeries<T> {
    /// The window by provider and model; in steps where rows are by time.
    pub main: T,
    /// The window in steps, of all calls: a step for each pair of names would be more than anybody can draw.
    pub trend: T,
    /// What caches saved in the window.
    pub saved: T,
    /// What advice rests on: complete days, which another view of the store does not change. It is in no list, as it may
    /// be too much where all else is not.
    pub usage: T,
    /// The window by other names.
    pub split: Option<T>,
    /// The window before.
    pub before: Option<T>,
    /// What projections rest on: days up to now, hours up to now, then what budgets need.
    pub histories: Vec<T>,
    /// What was asked for because the window had too many names.
    pub beyond: Beyond<T>,
}

/// What a screen asks for besides where the store has not handed on every group: see [`CostsQuestion::next`].
#[derive(Clone, Debug)]
pub struct Beyond<T> {
    /// Models without a price.
    pub unpriced: Option<T>,
    /// The window by the names of each section.
    pub sections: Vec<T>,
    /// The window before by the same, of no others than the sections' rows.
    pub before: Vec<T>,
}

// Not derived: a plan has no default.
impl<T> Default for Beyond<T> {
    fn default() -> Self {
        Self { unpriced: None, sections: Vec::new(), before: Vec::new() }
    }
}

impl<T> CostsSeries<T> {
    /// All of them but for the usage in one list; [`CostsSeries::from_list`] takes it apart again.
    pub fn into_list(self) -> Vec<T> {
        [self.main, self.trend, self.saved]
            .into_iter()
            .chain(self.split)
            .chain(self.before)
            .chain(self.histories)
            .collect()
    }
}

impl CostsSeries<Series> {
    /// The answers to the list of `plans` and to what [`CostsQuestion::next`] asked after them, in their order.
    pub fn from_list(question: &CostsQuestion<'_>, plans: &CostsSeries<Plan>, list: Vec<Series>) -> Self {
        let beyond = question.more(plans, &list);
        let mut list = list.into_iter();
        let mut next = || list.next().unwrap_or_default();
        let (main, trend, saved) = (next(), next(), next());
        let split = plans.split.as_ref().map(|_| next());
        let before = plans.before.as_ref().map(|_| next());
        let histories = plans.histories.iter().map(|_| next()).collect();
        let unpriced = beyond.unpriced.map(|_| next());
        let sections = beyond.sections.iter().map(|_| next()).collect();
        let beyond = Beyond { unpriced, sections, before: list.collect() };
        Self { main, trend, saved, usage: Series::default(), split, before, histories, beyond }
    }
}

/// Places of the histories that every screen needs.
const DAYS: usize = 0;
const HOURS: usize = 1;

/// Names that every plan of the window is split by: the two sections, and who is unpriced.
const MAIN: [Label; 2] = [Label::Provider, Label::Model];

impl CostsQuestion<'_> {
    /// The plans that answer it.
    pub fn plans(&self) -> CostsSeries<Plan> {
        let labels = By::labels(&self.by);
        let others = labels.iter().any(|l| !MAIN.contains(l));
        let step = By::span(&self.by).filter(|_| !others).map(costs::Span::step);
        let main = Plan { keep: self.keep(), ..costs::breakdown::plan(self.range, &MAIN, step, &self.calendar) };
        let trend_step = step.unwrap_or_else(|| self.trend_step());
        let trend = costs::breakdown::plan(self.range, &[], Some(trend_step), &self.calendar);
        let split = others.then(|| {
            let step = By::span(&self.by).map(costs::Span::step);
            Plan { keep: self.keep(), ..costs::breakdown::plan(self.range, &labels, step, &self.calendar) }
        });
        let before = self.before.as_ref().filter(|_| By::span(&self.by).is_none()).map(|before| {
            let labels = if labels.is_empty() { &MAIN[..] } else { &labels };
            Plan { keep: self.keep(), ..costs::breakdown::plan(before.range, labels, None, &self.calendar) }
        });
        let saved = Plan {
            kinds: Kinds::CACHES,
            measures: vec![Measure::SavedCost],
            ..Plan::new(self.range, self.calendar.zone().clone())
        };
        let usage = advice::plan(self.now, &self.calendar);
        let histories = self.histories().0.plans().to_vec();
        CostsSeries { main, trend, saved, usage, split, before, histories, beyond: Beyond::default() }
    }

    /// So many groups are handed on one by one; more are asked for by fewer names.
    fn keep(&self) -> Option<Keep> {
        First::Dearest.keep(self.more.top.unwrap_or(0).max(GROUPS_MAX))
    }

    /// The plans to answer after those before, from the same view of the store, given their answers; none when all is
    /// answered.
    ///
    /// A window with more names than the store hands on is asked again by the names of each section alone, and the
    /// window before for the rows that came of it.
    pub fn next(&self, plans: &CostsSeries<Plan>, answers: &[Series]) -> Vec<Plan> {
        let asked = plans.clone().into_list().len();
        let more = self.more(plans, answers);
        let more: Vec<Plan> = more.unpriced.into_iter().chain(more.sections).collect();
        match answers.len().checked_sub(asked) {
            Some(0) if !more.is_empty() => more,
            Some(n) if n == more.len() => self.before_of_rows(plans, answers),
            _ => Vec::new(),
        }
    }

    /// What the answers to `plans` lack: nothing, where there are no more groups than are handed on.
    fn more(&self, plans: &CostsSeries<Plan>, answers: &[Series]) -> Beyond<Plan> {
        let Some(main) = answers.first().filter(|main| main.rest.is_some()) else { return Beyond::default() };
        let unpriced = || Plan {
            keep: First::Unpriced.keep(GROUPS_MAX),
            ..costs::breakdown::plan(self.range, &MAIN, None, &self.calendar)
        };
        let section = |by: &Vec<By>| Plan {
            keep: self.keep(),
            ..costs::breakdown::plan(self.range, &By::labels(by), By::span(by).map(costs::Span::step), &self.calendar)
        };
        // The window itself is by provider and model.
        let is_main = MAIN.iter().all(|label| self.by.contains(&By::Label(*label)));
        let sections = if plans.split.is_some() || is_main { Vec::new() } else { self.sections_by() };
        Beyond {
            unpriced: (main.all.counts.unpriced > 0).then(unpriced),
            sections: sections.iter().map(section).collect(),
            before: Vec::new(),
        }
    }

    /// The window before by the rows of each section, where it has more groups than are handed on.
    fn before_of_rows(&self, plans: &CostsSeries<Plan>, answers: &[Series]) -> Vec<Plan> {
        let series = CostsSeries::from_list(self, plans, answers.to_vec());
        let (Some(before), true) = (&self.before, series.before.as_ref().is_some_and(|b| b.rest.is_some())) else {
            return Vec::new();
        };
        let of_section = |(place, by): (usize, Vec<By>)| {
            let labels = By::labels(&by);
            let rows = self.rows(place, &by, &series).0.into_iter().map(|row| row.labels).collect();
            let filter = Filter::Among(labels.clone(), rows);
            Plan { filter, ..costs::breakdown::plan(before.range, &labels, None, &self.calendar) }
        };
        self.sections_by().into_iter().enumerate().map(of_section).collect()
    }

    /// What the rows of each section are told apart by.
    fn sections_by(&self) -> Vec<Vec<By>> {
        if self.by.is_empty() { MAIN.map(|label| vec![By::Label(label)]).into() } else { vec![self.by.clone()] }
    }

    /// What is asked for projections, and where each budget's is.
    fn histories(&self) -> (Histories, Vec<usize>) {
        let mut histories = Histories::default();
        for step in [Width::Day, Width::Hour] {
            histories.add(None, step, self.now, &self.calendar);
        }
        let places = self.budgets.iter().map(|(ready, _)| histories.add_budget(ready, self.now)).collect();
        (histories, places)
    }

    fn trend_step(&self) -> Step {
        if self.range.millis() < DAYS_MS_MIN { Step::Millis(HOUR_MS) } else { Step::Days(1) }
    }

    /// The view of the plans' answers.
    pub fn view(&self, series: &CostsSeries<Series>, elapsed_ms: f64) -> CostsView {
        let nothing = Series::default();
        let history = |place: usize| series.histories.get(place).unwrap_or(&nothing);
        let (days, hours) = (history(DAYS), history(HOURS));
        let places = self.histories().1;
        let budgets: Vec<Standing> = self
            .budgets
            .iter()
            .zip(places)
            .map(|((ready, told), place)| costs::stand(ready, history(place), told.clone(), self.now))
            .collect();
        let (main, calendar) = (&series.main, &self.calendar);
        let total = costs::total(main);
        let range = main.range.unwrap_or(self.range);
        let before = self.compared(series);
        let sections = self.sections(series, before.as_ref());
        let outlook = |series: &Series, period, step| costs::outlook(series, period, step, self.now, calendar);
        let month = outlook(days, calendar.period(Period::Month, self.now), Width::Day);
        let today = outlook(hours, calendar.period(Period::Day, self.now), Width::Hour);
        let in_a_year = calendar.midnight(calendar.date(self.now).saturating_add(365.days()));
        let year = outlook(days, TimeRange::new(self.now, in_a_year), Width::Day);
        let mut warnings: Vec<Warning> = Vec::new();
        let all = [main, &series.trend, &series.saved, &series.usage].into_iter().chain(&series.histories);
        let mut missing: Vec<&String> = all.flat_map(|s| &s.missing).collect();
        missing.sort_unstable();
        missing.dedup();
        warnings.extend(
            missing.iter().map(|what| Warning { code: "missing", message: format!("could not be read: {what}") }),
        );
        if self.more.top.is_none()
            && let Some(cut) = sections.iter().find(|section| section.others > 0)
        {
            let (kept, all) = (cut.groups.len() - 1, cut.groups.len() - 1 + cut.others);
            let message = format!("the first {kept} of {all} groups have a row, and (other) is all the rest");
            warnings.push(Warning { code: "groups", message });
        }
        let saved = series.saved.all.stats.first().map_or(0, |s| s.sum);
        CostsView {
            generated_at: self.now,
            range: Window { range, zone: calendar.zone().clone() },
            range_text: self.range_text.clone(),
            so_far: self.range_text.as_deref() == Some("month"),
            unpriced_models: unpriced(series.beyond.unpriced.as_ref().unwrap_or(main)),
            sections,
            trend: trend(&series.trend),
            by_hour: series.trend.steps.first().is_some_and(|s| s.range.millis() <= HOUR_MS),
            week: week(&costs::outlook::complete_days(days, self.now)),
            saved: (series.saved.all.counts.hits > 0).then(|| saved.into()),
            held: self.more.projection.then(|| month.held()),
            kept: self.kept.as_ref().map(|kept| self.kept(kept, days, month.period)),
            month_budget: self.whole_budget(&budgets, Every::Month),
            day_budget: self.whole_budget(&budgets, Every::Day),
            budgets: budgets.into_iter().map(BudgetView).collect(),
            show_budgets: self.more.budget,
            advice: advice::advise(&Usage::of(&series.usage), self.book),
            projection: ProjectionView { day: today, month, year },
            uncompared: self.began(series).zip(self.before.as_ref()).map(|(first, b)| (b.name.clone(), first)),
            before,
            compare: self.more.compare,
            total,
            newest: main.newest,
            source: SourceView::of(&main.source, elapsed_ms),
            warnings,
        }
    }

    /// How projections of days past did.
    fn kept(&self, kept: &Kept, days: &Series, month: TimeRange) -> KeptView {
        let first = |made: Timestamp| self.calendar.period(Period::Month, made).start;
        KeptView {
            days: kept.days_held(days, self.now),
            months: kept.months_held(days, self.now, first),
            this_month: kept.told_of(month),
        }
    }

    /// When records began, if that was too late for a comparison with the window before.
    fn began(&self, series: &CostsSeries<Series>) -> Option<Timestamp> {
        let before = self.before.as_ref().filter(|_| series.before.is_some())?.range;
        let days = series.histories.get(DAYS)?;
        let known_from = days.steps.first()?.range.start;
        let first = costs::outlook::first_day(days)?;
        // What began before the days that are known began in time.
        (first > known_from && first > self.calendar.period(Period::Day, before.start).start).then_some(first)
    }

    /// The window before, when there is a fair comparison with it.
    fn compared(&self, series: &CostsSeries<Series>) -> Option<BeforeView> {
        let (asked, answer) = (self.before.as_ref()?, series.before.as_ref()?);
        let used = answer.range.unwrap_or(asked.range);
        let longer = used.millis().abs_diff(asked.range.millis());
        // Where records began in the midst of it, or only wider buckets are left, it is another thing.
        (self.began(series).is_none() && longer.saturating_mul(UNLIKE_PART) <= asked.range.millis()).then(|| {
            BeforeView {
                range: Window { range: used, zone: self.calendar.zone().clone() },
                name: asked.name.clone(),
                in_part: asked.in_part,
                total: costs::total(answer).cost,
            }
        })
    }

    /// The tightest budget of all calls with these periods in this zone: the limit of what the screen
    /// sums up.
    fn whole_budget(&self, budgets: &[Standing], every: Every) -> Option<Money> {
        let fits = |s: &&Standing| {
            let budget = &s.ready.budget;
            budget.every == every && budget.scope.is_none() && budget.zone == self.calendar.zone().name()
        };
        budgets.iter().filter(fits).map(|s| s.ready.budget.limit).min()
    }

    fn sections(&self, series: &CostsSeries<Series>, before: Option<&BeforeView>) -> Vec<SectionView> {
        let by = self.sections_by().into_iter().enumerate();
        by.map(|(place, by)| self.section(place, &by, series, before)).collect()
    }

    /// The rows of a section, and the sum of those that are not shown with how many they are.
    fn rows(&self, place: usize, by: &[By], series: &CostsSeries<Series>) -> (Vec<Row>, Option<(Row, usize)>) {
        let labels = By::labels(by);
        let (source, grouped) = match (series.beyond.sections.get(place), &series.split) {
            (Some(section), _) => (section, labels.as_slice()),
            (None, Some(split)) => (split, labels.as_slice()),
            (None, None) => (&series.main, &MAIN[..]),
        };
        let rows = costs::rows(source, grouped, by, &self.calendar);
        costs::breakdown::top(rows, self.more.top.unwrap_or(usize::MAX), costs::breakdown::rest(source))
    }

    fn section(
        &self,
        place: usize,
        by: &[By],
        series: &CostsSeries<Series>,
        before: Option<&BeforeView>,
    ) -> SectionView {
        let labels = By::labels(by);
        let earlier = match series.beyond.before.get(place) {
            Some(of_rows) => Some((of_rows, labels.as_slice())),
            None if self.by.is_empty() => series.before.as_ref().map(|answer| (answer, &MAIN[..])),
            None => series.before.as_ref().map(|answer| (answer, labels.as_slice())),
        };
        let earlier: Option<HashMap<Vec<Box<str>>, Money>> = before.and(earlier).map(|(answer, grouped)| {
            let rows = costs::rows(answer, grouped, by, &self.calendar);
            rows.into_iter().map(|row| (row.labels, row.cost)).collect()
        });
        let previous = |row: &Row| Some(earlier.as_ref()?.get(&row.labels).copied().unwrap_or_default());
        let whole = costs::total(&series.main).cost;
        let (rows, other) = self.rows(place, by, series);
        let name = |row: &Row| Labels::of(&labels, &row.labels);
        let view = |labels: Labels, previous: Option<Money>, row: Row| GroupView {
            labels,
            share: row.spent().and_then(|cost| share(cost, whole)),
            previous,
            row,
        };
        let mut groups: Vec<GroupView> = rows.into_iter().map(|row| view(name(&row), previous(&row), row)).collect();
        let others = other.as_ref().map_or(0, |(_, count)| *count);
        if let Some((row, _)) = other {
            let shown: i128 = groups.iter().filter_map(|g| g.previous).map(|m| m.0).sum();
            let previous = before.filter(|_| earlier.is_some()).map(|b| Money(b.total.0.saturating_sub(shown)));
            let labels = Labels(labels.iter().map(|l| (l.name(), OTHER.into())).collect());
            groups.push(view(labels, previous, row));
        }
        SectionView { by: by.to_vec(), groups, others, asked: self.more.top.is_some() }
    }
}

/// Part of the whole; `None` of nothing.
pub(super) fn share(part: Money, whole: Money) -> Option<f64> {
    (whole.0 > 0).then(|| part.dollars() / whole.dollars())
}

/// Models with calls that have no price, most calls first.
fn unpriced(main: &Series) -> Vec<UnpricedView> {
    let mut list: Vec<UnpricedView> = main
        .groups
        .iter()
        .filter(|g| g.total.counts.unpriced > 0)
        .map(|g| UnpricedView {
            provider: g.labels[0].clone(),
            model: g.labels[1].clone(),
            requests: g.total.counts.unpriced,
        })
        .collect();
    list.sort_by(|a, b| {
        b.requests.cmp(&a.requests).then_with(|| (&a.provider, &a.model).cmp(&(&b.provider, &b.model)))
    });
    list
}

/// Cost by step.
fn trend(series: &Series) -> Vec<(Timestamp, Money)> {
    let points = series.groups.iter().flat_map(|all| &all.points);
    series.steps.iter().zip(points).map(|(step, point)| (step.range.start, costs::breakdown::cost(point))).collect()
}

/// The last 7 complete days, and the 7 before them where they are known.
fn week(days: &[Money]) -> Option<WeekView> {
    let sum = |days: &[Money]| days.iter().map(|m| m.0).sum::<i128>();
    let last = days.len().checked_sub(7)?;
    let before = last.checked_sub(7).map(|first| Money(sum(&days[first..last])));
    Some(WeekView { total: Money(sum(&days[last..])), before })
}

/// Costs of a window.
#[derive(Clone, Debug)]
pub struct CostsView {
    /// When it was asked.
    pub generated_at: Timestamp,
    /// The window really used.
    pub range: Window,
    /// The window as the user wrote it.
    pub range_text: Option<String>,
    /// The window is the running month: its sum is what the month has come to.
    pub so_far: bool,
    /// All of it.
    pub total: Row,
    /// Rows by one thing, or by several.
    pub sections: Vec<SectionView>,
    /// Sum of each step of the window.
    pub trend: Vec<(Timestamp, Money)>,
    /// Those steps are hours.
    pub by_hour: bool,
    /// The last week.
    pub week: Option<WeekView>,
    /// What caches saved in the window; `None` where nobody says.
    pub saved: Option<Money>,
    /// Models without a price.
    pub unpriced_models: Vec<UnpricedView>,
    /// What it will come to.
    pub projection: ProjectionView,
    /// Limit of the month, where a budget of all calls says one.
    pub month_budget: Option<Money>,
    /// Limit of today, likewise.
    pub day_budget: Option<Money>,
    /// How budgets stand.
    pub budgets: Vec<BudgetView>,
    /// Show them in full.
    pub show_budgets: bool,
    /// How less could be spent, of the last 30 days.
    pub advice: Vec<Advice>,
    /// How often the month's bounds would have held, when asked for.
    pub held: Option<Held>,
    /// How projections did that were kept on days past, when asked for.
    pub kept: Option<KeptView>,
    /// What is compared with.
    pub before: Option<BeforeView>,
    /// What it could have been compared with, had records not begun later: when they did.
    pub uncompared: Option<(String, Timestamp)>,
    /// Show the amounts compared with too.
    pub compare: bool,
    /// The latest event the store knows of.
    pub newest: Option<Timestamp>,
    /// What it was made from.
    pub source: SourceView,
    /// What else a user should know.
    pub warnings: Vec<Warning>,
}

/// How projections did that the upkeep kept, one a day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptView {
    /// Of days' ends.
    pub days: Held,
    /// Of months' ends.
    pub months: Held,
    /// Those of this month's end, the oldest first.
    pub this_month: Vec<Told>,
}

/// Rows told apart by the same things.
#[derive(Clone, Debug)]
pub struct SectionView {
    /// These.
    pub by: Vec<By>,
    /// The dearest first, or in order of time.
    pub groups: Vec<GroupView>,
    /// How many rows the last one, `(other)`, stands for.
    pub others: usize,
    /// It was said how many rows there are to be.
    pub asked: bool,
}

/// A row.
#[derive(Clone, Debug)]
pub struct GroupView {
    /// Its names.
    pub labels: Labels,
    /// Its numbers and its time.
    pub row: Row,
    /// Its part of the whole.
    pub share: Option<f64>,
    /// Its cost in the window before, when that is compared.
    pub previous: Option<Money>,
}

/// A model without a price.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct UnpricedView {
    /// Its provider.
    pub provider: Box<str>,
    /// Its name.
    pub model: Box<str>,
    /// Calls without a price.
    pub requests: u64,
}

/// The last 7 complete days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeekView {
    /// Their sum.
    pub total: Money,
    /// The sum of the 7 before.
    pub before: Option<Money>,
}

/// A window compared with, as really used.
#[derive(Clone, Debug)]
pub struct BeforeView {
    /// From and to.
    pub range: Window,
    /// As a column is called.
    pub name: String,
    /// It ends where this one has come to.
    pub in_part: bool,
    /// All of it.
    pub total: Money,
}

/// What spend will come to.
#[derive(Clone, Debug)]
pub struct ProjectionView {
    /// At the end of today.
    pub day: Outlook,
    /// At the end of this month.
    pub month: Outlook,
    /// In the coming 365 days.
    pub year: Outlook,
}
