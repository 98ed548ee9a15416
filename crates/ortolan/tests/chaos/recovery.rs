//! How long it takes until a fault is over for those whom it hit: until every task from before it has ended.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ortolan_testkit::query;

const PERIOD: Duration = Duration::from_millis(400);

/// Tasks that are open, and since when the oldest of them; those that a user retried are older than their wait.
const OPEN: &str = "
    SELECT COUNT(*), COALESCE(MIN(CASE WHEN NOT EXISTS (
        SELECT 1 FROM moves WHERE moves.task_id = tasks.id AND moves.old IN ('failed', 'cancelled'))
        THEN created_at END), 0)
    FROM tasks WHERE status IN ('pending', 'queued', 'running')";

/// A fault that was injected.
#[derive(Debug, Clone)]
pub struct Record {
    /// What it was.
    pub fault: &'static str,
    /// Tasks that were open when it struck.
    pub tasks: u64,
    /// Time from its end until all tasks from before its end had ended.
    pub recovered_s: Option<f64>,
    healed: Instant,
    healed_at_us: i64,
}

#[derive(Default)]
struct State {
    open: Option<u64>,
    records: Vec<Record>,
}

/// Watches the database.
pub struct Recovery(Arc<Mutex<State>>);

impl Recovery {
    /// Starts to watch.
    pub fn watch(database_url: String) -> Self {
        let state: Arc<Mutex<State>> = Arc::default();
        let seen = Arc::clone(&state);
        std::thread::spawn(move || {
            // The last clone outside of this thread ends it.
            while Arc::strong_count(&seen) > 1 {
                look(&database_url, &seen);
                std::thread::sleep(PERIOD);
            }
        });
        Self(state)
    }

    /// Tasks that are open, as seen last.
    pub fn open(&self) -> u64 {
        lock(&self.0).open.unwrap_or_default()
    }

    /// Notes that a fault is over.
    pub fn healed(&mut self, fault: &'static str, tasks: u64) {
        let (healed, healed_at_us) = (Instant::now(), now_us());
        lock(&self.0).records.push(Record { fault, tasks, recovered_s: None, healed, healed_at_us });
    }

    /// Waits until no task is open; false when that takes longer than `limit`.
    pub async fn wait_until_idle(&mut self, limit: Duration) -> bool {
        let began = Instant::now();
        lock(&self.0).open = None;
        while lock(&self.0).open != Some(0) {
            if began.elapsed() > limit {
                return false;
            }
            tokio::time::sleep(PERIOD).await;
        }
        true
    }

    /// All faults so far.
    pub fn records(&self) -> Vec<Record> {
        lock(&self.0).records.clone()
    }
}

fn look(database_url: &str, state: &Mutex<State>) {
    let looked_at_us = now_us();
    // While the database is down nothing has recovered.
    let Ok(rows) = query(database_url, OPEN) else { return };
    let number = |column: usize| rows.first().and_then(|row| row.get(column)?.parse::<i64>().ok()).unwrap_or(0);
    let open = number(0).unsigned_abs();
    let oldest = if number(1) == 0 { looked_at_us } else { number(1) };
    let mut state = lock(state);
    state.open = Some(open);
    for record in state.records.iter_mut().filter(|record| record.recovered_s.is_none()) {
        if record.healed_at_us <= oldest {
            record.recovered_s = Some(record.healed.elapsed().as_secs_f64());
        }
    }
}

fn now_us() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_micros()).unwrap_or(i64::MAX)
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
