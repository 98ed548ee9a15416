//! Metrics of what is done after tasks have ended.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};

const TRIES: &str = "ortolan_callback_tries_total";
const TRY_SECONDS: &str = "ortolan_callback_try_seconds";

/// Counts a try to deliver; `kind` is `webhook`, `backend` or `pictures`, `outcome` is `delivered`, `retried` or `dead`.
pub fn tried(kind: &'static str, outcome: &'static str, took: Duration) {
    counter!(TRIES, "kind" => kind, "outcome" => outcome).increment(1);
    histogram!(TRY_SECONDS, "kind" => kind).record(took);
}

pub(super) fn describe() {
    describe_counter!(TRIES, "Tries to deliver callbacks, by outcome");
    describe_histogram!(TRY_SECONDS, Unit::Seconds, "A try to deliver a callback");
}
