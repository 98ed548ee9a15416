//! The seeded simulator: the real store, queues, dispatcher, worker and reconciler, moved step by step on a clock that is
//! moved by hand, while workers die, letters get lost, come late or twice, databases and brokers cannot be reached, and
//! users cancel and retry.
//!
//! Flow: a seed gives a script of [`Action`]s; a `World` plays them one by one; after each the `Audit` looks at every task
//! and at all that was heard of it; at the end everything is mended and every task must come to its end. A script that
//! fails is shortened as long as it fails, and told with its seed.
//!
//! Invariants: one thing happens at a time and nothing waits for real time, so the same seed gives the same log; what is
//! simulated is only the post between the parts and the model, never a part.

mod action;
mod audit;
mod crew;
mod cut;
mod ml;
mod play;
mod post;
mod refuser;
mod script;
mod world;

pub use action::Action;
pub use script::{Failed, Place, Terms, play, replay, seed_of};
