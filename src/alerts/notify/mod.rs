//! Messages about alerts on their way to channels.

use ax_storage::table::TablesWriter;
use ax_storage::tier::db::DbError;
use ax_storage::time::Timestamp;

use super::Notification;

/// Puts messages into the outbox, within the transaction of the transitions they tell of.
///
/// # Errors
/// The database.
pub fn enqueue(_tables: &mut TablesWriter<'_>, _messages: &[Notification], _now: Timestamp) -> Result<(), DbError> {
    Ok(())
}
