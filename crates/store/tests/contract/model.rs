//! Random operations on a store, beside a tiny model of what it should hold.

use std::collections::HashMap;

use ortolan_domain::job::Attempt;
use ortolan_domain::{TaskId, TaskStatus};
use ortolan_store::{CancelOutcome, DispatchLimits, Fate, Fence, RetryOutcome};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::fixture::{Fixture, Home, QUEUE, at, claim, completion, failure};

/// An operation; tasks are named by the order of their submission, attempts by how far they lie behind.
#[derive(Debug, Clone)]
enum Operation {
    Submit,
    Dispatch { window: u32 },
    Undo { task: usize, behind: i64 },
    Lose { task: usize, behind: i64 },
    Claim { task: usize, behind: i64, owner: u8 },
    Complete { task: usize, behind: i64, owner: u8, artifacts: i32 },
    Fail { task: usize, behind: i64, owner: u8, fate: u8 },
    Cancel { task: usize },
    Retry { task: usize },
    LoseLeases,
    TakeBackAll,
    Wait { seconds: i64 },
}

fn operation() -> impl Strategy<Value = Operation> {
    let task = || 0..6_usize;
    let behind = || prop_oneof![4 => Just(0_i64), 1 => Just(1), 1 => Just(-1)];
    let owner = || prop_oneof![3 => Just(1_u8), 1 => Just(2)];
    prop_oneof![
        3 => Just(Operation::Submit),
        4 => (0..4_u32).prop_map(|window| Operation::Dispatch { window }),
        1 => (task(), behind()).prop_map(|(task, behind)| Operation::Undo { task, behind }),
        1 => (task(), behind()).prop_map(|(task, behind)| Operation::Lose { task, behind }),
        6 => (task(), behind(), owner()).prop_map(|(task, behind, owner)| Operation::Claim { task, behind, owner }),
        3 => (task(), behind(), owner(), 0..3).prop_map(|(task, behind, owner, artifacts)|
            Operation::Complete { task, behind, owner, artifacts }),
        3 => (task(), behind(), owner(), 0..3_u8).prop_map(|(task, behind, owner, fate)|
            Operation::Fail { task, behind, owner, fate }),
        1 => task().prop_map(|task| Operation::Cancel { task }),
        2 => task().prop_map(|task| Operation::Retry { task }),
        1 => Just(Operation::LoseLeases),
        1 => Just(Operation::TakeBackAll),
        2 => (1..30_i64).prop_map(|seconds| Operation::Wait { seconds }),
    ]
}

/// What the model knows of a task.
#[derive(Debug, Clone, PartialEq)]
struct Known {
    status: TaskStatus,
    attempt: i64,
    failures: i32,
    crashes: i32,
    version: i64,
    run_at: i64,
    owner: u8,
    lease: i64,
    artifacts: i32,
}

const MAX_CRASHES: i32 = 2;

/// The model: rows in the order of their submission, which is also the order of their ids.
#[derive(Default)]
struct Model {
    ids: Vec<TaskId>,
    tasks: HashMap<TaskId, Known>,
    now: i64,
}

impl Model {
    /// The attempt that an operation means, and the row if the operation's fence holds in `status`.
    fn fenced(&mut self, task: usize, behind: i64, status: TaskStatus) -> Option<(Attempt, Option<&mut Known>)> {
        let task_id = *self.ids.get(task)?;
        let known = self.tasks.get_mut(&task_id)?;
        let attempt = Attempt { task_id, attempt: known.attempt - behind };
        let holds = behind == 0 && known.status == status;
        Some((attempt, holds.then_some(known)))
    }

    fn owned(&mut self, task: usize, behind: i64, owner: u8) -> Option<(Fence, Option<&mut Known>)> {
        let (attempt, known) = self.fenced(task, behind, TaskStatus::Running)?;
        let known = known.filter(|known| known.owner == owner);
        Some((Fence { attempt, owner: format!("worker-{owner}") }, known))
    }

    /// One tenant, one priority: the oldest first. `run_at` is the age, the id decides between equals.
    fn dispatch(&mut self, window: u32) -> Vec<Attempt> {
        let queued = self.tasks.values().filter(|known| known.status == TaskStatus::Queued).count();
        let mut due: Vec<(i64, TaskId)> = self
            .tasks
            .iter()
            .filter_map(|(id, known)| {
                (known.status == TaskStatus::Pending && known.run_at <= self.now).then_some((known.run_at, *id))
            })
            .collect();
        due.sort_unstable();
        due.truncate((window as usize).saturating_sub(queued));
        due.into_iter().map(|(_, task_id)| self.queue(task_id)).collect()
    }

    fn queue(&mut self, task_id: TaskId) -> Attempt {
        let known = self.tasks.get_mut(&task_id).unwrap();
        (known.status, known.attempt, known.version) = (TaskStatus::Queued, known.attempt + 1, known.version + 1);
        Attempt { task_id, attempt: known.attempt }
    }

    /// Takes rows back that `lost` names; returns how many.
    fn take_back(&mut self, lost: impl Fn(&Known) -> bool) -> usize {
        let mut count = 0;
        for known in self.tasks.values_mut().filter(|known| lost(known)) {
            known.crashes += i32::from(known.status == TaskStatus::Running);
            let poison = known.status == TaskStatus::Running && known.crashes >= MAX_CRASHES;
            known.status = if poison { TaskStatus::Failed } else { TaskStatus::Pending };
            known.version += 1;
            count += 1;
        }
        count
    }
}

async fn apply(f: &Fixture, model: &mut Model, operation: &Operation) {
    let tasks = &f.stores.tasks;
    let now = model.now;
    match *operation {
        Operation::Submit => submit(f, model).await,
        Operation::Dispatch { window } => {
            let limits = DispatchLimits { window, per_tenant: 1000 };
            let moved = tasks.dispatch(QUEUE, limits, at(now)).await.unwrap();
            let moved: Vec<_> = moved.into_iter().map(|change| change.attempt).collect();
            assert_eq!(moved, model.dispatch(window));
        }
        Operation::Undo { task, behind } => {
            let Some((attempt, known)) = model.fenced(task, behind, TaskStatus::Queued) else { return };
            assert_eq!(tasks.undo_dispatch(&[attempt], at(now)).await.unwrap(), u64::from(known.is_some()));
            if let Some(known) = known {
                (known.status, known.version) = (TaskStatus::Pending, known.version + 1);
                known.attempt -= 1;
            }
        }
        Operation::Lose { task, behind } => {
            let Some((attempt, known)) = model.fenced(task, behind, TaskStatus::Queued) else { return };
            assert_eq!(tasks.take_back_lost(&[attempt]).await.unwrap().len(), usize::from(known.is_some()));
            if let Some(known) = known {
                (known.status, known.version) = (TaskStatus::Pending, known.version + 1);
            }
        }
        Operation::Claim { task, behind, owner } => {
            let Some((attempt, known)) = model.fenced(task, behind, TaskStatus::Queued) else { return };
            let fence = Fence { attempt, owner: format!("worker-{owner}") };
            assert_eq!(tasks.claim(claim(&fence, now)).await.unwrap().is_some(), known.is_some());
            if let Some(known) = known {
                (known.status, known.version) = (TaskStatus::Running, known.version + 1);
                (known.owner, known.lease) = (owner, now + 15);
            }
        }
        Operation::Complete { task, behind, owner, artifacts } => {
            let Some((fence, known)) = model.owned(task, behind, owner) else { return };
            let stored = f.get(fence.attempt.task_id).await;
            let count = if stored.run_id.is_some() { artifacts } else { 0 };
            let done = completion(&fence, &stored, now, count);
            assert_eq!(tasks.complete(done).await.unwrap(), known.is_some());
            if let Some(known) = known {
                (known.status, known.version, known.artifacts) = (TaskStatus::Completed, known.version + 1, count);
            }
        }
        Operation::Fail { task, behind, owner, fate } => {
            let Some((fence, known)) = model.owned(task, behind, owner) else { return };
            let later = now + 5;
            let fates = [Fate::Final, Fate::RetryAt(at(later)), Fate::SnoozeUntil(at(later))];
            let moved = tasks.fail(failure(&fence, fates[usize::from(fate)].clone())).await.unwrap();
            assert_eq!(moved, known.is_some());
            if let Some(known) = known {
                known.version += 1;
                known.failures += i32::from(fate == 1);
                known.status = if fate == 0 { TaskStatus::Failed } else { TaskStatus::Pending };
                known.run_at = if fate == 0 { known.run_at } else { later };
            }
        }
        Operation::Cancel { task } => cancel(f, model, task).await,
        Operation::Retry { task } => retry(f, model, task).await,
        Operation::LoseLeases => {
            let lost = tasks.lose_leases(at(now), MAX_CRASHES, 100).await.unwrap();
            assert_eq!(lost.len(), model.take_back(|known| known.status == TaskStatus::Running && known.lease < now));
        }
        Operation::TakeBackAll => {
            let taken = tasks.take_back_all(at(now), MAX_CRASHES).await.unwrap();
            let lost = |known: &Known| matches!(known.status, TaskStatus::Queued | TaskStatus::Running);
            assert_eq!(taken as usize, model.take_back(lost));
        }
        Operation::Wait { seconds } => model.now += seconds,
    }
}

async fn submit(f: &Fixture, model: &mut Model) {
    let mut new = f.new_task();
    new.created_at = at(model.now);
    let id = f.submit(new).await;
    model.ids.push(id);
    let (status, run_at) = (TaskStatus::Pending, model.now);
    let known =
        Known { status, attempt: 0, failures: 0, crashes: 0, version: 1, run_at, owner: 0, lease: 0, artifacts: 0 };
    model.tasks.insert(id, known);
}

async fn cancel(f: &Fixture, model: &mut Model, task: usize) {
    let Some(&id) = model.ids.get(task) else { return };
    let known = model.tasks.get_mut(&id).unwrap();
    match f.stores.tasks.cancel(f.tenant.id, id, at(model.now)).await.unwrap() {
        CancelOutcome::Cancelled { was, attempt } => {
            assert!(!was.is_terminal() && (was, attempt.attempt) == (known.status, known.attempt));
            (known.status, known.version) = (TaskStatus::Cancelled, known.version + 1);
        }
        CancelOutcome::WrongState(was) => assert!(was.is_terminal() && was == known.status),
        CancelOutcome::NotFound => panic!("not found"),
    }
}

async fn retry(f: &Fixture, model: &mut Model, task: usize) {
    let Some(&id) = model.ids.get(task) else { return };
    let known = model.tasks.get_mut(&id).unwrap();
    let may = matches!(known.status, TaskStatus::Failed | TaskStatus::Cancelled);
    match f.stores.tasks.retry(f.tenant.id, id, at(model.now)).await.unwrap() {
        RetryOutcome::Pending(_) => {
            assert!(may);
            (known.status, known.version, known.run_at) = (TaskStatus::Pending, known.version + 1, model.now);
            (known.failures, known.crashes) = (0, 0);
        }
        RetryOutcome::WrongState(was) => assert!(!may && was == known.status),
        RetryOutcome::NotFound => panic!("not found"),
    }
}

/// The store holds what the model knows, the invariants hold, and every change was heard.
async fn compare(f: &Fixture, model: &Model) {
    for (id, known) in &model.tasks {
        let task = f.get(*id).await;
        let stored = (task.status, task.attempt, task.failures, task.crashes, task.version, task.run_at);
        let expected = (known.status, known.attempt, known.failures, known.crashes, known.version, at(known.run_at));
        assert_eq!(stored, expected);
        assert_eq!(f.artifacts(*id).await.len(), known.artifacts as usize);
        f.check(*id).await;
        let heard = f.heard.of(*id);
        assert!(heard.iter().map(|change| change.version).eq(1..=known.version), "{heard:?}");
        assert!(heard.windows(2).all(|pair| pair[0].status.may_become(pair[1].status)), "{heard:?}");
    }
}

#[test]
fn random_operations_do_what_the_model_says() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let home = Home::Sqlite(folder.path().join("model.db"));
    let first = runtime.block_on(Fixture::open(home));
    let cases = proptest::collection::vec(operation(), 1..60);
    let config = Config { cases: 150, failure_persistence: None, ..Config::default() };
    let ran = TestRunner::new(config).run(&cases, |operations| {
        runtime.block_on(async {
            let tenant = first.another_tenant(&format!("case-{}", TaskId::generate())).await;
            let f = Fixture { tenant, ..first.clone() };
            let mut model = Model::default();
            for operation in &operations {
                apply(&f, &mut model, operation).await;
            }
            compare(&f, &model).await;
            // The next case must find nothing to dispatch or take back.
            f.stores.tenants.delete_tenant(f.tenant.id).await.unwrap();
        });
        Ok(())
    });
    ran.unwrap();
}
