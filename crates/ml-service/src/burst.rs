//! Short runs of one model, one after the other under one permit.
//!
//! A model that runs for microseconds is done long before a permit has changed hands. So requests for it gather while the device is
//! busy, and as long as the event loop has others at hand; the first of them leads: it waits for the permit of all, and has the
//! runner serve them in one go. Tensors are not put together, so this is for every model, whatever its axes mean.
//!
//! Invariants: riders share a model and thus a tenant; one permit still is one run at a time; what shares a permit is expected to be
//! over within [`MOST_TOGETHER`]; a leader that goes away hands over to a task.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ortolan_domain::TenantSlug;
use ortolan_domain::job::MlError;
use ortolan_ml_client::{BatchClose, InferAnswer};
use ortolan_runner::{CallContext, Loaded, Rider, RunnerError, SLOTS_FOR_RIDERS};
use tokio::time::Instant;

use crate::convert;
use crate::infer::Prepared;
use crate::service::MlService;
use crate::stats::Ran;

/// A model rides when its last run took no longer than this.
const SHORT_RUN: Duration = Duration::from_micros(500);
/// A request rides when its tensors have no more bytes than this.
const SMALL_BYTES: usize = 256 << 10;
/// The time of all runs under one permit, as far as it can be foreseen.
const MOST_TOGETHER: Duration = Duration::from_millis(2);
/// Runs under one permit.
const MOST_RIDERS: usize = 16;
/// Requests for one model that may wait for a ride.
const MOST_WAITING: usize = 1024;

/// Who rides.
#[derive(Default)]
pub(crate) struct Bursts {
    /// Requests that wait for the one who leads them, by the number of their model; there while somebody does.
    waiting: Mutex<HashMap<u32, Vec<Rider>>>,
    /// Requests that wait or run.
    under_way: AtomicUsize,
}

/// Counts a request that rides, until it is dropped.
struct UnderWay<'a>(&'a AtomicUsize);

/// True when a request is better off riding than with a permit of its own.
pub(crate) fn rides(prepared: &Prepared) -> bool {
    let bytes: usize = prepared.checked.inputs.iter().map(|input| input.data.len()).sum();
    bytes <= SMALL_BYTES && prepared.loaded.last_run().is_some_and(|took| took <= SHORT_RUN)
}

impl Bursts {
    /// Puts a request to the others, unless they are too many; true when it is the first and has to lead them.
    fn join(&self, model: u32, rider: Rider) -> bool {
        let mut waiting = self.waiting();
        let riders = waiting.entry(model).or_default();
        if riders.len() >= MOST_WAITING {
            rider.refuse(RunnerError::Overloaded);
            return false;
        }
        riders.push(rider);
        riders.len() == 1
    }

    /// The next ones to go, the oldest first. Once there are none, nobody leads any more.
    fn next(&self, model: u32, most: usize) -> Vec<Rider> {
        let mut waiting = self.waiting();
        let Some(riders) = waiting.get_mut(&model) else { return Vec::new() };
        riders.retain(Rider::is_wanted);
        let going = riders.drain(..most.min(riders.len())).collect();
        if riders.is_empty() {
            waiting.remove(&model);
        }
        going
    }

    fn is_empty(&self, model: u32) -> bool {
        !self.waiting().contains_key(&model)
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<u32, Vec<Rider>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self) -> UnderWay<'_> {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(&self.under_way)
    }

    fn has_others(&self) -> bool {
        self.under_way.load(Ordering::Relaxed) > 1
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl MlService {
    /// Runs together with others that come at the same time. When their runner dies, each runs by itself, so that none is blamed for
    /// another.
    pub(crate) async fn in_a_burst(&self, prepared: Prepared) -> Result<InferAnswer, MlError> {
        let _counted = self.0.bursts.count();
        let (arrived, rows) = (Instant::now(), prepared.rows());
        let context = CallContext::default().with_deadline(prepared.deadline);
        let ridden = prepared.loaded.ride(prepared.checked.clone(), &context);
        let (waiting, rider) = ridden.map_err(|error| convert::error(&error))?;
        if self.0.bursts.join(prepared.loaded.number(), rider) {
            let lead = Lead { service: self, loaded: &prepared.loaded, tenant: prepared.key.tenant() };
            // Past its deadline it has nothing to wait for any more; somebody else sees to the others.
            tokio::time::timeout_at(prepared.deadline, lead.go()).await.ok();
        }
        let (answer, trip) = waiting.end().await;
        match answer {
            Ok(answer) => {
                let waited = trip.map_or(Duration::ZERO, |trip| trip.began - arrived);
                let timings = answer.timings;
                let noted = Ran { rows, waits: &[waited], timings, closed: BatchClose::Alone };
                Ok(prepared.answered(self, answer, &noted))
            }
            // One that was not taken along found its runner dead.
            Err(error) if is_death(&error) && trip.is_none_or(|trip| trip.riders > 1) => {
                prepared.answer(self, None, BatchClose::Alone).await
            }
            Err(error) => Err(convert::error(&error)),
        }
    }
}

/// True for what every call of a runner hears that died, whoever is to blame.
fn is_death(error: &RunnerError) -> bool {
    use RunnerError::{Crashed, Exited, Killed, OutOfMemory};
    matches!(error, Crashed { .. } | Exited { .. } | Killed | OutOfMemory)
}

/// Whoever leads. Dropping it hands over to a task if others are left.
struct Lead<'a> {
    service: &'a MlService,
    loaded: &'a Loaded,
    tenant: &'a TenantSlug,
}

impl Lead<'_> {
    async fn go(self) {
        if self.service.0.bursts.has_others() {
            // Whoever can be read off a connection by now comes along.
            tokio::task::yield_now().await;
        }
        take_along(self.service, self.loaded, self.tenant).await;
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        if self.service.0.bursts.is_empty(self.loaded.number()) {
            return;
        }
        let (service, loaded, tenant) = (self.service.clone(), self.loaded.clone(), self.tenant.clone());
        tokio::spawn(async move {
            while !service.0.bursts.is_empty(loaded.number()) {
                take_along(&service, &loaded, &tenant).await;
            }
        });
    }
}

/// Waits for a permit and lets those go that share it.
async fn take_along(service: &MlService, loaded: &Loaded, tenant: &TenantSlug) {
    let permit = service.0.gate.acquire(tenant).await;
    let run = loaded.last_run().unwrap_or(SHORT_RUN).max(Duration::from_micros(1));
    let seats = (SLOTS_FOR_RIDERS / service.0.settings.concurrency.max(1)).clamp(1, MOST_RIDERS);
    let most = (MOST_TOGETHER.as_micros() / run.as_micros()).clamp(1, seats as u128) as usize;
    let riders = service.0.bursts.next(loaded.number(), most);
    match permit {
        Ok(permit) => loaded.carry(riders, permit),
        Err(_) => riders.into_iter().for_each(|rider| rider.refuse(RunnerError::Overloaded)),
    }
}
