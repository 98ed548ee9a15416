//! The reconciler: compares the truth (the database) with what is on its way, and repairs.
//!
//! Flow: [`Reconciler::run`] makes a quick pass over leases and deliveries every few seconds and a whole pass every few
//! minutes, when nudged and by hand ([`Reconciler::run_once`]). Of several reconcilers one leads and the others stand by. Each step is one batched, guarded statement of the store and a
//! named counter.
//!
//! Invariants: idempotent; harmless when two run at once, because every write is guarded; it never kills what runs: a run
//! that takes long is only reported; one step's failure does not stop the others.

pub mod assemble;
mod depths;
mod leadership;
mod orphans;
mod passes;
mod report;
mod steps;

pub use orphans::{OrphanError, OrphanSweep};
pub use passes::{Reconciler, ReconcilerParts, ReconcilerSettings};
pub use report::ReconcileReport;
