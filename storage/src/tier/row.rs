//! Rows of the bucket tables, whatever they hold, through the one codec.

use crate::bucket::codec::{self, RowKey, RowMeta};
use crate::bucket::{Bucket, Detail, Dist, Table};
use crate::time::Timestamp;

/// Something kept under (provider, bucket start). Errors are in words: what is wrong with the row.
pub(crate) trait RowValue: Sized {
    /// Adds all of `other`.
    fn merge(&mut self, other: &Self);
    /// Whether it is what should be stored for events that make `whole`.
    fn agrees_with(&self, whole: &Self) -> bool;
    /// Its bytes.
    fn encode(&self, key: &RowKey<'_>, meta: RowMeta) -> Result<Vec<u8>, String>;
    /// From its bytes.
    fn decode(key: &RowKey<'_>, bytes: &[u8]) -> Result<(Self, RowMeta), String>;
}

macro_rules! row_value {
    ($type:ty, $agrees:path, $encode:path, $decode:path) => {
        impl RowValue for $type {
            fn merge(&mut self, other: &Self) {
                Self::merge(self, other);
            }

            fn agrees_with(&self, whole: &Self) -> bool {
                $agrees(self, whole)
            }

            fn encode(&self, key: &RowKey<'_>, meta: RowMeta) -> Result<Vec<u8>, String> {
                let mut bytes = Vec::new();
                $encode(self, key, meta, &mut bytes).map_err(|e| e.to_string())?;
                Ok(bytes)
            }

            fn decode(key: &RowKey<'_>, bytes: &[u8]) -> Result<(Self, RowMeta), String> {
                $decode(bytes, key).map_err(|e| e.to_string())
            }
        }
    };
}

row_value!(Bucket, PartialEq::eq, codec::encode_bucket, codec::decode_bucket);
row_value!(Dist, PartialEq::eq, codec::encode_dist, codec::decode_dist);
row_value!(Detail, Detail::agrees_with, codec::encode_detail, codec::decode_detail);

/// A row in words: `tier_1m claude 2025-11-10T00:00:00.000Z`.
pub(crate) fn place(table: Table, provider: &str, start: Timestamp) -> String {
    format!("{} {} {start}", table.name(), provider.escape_debug())
}
