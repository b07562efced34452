//! Costs for imported requests that bring none, by the price lists.

use std::collections::HashMap;

use ax_storage::event::CostSource;
use ax_storage::row::{Batch, Body, NameId};
use foldhash::fast::RandomState;

use super::fields::Parsed;
use crate::pricing::{Book, Resolved};

/// The prices of the models of one batch.
#[derive(Default)]
pub(super) struct Pricing {
    /// By provider and model, as the batch numbers them.
    known: HashMap<(NameId, NameId), Resolved, RandomState>,
}

impl Pricing {
    /// Adds an event, priced if it has no cost and may have one.
    #[inline]
    pub(super) fn push(&mut self, book: Option<&Book>, batch: &mut Batch, parsed: &Parsed<'_>) {
        batch.push(&parsed.event(), parsed.ts(), parsed.cost_source(), parsed.event_id());
        if let Some(book) = book.filter(|_| parsed.wants_price()) {
            self.price_last(book, batch);
        }
    }

    /// Prices the newest row, a request without a cost that may have one.
    #[inline]
    pub(super) fn price_last(&mut self, book: &Book, batch: &mut Batch) {
        let Batch { names, rows, .. } = batch;
        let Some(row) = rows.last_mut() else { return };
        let Body::Request(request) = &mut row.body else { return };
        if request.cost_source != CostSource::Unpriced {
            return;
        }
        let prices = self
            .known
            .entry((row.provider, row.model))
            .or_insert_with(|| book.resolve(names.get(row.provider), names.get(row.model)));
        if let Some(cost) = prices.cost(row.ts, &request.tokens, names.get(request.service_tier), !request.ok) {
            (request.cost_nanos, request.cost_source) = (cost.nanos(), CostSource::Computed);
        }
    }

    /// The next batch numbers its names anew.
    pub(super) fn forget(&mut self) {
        self.known.clear();
    }
}
