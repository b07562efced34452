//! Advice on spending less, as a screen and a script read it.

use ax_storage::time::{TimeRange, Timestamp};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Time, Warning, Window};
use crate::costs::advice::{self, Advice, Class, DAYS, DAYS_MIN, Kind, SHARES, Usage};
use crate::metric::Money;

/// All that is advised.
#[derive(Clone, Debug)]
pub struct AdviceView {
    /// When it was asked.
    pub generated_at: Timestamp,
    /// The complete days looked at.
    pub range: Window,
    /// How many they are.
    pub days: u32,
    /// What was spent in them.
    pub spent: Money,
    /// The greatest saving first.
    pub data: Vec<Advice>,
    /// What else a user should know.
    pub warnings: Vec<Warning>,
}

impl AdviceView {
    /// The view of what was used, with what is advised on it; `asked` is the window where nothing was used.
    pub fn new(now: Timestamp, asked: &Window, usage: &Usage, data: Vec<Advice>) -> Self {
        let range: TimeRange = usage.range.unwrap_or(asked.range);
        Self {
            generated_at: now,
            range: Window { range, zone: asked.zone.clone() },
            days: usage.days,
            spent: usage.spent,
            data,
            warnings: Vec::new(),
        }
    }

    /// Whether there are enough days to say anything.
    pub const fn is_long_enough(&self) -> bool {
        self.days >= DAYS_MIN
    }

    /// What all of it saves in a month.
    pub fn saving(&self) -> Money {
        advice::saving(&self.data)
    }
}

/// What an advice takes for granted that the events do not show.
pub fn assumption(advice: &Advice) -> String {
    match &advice.kind {
        Kind::CheaperModel { instead, class, marked_up } => {
            let does = match class {
                Class::Same => format!("{instead} does the same work"),
                Class::Smaller => format!("{instead}, a smaller model, does for 30 % of the calls"),
            };
            let price = if *marked_up { ", and costs as much above its list price" } else { "" };
            format!("{does} with as many tokens, as many of them cached{price}")
        }
        Kind::OtherProvider { instead, .. } => {
            format!("{instead} takes all calls, counts the same tokens and caches as much")
        }
        Kind::PromptCache { other, .. } => format!("prompts repeat as much as those of {other}"),
        Kind::ResponseCache { .. } => {
            "an older answer serves as well, and a hit saves what hits saved so far".to_owned()
        }
        Kind::PaidFailures => "none of them fails, or none is paid for".to_owned(),
        Kind::Growth { .. } => "it goes back to what was usual".to_owned(),
    }
}

impl Kind {
    /// For programs.
    const fn name(&self) -> &'static str {
        match self {
            Self::CheaperModel { .. } => "cheaper_model",
            Self::OtherProvider { .. } => "other_provider",
            Self::PromptCache { .. } => "prompt_cache",
            Self::ResponseCache { .. } => "response_cache",
            Self::PaidFailures => "paid_failures",
            Self::Growth { .. } => "growth",
        }
    }
}

impl Serialize for AdviceView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("schema", "ax.monitor.advice/1")?;
        map.serialize_entry("generated_at", &Time(self.generated_at))?;
        map.serialize_entry("range", &self.range)?;
        map.serialize_entry("days", &self.days)?;
        map.serialize_entry("spent_usd", &self.spent)?;
        map.serialize_entry("saving_month_usd", &self.saving())?;
        map.serialize_entry("month_days", &DAYS)?;
        map.serialize_entry("advice", &json(&self.data))?;
        map.serialize_entry("warnings", &self.warnings)?;
        map.end()
    }
}

/// A list of advice for JSON.
pub(super) fn json(list: &[Advice]) -> Vec<AdviceJson<'_>> {
    list.iter().map(AdviceJson).collect()
}

/// An advice; names that are not told are null.
pub(super) struct AdviceJson<'a>(&'a Advice);

#[derive(serde::Serialize)]
struct ShareJson {
    share: f64,
    saving_month_usd: Money,
}

#[derive(serde::Serialize)]
struct LifeJson {
    ttl_s: u64,
    hit_rate: f64,
}

#[derive(serde::Serialize)]
struct InsteadJson<'a> {
    provider: &'a str,
    model: &'a str,
}

impl Serialize for AdviceJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let a = self.0;
        let name = |text: &'_ str| (!text.is_empty()).then(|| text.to_owned());
        #[expect(clippy::cast_precision_loss, reason = "10, 30 and 100")]
        let share =
            |(percent, saving): (i128, Money)| ShareJson { share: percent as f64 / 100.0, saving_month_usd: saving };
        let shares: Vec<ShareJson> = SHARES.into_iter().zip(a.shares).map(share).collect();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("kind", a.kind.name())?;
        map.serialize_entry("provider", &name(&a.provider))?;
        map.serialize_entry("model", &name(&a.model))?;
        map.serialize_entry("user", &name(&a.user))?;
        match &a.kind {
            Kind::CheaperModel { instead, class, marked_up } => {
                map.serialize_entry("instead", &InsteadJson { provider: &a.provider, model: instead })?;
                map.serialize_entry("class", class.name())?;
                map.serialize_entry("marked_up", marked_up)?;
            }
            Kind::OtherProvider { instead, model, calls } => {
                map.serialize_entry("instead", &InsteadJson { provider: instead, model })?;
                map.serialize_entry("instead_calls", calls)?;
            }
            Kind::PromptCache { share, other, reached } => {
                map.serialize_entry("cached_share", share)?;
                map.serialize_entry("reached_by", other)?;
                map.serialize_entry("reached_share", reached)?;
            }
            Kind::ResponseCache { found, curve, life_ms } => {
                let life = |(ms, rate): &(u64, f64)| LifeJson { ttl_s: ms / 1000, hit_rate: *rate };
                map.serialize_entry("hit_rate", found)?;
                map.serialize_entry("hit_rates", &curve.iter().map(life).collect::<Vec<_>>())?;
                map.serialize_entry("ttl_s", &(life_ms / 1000))?;
            }
            Kind::PaidFailures => {}
            Kind::Growth { week, usual, highest, weeks } => {
                map.serialize_entry("week_usd", week)?;
                map.serialize_entry("usual_week_usd", usual)?;
                map.serialize_entry("highest_week_usd", highest)?;
                map.serialize_entry("weeks_before", weeks)?;
            }
        }
        map.serialize_entry("calls", &a.calls)?;
        map.serialize_entry("spent_usd", &a.spent)?;
        map.serialize_entry("would_be_usd", &a.would_be)?;
        map.serialize_entry("saving_month_usd", &a.saving)?;
        map.serialize_entry("shares", &shares)?;
        map.serialize_entry("sure", a.sure.name())?;
        map.serialize_entry("assumption", &assumption(a))?;
        map.end()
    }
}
