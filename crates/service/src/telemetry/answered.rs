//! The metrics of answered requests, looked up once for each route, method and status: a look by labels costs more than a count.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use metrics::{Counter, Histogram, counter, histogram};

/// How often and how long.
struct Answered {
    method: &'static str,
    status: u16,
    requests: Counter,
    seconds: Histogram,
}

thread_local! {
    /// By route; methods and statuses of a route are few. Of each thread, so that nobody waits for a lock.
    static ROUTES: RefCell<HashMap<Box<str>, Vec<Answered>>> = RefCell::default();
}

/// The names of both metrics.
#[derive(Clone, Copy)]
pub(super) struct Names {
    pub(super) requests: &'static str,
    pub(super) seconds: &'static str,
}

/// Counts a request; the recorder must be in place, as what is looked up is kept.
pub(super) fn count(names: Names, method: &'static str, route: &str, status: u16, took: Duration) {
    ROUTES.with_borrow_mut(|routes| {
        if !routes.contains_key(route) {
            routes.insert(route.into(), Vec::new());
        }
        let Some(known) = routes.get_mut(route) else { return };
        let found = known.iter().position(|answered| answered.method == method && answered.status == status);
        let at = found.unwrap_or_else(|| {
            known.push(Answered::look_up(names, method, route, status));
            known.len() - 1
        });
        known[at].requests.increment(1);
        known[at].seconds.record(took);
    });
}

impl Answered {
    fn look_up(names: Names, method: &'static str, route: &str, status: u16) -> Self {
        let labels = [("method", method.to_owned()), ("route", route.to_owned()), ("status", status.to_string())];
        let requests = counter!(names.requests, &labels);
        Self { method, status, requests, seconds: histogram!(names.seconds, &labels[..2]) }
    }
}
