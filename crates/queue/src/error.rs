//! What can go wrong between us and a broker.

use std::sync::Arc;

/// Why a queue could not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum QueueError {
    /// The broker's address cannot be used.
    #[error("the address of the broker cannot be used")]
    Address(#[source] Arc<redis::RedisError>),
    /// A consumer that could never take anything.
    #[error("consumer {0} has no slots")]
    NoSlots(String),
    /// The broker did not answer, or refused.
    #[error("the broker could not {what}")]
    Broker {
        /// What it was asked to do.
        what: &'static str,
        /// What it said.
        #[source]
        source: Arc<apalis_redis::Error>,
    },
    /// The queue's lane has ended with its runtime.
    #[error("the queue is closed")]
    Closed,
    /// A job could not be written as JSON.
    #[error("job {id} cannot be written as JSON")]
    Encode {
        /// The id of the job.
        id: String,
        /// Why.
        #[source]
        source: Arc<serde_json::Error>,
    },
}

impl QueueError {
    pub(crate) fn broker(what: &'static str) -> impl FnOnce(apalis_redis::Error) -> Self {
        move |source| Self::Broker { what, source: Arc::new(source) }
    }

    pub(crate) fn address(source: redis::RedisError) -> Self {
        Self::Address(Arc::new(source))
    }

    pub(crate) fn encode(id: &str) -> impl FnOnce(serde_json::Error) -> Self {
        move |source| Self::Encode { id: id.to_owned(), source: Arc::new(source) }
    }

    pub(crate) fn redis(what: &'static str) -> impl FnOnce(redis::RedisError) -> Self {
        move |source| Self::Broker { what, source: Arc::new(source.into()) }
    }
}
