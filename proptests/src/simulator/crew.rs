//! The workers: each takes letters and sees its runs through in single steps of the real worker.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use futures::FutureExt;
use ortolan_domain::job::{Attempt, Delivery};
use ortolan_domain::route::QueueName;
use ortolan_domain::time::ManualClock;
use ortolan_domain::{Clock, Task, Timestamp};
use ortolan_queue::Queues;
use ortolan_results::{ResultStore, Signals};
use ortolan_store::QuarantineStore;
use ortolan_worker::{Awaited, Backoff, Ending, Worker, WorkerParts, WorkerSettings};
use tokio_util::sync::CancellationToken;

use super::cut::Line;
use super::world::{World, choose};

/// How long a lease lasts.
pub(super) const LEASE: Duration = Duration::from_secs(15);

/// A worker and its runs.
pub(super) struct Hand {
    /// With the broker, and without.
    workers: [Worker; 2],
    number: usize,
    deaths: u32,
    pub(super) runs: Vec<Run>,
    parts: Parts,
}

/// What a worker's next incarnation is made of.
pub(super) struct Parts {
    pub(super) line: Arc<Line>,
    pub(super) quarantine: Arc<dyn QuarantineStore>,
    pub(super) queues: [Queues; 2],
    pub(super) results: ResultStore,
    pub(super) clock: Arc<ManualClock>,
}

/// A delivery on its way through a worker.
pub(super) struct Run {
    pub(super) attempt: Attempt,
    state: State,
}

enum State {
    Delivered,
    Claimed(Box<Task>),
    Waiting(Box<Task>),
    Ending(Box<Ending>, bool),
    Written(bool),
}

impl Hand {
    pub(super) fn new(number: usize, parts: Parts) -> Self {
        Self { workers: parts.workers(number, 0), number, deaths: 0, runs: Vec::new(), parts }
    }

    /// Dies with all its runs; another worker takes its place.
    pub(super) fn die(&mut self) {
        self.deaths += 1;
        self.runs.clear();
        self.workers = self.parts.workers(self.number, self.deaths);
    }

    pub(super) fn deliver(&mut self, attempt: Delivery) {
        self.runs.push(Run { attempt, state: State::Delivered });
    }

    /// The attempts whose leases it believes to hold.
    fn held(&self) -> Vec<Attempt> {
        let holds = |run: &&Run| matches!(run.state, State::Claimed(_) | State::Waiting(_) | State::Ending(..));
        self.runs.iter().filter(holds).map(|run| run.attempt).collect()
    }

    fn worker(&self, broker_is_up: bool) -> Worker {
        self.workers[usize::from(!broker_is_up)].clone()
    }
}

impl Parts {
    fn workers(&self, number: usize, deaths: u32) -> [Worker; 2] {
        self.queues.each_ref().map(|queues| {
            Worker::new(WorkerParts {
                id: format!("worker-{number}-{deaths}"),
                tasks: self.line.clone(),
                quarantine: self.quarantine.clone(),
                queues: queues.clone(),
                results: self.results.clone(),
                signals: Signals::in_process(),
                clock: self.clock.clone(),
                settings: settings(),
            })
        })
    }
}

/// No back-off, because it is random.
fn settings() -> WorkerSettings {
    WorkerSettings {
        queues: QueueName::TASKS.to_vec(),
        concurrency: 8,
        lease: LEASE,
        job_timeout: Duration::from_secs(120),
        soft_limit: Duration::from_secs(120),
        hard_limit: Duration::from_secs(120),
        max_tries: 3,
        backoff: Backoff { base: Duration::ZERO, cap: Duration::ZERO },
        drain: Duration::ZERO,
    }
}

impl World {
    /// All runs, as pairs of worker and place.
    pub(super) fn runs(&self) -> Vec<(usize, usize)> {
        let of = |(hand, one): (usize, &Hand)| (0..one.runs.len()).map(move |run| (hand, run)).collect::<Vec<_>>();
        self.crew.iter().enumerate().flat_map(of).collect()
    }

    /// The next step of a run; `None` when there is no run.
    pub(super) async fn step(&mut self, place: usize) -> Result<Option<String>> {
        let runs = self.runs();
        let Some(chosen) = choose(place, runs.len()) else { return Ok(None) };
        let (hand, place) = runs[chosen];
        let run = self.crew[hand].runs.remove(place);
        let name = format!("w{hand} {}", self.name(run.attempt));
        let (word, next) = self.advance(hand, run).await;
        if let Some(next) = next {
            self.crew[hand].runs.insert(place, next);
        }
        self.collect().await?;
        Ok(Some(format!("{name} {word}")))
    }

    async fn advance(&mut self, hand: usize, run: Run) -> (&'static str, Option<Run>) {
        let worker = self.crew[hand].worker(self.broker_is_up);
        let attempt = run.attempt;
        let goes_on = |word, state| (word, Some(Run { attempt, state }));
        match run.state {
            State::Delivered => match worker.claim(attempt).await {
                Ok(Some(task)) => {
                    self.audit.leased(attempt, self.clock.now().plus(LEASE));
                    goes_on("claimed", State::Claimed(Box::new(task)))
                }
                Ok(None) => ("stale", None),
                Err(_) => ("not claimed", None),
            },
            State::Claimed(task) => match worker.hand_over(&task).await {
                Ok(()) => goes_on("handed over", State::Waiting(task)),
                Err(error) => goes_on("not handed over", State::Ending(Box::new(worker.give_up(&task, error)), false)),
            },
            State::Waiting(task) => match worker.wait(&task, &CancellationToken::new()).now_or_never() {
                None => goes_on("waits", State::Waiting(task)),
                Some(Awaited::Result(bytes)) => {
                    let ending = worker.conclude(&task, &bytes);
                    goes_on("has a result", State::Ending(Box::new(ending), true))
                }
                Some(Awaited::Failed(error)) => {
                    goes_on("has no result", State::Ending(Box::new(worker.give_up(&task, error)), false))
                }
                Some(Awaited::Lost) => ("lost", None),
            },
            State::Ending(ending, has_result) => match worker.write(&ending).await {
                Ok(true) => goes_on("written", State::Written(has_result)),
                Ok(false) => goes_on("refused", State::Written(has_result)),
                Err(_) => goes_on("not written", State::Ending(ending, has_result)),
            },
            State::Written(true) => {
                worker.forget_result(attempt).await;
                ("over", None)
            }
            State::Written(false) => ("over", None),
        }
    }

    /// A heartbeat of one worker.
    pub(super) async fn beat(&mut self, hand: usize) -> String {
        let held = self.crew[hand].held();
        let until: Timestamp = self.clock.now().plus(LEASE);
        match self.crew[hand].worker(self.broker_is_up).extend(&held).await {
            Ok(lost) => {
                held.iter().filter(|attempt| !lost.contains(attempt)).for_each(|kept| self.audit.leased(*kept, until));
                self.crew[hand].runs.retain(|run| {
                    !lost.contains(&run.attempt)
                        || !matches!(run.state, State::Claimed(_) | State::Waiting(_) | State::Ending(..))
                });
                format!("w{hand} holds {} and lost {}", held.len() - lost.len(), lost.len())
            }
            Err(_) => {
                held.iter().for_each(|attempt| self.audit.perhaps_leased(*attempt, until));
                format!("w{hand} cannot extend its leases")
            }
        }
    }

    /// Tells the workers and the ML service that nobody needs an attempt any more.
    pub(super) fn signal_cancel(&mut self, attempt: Attempt) {
        for hand in &mut self.crew {
            hand.runs.retain(|run| run.attempt != attempt || matches!(run.state, State::Delivered | State::Written(_)));
        }
        self.taken.retain(|job| job.attempt != attempt);
    }
}
