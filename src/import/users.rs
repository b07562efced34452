//! Other names for users, or none, before their events are stored.

use std::collections::HashMap;

use ax_storage::row::{Batch, NameId};
use foldhash::fast::RandomState;

/// Gives the users of all rows the names that `rename` says; a row without a user stays so. Names that no row has any
/// more are not stored.
pub(super) fn rename(batch: &mut Batch, rename: &dyn Fn(&str) -> String) {
    let Batch { names, rows, .. } = batch;
    let mut known: HashMap<NameId, NameId, RandomState> = HashMap::default();
    let nobody = names.intern("");
    for row in rows.iter_mut().filter(|row| row.user != nobody) {
        row.user = *known.entry(row.user).or_insert_with(|| {
            let name = rename(names.get(row.user));
            names.intern(&name)
        });
    }
}
