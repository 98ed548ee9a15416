//! What each model did: counts, times and its last runs.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ortolan_domain::model::ModelRef;
use ortolan_domain::{TenantSlug, Timestamp};
use ortolan_ml_client::{BatchClose, BatchReport, ModelStats, Spent};
use ortolan_runner::Timings;

/// Runs that are remembered of a model.
const LAST_BATCHES: usize = 32;
/// Models that are remembered; past it, the one that was idle longest is forgotten.
const MOST_MODELS: usize = 4096;

/// What each model did since the service started.
#[derive(Default)]
pub(crate) struct Stats(Mutex<HashMap<ModelRef, Tally>>);

/// One run that ended well.
pub(crate) struct Ran<'a> {
    pub(crate) rows: usize,
    /// How long each request of it had waited.
    pub(crate) waits: &'a [Duration],
    pub(crate) timings: Timings,
    pub(crate) closed: BatchClose,
}

#[derive(Default)]
struct Tally {
    last: Option<Timestamp>,
    inferences: u64,
    executions: u64,
    success: Spent,
    fail: Spent,
    queue: Spent,
    input: Spent,
    infer: Spent,
    output: Spent,
    batches: VecDeque<BatchReport>,
}

impl Stats {
    /// Notes a run that ended well at `at`.
    pub(crate) fn ran(&self, model: &ModelRef, at: Timestamp, ran: &Ran<'_>) {
        self.note(model, |tally| {
            tally.last = Some(at);
            tally.inferences += ran.rows as u64;
            tally.executions += 1;
            let Timings { decode_us, prepare_us, wait_us, run_us, interpret_us } = ran.timings;
            for waited in ran.waits {
                add(&mut tally.queue, *waited + Duration::from_micros(wait_us));
                add(&mut tally.input, Duration::from_micros(decode_us + prepare_us));
                add(&mut tally.infer, Duration::from_micros(run_us));
                add(&mut tally.output, Duration::from_micros(interpret_us));
            }
            tally.batches.truncate(LAST_BATCHES - 1);
            tally.batches.push_front(report(at, ran));
        });
    }

    /// Notes a request that ended, and how long it took from its arrival.
    pub(crate) fn ended(&self, model: &ModelRef, is_ok: bool, took: Duration) {
        self.note(model, |tally| add(if is_ok { &mut tally.success } else { &mut tally.fail }, took));
    }

    fn note(&self, model: &ModelRef, note: impl FnOnce(&mut Tally)) {
        let mut tallies = self.tallies();
        if let Some(tally) = tallies.get_mut(model) {
            return note(tally);
        }
        if tallies.len() >= MOST_MODELS {
            let idle = tallies.iter().min_by_key(|(_, tally)| tally.last).map(|(model, _)| model.clone());
            idle.map(|idle| tallies.remove(&idle));
        }
        note(tallies.entry(model.clone()).or_default());
    }

    /// What the models of one tenant or of all did, by model.
    pub(crate) fn list(&self, tenant: Option<&TenantSlug>) -> Vec<ModelStats> {
        let tallies = self.tallies();
        let mine = tallies.iter().filter(|(model, _)| tenant.is_none_or(|tenant| model.tenant == *tenant));
        let mut list: Vec<_> = mine.map(|(model, tally)| tally.stats(model)).collect();
        list.sort_by(|a, b| (&a.model.tenant, a.model.name).cmp(&(&b.model.tenant, b.model.name)));
        list
    }

    fn tallies(&self) -> MutexGuard<'_, HashMap<ModelRef, Tally>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn add(spent: &mut Spent, time: Duration) {
    spent.count += 1;
    spent.ns = spent.ns.saturating_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
}

fn report(at: Timestamp, ran: &Ran<'_>) -> BatchReport {
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    BatchReport {
        at,
        requests: count(ran.waits.len()),
        rows: count(ran.rows),
        padding: 0,
        wait_ms: ran.waits.iter().max().map_or(0.0, |longest| longest.as_secs_f64() * 1e3),
        closed: ran.closed,
    }
}

impl Tally {
    fn stats(&self, model: &ModelRef) -> ModelStats {
        ModelStats {
            model: model.clone(),
            last_inference: self.last,
            inference_count: self.inferences,
            execution_count: self.executions,
            success: self.success,
            fail: self.fail,
            queue: self.queue,
            compute_input: self.input,
            compute_infer: self.infer,
            compute_output: self.output,
            last_batches: self.batches.iter().cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use ortolan_domain::Slot;

    use super::*;

    #[test]
    fn counts_are_of_requests_rows_and_runs() {
        let model = |name: &str| ModelRef::new(TenantSlug::parse(name).unwrap(), Slot::Detect);
        let stats = Stats::default();
        let at = Timestamp::from_micros(1);
        let waits = [Duration::from_millis(2), Duration::ZERO];
        let timings = Timings { run_us: 5, ..Timings::default() };
        for _ in 0..40 {
            stats.ran(&model("a"), at, &Ran { rows: 3, waits: &waits, timings, closed: BatchClose::Waited });
        }
        stats.ended(&model("a"), false, Duration::from_millis(1));
        stats.ended(&model("b"), true, Duration::from_millis(1));
        let [a] = &stats.list(Some(&model("a").tenant))[..] else { panic!("one model") };
        assert_eq!((a.inference_count, a.execution_count, a.fail.count, a.success.count), (120, 40, 1, 0));
        assert_eq!((a.queue, a.compute_infer), (Spent { count: 80, ns: 80_000_000 }, Spent { count: 80, ns: 400_000 }));
        assert_eq!(a.last_batches.len(), LAST_BATCHES);
        let last = &a.last_batches[0];
        assert_eq!((last.rows, last.requests, last.wait_ms, last.padding), (3, 2, 2.0, 0));
        assert_eq!(stats.list(None).len(), 2);
    }
}
