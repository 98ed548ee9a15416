//! What travels as the argument of an apalis task.

use std::convert::Infallible;

use apalis::prelude::Codec;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A job as it came out of the queue.
#[derive(Debug, Clone)]
pub(crate) enum Payload<T> {
    /// It could be read.
    Job(T),
    /// It could not, because of this.
    Unreadable(String),
}

/// JSON that never fails to decode: an error here would end the worker and, as the bytes stay in the broker, every worker
/// after it. Jobs are encoded before they reach apalis, where the error can still be answered.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ForgivingJson;

impl<T: Serialize + DeserializeOwned> Codec<Payload<T>> for ForgivingJson {
    type Error = Infallible;
    type Compact = Vec<u8>;

    fn encode(&self, payload: &Payload<T>) -> Result<Vec<u8>, Infallible> {
        Ok(match payload {
            Payload::Job(job) => serde_json::to_vec(job).unwrap_or_default(),
            Payload::Unreadable(_) => Vec::new(),
        })
    }

    fn decode(&self, bytes: &Vec<u8>) -> Result<Payload<T>, Infallible> {
        Ok(serde_json::from_slice(bytes).map_or_else(|error| Payload::Unreadable(error.to_string()), Payload::Job))
    }
}
