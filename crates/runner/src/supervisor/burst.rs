//! Calls of one model that run one after the other in one go, under one permit.
//!
//! For models that run for microseconds, taking turns call by call costs more than the runs. So a call may ride: it is packed
//! ([`Passenger`]) and handed to whoever takes calls along next ([`Host::carry`]), while its caller waits for the answer ([`Ride`]).
//! They go to the runner together, and one worker serves them in their order; each is answered, cancelled and refused by itself.

use std::any::Any;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::error::RunnerError;
use crate::supervisor::calls::Reply;
use crate::supervisor::context::{Bounds, CallContext};
use crate::supervisor::host::{Host, Request};
use crate::supervisor::local::Local;
use crate::supervisor::process::Process;

/// A call that waits to be taken along, or is.
#[derive(Debug)]
pub(super) struct Ride {
    answer: oneshot::Receiver<Reply>,
    taken: Arc<OnceLock<Taken>>,
    bounds: Bounds,
    is_over: bool,
}

/// The call itself, for whoever takes it along.
#[derive(Debug)]
pub(super) struct Passenger {
    request: Request,
    answer: oneshot::Sender<Reply>,
    taken: Arc<OnceLock<Taken>>,
}

/// Where a call is that was taken along.
#[derive(Debug)]
struct Taken {
    by: Carrier,
    id: u64,
    trip: Trip,
}

/// How a call was taken along.
#[derive(Debug, Clone, Copy)]
pub struct Trip {
    /// When it was.
    pub began: Instant,
    /// How many were, itself included.
    pub riders: usize,
}

impl Trip {
    fn of(passengers: &[Passenger]) -> Self {
        Self { began: Instant::now(), riders: passengers.len() }
    }
}

#[derive(Debug)]
enum Carrier {
    Process(Arc<Process>),
    Local(Arc<Local>),
}

/// How long answers of runs in this process may wait for those of the next ones.
const TELL_WITHIN: Duration = Duration::from_micros(100);

/// A permit that lasts until the last call under it is over.
pub(super) type SharedPermit = Arc<dyn Any + Send + Sync>;

/// Packs a call.
pub(super) fn pack(request: Request, context: &CallContext) -> (Ride, Passenger) {
    let (sender, answer) = oneshot::channel();
    let taken = Arc::new(OnceLock::new());
    let ride = Ride { answer, taken: Arc::clone(&taken), bounds: context.bounds(), is_over: false };
    (ride, Passenger { request, answer: sender, taken })
}

impl Ride {
    /// Waits for the answer. Past its deadline this returns once the runner has let go of the call; dropping the future cancels it.
    /// Also says how the call was taken along, if it was.
    pub(super) async fn end(mut self) -> (Reply, Option<Trip>) {
        let reply = tokio::select! {
            reply = &mut self.answer => reply.unwrap_or(Err(RunnerError::Killed)),
            why = self.bounds.exceeded() => {
                if let Some(taken) = self.taken.get() {
                    taken.stop();
                    (&mut self.answer).await.ok();
                }
                Err(why)
            }
        };
        self.is_over = true;
        (reply, self.taken.get().map(|taken| taken.trip))
    }
}

impl Drop for Ride {
    fn drop(&mut self) {
        if !self.is_over {
            // In this order: whoever takes it along does the two things in the other one, so that one of both sees the other.
            self.answer.close();
            self.taken.get().into_iter().for_each(Taken::stop);
        }
    }
}

impl Passenger {
    /// False once nobody waits for the answer.
    pub(super) fn is_wanted(&self) -> bool {
        !self.answer.is_closed()
    }

    /// Refuses the call.
    pub(super) fn refuse(self, error: RunnerError) {
        // Whoever waited may be gone.
        self.answer.send(Err(error)).ok();
    }
}

impl Taken {
    fn stop(&self) {
        match &self.by {
            Carrier::Process(process) => process.cancel(self.id),
            Carrier::Local(local) => local.cancel(self.id),
        }
    }
}

impl Host {
    /// Takes calls along, one after the other under the permit.
    pub(super) fn carry(&self, passengers: Vec<Passenger>, permit: SharedPermit) {
        match self {
            Self::Process(process) => process.carry(passengers, &permit),
            Self::Local(local) => local.carry(passengers, permit),
        }
    }
}

impl Process {
    fn carry(self: &Arc<Self>, passengers: Vec<Passenger>, permit: &SharedPermit) {
        let seated = self.seat_all(passengers, permit);
        // The last one is written first, as each has to say how many come after it and any may fail.
        let mut slots = Vec::with_capacity(seated.len());
        for (slot, id, request) in seated.iter().rev() {
            match self.write(*slot, *id, request, None, slots.len() as u32) {
                Ok(()) => slots.push(*slot),
                Err(error) => self.calls().finish(*slot, Err(error)),
            }
        }
        slots.reverse();
        self.segment.control().push_calls(&mut self.calls().tail, &slots);
        self.submitted.notify_one();
    }

    fn seat_all(self: &Arc<Self>, passengers: Vec<Passenger>, permit: &SharedPermit) -> Vec<(u32, u64, Request)> {
        let trip = Trip::of(&passengers);
        let mut calls = self.calls();
        let mut seated = Vec::with_capacity(passengers.len());
        for Passenger { request, answer, taken } in passengers {
            match calls.seat(answer, Some(Box::new(Arc::clone(permit))), None) {
                Ok((slot, id)) => {
                    let is_first = taken.set(Taken { by: Carrier::Process(Arc::clone(self)), id, trip });
                    if is_first.is_err() || calls.is_deserted(slot) {
                        calls.give_back(slot);
                    } else {
                        seated.push((slot, id, request));
                    }
                }
                Err((error, answer)) => drop(answer.send(Err(error))),
            }
        }
        seated
    }
}

impl Local {
    fn carry(self: &Arc<Self>, passengers: Vec<Passenger>, permit: SharedPermit) {
        let trip = Trip::of(&passengers);
        let mut seated = Vec::with_capacity(passengers.len());
        for Passenger { request, answer, taken } in passengers {
            let (place, id) = match self.seat() {
                Ok(seat) => seat,
                Err(error) => {
                    answer.send(Err(error)).ok();
                    continue;
                }
            };
            let is_first = taken.set(Taken { by: Carrier::Local(Arc::clone(self)), id, trip });
            if is_first.is_ok() && !answer.is_closed() {
                seated.push((place, id, request, answer));
            }
        }
        let local = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            let _held = permit;
            let (mut untold, mut since) = (Vec::with_capacity(seated.len()), Instant::now());
            for (place, id, request, answer) in seated {
                untold.push((answer, local.serve(id, &request, None)));
                drop(place);
                // One wake-up is enough for a few answers, but none of them waits for long.
                if since.elapsed() > TELL_WITHIN {
                    tell(&mut untold);
                    since = Instant::now();
                }
            }
            tell(&mut untold);
        });
    }
}

/// Hands answers over; whoever waited may be gone.
fn tell(untold: &mut Vec<(oneshot::Sender<Reply>, Reply)>) {
    untold.drain(..).for_each(|(answer, reply)| drop(answer.send(reply)));
}
