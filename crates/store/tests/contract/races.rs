//! Many at once: exactly one wins.

use std::collections::HashSet;

use ortolan_domain::TaskStatus;
use ortolan_store::{CancelOutcome, DispatchLimits, Fate, Fence};

use crate::fixture::{Fixture, QUEUE, WIDE, at, claim, completion, failure, fence};

pub(crate) async fn one_of_many_claims_wins(f: Fixture) {
    let attempt = f.queued().await;
    let claims = (0..50).map(|n| {
        let (f, fence) = (f.clone(), Fence { attempt, owner: format!("worker-{n}") });
        tokio::spawn(async move { f.stores.tasks.claim(claim(&fence, 1)).await.unwrap().map(|task| (fence, task)) })
    });
    let won: Vec<_> = futures::future::join_all(claims).await.into_iter().filter_map(|ended| ended.unwrap()).collect();
    assert_eq!(won.len(), 1);
    let (fence, task) = &won[0];
    assert_eq!(task.worker_id.as_deref(), Some(fence.owner.as_str()));
    assert_eq!(f.get(attempt.task_id).await.run_id, task.run_id);
}

pub(crate) async fn cancel_and_complete_have_one_winner(f: Fixture) {
    let mut winners = HashSet::new();
    for n in 0..60 {
        let (fence, task) = f.running().await;
        let (cancelling, completing) = (f.clone(), f.clone());
        let id = task.spec.id;
        let cancel = tokio::spawn(async move {
            if n % 3 == 0 {
                tokio::task::yield_now().await;
            }
            cancelling.stores.tasks.cancel(cancelling.tenant.id, id, at(5)).await.unwrap()
        });
        let complete =
            tokio::spawn(
                async move { completing.stores.tasks.complete(completion(&fence, &task, 5, 3)).await.unwrap() },
            );
        let (cancelled, completed) = (cancel.await.unwrap(), complete.await.unwrap());
        let status = f.get(id).await.status;
        match cancelled {
            CancelOutcome::Cancelled { was, .. } => assert!(was == TaskStatus::Running && !completed),
            CancelOutcome::WrongState(was) => assert!(was == TaskStatus::Completed && completed),
            CancelOutcome::NotFound => panic!("not found"),
        }
        assert_eq!(status, if completed { TaskStatus::Completed } else { TaskStatus::Cancelled });
        f.check(id).await;
        winners.insert(status);
    }
    assert!(!winners.is_empty());
}

pub(crate) async fn two_dispatchers_share_one_window(f: Fixture) {
    for _ in 0..60 {
        f.submit(f.new_task()).await;
    }
    let limits = DispatchLimits { window: 25, per_tenant: 1000 };
    let other = crate::fixture::open(&f.home, f.heard.clone()).await.unwrap();
    let stores = [f.stores.clone(), other];
    let wishes = (0..20).map(|n| {
        let stores = stores[n % 2].clone();
        tokio::spawn(async move { stores.tasks.dispatch(QUEUE, limits, at(1)).await.unwrap() })
    });
    let moved: Vec<_> = futures::future::join_all(wishes).await.into_iter().flat_map(|ended| ended.unwrap()).collect();
    assert_eq!(moved.len(), 25, "no more than the window");
    assert_eq!(moved.iter().map(|change| change.attempt).collect::<HashSet<_>>().len(), 25, "each of them once");
}

/// Each asks for what it has just submitted, by its own clock; whoever is told of it, no row is left behind.
pub(crate) async fn dispatches_at_once_leave_no_row_behind(f: Fixture) {
    for round in 0..10 {
        let wishes = (0..20).map(|n| {
            let f = f.clone();
            tokio::spawn(async move {
                let mut task = f.new_task();
                task.created_at = at(round * 100 + n);
                let now = task.created_at;
                f.submit(task).await;
                f.stores.tasks.dispatch(QUEUE, WIDE, now).await.unwrap().len()
            })
        });
        let moved: usize = futures::future::join_all(wishes).await.into_iter().map(|ended| ended.unwrap()).sum();
        assert_eq!(moved, 20, "in round {round}");
    }
}

/// Many clients with all kinds of writes at once, so that batches mix them.
pub(crate) async fn mixed_load_keeps_every_invariant(f: Fixture) {
    let clients = (0..16).map(|client| {
        let f = f.clone();
        tokio::spawn(async move {
            let mut ids = Vec::new();
            for n in 0..12 {
                ids.push(one_life(&f, client + n).await);
            }
            ids
        })
    });
    let ids: Vec<_> = futures::future::join_all(clients).await.into_iter().flat_map(|ended| ended.unwrap()).collect();
    for id in ids {
        f.check(id).await;
        let mut heard = f.heard.of(id);
        heard.sort_by_key(|change| change.version);
        assert!(heard.iter().zip(1..).all(|(change, version)| change.version == version), "{heard:?}");
        for pair in heard.windows(2) {
            assert!(pair[0].status.may_become(pair[1].status), "{pair:?}");
        }
        assert_eq!(heard.last().unwrap().status, f.get(id).await.status);
    }
}

async fn one_life(f: &Fixture, kind: usize) -> ortolan_domain::TaskId {
    let tasks = &f.stores.tasks;
    let id = f.submit(f.new_task()).await;
    tasks.dispatch(QUEUE, WIDE, at(0)).await.unwrap();
    let task = f.get(id).await;
    if task.status != TaskStatus::Queued {
        tasks.cancel(f.tenant.id, id, at(3)).await.unwrap();
        return id;
    }
    let fence = fence(ortolan_domain::job::Attempt { task_id: id, attempt: task.attempt });
    let task = tasks.claim(claim(&fence, 1)).await.unwrap().unwrap();
    tasks.heartbeat(&fence.owner, &[(fence.attempt, Some(0.1))], at(90)).await.unwrap();
    let moved = match kind % 4 {
        0 => tasks.complete(completion(&fence, &task, 2, 5)).await.unwrap(),
        1 => tasks.fail(failure(&fence, Fate::Final)).await.unwrap(),
        2 => tasks.fail(failure(&fence, Fate::RetryAt(at(900)))).await.unwrap(),
        _ => matches!(tasks.cancel(f.tenant.id, id, at(3)).await.unwrap(), CancelOutcome::Cancelled { .. }),
    };
    assert!(moved);
    id
}
