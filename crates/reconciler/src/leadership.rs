//! One reconciler at a time, by a lease in the database.
//!
//! It saves work and log lines and keeps nothing right: two that both believe to lead, after a pause or with clocks that
//! differ, do no harm, as every repair is guarded.

use std::time::Duration;

use crate::passes::ReconcilerParts;

/// What the lease is called.
const NAME: &str = "reconciler";
/// How many quick passes a lease outlives.
const PASSES: u32 = 4;

/// What one reconciler knows of the lease.
pub(crate) struct Leadership<'a> {
    parts: &'a ReconcilerParts,
    lasts: Duration,
    was_held: bool,
    could_ask: bool,
}

impl<'a> Leadership<'a> {
    pub(crate) fn new(parts: &'a ReconcilerParts) -> Self {
        let lasts = parts.settings.quick_interval * PASSES;
        Self { parts, lasts, was_held: false, could_ask: true }
    }

    /// Takes or renews the lease; false while another reconciler holds it, or when nobody can tell.
    pub(crate) async fn is_held(&mut self) -> bool {
        let asked = self.parts.processes.lead(NAME, &self.parts.id, self.parts.clock.now(), self.lasts).await;
        match asked {
            Ok(is_held) => {
                if is_held != std::mem::replace(&mut self.was_held, is_held) {
                    tracing::info!(leads = is_held, "this reconciler's part changed");
                }
                self.could_ask = true;
                is_held
            }
            Err(error) => {
                // Once, and not at every pass for as long as the database is down.
                if std::mem::replace(&mut self.could_ask, false) {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "nothing is reconciled until the database answers"
                    );
                }
                false
            }
        }
    }

    /// Lets another one lead at once.
    pub(crate) async fn resign(self) {
        if !self.was_held {
            return;
        }
        if let Err(error) = self.parts.processes.resign(NAME, &self.parts.id).await {
            tracing::debug!(error = &error as &dyn std::error::Error, "the lease could not be given up; it runs out");
        }
    }
}
