//! One call of the reader: what it found, and frames as rows of the caller's batch.

use crate::journal::frame::{Frame, RequestNumbers, Who};
use crate::journal::learn::{Learnt, Translation};
use crate::row::{Batch, Body, CacheRow, NameId, RateRow, RequestRow, Row};

/// A part of a journal that no frame was published in though the file goes on or was to go on
/// there: the mark of a writer that was killed between two instructions, or of a page lost with
/// the power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Where it begins.
    pub offset: u64,
    /// How long it is.
    pub bytes: u64,
}

/// A part of a journal that was written and cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where it begins.
    pub offset: u64,
    /// What is wrong.
    pub what: String,
}

/// What one call of [`Reader::read`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Where to go on: `from` of the next call, now or in another process.
    pub next: u64,
    /// Nothing will ever follow `next`: the file was finished or its owner is dead.
    pub finished: bool,
    /// `max_events` ended the call; there is more to read at once.
    pub more: bool,
    /// Events added to the batch.
    pub events: u64,
    /// Places that were never published, with published ones behind them. Only in files of the dead.
    pub gaps: Vec<Gap>,
    /// Places that are damaged. Their events are lost, those behind them are not.
    pub damaged: Vec<Damage>,
}

/// One call of `read`.
pub(super) struct Pass {
    pub(super) progress: Progress,
    pub(super) max_events: u64,
    ids: Translation,
}

/// An id without a name.
pub(super) struct UnknownId(pub(super) u32);

impl Pass {
    pub(super) fn new(from: u64, max_events: u64) -> Self {
        Self { progress: Progress { next: from, ..Progress::default() }, max_events, ids: Translation::default() }
    }

    pub(super) fn damage(&mut self, offset: u64, what: String) {
        self.progress.damaged.push(Damage { offset, what });
    }

    /// Notes that `from..next` was skipped: unpublished up to the first bad slot, damaged behind it.
    pub(super) fn skip(&mut self, from: u64, next: u64, first_bad: Option<u64>) {
        let gap_end = first_bad.unwrap_or(next);
        if gap_end > from {
            self.progress.gaps.push(Gap { offset: from, bytes: gap_end - from });
        }
        if let Some(bad) = first_bad {
            self.damage(bad, format!("{} bytes that are no frame", next - bad));
        }
    }

    /// The event of a frame, `None` when it has none.
    #[inline]
    pub(super) fn row(
        &mut self,
        frame: &Frame<'_>,
        learnt: &Learnt,
        into: &mut Batch,
    ) -> Result<Option<Row>, UnknownId> {
        let names = &mut into.names;
        let (ts, (provider, model, user), body) = match *frame {
            Frame::Skip | Frame::Name { .. } => return Ok(None),
            Frame::Compact { ts, series, user, error, tier, ref numbers } => {
                let who = self.who(Who::Ids { series, user }, learnt, into)?;
                let names = &mut into.names;
                let error = self.ids.word(error, learnt, names).ok_or(UnknownId(u32::from(error)))?;
                let tier = self.ids.word(tier, learnt, names).ok_or(UnknownId(u32::from(tier)))?;
                (ts, who, request(numbers, error, tier))
            }
            Frame::Wide { ts, who, error, tier, ref numbers } => {
                let (error, tier) = (names.intern(error), names.intern(tier));
                (ts, self.who(who, learnt, into)?, request(numbers, error, tier))
            }
            Frame::Cache { ts, who, hit, saved_cost, saved_tokens, ttl_s, key } => {
                let key = names.intern(key);
                let body = CacheRow { hit, key, saved_cost_nanos: saved_cost, saved_tokens, ttl_s };
                (ts, self.who(who, learnt, into)?, Body::Cache(body))
            }
            Frame::Rate { ts, who, allowed, remaining, limit, key, limit_type } => {
                let (key, limit_type) = (names.intern(key), names.intern(limit_type));
                let body = RateRow { allowed, key, limit_type, remaining, limit };
                (ts, self.who(who, learnt, into)?, Body::Rate(body))
            }
        };
        Ok(Some(Row { ts, provider, model, user, event_id: 0, body }))
    }

    #[inline]
    fn who(&mut self, who: Who<'_>, learnt: &Learnt, into: &mut Batch) -> Result<(NameId, NameId, NameId), UnknownId> {
        let names = &mut into.names;
        match who {
            Who::Ids { series, user } => {
                let (provider, model) = self.ids.series(series, learnt, names).ok_or(UnknownId(series))?;
                Ok((provider, model, self.ids.user(user, learnt, names).ok_or(UnknownId(user))?))
            }
            Who::Names { provider, model, user } => {
                Ok((names.intern(provider), names.intern(model), names.intern(user)))
            }
        }
    }
}

fn request(n: &RequestNumbers, error: NameId, service_tier: NameId) -> Body {
    Body::Request(RequestRow {
        ok: n.ok,
        error,
        service_tier,
        latency_us: n.latency_us,
        ttft_us: n.ttft_us,
        tokens: n.tokens,
        cost_nanos: n.cost_nanos,
        cost_source: n.cost_source,
    })
}
