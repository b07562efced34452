//! A handle for calls of one provider, model and user: no look-up when recording.

use std::sync::Arc;

use ax_storage::event::{Event, Request};
use ax_storage::journal::{self, Measurement};

use super::inner::Inner;
use crate::pricing::Entry;

/// Records calls of one provider, model and user. Cheap to clone; usable from all threads.
#[derive(Clone)]
pub struct Series(Option<Enabled>);

#[derive(Clone)]
struct Enabled {
    inner: Arc<Inner>,
    names: Names,
}

#[derive(Clone)]
enum Names {
    Known(journal::Series, Arc<Entry>),
    /// The medium gave no recorder when the handle was made: looked up at every record.
    Plain {
        provider: Box<str>,
        model: Box<str>,
        user: Box<str>,
    },
}

impl Series {
    pub(super) fn new(inner: Option<&Arc<Inner>>, provider: &str, model: &str, user: &str) -> Self {
        let Some(inner) = inner else { return Self(None) };
        let names = match inner.recorder() {
            Some(recorder) => Names::Known(recorder.series(provider, model, user), inner.prices(provider, model)),
            None => Names::Plain { provider: provider.into(), model: model.into(), user: user.into() },
        };
        Self(Some(Enabled { inner: Arc::clone(inner), names }))
    }

    /// Records a call. As [`super::Collector::record`] in everything else.
    #[inline]
    pub fn record(&self, measurement: &Measurement<'_>) {
        let Some(Enabled { inner, names }) = &self.0 else { return };
        match names {
            Names::Known(series, prices) => inner.record_series(series, prices, measurement),
            Names::Plain { provider, model, user } => inner.record(&Event::Request(Request {
                ts: measurement.ts,
                provider,
                model,
                user,
                latency: measurement.latency,
                ttft: measurement.ttft,
                tokens: measurement.tokens,
                cost: measurement.cost,
                outcome: measurement.outcome,
                service_tier: measurement.service_tier,
            })),
        }
    }
}

impl std::fmt::Debug for Series {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.0.as_ref().map(|enabled| match &enabled.names {
            Names::Known(series, _) => series.names(),
            Names::Plain { provider, model, user } => (&**provider, &**model, &**user),
        });
        f.debug_tuple("Series").field(&names).finish()
    }
}
