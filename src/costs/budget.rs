//! Budgets: a limit a day, week or month in a time zone, of all spend or of a part of it.

use ax_storage::time::{TimeRange, Timestamp, Zone};
use jiff::civil::Weekday;

use crate::calendar::{Calendar, Period};
use crate::metric::Money;
use crate::query::ast::Filter;
use crate::query::{self, planner};

/// Used parts, in per cent, that are told when nothing else is said.
pub const ALERT_AT: [u16; 4] = [50, 80, 95, 100];
/// Highest such part.
pub const ALERT_AT_MAX: u16 = 1000;
/// Most such parts of a budget.
pub const ALERTS_MAX: usize = 16;
/// Most budgets: each has the store asked about its spend, every minute.
pub const BUDGETS_MAX: usize = 64;
/// Longest name.
pub const NAME_BYTES_MAX: usize = 64;
/// Highest limit: a billion dollars, as for the cost of a call.
pub const LIMIT_MAX: Money = Money(1_000_000_000_000_000_000);

/// How often a budget begins anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Every {
    Day,
    Week,
    Month,
}

impl Every {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Day, Self::Week, Self::Month];

    /// As users write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Day => "daily",
            Self::Week => "weekly",
            Self::Month => "monthly",
        }
    }

    /// The period of the calendar.
    pub const fn period(self) -> Period {
        match self {
            Self::Day => Period::Day,
            Self::Week => Period::Week,
            Self::Month => Period::Month,
        }
    }
}

/// Who says that there is a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `budgets set`, which keeps it in the store.
    Store,
    /// The settings file.
    Settings,
}

/// A budget as it is written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// What it is called.
    pub name: String,
    /// What may be spent in a period.
    pub limit: Money,
    /// How often it begins anew.
    pub every: Every,
    /// Which calls count, as a filter in canonical form; `None` = all.
    pub scope: Option<String>,
    /// Used parts in per cent that are told, the lowest first.
    pub alert_at: Vec<u16>,
    /// IANA name of the zone of its days.
    pub zone: String,
    /// Where its weeks start.
    pub week_start: Weekday,
    /// Who says so.
    pub origin: Origin,
}

/// Why something is no budget.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BudgetError {
    /// Its name is empty, too long, or would not show as it is.
    #[error("a budget's name has 1 to {NAME_BYTES_MAX} bytes and no control characters")]
    Name,
    /// Its limit is nothing, or more than there is.
    #[error("the limit is an amount above 0 and at most a billion dollars")]
    Limit,
    /// What is to be told makes no sense.
    #[error("alert_at lists at most {ALERTS_MAX} parts from 1 to {ALERT_AT_MAX} per cent")]
    AlertAt,
    /// No such zone.
    #[error("unknown time zone '{0}'")]
    Zone(String),
    /// The scope is no filter.
    #[error("the scope '{scope}' is no filter: {why}")]
    Scope {
        /// As written.
        scope: String,
        /// What is wrong with it.
        why: String,
    },
    /// The scope asks for numbers of single calls, which are not kept as long as a month.
    #[error("a budget's scope names providers, models, users and other labels, and no numbers of single calls")]
    Numbers,
    /// There are too many.
    #[error("there are {BUDGETS_MAX} budgets already")]
    TooMany,
}

/// A budget whose zone and scope are understood.
#[derive(Clone, Debug)]
pub struct Ready {
    /// As it is written down.
    pub budget: Budget,
    /// The zone of its days.
    pub zone: Zone,
    /// Which calls count.
    pub scope: Option<Filter>,
}

impl Ready {
    /// Understands a budget; its scope and what is told come out in canonical form.
    ///
    /// # Errors
    /// See [`BudgetError`].
    pub fn of(mut budget: Budget) -> Result<Self, BudgetError> {
        if budget.name.is_empty() || budget.name.len() > NAME_BYTES_MAX || budget.name.chars().any(char::is_control) {
            return Err(BudgetError::Name);
        }
        if budget.limit.0 <= 0 || budget.limit > LIMIT_MAX {
            return Err(BudgetError::Limit);
        }
        budget.alert_at.sort_unstable();
        budget.alert_at.dedup();
        if budget.alert_at.len() > ALERTS_MAX || budget.alert_at.iter().any(|p| !(1..=ALERT_AT_MAX).contains(p)) {
            return Err(BudgetError::AlertAt);
        }
        let zone = Zone::load(&budget.zone).map_err(|_| BudgetError::Zone(budget.zone.clone()))?;
        let scope = budget.scope.as_deref().map(scope).transpose()?;
        budget.scope = scope.as_ref().map(Filter::to_string);
        Ok(Self { budget, zone, scope })
    }

    /// The calendar of its periods.
    pub fn calendar(&self) -> Calendar<'_> {
        Calendar::new(&self.zone).week_from(self.budget.week_start)
    }

    /// The whole period that `now` lies in, to its end in the future.
    pub fn period(&self, now: Timestamp) -> TimeRange {
        self.calendar().period(self.budget.every.period(), now)
    }
}

fn scope(text: &str) -> Result<Filter, BudgetError> {
    let filter =
        query::parse_filter(text).map_err(|e| BudgetError::Scope { scope: text.to_owned(), why: e.message })?;
    if planner::needs_events(&filter) { Err(BudgetError::Numbers) } else { Ok(filter) }
}

/// Reads an amount of dollars, exactly: `500`, `$1,250.50`.
pub fn dollars(text: &str) -> Option<Money> {
    let text = text.trim().trim_start_matches('$').replace([',', '_'], "");
    let (whole, part) = text.split_once('.').unwrap_or((&text, "0"));
    let digits = |s: &str, most: usize| (1..=most).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole, 12) || !digits(part, 9) {
        return None;
    }
    let nanos: i128 = format!("{part:0<9}").parse().ok()?;
    Some(Money(whole.parse::<i128>().ok()? * 1_000_000_000 + nanos))
}

/// The parts of `alert_at` that spend has reached and that `told` does not hold yet, the lowest first.
pub fn reached(spent: Money, limit: Money, alert_at: &[u16], told: &[u16]) -> Vec<u16> {
    let reached = |percent: &&u16| spent.0.saturating_mul(100) >= limit.0.saturating_mul(i128::from(**percent));
    alert_at.iter().filter(reached).filter(|p| !told.contains(p)).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(every: Every, zone: &str) -> Budget {
        Budget {
            name: "b".to_owned(),
            limit: Money(1),
            every,
            scope: None,
            alert_at: vec![100, 50, 100],
            zone: zone.to_owned(),
            week_start: Weekday::Monday,
            origin: Origin::Store,
        }
    }

    #[test]
    fn periods_are_those_of_the_budgets_own_zone() {
        for (every, zone, now, start, end) in [
            (Every::Month, "Europe/Berlin", "2026-03-31T21:59:59Z", "2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z"),
            (Every::Month, "Europe/Berlin", "2026-03-31T22:00:00Z", "2026-03-31T22:00:00Z", "2026-04-30T22:00:00Z"),
            (Every::Day, "America/New_York", "2026-11-01T12:00:00Z", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"),
            (Every::Week, "America/New_York", "2026-11-01T12:00:00Z", "2026-10-26T04:00:00Z", "2026-11-02T05:00:00Z"),
        ] {
            let ready = Ready::of(budget(every, zone)).unwrap();
            let at = |text: &str| Timestamp::from_jiff(text.parse().unwrap());
            assert_eq!(ready.period(at(now)), TimeRange::new(at(start), at(end)), "{zone} {now}");
            assert_eq!(ready.budget.alert_at, [50, 100]);
        }
        let sunday = Budget { week_start: Weekday::Sunday, ..budget(Every::Week, "UTC") };
        let now = Timestamp::from_jiff("2026-11-24T10:00:00Z".parse().unwrap());
        assert_eq!(Ready::of(sunday).unwrap().period(now).start.to_string(), "2026-11-22T00:00:00.000Z");
    }

    #[test]
    fn what_is_no_budget_is_refused() {
        let plain = || budget(Every::Month, "UTC");
        let why = |budget| Ready::of(budget).map(|r| r.budget.scope).unwrap_err().to_string();
        assert_eq!(why(Budget { name: "a\u{1b}".to_owned(), ..plain() }), BudgetError::Name.to_string());
        assert_eq!(why(Budget { limit: Money(0), ..plain() }), BudgetError::Limit.to_string());
        assert_eq!(why(Budget { alert_at: vec![0], ..plain() }), BudgetError::AlertAt.to_string());
        assert_eq!(why(budget(Every::Day, "Mars/Olympus")), "unknown time zone 'Mars/Olympus'");
        let scoped = |text: &str| Budget { scope: Some(text.to_owned()), ..plain() };
        assert_eq!(why(scoped("latency > 1s")), BudgetError::Numbers.to_string());
        assert_eq!(why(scoped("modle=x")), "the scope 'modle=x' is no filter: unknown label or field 'modle'");
        let ready = Ready::of(scoped("provider = openai")).unwrap();
        assert_eq!(ready.budget.scope.as_deref(), Some("provider=\"openai\""));
    }

    #[test]
    fn amounts_are_read_exactly() {
        for (text, nanos) in [("500", 500_000_000_000), ("$1,250.50", 1_250_500_000_000), ("0.000000001", 1)] {
            assert_eq!(dollars(text), Some(Money(nanos)), "{text}");
        }
        for text in ["", "$", "-5", "1e3", "5.", ".5", "1.0000000001", "9999999999999", "five"] {
            assert_eq!(dollars(text), None, "{text}");
        }
    }

    #[test]
    fn parts_are_reached_once_and_to_the_nano_dollar() {
        let limit = Money(500_000_000_000);
        let at = |nanos, told: &[u16]| reached(Money(nanos), limit, &ALERT_AT, told);
        assert!(at(249_999_999_999, &[]).is_empty());
        assert_eq!(at(250_000_000_000, &[]), [50]);
        assert!(at(260_000_000_000, &[50]).is_empty());
        assert_eq!(at(500_000_000_000, &[50]), [80, 95, 100]);
    }
}
