//! The device's permits, handed out fairly: tenants take turns, whatever the length of their queues.
//!
//! Two kinds wait. Jobs came out of a queue that lets only so many of them in, and are never refused. Calls have a client
//! that waits for the answer; of them only so many may wait, of one tenant at most half of those, and when all places are
//! taken, whoever has most gives one up to whoever has fewer. So no burst keeps another tenant out.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ortolan_domain::TenantSlug;
use tokio::sync::oneshot;

/// A semaphore whose waiters are served tenant by tenant. Clones share it.
#[derive(Clone)]
pub struct FairGate(Arc<Gate>);

struct Gate {
    permits: usize,
    /// Calls that may wait, of all tenants.
    most_calls: usize,
    /// Hears how busy the gate is whenever that changes.
    ear: Option<fn(GateFacts)>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    running: usize,
    /// The most that ever ran at once.
    peak: usize,
    waiting: usize,
    /// How many of those that wait are calls.
    calls: usize,
    /// Tenants that wait, in the order of their turns; each stands here once.
    turns: VecDeque<TenantSlug>,
    queues: HashMap<TenantSlug, VecDeque<Waiter>>,
}

struct Waiter {
    turn: oneshot::Sender<Permit>,
    is_call: bool,
}

/// How busy a gate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateFacts {
    /// Permits in all.
    pub permits: usize,
    /// Permits taken.
    pub running: usize,
    /// The most that were ever taken at once.
    pub peak: usize,
    /// Jobs and calls that wait for one.
    pub waiting: usize,
}

/// Why a call may not wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// Its tenant has as many waiting as it may have.
    #[error("too many of this tenant's calls wait for the device")]
    OfTenant,
    /// All places are taken.
    #[error("too many calls wait for the device")]
    OfAll,
}

/// The right to use the device; dropping it gives it to the next waiter.
pub struct Permit(Option<Arc<Gate>>);

impl FairGate {
    /// A gate with so many permits that lets at most so many calls wait.
    pub fn new(permits: usize, most_calls: usize) -> Self {
        Self::with_ear(permits, most_calls, None)
    }

    /// The same, and `ear` hears how busy it is, whoever comes and goes.
    pub fn heard_by(permits: usize, most_calls: usize, ear: fn(GateFacts)) -> Self {
        Self::with_ear(permits, most_calls, Some(ear))
    }

    fn with_ear(permits: usize, most_calls: usize, ear: Option<fn(GateFacts)>) -> Self {
        let gate = Gate { permits: permits.max(1), most_calls: most_calls.max(1), ear, state: Mutex::default() };
        gate.tell(&gate.state());
        Self(Arc::new(gate))
    }

    /// Waits for the tenant's turn and a permit, as a job, of which somebody else lets only so many in. Dropping the
    /// future gives up the place in the queue.
    pub async fn acquire(&self, tenant: &TenantSlug) -> Result<Permit, Full> {
        self.wait(tenant, false).await
    }

    /// The same as a call, which is refused when too many wait.
    pub async fn acquire_call(&self, tenant: &TenantSlug) -> Result<Permit, Full> {
        self.wait(tenant, true).await
    }

    /// A permit, if one is free; then nobody waits, so it is nobody else's turn.
    pub fn try_acquire(&self) -> Option<Permit> {
        self.try_with(&mut self.0.state())
    }

    fn try_with(&self, state: &mut State) -> Option<Permit> {
        if state.running >= self.0.permits {
            return None;
        }
        state.running += 1;
        state.peak = state.peak.max(state.running);
        self.0.tell(state);
        Some(Permit(Some(Arc::clone(&self.0))))
    }

    async fn wait(&self, tenant: &TenantSlug, is_call: bool) -> Result<Permit, Full> {
        let turn = {
            let mut state = self.0.state();
            if let Some(permit) = self.try_with(&mut state) {
                return Ok(permit);
            }
            if is_call {
                state.make_room(tenant, self.0.most_calls)?;
            }
            let turn = state.enqueue(tenant, is_call);
            self.0.tell(&state);
            turn
        };
        let _guard = Waiting { gate: &self.0, is_call };
        turn.await.map_err(|_| Full::OfAll)
    }

    /// How busy the gate is now.
    pub fn facts(&self) -> GateFacts {
        self.0.facts(&self.0.state())
    }
}

impl Gate {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics halfway through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn facts(&self, state: &State) -> GateFacts {
        GateFacts { permits: self.permits, running: state.running, peak: state.peak, waiting: state.waiting }
    }

    /// Under the lock, so that the last word is the newest.
    fn tell(&self, state: &State) {
        if let Some(ear) = self.ear {
            ear(self.facts(state));
        }
    }

    /// Hands a permit that came back to the next waiter that is still there.
    fn release(self: &Arc<Self>) {
        let mut state = self.state();
        while let Some(waiter) = state.next() {
            match waiter.turn.send(Permit(Some(Arc::clone(self)))) {
                Ok(()) => return,
                // The waiter has gone: take the permit back without releasing it again.
                Err(mut permit) => drop(permit.0.take()),
            }
        }
        state.running -= 1;
        self.tell(&state);
    }
}

impl State {
    /// Makes sure that one more call of the tenant may wait.
    fn make_room(&mut self, tenant: &TenantSlug, most_calls: usize) -> Result<(), Full> {
        let most_of_tenant = (most_calls / 2).max(1);
        let own = self.calls_of(tenant);
        if own >= most_of_tenant {
            return Err(Full::OfTenant);
        }
        if self.calls < most_calls {
            return Ok(());
        }
        let tenants: Vec<TenantSlug> = self.queues.keys().cloned().collect();
        let longest =
            tenants.into_iter().map(|tenant| (self.calls_of(&tenant), tenant)).max_by_key(|(calls, _)| *calls);
        match longest {
            Some((calls, greedy)) if calls > own + 1 => self.push_out(&greedy),
            _ => return Err(Full::OfAll),
        }
        Ok(())
    }

    /// How many calls of a tenant wait; those that have gone away are forgotten first.
    fn calls_of(&mut self, tenant: &TenantSlug) -> usize {
        let Some(queue) = self.queues.get_mut(tenant) else { return 0 };
        queue.retain(|waiter| !waiter.turn.is_closed());
        queue.iter().filter(|waiter| waiter.is_call).count()
    }

    /// Refuses the call of a tenant that came last; it hears of it as its turn is dropped.
    fn push_out(&mut self, tenant: &TenantSlug) {
        let Some(queue) = self.queues.get_mut(tenant) else { return };
        if let Some(last) = queue.iter().rposition(|waiter| waiter.is_call) {
            drop(queue.remove(last));
        }
    }

    fn enqueue(&mut self, tenant: &TenantSlug, is_call: bool) -> oneshot::Receiver<Permit> {
        let (turn, told) = oneshot::channel();
        if !self.queues.contains_key(tenant) {
            self.turns.push_back(tenant.clone());
        }
        self.queues.entry(tenant.clone()).or_default().push_back(Waiter { turn, is_call });
        self.waiting += 1;
        self.calls += usize::from(is_call);
        told
    }

    /// The first waiter of the tenant whose turn it is; the tenant goes to the end of the round.
    fn next(&mut self) -> Option<Waiter> {
        loop {
            let tenant = self.turns.pop_front()?;
            let queue = self.queues.get_mut(&tenant)?;
            let waiter = queue.pop_front();
            if queue.is_empty() {
                self.queues.remove(&tenant);
            } else {
                self.turns.push_back(tenant);
            }
            if waiter.is_some() {
                return waiter;
            }
        }
    }
}

/// Counts a waiter out, also when its future is dropped.
struct Waiting<'a> {
    gate: &'a Gate,
    is_call: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.gate.state();
        state.waiting -= 1;
        state.calls -= usize::from(self.is_call);
        self.gate.tell(&state);
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
        assert_eq!(gate.facts(), GateFacts { permits: 1, running: 0, peak: 1, waiting: 0 });
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
    async fn a_tenant_may_have_half_of_the_places_and_jobs_are_never_refused() {
        let gate = FairGate::new(1, 4);
        let (a, b) = (tenant("a"), tenant("b"));
        let _held = gate.acquire(&a).await.unwrap();
        let mut calls: Vec<_> = (0..2).map(|_| Box::pin(gate.acquire_call(&a))).collect();
        for call in &mut calls {
            assert!(futures_poll_once(call).await.is_none());
        }
        assert_eq!(gate.acquire_call(&a).await.err(), Some(Full::OfTenant));
        let mut other = Box::pin(gate.acquire_call(&b));
        assert!(futures_poll_once(&mut other).await.is_none(), "another tenant waits");
        let mut jobs: Vec<_> = (0..20).map(|_| Box::pin(gate.acquire(&a))).collect();
        for job in &mut jobs {
            assert!(futures_poll_once(job).await.is_none());
        }
        drop(calls.pop());
        let mut again = Box::pin(gate.acquire_call(&a));
        assert!(futures_poll_once(&mut again).await.is_none(), "who goes away makes room");
    }

    #[tokio::test]
    async fn when_all_places_are_taken_who_has_most_gives_one_up() {
        let gate = FairGate::new(1, 4);
        let names = ["a", "b", "c", "d"].map(tenant);
        let _held = gate.acquire(&names[0]).await.unwrap();
        let mut first: Vec<_> = [0, 0, 1, 1].into_iter().map(|who| Box::pin(gate.acquire_call(&names[who]))).collect();
        for call in &mut first {
            assert!(futures_poll_once(call).await.is_none());
        }
        let mut third = Box::pin(gate.acquire_call(&names[2]));
        assert!(futures_poll_once(&mut third).await.is_none());
        let mut pushed_out = Vec::new();
        for call in &mut first {
            pushed_out.push(matches!(futures_poll_once(call).await, Some(Err(Full::OfAll))));
        }
        assert_eq!(pushed_out.iter().filter(|is_out| **is_out).count(), 1, "{pushed_out:?}");
        assert!(pushed_out[1] || pushed_out[3], "the one that came last");
        drop(first);
        assert_eq!(gate.facts().waiting, 1);
    }

    #[tokio::test]
    async fn a_place_is_not_taken_from_whoever_has_as_few() {
        let gate = FairGate::new(1, 2);
        let names = ["a", "b", "c"].map(tenant);
        let _held = gate.acquire(&names[0]).await.unwrap();
        let mut calls: Vec<_> = names[..2].iter().map(|name| Box::pin(gate.acquire_call(name))).collect();
        for call in &mut calls {
            assert!(futures_poll_once(call).await.is_none());
        }
        assert_eq!(gate.acquire_call(&names[2]).await.err(), Some(Full::OfAll));
    }

    async fn futures_poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        std::future::poll_fn(|context| match std::pin::Pin::new(&mut *future).poll(context) {
            std::task::Poll::Ready(output) => std::task::Poll::Ready(Some(output)),
            std::task::Poll::Pending => std::task::Poll::Ready(None),
        })
        .await
    }
}
