//! Which rows go next.

use ortolan_domain::route::QueueName;
use ortolan_domain::{Priority, TaskId, TaskStatus};
use ortolan_store::{DispatchLimits, EnqueueOutcome, Tenant};

use crate::fixture::{Fixture, WIDE, at, claim, fence, task_of};

async fn submit_for(f: &Fixture, tenant: &Tenant, count: usize) -> Vec<TaskId> {
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.push(f.submit(task_of(tenant)).await);
    }
    ids
}

fn window(window: u32) -> DispatchLimits {
    DispatchLimits { window, per_tenant: 1000 }
}

pub(crate) async fn tenants_take_turns(f: Fixture) {
    let (beta, gamma) = (f.another_tenant("beta").await, f.another_tenant("gamma").await);
    let many = submit_for(&f, &f.tenant.clone(), 30).await;
    let few = submit_for(&f, &beta, 2).await;
    let one = submit_for(&f, &gamma, 1).await;
    let order: Vec<TaskId> = f.dispatch(window(6)).await.into_iter().map(|attempt| attempt.task_id).collect();
    assert_eq!(order, [many[0], few[0], one[0], many[1], few[1], many[2]], "by place, then by age");
}

pub(crate) async fn priority_then_age_decide_within_a_tenant(f: Fixture) {
    let mut expected = Vec::new();
    for (priority, created) in
        [(Priority::Low, 0), (Priority::Normal, -5), (Priority::High, 0), (Priority::Normal, -9), (Priority::High, -1)]
    {
        let mut task = f.new_task();
        (task.priority, task.created_at) = (priority, at(created));
        expected.push((std::cmp::Reverse(priority), created, f.submit(task).await));
    }
    expected.sort_unstable();
    let order: Vec<TaskId> = f.dispatch(WIDE).await.into_iter().map(|attempt| attempt.task_id).collect();
    assert_eq!(order, expected.into_iter().map(|(_, _, id)| id).collect::<Vec<_>>());
}

pub(crate) async fn the_window_and_the_tenants_share_are_kept(f: Fixture) {
    let beta = f.another_tenant("beta").await;
    submit_for(&f, &f.tenant.clone(), 10).await;
    submit_for(&f, &beta, 10).await;
    let limits = DispatchLimits { window: 100, per_tenant: 4 };
    assert_eq!(f.dispatch(limits).await.len(), 8);
    assert_eq!(f.dispatch(limits).await, [], "both have their share");
    assert_eq!(f.dispatch(window(8)).await, [], "the window is full");
    assert_eq!(f.dispatch(window(7)).await, [], "and more than full");
    assert_eq!(f.dispatch(window(11)).await.len(), 3);
    assert_eq!(f.stores.tasks.dispatch(QueueName::GpuJobs, WIDE, at(0)).await.unwrap(), [], "another queue");
}

pub(crate) async fn what_is_in_flight_counts_against_its_tenant(f: Fixture) {
    let beta = f.another_tenant("beta").await;
    submit_for(&f, &f.tenant.clone(), 5).await;
    for attempt in f.dispatch(window(3)).await {
        f.stores.tasks.claim(claim(&fence(attempt), 1)).await.unwrap().unwrap();
    }
    let late = submit_for(&f, &beta, 2).await;
    let order: Vec<TaskId> = f.dispatch(window(2)).await.into_iter().map(|attempt| attempt.task_id).collect();
    assert_eq!(order, late, "who has three running waits for who has none");
}

pub(crate) async fn rows_that_wait_or_expired_stay(f: Fixture) {
    let mut expired = f.new_task();
    expired.expires_at = Some(at(10));
    f.submit(expired).await;
    let mut future = f.new_task();
    future.created_at = at(50);
    let future = f.submit(future).await;
    assert_eq!(f.dispatch_at(WIDE, 10).await, []);
    let moved = f.dispatch_at(WIDE, 50).await;
    assert_eq!(moved.iter().map(|attempt| attempt.task_id).collect::<Vec<_>>(), [future]);
}

pub(crate) async fn undelivered_rows_come_back(f: Fixture) {
    submit_for(&f, &f.tenant.clone(), 70).await;
    let moved = f.dispatch(WIDE).await;
    assert_eq!(moved.len(), 70);
    let claimed = fence(moved[0]);
    f.stores.tasks.claim(claim(&claimed, 1)).await.unwrap().unwrap();
    assert_eq!(f.stores.tasks.take_back_lost(&moved).await.unwrap().len(), 69, "all but the one that runs");
    assert_eq!(f.stores.tasks.take_back_lost(&moved).await.unwrap(), []);
    let again = f.dispatch(WIDE).await;
    assert!(again.len() == 69 && again.iter().all(|attempt| attempt.attempt == 2));
    assert_eq!(f.stores.tasks.undo_dispatch(&moved, at(3)).await.unwrap(), 0, "attempts that are over");
    assert_eq!(f.stores.tasks.undo_dispatch(&again, at(3)).await.unwrap(), 69);
    assert_eq!(f.stores.tasks.undo_dispatch(&again, at(3)).await.unwrap(), 0);
    assert_eq!(f.get(again[0].task_id).await.attempt, 1, "what was never sent does not count");
    assert_eq!(f.dispatch(WIDE).await, again);
}

pub(crate) async fn enqueue_ignores_the_limits(f: Fixture) {
    let ids = submit_for(&f, &f.tenant.clone(), 2).await;
    assert_eq!(f.dispatch(window(1)).await.len(), 1);
    let outcome = f.stores.tasks.enqueue(f.tenant.id, ids[1], at(3)).await.unwrap();
    let EnqueueOutcome::Queued(task) = outcome else { panic!("{outcome:?}") };
    assert_eq!((task.status, task.attempt, task.queued_at), (TaskStatus::Queued, 1, Some(at(3))));
    let outcome = f.stores.tasks.enqueue(f.tenant.id, ids[1], at(4)).await.unwrap();
    assert!(matches!(outcome, EnqueueOutcome::WrongState(TaskStatus::Queued)));
    let unknown = f.stores.tasks.enqueue(f.tenant.id, TaskId::generate(), at(4)).await.unwrap();
    assert!(matches!(unknown, EnqueueOutcome::NotFound));
}

/// The order is the same whether the window is filled at once or place by place, also where a tenant has far more rows
/// than its share, of all priorities.
pub(crate) async fn a_wide_window_takes_the_same_as_many_narrow_ones(f: Fixture) {
    let mut tenants = vec![f.tenant.clone()];
    for name in ["beta", "gamma", "delta"] {
        tenants.push(f.another_tenant(name).await);
    }
    for (tenant, count) in tenants.iter().zip([70, 3, 40, 1]) {
        for n in 0..count {
            let mut task = task_of(tenant);
            (task.priority, task.created_at) = (Priority::ALL[n % 3], at(-(n as i64 * 7 % 11)));
            f.submit(task).await;
        }
    }
    let wide = f.dispatch(window(90)).await;
    assert_eq!(wide.len(), 90);
    assert_eq!(f.stores.tasks.undo_dispatch(&wide, at(1)).await.unwrap(), 90);
    let mut narrow = Vec::new();
    for places in 1..=90 {
        narrow.extend(f.dispatch(window(places)).await);
    }
    let ids = |attempts: &[ortolan_domain::job::Attempt]| attempts.iter().map(|one| one.task_id).collect::<Vec<_>>();
    assert_eq!(ids(&wide), ids(&narrow));
}

pub(crate) async fn who_has_much_in_flight_still_gets_the_free_places(f: Fixture) {
    let beta = f.another_tenant("beta").await;
    submit_for(&f, &f.tenant.clone(), 80).await;
    assert_eq!(f.dispatch(window(40)).await.len(), 40);
    submit_for(&f, &beta, 1).await;
    assert_eq!(f.dispatch(window(44)).await.len(), 4, "one for the newcomer, three for the other");
}
