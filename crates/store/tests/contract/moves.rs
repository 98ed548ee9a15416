//! Every move of a task, legal and not.

use ortolan_domain::job::Attempt;
use ortolan_domain::task::Move;
use ortolan_domain::{TaskStatus, invariant};
use ortolan_store::{CancelOutcome, EnqueueOutcome, Fate, Fence, RetryOutcome};

use crate::fixture::{Fixture, QUEUE, WIDE, at, claim, completion, failure, fence};

const MOVES: [(Move, TaskStatus); 10] = [
    (Move::Dispatch, TaskStatus::Queued),
    (Move::Claim, TaskStatus::Running),
    (Move::Complete, TaskStatus::Completed),
    (Move::Fail, TaskStatus::Failed),
    (Move::RetryLater, TaskStatus::Pending),
    (Move::LoseLease, TaskStatus::Pending),
    (Move::Undelivered, TaskStatus::Pending),
    (Move::NotSent, TaskStatus::Pending),
    (Move::Cancel, TaskStatus::Cancelled),
    (Move::UserRetry, TaskStatus::Pending),
];

/// Tries a move with the right fence; true when the store says that it moved.
async fn attempt(f: &Fixture, fence: &Fence, by: Move) -> bool {
    let (tasks, tenant, id) = (&f.stores.tasks, f.tenant.id, fence.attempt.task_id);
    let task = f.get(id).await;
    match by {
        Move::Dispatch => matches!(tasks.enqueue(tenant, id, at(5)).await.unwrap(), EnqueueOutcome::Queued(_)),
        Move::Claim => tasks.claim(claim(fence, 5)).await.unwrap().is_some(),
        Move::Complete => tasks.complete(completion(fence, &task, 5, 0)).await.unwrap(),
        Move::Fail => tasks.fail(failure(fence, Fate::Final)).await.unwrap(),
        Move::RetryLater => tasks.fail(failure(fence, Fate::RetryAt(at(9)))).await.unwrap(),
        Move::LoseLease => !tasks.lose_leases(at(1000), 3, 100).await.unwrap().is_empty(),
        Move::Undelivered => tasks.take_back_lost(&[fence.attempt]).await.unwrap().len() == 1,
        Move::NotSent => tasks.undo_dispatch(&[fence.attempt], at(5)).await.unwrap() == 1,
        Move::Cancel => matches!(tasks.cancel(tenant, id, at(5)).await.unwrap(), CancelOutcome::Cancelled { .. }),
        Move::Expire => !tasks.expire(at(5), 100).await.unwrap().is_empty(),
        Move::UserRetry => matches!(tasks.retry(tenant, id, at(5)).await.unwrap(), RetryOutcome::Pending(_)),
    }
}

pub(crate) async fn every_move_is_legal_or_changes_nothing(f: Fixture) {
    use ortolan_domain::task::TRANSITIONS;
    for from in TaskStatus::ALL {
        for (by, to) in MOVES {
            let fence = f.task_in(from).await;
            let id = fence.attempt.task_id;
            let before = f.get(id).await;
            let legal = TRANSITIONS.contains(&(from, to, by));
            assert_eq!(attempt(&f, &fence, by).await, legal, "{by:?} of a task that is {from}");
            let after = f.get(id).await;
            assert_eq!(after.status, if legal { to } else { from }, "{by:?} of a task that is {from}");
            assert_eq!(after.version, before.version + i64::from(legal), "{by:?} of a task that is {from}");
            assert_eq!(f.heard.of(id).len() as i64, after.version, "each change is heard once");
            f.check(id).await;
            // What is left must not meet the next round's claims on leases.
            f.stores.tasks.cancel(f.tenant.id, id, at(6)).await.unwrap();
        }
    }
}

pub(crate) async fn a_whole_life_counts_versions_and_tells_the_observer(f: Fixture) {
    let (fence, task) = f.running().await;
    assert_eq!((task.status, task.attempt, task.version), (TaskStatus::Running, 1, 3));
    assert_eq!((task.queued_at, task.started_at, task.deadline_at), (Some(at(0)), Some(at(1)), Some(at(601))));
    assert_eq!(task.worker_id.as_deref(), Some("worker-1"));
    assert!(f.stores.tasks.complete(completion(&fence, &task, 2, 2)).await.unwrap());
    let ended = f.get(task.spec.id).await;
    assert_eq!((ended.status, ended.version), (TaskStatus::Completed, 4));
    assert_eq!((ended.completed_at, ended.inference_time_ms), (Some(at(2)), Some(12.5)));
    let heard = f.heard.of(task.spec.id);
    let words: Vec<_> = heard.iter().map(|change| (change.status, change.version)).collect();
    let expected = [TaskStatus::Pending, TaskStatus::Queued, TaskStatus::Running, TaskStatus::Completed];
    assert_eq!(words, expected.into_iter().zip(1..).collect::<Vec<_>>());
    assert!(words.windows(2).all(|pair| invariant::is_legal(pair[0].0, pair[1].0)));
    assert!(heard.iter().all(|change| change.queue == QUEUE && change.tenant_id == f.tenant.id));
}

pub(crate) async fn a_stale_attempt_or_another_owner_changes_nothing(f: Fixture) {
    let tasks = &f.stores.tasks;
    let (old, task) = f.running().await;
    assert!(tasks.fail(failure(&old, Fate::SnoozeUntil(at(0)))).await.unwrap());
    let new = fence(f.dispatch(WIDE).await[0]);
    assert_eq!(new.attempt.attempt, old.attempt.attempt + 1);
    assert!(tasks.claim(claim(&old, 5)).await.unwrap().is_none(), "a stale delivery");
    assert_eq!(tasks.undo_dispatch(&[old.attempt], at(5)).await.unwrap(), 0);
    assert_eq!(tasks.take_back_lost(&[old.attempt]).await.unwrap(), []);
    assert!(tasks.claim(claim(&new, 5)).await.unwrap().is_some());

    let thief = Fence { owner: "worker-2".to_owned(), ..new.clone() };
    for stale in [&old, &thief] {
        assert!(!tasks.complete(completion(stale, &task, 6, 3)).await.unwrap());
        assert!(!tasks.fail(failure(stale, Fate::Final)).await.unwrap());
        let lost = tasks.heartbeat(&stale.owner, &[(stale.attempt, Some(0.5))], at(99)).await.unwrap();
        assert_eq!(lost, [stale.attempt]);
    }
    let now = f.get(task.spec.id).await;
    assert_eq!((now.status, now.progress, now.attempt), (TaskStatus::Running, None, new.attempt.attempt));
    assert!(f.artifacts(task.spec.id).await.is_empty());
}

pub(crate) async fn failures_are_counted_and_snoozes_are_not(f: Fixture) {
    let tasks = &f.stores.tasks;
    let (fence, task) = f.running().await;
    assert!(tasks.fail(failure(&fence, Fate::RetryAt(at(100)))).await.unwrap());
    let waiting = f.get(task.spec.id).await;
    assert_eq!((waiting.status, waiting.failures, waiting.run_at), (TaskStatus::Pending, 1, at(100)));
    assert_eq!(waiting.error, None);
    assert!(f.dispatch(WIDE).await.is_empty(), "not before its time");

    let again = tasks.dispatch(QUEUE, WIDE, at(100)).await.unwrap();
    let fence = crate::fixture::fence(again[0].attempt);
    assert!(tasks.claim(claim(&fence, 101)).await.unwrap().is_some());
    assert!(tasks.fail(failure(&fence, Fate::SnoozeUntil(at(200)))).await.unwrap());
    let waiting = f.get(task.spec.id).await;
    assert_eq!((waiting.failures, waiting.run_at, waiting.deadline_at), (1, at(200), None));
}

pub(crate) async fn a_users_retry_starts_afresh_and_attempts_keep_growing(f: Fixture) {
    let tasks = &f.stores.tasks;
    let mut new = f.new_task();
    new.expires_at = Some(at(30));
    let id = f.submit(new).await;
    let fence = fence(f.dispatch(WIDE).await[0]);
    tasks.claim(claim(&fence, 1)).await.unwrap().unwrap();
    tasks.heartbeat(&fence.owner, &[(fence.attempt, Some(0.5))], at(30)).await.unwrap();
    tasks.fail(failure(&fence, Fate::Final)).await.unwrap();
    assert_eq!(f.get(id).await.error.unwrap().detail, "the model failed");

    let RetryOutcome::Pending(task) = tasks.retry(f.tenant.id, id, at(50)).await.unwrap() else { panic!("not moved") };
    assert_eq!((task.status, task.attempt, task.failures, task.crashes), (TaskStatus::Pending, 1, 0, 0));
    assert_eq!((task.run_at, task.spec.created_at, task.spec.expires_at), (at(50), at(0), Some(at(80))));
    assert_eq!((task.queued_at, task.started_at, task.completed_at), (None, None, None));
    assert_eq!((task.run_id, task.progress, task.inference_time_ms), (None, None, None));
    assert_eq!((task.worker_id, task.error), (None, None));
    let again = f.dispatch_at(WIDE, 50).await;
    assert_eq!(again, [Attempt { task_id: id, attempt: 2 }]);
}

pub(crate) async fn cancel_tells_what_the_task_was(f: Fixture) {
    for status in TaskStatus::ALL {
        let fence = f.task_in(status).await;
        let outcome = f.stores.tasks.cancel(f.tenant.id, fence.attempt.task_id, at(9)).await.unwrap();
        match outcome {
            CancelOutcome::Cancelled { was, attempt } => assert_eq!((was, attempt), (status, fence.attempt)),
            CancelOutcome::WrongState(was) => assert!(was == status && status.is_terminal()),
            CancelOutcome::NotFound => panic!("a task in {status} was not found"),
        }
        if !status.is_terminal() {
            assert_eq!(f.get(fence.attempt.task_id).await.completed_at, Some(at(9)));
        }
    }
}

pub(crate) async fn another_tenant_finds_nothing(f: Fixture) {
    let (tasks, beta) = (&f.stores.tasks, f.another_tenant("beta").await.id);
    for status in TaskStatus::ALL {
        let id = f.task_in(status).await.attempt.task_id;
        assert!(tasks.get(beta, id).await.unwrap().is_none());
        assert!(tasks.artifacts(beta, id, 10, 0).await.unwrap().is_none());
        assert!(matches!(tasks.cancel(beta, id, at(9)).await.unwrap(), CancelOutcome::NotFound));
        assert!(matches!(tasks.retry(beta, id, at(9)).await.unwrap(), RetryOutcome::NotFound));
        assert!(matches!(tasks.enqueue(beta, id, at(9)).await.unwrap(), EnqueueOutcome::NotFound));
        assert_eq!(f.get(id).await.status, status);
    }
    assert_eq!(tasks.list(beta, &Default::default(), at(9)).await.unwrap().total, 0);
    assert_eq!(tasks.open_tasks(beta).await.unwrap(), 0);
}

pub(crate) async fn a_heartbeat_extends_what_is_held_and_names_what_is_lost(f: Fixture) {
    let tasks = &f.stores.tasks;
    let (mut held, mut lost) = (Vec::new(), Vec::new());
    for n in 0..5 {
        let (fence, _) = f.running().await;
        if n % 2 == 0 {
            tasks.cancel(f.tenant.id, fence.attempt.task_id, at(2)).await.unwrap();
            lost.push(fence.attempt);
        }
        held.push((fence.attempt, (n == 1).then_some(0.75)));
    }
    let mut said = tasks.heartbeat("worker-1", &held, at(500)).await.unwrap();
    said.sort_unstable();
    lost.sort_unstable();
    assert_eq!(said, lost);
    assert_eq!(f.get(held[1].0.task_id).await.progress, Some(0.75));
    assert_eq!(tasks.heartbeat("worker-1", &[(held[1].0, None)], at(501)).await.unwrap(), []);
    assert_eq!(f.get(held[1].0.task_id).await.progress, Some(0.75), "no news is no step back");
    assert!(tasks.lose_leases(at(400), 3, 10).await.unwrap().is_empty(), "leases were extended");
    assert_eq!(tasks.lose_leases(at(502), 3, 10).await.unwrap().len(), 2);
}
