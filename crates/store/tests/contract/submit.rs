//! Submitting, with and without keys.

use ortolan_domain::task::TaskInput;
use ortolan_domain::{MediaId, Priority, TaskStatus, TaskType};
use ortolan_store::{Fate, StoreError, Submission};

use crate::fixture::{Fixture, at, failure, key, new_tenant, task_of};

pub(crate) async fn a_new_task_is_pending_and_reads_back_whole(f: Fixture) {
    let mut new = f.new_task();
    new.task_type = TaskType::ObjectDetection;
    new.priority = Priority::High;
    new.input =
        Some(TaskInput { media_id: Some(MediaId::generate()), object_path: "a/b".into(), sha256: "s".repeat(64) });
    new.expires_at = Some(at(60));
    let Ok(Submission::Created(created)) = f.stores.tasks.submit(new.clone(), None).await else { panic!("no row") };
    let read = f.get(new.id).await;
    for task in [&*created, &read] {
        assert_eq!((task.status, task.attempt, task.version), (TaskStatus::Pending, 0, 1));
        assert_eq!((task.run_at, task.failures, task.crashes), (at(0), 0, 0));
        assert_eq!((task.spec.input.clone(), task.spec.priority), (new.input.clone(), Priority::High));
        assert_eq!((task.spec.config.get(), task.spec.expires_at), (new.config.get(), Some(at(60))));
        assert_eq!((task.spec.tenant.as_str(), task.spec.task_type), ("alpha", TaskType::ObjectDetection));
        assert_eq!((task.queued_at, task.started_at, task.completed_at, &task.error), (None, None, None, &None));
    }
    let heard = f.heard.of(new.id);
    assert_eq!(heard.len(), 1);
    assert_eq!((heard[0].status, heard[0].version, heard[0].tenant_id), (TaskStatus::Pending, 1, f.tenant.id));
}

pub(crate) async fn the_same_key_and_request_replay_the_task(f: Fixture) {
    let first = f.new_task();
    assert!(matches!(f.submit_with(first.clone(), key("k", "same", 60)).await, Submission::Created(_)));
    let moved = f.dispatch(crate::fixture::WIDE).await;
    assert_eq!(moved.len(), 1);
    let Submission::Replayed(task) = f.submit_with(f.new_task(), key("k", "same", 60)).await else { panic!("new") };
    assert_eq!((task.spec.id, task.status), (first.id, TaskStatus::Queued), "the task as it stands now");
    assert_eq!(f.stores.tasks.open_tasks(f.tenant.id).await.unwrap(), 1);
}

pub(crate) async fn the_same_key_with_another_request_is_a_conflict(f: Fixture) {
    f.submit_with(f.new_task(), key("k", "one", 60)).await;
    let other = f.new_task();
    assert!(matches!(f.submit_with(other.clone(), key("k", "two", 60)).await, Submission::Conflict));
    assert!(f.stores.tasks.get(f.tenant.id, other.id).await.unwrap().is_none());
}

pub(crate) async fn a_key_is_free_again_when_it_expired_or_its_task_is_gone(f: Fixture) {
    f.submit_with(f.new_task(), key("expired", "one", 0)).await;
    assert!(matches!(f.submit_with(f.new_task(), key("expired", "two", 60)).await, Submission::Created(_)));

    let gone = f.new_task();
    f.submit_with(gone.clone(), key("gone", "one", 60)).await;
    f.stores.tasks.cancel(f.tenant.id, gone.id, at(1)).await.unwrap();
    assert_eq!(f.stores.tasks.delete_ended(at(2), 10).await.unwrap(), 1);
    assert!(matches!(f.submit_with(f.new_task(), key("gone", "two", 60)).await, Submission::Created(_)));

    assert_eq!(f.stores.tasks.forget_idempotency_keys(at(59), 10).await.unwrap(), 0);
    assert_eq!(f.stores.tasks.forget_idempotency_keys(at(60), 1).await.unwrap(), 1, "no more than the limit");
    assert_eq!(f.stores.tasks.forget_idempotency_keys(at(60), 10).await.unwrap(), 1);
}

pub(crate) async fn keys_of_other_tenants_do_not_meet(f: Fixture) {
    let beta = f.another_tenant("beta").await;
    f.submit_with(f.new_task(), key("k", "one", 60)).await;
    assert!(matches!(f.submit_with(task_of(&beta), key("k", "two", 60)).await, Submission::Created(_)));
}

pub(crate) async fn many_at_once_with_one_key_make_one_task(f: Fixture) {
    let submits = (0..40).map(|_| f.submit_with(f.new_task(), key("k", "same", 60)));
    let outcomes = futures::future::join_all(submits).await;
    assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, Submission::Created(_))).count(), 1);
    assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, Submission::Replayed(_))).count(), 39);
    assert_eq!(f.stores.tasks.open_tasks(f.tenant.id).await.unwrap(), 1);
}

pub(crate) async fn a_bad_row_fails_alone(f: Fixture) {
    let (fence, _) = f.running().await;
    let taken = f.submit(f.new_task()).await;
    let mut news: Vec<_> = (0..30).map(|_| f.new_task()).collect();
    news[7] = task_of(&new_tenant("stranger"));
    news[20].id = taken;
    let (outcomes, failed) = futures::join!(
        futures::future::join_all(news.into_iter().map(|task| f.stores.tasks.submit(task, None))),
        f.stores.tasks.fail(failure(&fence, Fate::Final)),
    );
    assert!(failed.unwrap());
    for (index, outcome) in outcomes.into_iter().enumerate() {
        match index {
            7 => assert!(matches!(outcome, Err(StoreError::NoParent)), "{outcome:?}"),
            20 => assert!(matches!(outcome, Err(StoreError::Duplicate)), "{outcome:?}"),
            _ => assert!(matches!(outcome, Ok(Submission::Created(_))), "{outcome:?}"),
        }
    }
    assert_eq!(f.stores.tasks.open_tasks(f.tenant.id).await.unwrap(), 29);
}
