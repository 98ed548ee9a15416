//! Property 7: whatever was lost of whichever tasks, one pass of the reconciler puts all of it right and touches nothing else.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ortolan_dispatch::Dispatcher;
use ortolan_domain::job::Attempt;
use ortolan_domain::task::NewTask;
use ortolan_domain::time::ManualClock;
use ortolan_domain::{Clock, ErrorCode, Task, TaskId, TaskStatus, Timestamp};
use ortolan_proptests::bench::take_all;
use ortolan_proptests::{CASES, CASES_OVER_SERVERS, Home, House, LIMITS, case};
use ortolan_queue::Queues;
use ortolan_reconciler::{Reconciler, ReconcilerParts, ReconcilerSettings};
use ortolan_results::{ResultStore, Signals};
use proptest::prelude::*;
use tokio::runtime::Runtime;

const LEASE: Duration = Duration::from_secs(60);
const UNDELIVERED_AFTER: Duration = Duration::from_secs(90);
const MAX_CRASHES: i32 = 2;
/// Too short for anything to count as lost.
const SOON: Duration = Duration::from_secs(30);

/// What became of a task before the reconciler looks, and whether that was long ago.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    /// It waits and was never dispatched.
    Waits,
    /// It waits and was to start before now.
    WaitsInVain,
    /// It was dispatched and its delivery got lost.
    Undelivered { long_ago: bool },
    /// It was claimed, and nothing was heard of its worker since; before, it had lost so many leases.
    Abandoned { long_ago: bool, crashes: i32 },
    /// It has ended.
    Ended,
}

fn fates() -> impl Strategy<Value = Vec<Fate>> {
    let fate = prop_oneof![
        Just(Fate::Waits),
        Just(Fate::WaitsInVain),
        any::<bool>().prop_map(|long_ago| Fate::Undelivered { long_ago }),
        (any::<bool>(), 0..MAX_CRASHES).prop_map(|(long_ago, crashes)| Fate::Abandoned { long_ago, crashes }),
        Just(Fate::Ended)
    ];
    prop::collection::vec(fate, 1..8)
}

struct World {
    house: House,
    clock: Arc<ManualClock>,
    queues: Queues,
}

impl World {
    async fn open(home: Home) -> anyhow::Result<Self> {
        let clock = ManualClock::at(Timestamp::from_micros(1_800_000_000_000_000));
        Ok(Self { house: House::in_home(home, clock.clone()).await?, clock, queues: Queues::in_memory() })
    }

    fn reconciler(&self) -> Reconciler {
        let tasks = self.house.stores.tasks.clone();
        let dispatcher = Dispatcher::new(tasks.clone(), self.queues.clone(), self.clock.clone(), LIMITS);
        Reconciler::new(ReconcilerParts {
            id: "reconciler".to_owned(),
            tasks,
            processes: self.house.stores.processes.clone(),
            results: ResultStore::in_process(self.clock.clone()),
            signals: Signals::in_process(),
            predictions: self.house.stores.predictions.clone(),
            quarantine: self.house.stores.quarantine.clone(),
            queues: self.queues.clone(),
            dispatcher: Arc::new(dispatcher),
            orphans: None,
            clock: self.clock.clone(),
            settings: ReconcilerSettings {
                interval: Duration::from_secs(300),
                quick_interval: Duration::from_secs(5),
                lost_after: UNDELIVERED_AFTER,
                long_running_after: Duration::from_secs(3600),
                retention: Duration::from_secs(30 * 24 * 3600),
                max_crashes: MAX_CRASHES,
            },
        })
    }

    /// A task with this fate: what took long is begun in the first half of a script, the rest in the second.
    async fn suffer(&self, fate: Fate) -> anyhow::Result<TaskId> {
        let expires_at = (fate == Fate::WaitsInVain).then(|| self.clock.now().plus(SOON));
        let id = self.house.submit_task(NewTask { expires_at, ..self.house.new_task()? }).await?;
        match fate {
            Fate::Waits | Fate::WaitsInVain => {}
            Fate::Undelivered { .. } => {
                self.queue(id).await?;
            }
            Fate::Ended => {
                self.house.stores.tasks.cancel(self.house.tenant.id, id, self.clock.now()).await?;
            }
            Fate::Abandoned { crashes, .. } => {
                for _ in 0..crashes {
                    self.run(id).await?;
                    let lost =
                        self.house.stores.tasks.lose_leases(self.clock.now().plus(LEASE * 2), i32::MAX, 1000).await?;
                    anyhow::ensure!(lost.len() == 1, "{lost:?}");
                }
                self.run(id).await?;
            }
        }
        Ok(id)
    }

    async fn queue(&self, id: TaskId) -> anyhow::Result<Attempt> {
        self.house.stores.tasks.enqueue(self.house.tenant.id, id, self.clock.now()).await?;
        Ok(Attempt { task_id: id, attempt: self.house.task(id).await?.attempt })
    }

    async fn run(&self, id: TaskId) -> anyhow::Result<()> {
        let attempt = self.queue(id).await?;
        anyhow::ensure!(self.house.claim(attempt, "gone").await?.is_some(), "not claimed");
        Ok(())
    }
}

/// What the task must be after a pass: its status, and whether it was dispatched once more.
fn expected(fate: Fate, before: &Task) -> (TaskStatus, bool) {
    match fate {
        Fate::Waits => (TaskStatus::Queued, true),
        Fate::WaitsInVain => (TaskStatus::Failed, false),
        Fate::Undelivered { long_ago } => (TaskStatus::Queued, long_ago),
        Fate::Abandoned { long_ago: false, .. } => (TaskStatus::Running, false),
        Fate::Abandoned { .. } if before.crashes + 1 >= MAX_CRASHES => (TaskStatus::Failed, false),
        Fate::Abandoned { .. } => (TaskStatus::Queued, true),
        Fate::Ended => (TaskStatus::Cancelled, false),
    }
}

async fn reconcile(world: &World, fates: &[Fate], racing: usize) -> anyhow::Result<()> {
    let is_old =
        |fate: &Fate| !matches!(fate, Fate::Undelivered { long_ago: false } | Fate::Abandoned { long_ago: false, .. });
    let mut tasks = Vec::new();
    // One after the other, because losing a lease takes all that ran out: those with crashes come first.
    let mut old: Vec<_> = fates.iter().copied().filter(is_old).collect();
    old.sort_by_key(|fate| !matches!(fate, Fate::Abandoned { .. }) as u8);
    for fate in old {
        tasks.push((fate, world.suffer_alone(fate, &tasks).await?));
    }
    world.clock.advance(Duration::from_secs(120));
    for fate in fates.iter().copied().filter(|fate| !is_old(fate)) {
        let fate = match fate {
            Fate::Abandoned { .. } => Fate::Abandoned { long_ago: false, crashes: 0 },
            other => other,
        };
        tasks.push((fate, world.suffer(fate).await?));
    }
    world.clock.advance(SOON);
    let mut before = Vec::new();
    for (_, id) in &tasks {
        before.push(world.house.task(*id).await?);
    }
    let passes = futures::future::join_all((0..racing).map(|_| async { world.reconciler().run_once().await })).await;
    anyhow::ensure!(passes.iter().all(|report| report.errors.is_empty()), "{passes:?}");
    let mut sent = BTreeSet::new();
    for ((fate, id), before) in tasks.iter().zip(&before) {
        let after = world.house.task(*id).await?;
        let (status, again) = expected(*fate, before);
        anyhow::ensure!(after.status == status, "{fate:?} became {} instead of {status}", after.status);
        anyhow::ensure!(after.attempt == before.attempt + i64::from(again), "{fate:?}: attempt {}", after.attempt);
        if *fate == Fate::WaitsInVain {
            anyhow::ensure!(after.error.as_ref().unwrap().code == ErrorCode::Expired);
        }
        if again {
            sent.insert(Attempt { task_id: *id, attempt: after.attempt });
        }
        world.house.check(*id).await?;
    }
    let delivered = take_all(&world.queues.gpu, sent.len()).await?;
    let delivered: BTreeSet<_> = delivered.into_iter().map(|(_, attempt)| attempt).collect();
    anyhow::ensure!(delivered == sent, "{delivered:?} came instead of {sent:?}");
    let quiet = world.reconciler().run_once().await;
    anyhow::ensure!(quiet.is_quiet(), "a second pass found {quiet:?}");
    world.clear(&tasks).await
}

impl World {
    /// Like [`World::suffer`], when others that suffered before must not lose their leases meanwhile.
    async fn suffer_alone(&self, fate: Fate, others: &[(Fate, TaskId)]) -> anyhow::Result<TaskId> {
        let with_crashes = matches!(fate, Fate::Abandoned { crashes: 1.., .. });
        let fate = match fate {
            Fate::Abandoned { long_ago, .. }
                if with_crashes && others.iter().any(|(other, _)| matches!(other, Fate::Abandoned { .. })) =>
            {
                Fate::Abandoned { long_ago, crashes: 0 }
            }
            other => other,
        };
        self.suffer(fate).await
    }

    /// Ends everything, for the next case.
    async fn clear(&self, tasks: &[(Fate, TaskId)]) -> anyhow::Result<()> {
        for (_, id) in tasks {
            self.house.stores.tasks.cancel(self.house.tenant.id, *id, self.clock.now()).await?;
        }
        Ok(())
    }
}

fn property(home: Home, cases: u32) {
    let runtime = Runtime::new().unwrap();
    let world = runtime.block_on(World::open(home)).unwrap();
    proptest!(ProptestConfig::with_cases(cases), |(fates in fates(), racing in 1usize..3)| {
        case(&runtime, reconcile(&world, &fates, racing))?;
    });
}

#[test]
fn a_pass_puts_right_what_was_lost_and_nothing_else() {
    property(Home::folder().unwrap(), CASES);
}

#[test]
fn a_pass_puts_right_what_was_lost_over_postgres() {
    property(Home::postgres().unwrap(), CASES_OVER_SERVERS);
}
