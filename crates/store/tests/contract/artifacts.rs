//! Artifacts are stored with the completion or not at all.

use ortolan_domain::{RunId, TaskStatus};
use ortolan_store::StoreError;

use crate::fixture::{Fixture, completion};

pub(crate) async fn they_come_back_in_order_and_in_pages(f: Fixture) {
    let (fence, task) = f.running().await;
    let mut done = completion(&fence, &task, 5, 5);
    let expected = done.artifacts.clone();
    done.artifacts.reverse();
    assert!(f.stores.tasks.complete(done).await.unwrap());
    assert_eq!(f.artifacts(task.spec.id).await, expected, "every field");
    let page = f.stores.tasks.artifacts(f.tenant.id, task.spec.id, 2, 3).await.unwrap().unwrap();
    assert_eq!((page.items.as_slice(), page.total), (&expected[3..], 5));
    f.check(task.spec.id).await;
}

pub(crate) async fn a_completion_that_cannot_be_stored_changes_nothing(f: Fixture) {
    let (fence, task) = f.running().await;
    let mut twice = completion(&fence, &task, 5, 3);
    twice.artifacts[2].ordinal = 1;
    let mut foreign = completion(&fence, &task, 5, 3);
    foreign.artifacts.iter_mut().for_each(|artifact| artifact.provenance.run_id = RunId::generate());
    let mut mixed = completion(&fence, &task, 5, 3);
    mixed.artifacts[1].provenance.producer = "somebody else".to_owned();
    for bad in [twice, foreign, mixed] {
        let (other, other_task) = f.running().await;
        // Both in one batch, where the other one must not suffer.
        let good = completion(&other, &other_task, 5, 2);
        let (refused, done) = futures::join!(f.stores.tasks.complete(bad), f.stores.tasks.complete(good));
        assert!(matches!(refused, Err(StoreError::Mismatch(_))), "{refused:?}");
        assert!(done.unwrap());
        assert_eq!(f.artifacts(other_task.spec.id).await.len(), 2);
        assert_eq!(f.get(task.spec.id).await.status, TaskStatus::Running);
        assert!(f.artifacts(task.spec.id).await.is_empty());
    }
    assert!(f.stores.tasks.complete(completion(&fence, &task, 6, 3)).await.unwrap(), "the lease is still held");
    assert!(!f.stores.tasks.complete(completion(&fence, &task, 7, 3)).await.unwrap(), "once");
    assert_eq!(f.artifacts(task.spec.id).await.len(), 3);
}

pub(crate) async fn hundreds_are_stored_at_once(f: Fixture) {
    let (fence, task) = f.running().await;
    let done = completion(&fence, &task, 5, 333);
    let expected = done.artifacts.clone();
    assert!(f.stores.tasks.complete(done).await.unwrap());
    assert_eq!(f.artifacts(task.spec.id).await, expected);
}
