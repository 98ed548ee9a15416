//! The device's permits, handed out fairly: tenants take turns, whatever the length of their queues.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ortolan_domain::TenantSlug;
use tokio::sync::oneshot;

/// A semaphore whose waiters are served tenant by tenant. Clones share it.
#[derive(Clone)]
pub struct FairGate(Arc<Gate>);

struct Gate {
    permits: usize,
    most_waiting: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    running: usize,
    waiting: usize,
    /// Tenants that wait, in the order of their turns; each stands here once.
    turns: VecDeque<TenantSlug>,
    queues: HashMap<TenantSlug, VecDeque<oneshot::Sender<Permit>>>,
}

/// How busy a gate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateFacts {
    /// Permits in all.
    pub permits: usize,
    /// Permits taken.
    pub running: usize,
    /// Calls that wait for one.
    pub waiting: usize,
}

/// Too many calls wait already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many calls wait for the device")]
pub struct Full;

/// The right to use the device; dropping it gives it to the next waiter.
pub struct Permit(Option<Arc<Gate>>);

impl FairGate {
    /// A gate with so many permits that lets at most so many calls wait.
    pub fn new(permits: usize, most_waiting: usize) -> Self {
        Self(Arc::new(Gate { permits: permits.max(1), most_waiting, state: Mutex::default() }))
    }

    /// Waits for the tenant's turn and a permit. Dropping the future gives up the place in the queue.
    pub async fn acquire(&self, tenant: &TenantSlug) -> Result<Permit, Full> {
        let turn = {
            let mut state = self.0.state();
            if state.running < self.0.permits {
                state.running += 1;
                return Ok(Permit(Some(Arc::clone(&self.0))));
            }
            if state.waiting >= self.0.most_waiting {
                return Err(Full);
            }
            state.enqueue(tenant)
        };
        let _guard = Waiting(&self.0);
        turn.await.map_err(|_| Full)
    }

    /// How busy the gate is now.
    pub fn facts(&self) -> GateFacts {
        let state = self.0.state();
        GateFacts { permits: self.0.permits, running: state.running, waiting: state.waiting }
    }
}

impl Gate {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics halfway through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a permit that came back to the next waiter that is still there.
    fn release(self: &Arc<Self>) {
        let mut state = self.state();
        while let Some(waiter) = state.next() {
            match waiter.send(Permit(Some(Arc::clone(self)))) {
                Ok(()) => return,
                // The waiter has gone: take the permit back without releasing it again.
                Err(mut permit) => drop(permit.0.take()),
            }
        }
        state.running -= 1;
    }
}

impl State {
    fn enqueue(&mut self, tenant: &TenantSlug) -> oneshot::Receiver<Permit> {
        let (sender, turn) = oneshot::channel();
        let queue = self.queues.entry(tenant.clone()).or_default();
        if queue.is_empty() {
            self.turns.push_back(tenant.clone());
        }
        queue.push_back(sender);
        self.waiting += 1;
        turn
    }

    /// The first waiter of the tenant whose turn it is; the tenant goes to the end of the round.
    fn next(&mut self) -> Option<oneshot::Sender<Permit>> {
        let tenant = self.turns.pop_front()?;
        let queue = self.queues.get_mut(&tenant)?;
        let waiter = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(&tenant);
        } else {
            self.turns.push_back(tenant);
        }
        waiter
    }
}

/// Counts a waiter out, also when its future is dropped.
struct Waiting<'a>(&'a Gate);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.state().waiting -= 1;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(gate) = self.0.take() {
            gate.release();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn tenant(name: &str) -> TenantSlug {
        TenantSlug::parse(name).unwrap()
    }

    /// Starts a waiter that reports its name when it is served and then holds its permit until told to go on.
    async fn wait(gate: &FairGate, name: &str, served: &tokio::sync::mpsc::UnboundedSender<String>) {
        let before = gate.facts().waiting;
        let (gate, name, served) = (gate.clone(), name.to_owned(), served.clone());
        let counting = gate.clone();
        tokio::spawn(async move {
            let permit = gate.acquire(&tenant(&name)).await.unwrap();
            served.send(name).unwrap();
            drop(permit);
        });
        while counting.facts().waiting == before {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn tenants_take_turns_whatever_their_queues() {
        let gate = FairGate::new(1, 100);
        let held = gate.acquire(&tenant("a")).await.unwrap();
        let (served, mut order) = tokio::sync::mpsc::unbounded_channel();
        for name in ["a", "a", "a", "a", "b", "c", "b"] {
            wait(&gate, name, &served).await;
        }
        drop(held);
        let mut seen = Vec::new();
        for _ in 0..7 {
            seen.push(order.recv().await.unwrap());
        }
        assert_eq!(seen, ["a", "b", "c", "a", "b", "a", "a"]);
        assert_eq!(gate.facts(), GateFacts { permits: 1, running: 0, waiting: 0 });
    }

    #[tokio::test]
    async fn a_waiter_that_goes_away_costs_nobody_a_permit() {
        let gate = FairGate::new(1, 100);
        let held = gate.acquire(&tenant("a")).await.unwrap();
        let name = tenant("b");
        let mut gone = Box::pin(gate.acquire(&name));
        assert!(futures_poll_once(&mut gone).await.is_none());
        drop(gone);
        assert_eq!(gate.facts().waiting, 0);
        drop(held);
        assert_eq!(gate.facts().running, 0);
        drop(gate.acquire(&tenant("c")).await.unwrap());
    }

    #[tokio::test]
    async fn a_permit_on_its_way_to_a_waiter_that_goes_away_comes_back() {
        let gate = FairGate::new(1, 100);
        let held = gate.acquire(&tenant("a")).await.unwrap();
        let name = tenant("b");
        let mut gone = Box::pin(gate.acquire(&name));
        assert!(futures_poll_once(&mut gone).await.is_none());
        drop(held); // handed to `gone`, which never looks
        assert_eq!(gate.facts().running, 1);
        drop(gone);
        assert_eq!(gate.facts().running, 0);
    }

    #[tokio::test]
    async fn past_the_limit_the_answer_is_full_at_once() {
        let gate = FairGate::new(1, 1);
        let _held = gate.acquire(&tenant("a")).await.unwrap();
        let name = tenant("a");
        let mut first = Box::pin(gate.acquire(&name));
        assert!(futures_poll_once(&mut first).await.is_none());
        assert_eq!(gate.acquire(&tenant("b")).await.err(), Some(Full));
    }

    async fn futures_poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        std::future::poll_fn(|context| match std::pin::Pin::new(&mut *future).poll(context) {
            std::task::Poll::Ready(output) => std::task::Poll::Ready(Some(output)),
            std::task::Poll::Pending => std::task::Poll::Ready(None),
        })
        .await
    }
}
