//! What the reconciler relies on.

use ortolan_domain::{ErrorCode, TaskStatus};

use crate::fixture::{Fixture, QUEUE, WIDE, at, claim, fence};

pub(crate) async fn a_lost_lease_goes_back_and_is_poison_at_the_limit(f: Fixture) {
    let tasks = &f.stores.tasks;
    let id = f.submit(f.new_task()).await;
    for crash in 1..=3 {
        let attempt = f.dispatch(WIDE).await[0];
        tasks.claim(claim(&fence(attempt), 1)).await.unwrap().unwrap();
        assert_eq!(tasks.lose_leases(at(16), 3, 10).await.unwrap(), [], "the lease ends after this instant");
        let became = if crash == 3 { TaskStatus::Failed } else { TaskStatus::Pending };
        let lost = tasks.lose_leases(at(17), 3, 10).await.unwrap();
        let told: Vec<_> = lost.iter().map(|change| (change.attempt, change.status, &change.tenant)).collect();
        assert_eq!(told, [(attempt, became, &f.tenant.name)]);
        let task = f.get(id).await;
        assert_eq!((task.crashes, task.failures, task.status), (crash, 0, became));
        f.check(id).await;
    }
    let task = f.get(id).await;
    assert_eq!((task.error.unwrap().code, task.completed_at), (ErrorCode::Poison, Some(at(17))));
    assert!(tasks.lose_leases(at(99), 3, 10).await.unwrap().is_empty());
}

pub(crate) async fn take_back_all_counts_only_what_ran(f: Fixture) {
    let mut fences = Vec::new();
    for status in TaskStatus::ALL {
        fences.push(f.task_in(status).await);
    }
    // The dispatch that queued the second task took the first one along.
    let moved = f.stores.tasks.take_back_all(at(9), 3).await.unwrap();
    assert!(moved >= 2);
    for (status, fence) in TaskStatus::ALL.into_iter().zip(&fences) {
        let task = f.get(fence.attempt.task_id).await;
        assert_eq!(task.status, if status.is_terminal() { status } else { TaskStatus::Pending });
        assert_eq!(task.crashes, i32::from(status == TaskStatus::Running), "of a task that was {status}");
    }
    assert_eq!(f.stores.tasks.take_back_all(at(9), 3).await.unwrap(), 0);

    let (fence, task) = f.running().await;
    assert!(f.stores.tasks.take_back_all(at(9), 1).await.unwrap() >= 1);
    assert_eq!(f.get(fence.attempt.task_id).await.error.unwrap().code, ErrorCode::Poison);
    f.check(task.spec.id).await;
}

pub(crate) async fn what_was_not_started_in_time_expires(f: Fixture) {
    let tasks = &f.stores.tasks;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let mut task = f.new_task();
        task.expires_at = Some(at(20));
        ids.push(f.submit(task).await);
    }
    f.submit(f.new_task()).await;
    let one = ortolan_store::DispatchLimits { window: 1, per_tenant: 10 };
    let started = fence(f.dispatch(one).await[0]);
    tasks.claim(claim(&started, 1)).await.unwrap().unwrap();
    let queued = fence(f.dispatch(one).await[0]);
    assert!(tasks.claim(claim(&queued, 20)).await.unwrap().is_none(), "too late to start");

    assert_eq!(tasks.expire(at(19), 10).await.unwrap(), []);
    assert_eq!(tasks.expire(at(20), 1).await.unwrap().len(), 1, "no more than the limit");
    assert_eq!(tasks.expire(at(20), 10).await.unwrap().len(), 1);
    for id in &ids[1..] {
        assert_eq!(f.get(*id).await.error.unwrap().code, ErrorCode::Expired);
        f.check(*id).await;
    }
    // A task that was started in time has kept its promise, even if it has to start again.
    assert_eq!(tasks.lose_leases(at(30), 3, 10).await.unwrap().len(), 1);
    assert_eq!(tasks.expire(at(30), 10).await.unwrap(), []);
    let again = f.dispatch_at(WIDE, 30).await;
    assert!(again.iter().any(|attempt| attempt.task_id == ids[0]));
}

pub(crate) async fn old_tasks_go_with_their_artifacts(f: Fixture) {
    let mut fences = Vec::new();
    for status in TaskStatus::ALL {
        fences.push(f.task_in(status).await);
    }
    assert_eq!(f.stores.tasks.delete_ended(at(1), 10).await.unwrap(), 0);
    assert_eq!(f.stores.tasks.delete_ended(at(1000), 2).await.unwrap(), 2);
    assert_eq!(f.stores.tasks.delete_ended(at(1000), 10).await.unwrap(), 1);
    for (status, fence) in TaskStatus::ALL.into_iter().zip(fences) {
        let id = fence.attempt.task_id;
        assert_eq!(f.stores.tasks.get(f.tenant.id, id).await.unwrap().is_none(), status.is_terminal());
        assert_eq!(f.stores.tasks.artifacts(f.tenant.id, id, 10, 0).await.unwrap().is_none(), status.is_terminal());
    }
}

pub(crate) async fn long_runs_are_listed(f: Fixture) {
    let (fence, _) = f.running().await;
    f.queued().await;
    assert!(f.stores.tasks.long_running(at(1), 10).await.unwrap().is_empty());
    let long = f.stores.tasks.long_running(at(2), 10).await.unwrap();
    assert_eq!(long.iter().map(|task| task.spec.id).collect::<Vec<_>>(), [fence.attempt.task_id]);
}

pub(crate) async fn queued_and_running_attempts_are_found(f: Fixture) {
    let tasks = &f.stores.tasks;
    f.submit(f.new_task()).await;
    let queued = f.dispatch_at(WIDE, 10).await;
    let queued_before = |second, limit| tasks.queued_before(QUEUE, at(second), limit);
    assert_eq!(queued_before(10, 10).await.unwrap(), []);
    assert_eq!(queued_before(11, 10).await.unwrap(), queued);
    assert_eq!(queued_before(11, 0).await.unwrap(), [], "no more than the limit");
    let [gpu, cpu] = ortolan_domain::route::QueueName::TASKS;
    let other = if QUEUE == gpu { cpu } else { gpu };
    assert_eq!(tasks.queued_before(other, at(11), 10).await.unwrap(), [], "of that queue alone");
    assert_eq!(tasks.running_among(&queued).await.unwrap(), []);
    tasks.claim(claim(&fence(queued[0]), 12)).await.unwrap().unwrap();
    assert_eq!(queued_before(11, 10).await.unwrap(), []);
    let earlier = ortolan_domain::job::Attempt { attempt: queued[0].attempt - 1, ..queued[0] };
    let among: Vec<_> = std::iter::repeat_n(earlier, 70).chain(queued.clone()).collect();
    assert_eq!(tasks.running_among(&among).await.unwrap(), queued);
    assert_eq!(tasks.running_among(&[]).await.unwrap(), []);
}
