//! Whether conditions hold in a minute: rules become questions, rules that ask the same share an answer.

use std::collections::HashMap;
use std::sync::Arc;

use ax_storage::query::QueryError;
use ax_storage::query::plan::Plan;
use ax_storage::query::series::Series;
use ax_storage::time::{MINUTE_MS, TimeRange, Timestamp, Zone};
use jiff::civil::Weekday;

use super::{Evidence, Labels, Rule};
use crate::answer::{self, Answer, Usuals};
use crate::calendar::Calendar;
use crate::query::ast::Expr;
use crate::query::planner::{self, Ask, Guard, Outside, Question};
use crate::query::{self, ParseError};

/// Window of a metric that names none.
const WINDOW_MS: u64 = 5 * MINUTE_MS;
/// Groups of a rule that are judged.
pub(super) const GROUPS_MAX: usize = 1_000;

/// What a minute says of a group.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// Which group.
    pub labels: Labels,
    /// Whether the condition holds; `None` = unknown.
    pub truth: Option<bool>,
    /// What led to it.
    pub evidence: Evidence,
}

/// Where rules are judged.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// Zone of rules that name none.
    pub zone: &'a Zone,
    /// Where weeks start.
    pub week_start: Weekday,
    /// Budgets and projections.
    pub outside: &'a dyn Outside,
}

/// A rule made ready to be judged.
pub(super) struct Ready<'r> {
    pub(super) rule: &'r Rule,
    expr: Expr,
    zone: Option<Zone>,
}

impl<'r> Ready<'r> {
    /// # Errors
    /// A sentence when the condition or the zone cannot be understood.
    pub(super) fn new(rule: &'r Rule) -> Result<Self, String> {
        let expr = query::parse_condition(&rule.condition).map_err(|e| said(&e))?.expr;
        let zone = rule.zone.as_deref().map(Zone::load).transpose().map_err(|e| e.to_string())?;
        Ok(Self { rule, expr, zone })
    }

    /// Whether it may matter from when on single events are kept.
    pub(super) fn depends_on_raw(&self) -> bool {
        planner::depends_on_raw(&self.expr)
    }

    /// The question of a minute that ends at `minute`; groups that are `known` are judged even when they
    /// have no events.
    pub(super) fn question(
        &self,
        around: &Surroundings<'_>,
        minute: Timestamp,
        raw_from: Timestamp,
        known: &[Labels],
    ) -> Result<Question, String> {
        let ask = Ask {
            now: minute,
            calendar: Calendar::new(self.zone.as_ref().unwrap_or(around.zone)).week_from(around.week_start),
            window: TimeRange::new(minute.minus_ms(WINDOW_MS), minute),
            raw_from,
            outside: around.outside,
        };
        let guard = Guard { min_events: self.rule.min_events };
        let mut question = planner::plan_alert(&self.expr, &ask, guard).map_err(|e| said(&e))?;
        let values = |labels: &Labels| labels.iter().map(|(_, value)| value.as_str().into()).collect();
        question.known = known.iter().map(values).collect();
        Ok(question)
    }
}

fn said(error: &ParseError) -> String {
    match &error.hint {
        Some(hint) => format!("{}: {hint}", error.message),
        None => error.message.clone(),
    }
}

/// Judges one rule in the minute that ends at `minute`.
///
/// # Errors
/// A sentence that says why it cannot be judged.
pub fn judge(
    store: &ax_storage::Store,
    rule: &Rule,
    around: &Surroundings<'_>,
    minute: Timestamp,
) -> Result<Vec<Judged>, String> {
    let ready = Ready::new(rule)?;
    let raw_from = raw_from(store, std::slice::from_ref(&&ready))?;
    let question = ready.question(around, minute, raw_from, &[])?;
    let answer = answer::answer(&question, &mut |plans: &[Plan]| store.run_all(plans)).map_err(|e| e.to_string())?;
    Ok(read(&question, &answer))
}

/// Judges many rules in one minute, each with the groups known of it.
pub(super) fn judge_all(
    store: &ax_storage::Store,
    rules: &[(Ready<'_>, Vec<Labels>)],
    around: &Surroundings<'_>,
    minute: Timestamp,
) -> Vec<Result<Vec<Judged>, String>> {
    let ready: Vec<&Ready<'_>> = rules.iter().map(|(ready, _)| ready).collect();
    match raw_from(store, &ready) {
        Ok(from) => judge_by(&|plans| store.run_all(plans), rules, around, minute, from),
        Err(why) => rules.iter().map(|_| Err(why.clone())).collect(),
    }
}

/// Answers several plans from one view.
type AskAll<'s> = dyn Fn(&[Plan]) -> Result<Vec<Series>, QueryError> + 's;

/// The same by whatever answers plans.
fn judge_by(
    store: &AskAll<'_>,
    rules: &[(Ready<'_>, Vec<Labels>)],
    around: &Surroundings<'_>,
    minute: Timestamp,
    raw_from: Timestamp,
) -> Vec<Result<Vec<Judged>, String>> {
    let ask = |(ready, known): &(Ready<'_>, Vec<Labels>)| ready.question(around, minute, raw_from, known);
    let questions: Vec<_> = rules.iter().map(ask).collect();
    let mut shared = Shared::default();
    let plans = questions.iter().flatten().flat_map(|q| q.asked.iter().map(|asked| &asked.plan));
    shared.prepare(store, plans);
    let usuals = Usuals::default();
    let answer = |question: Result<Question, String>| {
        let question = question?;
        let answer = answer::answer_shared(&question, &usuals, &mut |plans: &[Plan]| shared.run(store, plans))?;
        Ok(read(&question, &answer))
    };
    questions.into_iter().map(answer).collect()
}

fn raw_from(store: &ax_storage::Store, rules: &[&Ready<'_>]) -> Result<Timestamp, String> {
    match rules.iter().any(|ready| ready.depends_on_raw()) {
        true => store.raw_from().map_err(|e| e.to_string()),
        false => Ok(Timestamp::MIN),
    }
}

/// The rows of an answer as judgements.
pub(super) fn read(question: &Question, answer: &Answer) -> Vec<Judged> {
    let names = question.group.as_deref().unwrap_or_default();
    let rows = answer.rows.iter().take(GROUPS_MAX);
    rows.map(|row| {
        let e = row.evidence.clone().unwrap_or_default();
        let labels = names.iter().zip(&row.labels).map(|(name, value)| (name.name().to_owned(), value.to_string()));
        Judged {
            labels: labels.collect(),
            truth: row.value.truth(),
            evidence: Evidence {
                value: e.value,
                threshold: e.threshold,
                unit: e.dim.map_or_else(|| "bool".to_owned(), |dim| dim.json_name()),
                count: e.count,
                chance: e.chance,
                share: e.share,
                too_few: e.too_few,
                window_ms: e.window_ms,
            },
        }
    })
    .collect()
}

/// Answers by what was asked.
#[derive(Default)]
struct Shared(HashMap<String, Result<Arc<Series>, String>>);

impl Shared {
    /// Asks all of it at once, each question only once.
    fn prepare<'p>(&mut self, store: &AskAll<'_>, plans: impl Iterator<Item = &'p Plan>) {
        let mut new: Vec<(String, Plan)> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for plan in plans {
            let key = key(plan);
            if seen.insert(key.clone()) {
                new.push((key, plan.clone()));
            }
        }
        let (keys, plans): (Vec<String>, Vec<Plan>) = new.into_iter().unzip();
        match store(&plans) {
            Ok(all) => self.0.extend(keys.into_iter().zip(all.into_iter().map(|series| Ok(Arc::new(series))))),
            // One that cannot be answered must not keep the others from it.
            Err(_) => {
                let one = |plan: &Plan| one(store, plan);
                self.0.extend(keys.into_iter().zip(plans.iter().map(one)));
            }
        }
    }

    fn run(&mut self, store: &AskAll<'_>, plans: &[Plan]) -> Result<Vec<Arc<Series>>, String> {
        let mut shared = |plan: &Plan| self.0.entry(key(plan)).or_insert_with(|| one(store, plan)).clone();
        plans.iter().map(&mut shared).collect()
    }
}

fn one(store: &AskAll<'_>, plan: &Plan) -> Result<Arc<Series>, String> {
    let mut all = store(std::slice::from_ref(plan)).map_err(|e| e.to_string())?;
    Ok(Arc::new(all.pop().unwrap_or_default()))
}

/// What a plan asks, as text: plans hold tests of names, which compare by what they print.
fn key(plan: &Plan) -> String {
    let Plan { range, kinds, measures, quantiles, above, filter, group, step, zone, .. } = plan;
    let flags = (plan.sums_only, plan.outcomes, plan.violations);
    format!(
        "{}-{} {kinds:?} {measures:?} {flags:?} {quantiles:?} {above:?} {filter:?} {group:?} {step:?} {}",
        range.start.millis(),
        range.end.millis(),
        zone.name()
    )
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::query::planner::Nothing;

    /// Fifty rules a model, of five kinds with ten thresholds each: what they ask of a model is the same.
    #[test]
    fn a_thousand_rules_ask_each_question_once() {
        let when = |model: usize, kind: usize, part: usize| {
            let of = format!("{{model=\"m{model}\"}}");
            match kind {
                0 => format!("error_rate{of} > baseline * {}", part + 2),
                1 => format!("p95(latency{of}) > {}s", part + 1),
                2 => format!("avg(latency{of}) > baseline * {}", part + 2),
                3 => format!("cost{of} [1h] > ${}", part + 1),
                _ => format!("anomaly(requests{of}, {})", part + 3),
            }
        };
        let text = |i: usize| when(i % 20, i / 20 % 5, i / 100);
        let rules: Vec<Rule> = (0..1000).map(|i| Rule::new(&format!("r{i}"), &text(i)).unwrap()).collect();
        let ready: Vec<_> = rules.iter().map(|rule| (Ready::new(rule).unwrap(), Vec::new())).collect();
        let asked: RefCell<Vec<String>> = RefCell::default();
        let store = |plans: &[Plan]| {
            asked.borrow_mut().extend(plans.iter().map(key));
            Ok(plans.iter().map(|plan| Series { range: Some(plan.range), ..Series::default() }).collect())
        };
        let zone = Zone::utc();
        let around = Surroundings { zone: &zone, week_start: Weekday::Monday, outside: &Nothing };
        let minute = Timestamp::from_millis(1_763_320_500_000);
        let judged = judge_by(&store, &ready, &around, minute, Timestamp::MIN);
        assert!(judged.len() == 1000 && judged.iter().all(Result::is_ok));
        let mut asked = asked.into_inner();
        let all = asked.len();
        asked.sort_unstable();
        asked.dedup();
        assert_eq!(asked.len(), all, "a question was asked twice");
        // Of each model: four windows and the past of errors, a window of latency, one with its past, one of
        // cost, and three points of requests with theirs.
        assert_eq!(all, 20 * (5 + 1 + 2 + 1 + 2), "{:#?}", &asked[..12]);
    }
}
