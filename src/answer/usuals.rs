//! Pasts that several answers compare with, each looked at once.
//!
//! A past of four weeks in steps of five minutes takes longer to sum up than all else a rule asks. Rules that
//! ask the same, and the minutes of a replay, are answered from one series: what was made of it is found by it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, Weak};

use ax_storage::query::series::Series;

use crate::analysis::Profile;
use crate::metric::{Aggregation, Metric};
use crate::query::planner::Selected;

/// Series, group in it, and what is made of its numbers.
type Key = (*const Series, Option<usize>, Metric, Aggregation);

/// The usual levels of series that somebody still holds.
#[derive(Debug, Default)]
pub struct Usuals(RefCell<HashMap<Key, Usual>>);

/// Its series and its levels. While it is remembered no other series has this one's address.
type Usual = (Weak<Series>, Option<Rc<Profile>>);

impl Usuals {
    /// What a metric of a group usually is: `make` says it the first time.
    pub(super) fn of(
        &self,
        series: &Arc<Series>,
        group: Option<usize>,
        of: &Selected,
        make: impl FnOnce() -> Option<Profile>,
    ) -> Option<Rc<Profile>> {
        let key = (Arc::as_ptr(series), group, of.metric, of.aggregation);
        if let Some((_, known)) = self.0.borrow().get(&key) {
            return known.clone();
        }
        let made = make().map(Rc::new);
        let mut all = self.0.borrow_mut();
        all.retain(|_, (series, _)| series.strong_count() > 0);
        all.insert(key, (Arc::downgrade(series), made.clone()));
        made
    }
}
