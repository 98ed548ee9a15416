//! Where the work of the present request comes from, for everything that its handler starts.

use ortolan_domain::TraceContext;
use ortolan_domain::origin::Origin;

tokio::task_local! {
    static ORIGIN: Origin;
}

/// Answers a request whose work comes from there.
pub async fn within<F: Future>(origin: Origin, answer: F) -> F::Output {
    ORIGIN.scope(origin, answer).await
}

/// The trace that the present request is a part of.
pub fn trace() -> Option<TraceContext> {
    ORIGIN.try_with(|origin| origin.trace).unwrap_or_default()
}

/// Where the present request's work comes from; nowhere outside of a request.
pub fn origin() -> Origin {
    ORIGIN.try_with(Origin::clone).unwrap_or_default()
}
