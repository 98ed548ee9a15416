//! A slot as clients see it.

use std::time::Duration;

use ortolan_blobs::ObjectFacts;
use ortolan_domain::Timestamp;
use ortolan_store::SlotRecord;
use serde::Serialize;
use utoipa::ToSchema;

use crate::openapi::words;

/// How far the clocks of an object store and of this service may be apart.
const CLOCK_SKEW: Duration = Duration::from_secs(5);

/// A model in its slot.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Slot)]
pub struct SlotView {
    /// What the model is for.
    #[schema(value_type = words::SlotName)]
    pub slot: &'static str,
    /// SHA-256 of the file in hexadecimal; `null` when the file was put there by other means.
    pub sha256: Option<String>,
    /// Size of the file.
    pub size_bytes: u64,
    /// When it was put there.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// Counts the uploads of this slot, from 1; `null` when the file was put there by other means.
    pub generation: Option<i64>,
}

impl From<SlotRecord> for SlotView {
    fn from(record: SlotRecord) -> Self {
        Self {
            slot: record.slot.as_str(),
            sha256: Some(record.sha256),
            size_bytes: record.size_bytes,
            updated_at: record.updated_at,
            generation: Some(record.generation),
        }
    }
}

impl SlotView {
    /// The object that lies in a slot, with what was recorded of it if that is still about this object.
    pub fn of_object(slot: ortolan_domain::Slot, object: &ObjectFacts, record: Option<SlotRecord>) -> Self {
        let is_about = |record: &SlotRecord| {
            record.size_bytes == object.size_bytes && object.modified_at <= record.updated_at.plus(CLOCK_SKEW)
        };
        match record.filter(is_about) {
            Some(record) => record.into(),
            None => Self {
                slot: slot.as_str(),
                sha256: None,
                size_bytes: object.size_bytes,
                updated_at: object.modified_at,
                generation: None,
            },
        }
    }
}
