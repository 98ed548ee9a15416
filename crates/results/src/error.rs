//! What can go wrong between us and the store of results.

/// Why the store of results could not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ResultsError {
    /// The store's address cannot be used.
    #[error("the address of the result store cannot be used")]
    Address(#[source] fred::error::Error),
    /// The store did not answer in time, or refused.
    #[error("the result store could not {what}")]
    Store {
        /// What it was asked to do.
        what: &'static str,
        /// What it said.
        #[source]
        source: fred::error::Error,
    },
}

impl ResultsError {
    pub(crate) fn store(what: &'static str) -> impl FnOnce(fred::error::Error) -> Self {
        move |source| Self::Store { what, source }
    }
}
