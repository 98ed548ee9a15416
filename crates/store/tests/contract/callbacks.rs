//! What is done after tasks have ended is written down with their end, and done by one sender at a time.

use std::collections::HashSet;
use std::time::Duration;

use ortolan_domain::{Task, TaskStatus, TenantId};
use ortolan_store::{
    CallbackKind, Delivery, DeliveryAttempt, DeliveryClaim, DeliveryOutcome, DeliveryStatus, Fate, Fence, NewCallback,
    Submission, Tenant,
};

use crate::fixture::{Fixture, WIDE, at, claim, completion, failure, fence, task_of};

fn webhook() -> NewCallback {
    NewCallback { kind: CallbackKind::Webhook, url: Some("https://example.org/hook".to_owned()) }
}

fn backend() -> NewCallback {
    NewCallback { kind: CallbackKind::Backend, url: None }
}

fn pictures() -> NewCallback {
    NewCallback { kind: CallbackKind::Pictures, url: None }
}

fn wish_of(owner: &str, tenant: TenantId, seconds: i64) -> DeliveryClaim {
    DeliveryClaim { owner: owner.to_owned(), now: at(seconds), tenant, lease: Duration::from_secs(60), limit: 10 }
}

fn done(seconds: i64) -> DeliveryOutcome {
    DeliveryOutcome { status: DeliveryStatus::Delivered, due_at: at(seconds), answer: Some(200), error: None }
}

fn later(seconds: i64) -> DeliveryOutcome {
    let error = Some("no".to_owned());
    DeliveryOutcome { status: DeliveryStatus::Pending, due_at: at(seconds), answer: Some(500), error }
}

/// A running task of the tenant with these callbacks.
async fn running_of(f: &Fixture, tenant: &Tenant, wishes: Vec<NewCallback>) -> (Fence, Task) {
    let task = task_of(tenant);
    let stored = f.stores.tasks.submit_with_callbacks(task.clone(), wishes, None).await;
    assert!(matches!(stored, Ok(Submission::Created(_))));
    let moved = f.dispatch(WIDE).await;
    let fence = fence(moved.into_iter().find(|attempt| attempt.task_id == task.id).unwrap());
    let task = f.stores.tasks.claim(claim(&fence, 1)).await.unwrap().unwrap();
    (fence, task)
}

async fn running(f: &Fixture, wishes: Vec<NewCallback>) -> (Fence, Task) {
    running_of(f, &f.tenant, wishes).await
}

async fn complete(f: &Fixture, (fence, task): &(Fence, Task), seconds: i64) {
    assert!(f.stores.tasks.complete(completion(fence, task, seconds, 1)).await.unwrap());
}

async fn listed(f: &Fixture, fence: &Fence) -> Vec<(Delivery, Vec<DeliveryAttempt>)> {
    f.stores.callbacks.deliveries(f.tenant.id, fence.attempt.task_id).await.unwrap().unwrap()
}

async fn of(f: &Fixture, fence: &Fence) -> Vec<Delivery> {
    listed(f, fence).await.into_iter().map(|(delivery, _)| delivery).collect()
}

async fn claimed(f: &Fixture, owner: &str, seconds: i64) -> Vec<Delivery> {
    f.stores.callbacks.claim_deliveries(wish_of(owner, f.tenant.id, seconds)).await.unwrap()
}

pub(crate) async fn an_end_makes_deliveries_and_nothing_else_does(f: Fixture) {
    let run = running(&f, vec![backend(), webhook()]).await;
    let fence = &run.0;
    assert!(of(&f, fence).await.is_empty());
    assert!(f.stores.callbacks.owed(at(100)).await.unwrap().is_empty());
    assert!(f.heard.of(fence.attempt.task_id).iter().all(|change| !change.owes_callbacks()));
    complete(&f, &run, 5).await;
    assert!(f.heard.of(fence.attempt.task_id).last().unwrap().owes_callbacks());
    let made = of(&f, fence).await;
    assert_eq!(made.iter().map(|one| one.kind).collect::<Vec<_>>(), [CallbackKind::Backend, CallbackKind::Webhook]);
    for delivery in &made {
        let state = (delivery.event, delivery.status, delivery.attempts);
        assert_eq!(state, (TaskStatus::Completed, DeliveryStatus::Pending, 0));
        assert_eq!((delivery.tenant_id, &delivery.tenant, &delivery.error), (f.tenant.id, &f.tenant.name, &None));
    }
    assert_ne!(made[0].key.webhook_id(), made[1].key.webhook_id());
    assert!(!f.stores.tasks.complete(completion(fence, &run.1, 6, 1)).await.unwrap());
    assert_eq!(of(&f, fence).await.len(), 2, "a second end changes nothing");
    let other = f.another_tenant("other").await;
    assert!(f.stores.callbacks.deliveries(other.id, fence.attempt.task_id).await.unwrap().is_none());
    assert!(!f.stores.callbacks.redeliver(other.id, made[0].key, at(7)).await.unwrap());
}

pub(crate) async fn a_completion_that_cannot_be_stored_makes_no_delivery(f: Fixture) {
    let (fence, task) = running(&f, vec![webhook()]).await;
    let mut twice = completion(&fence, &task, 5, 2);
    twice.artifacts[1].ordinal = twice.artifacts[0].ordinal;
    assert!(f.stores.tasks.complete(twice).await.is_err());
    assert!(of(&f, &fence).await.is_empty(), "the end and its deliveries are one transaction");
}

pub(crate) async fn every_kind_of_end_is_told_once_with_its_reason(f: Fixture) {
    let (failed, _) = running(&f, vec![webhook()]).await;
    assert!(f.stores.tasks.fail(failure(&failed, Fate::RetryAt(at(4)))).await.unwrap());
    assert!(of(&f, &failed).await.is_empty(), "it has not ended");
    let again = fence(f.dispatch_at(WIDE, 5).await[0]);
    f.stores.tasks.claim(claim(&again, 6)).await.unwrap().unwrap();
    assert!(f.stores.tasks.fail(failure(&again, Fate::Final)).await.unwrap());
    let told = of(&f, &failed).await;
    assert_eq!((told.len(), told[0].event), (1, TaskStatus::Failed));
    assert!(told[0].error.is_some());

    let (cancelled, _) = running(&f, vec![webhook()]).await;
    f.stores.tasks.cancel(f.tenant.id, cancelled.attempt.task_id, at(8)).await.unwrap();
    assert_eq!(of(&f, &cancelled).await[0].event, TaskStatus::Cancelled);
    // A task that is tried again ends again, under another id.
    f.stores.tasks.retry(f.tenant.id, cancelled.attempt.task_id, at(9)).await.unwrap();
    f.stores.tasks.cancel(f.tenant.id, cancelled.attempt.task_id, at(10)).await.unwrap();
    let ids: HashSet<_> = of(&f, &cancelled).await.iter().map(|one| one.key.webhook_id()).collect();
    assert_eq!(ids.len(), 2);

    // Also when both come at the same time, so that they share a transaction.
    let (hasty, _) = running(&f, vec![webhook()]).await;
    let id = hasty.attempt.task_id;
    let (ended, again) =
        futures::join!(f.stores.tasks.cancel(f.tenant.id, id, at(8)), f.stores.tasks.retry(f.tenant.id, id, at(9)));
    assert!(ended.is_ok() && again.is_ok());
    assert_eq!(of(&f, &hasty).await.len(), 1);

    let (poisoned, _) = running(&f, vec![webhook()]).await;
    assert_eq!(f.stores.tasks.lose_leases(at(10_000), 1, 10).await.unwrap().len(), 1);
    let told = of(&f, &poisoned).await;
    assert_eq!((told[0].event, told[0].error.as_ref().unwrap().code.as_str()), (TaskStatus::Failed, "poison"));
}

pub(crate) async fn a_delivery_is_with_one_sender_until_its_lease_ends(f: Fixture) {
    let run = running(&f, vec![backend(), webhook()]).await;
    complete(&f, &run, 5).await;
    let callbacks = &f.stores.callbacks;
    assert_eq!(callbacks.owed(at(10)).await.unwrap(), [f.tenant.id]);
    let mut mine = claimed(&f, "a", 10).await;
    mine.sort_by_key(|delivery| delivery.key.ordinal);
    assert_eq!((mine.len(), mine[0].attempts), (2, 1));
    assert!(callbacks.owed(at(69)).await.unwrap().is_empty() && claimed(&f, "b", 69).await.is_empty());
    assert!(callbacks.end_delivery(mine[0].key, "a", done(11), at(11)).await.unwrap());
    // The sender of the other one died.
    let theirs = claimed(&f, "b", 70).await;
    assert_eq!((theirs.len(), theirs[0].key, theirs[0].attempts), (1, mine[1].key, 2));
    assert!(!callbacks.end_delivery(mine[1].key, "a", done(71), at(71)).await.unwrap(), "the lease is lost");
    assert!(callbacks.end_delivery(mine[1].key, "b", later(200), at(72)).await.unwrap());
    assert!(claimed(&f, "b", 199).await.is_empty());
    assert_eq!(claimed(&f, "c", 200).await.len(), 1);
    let read = listed(&f, &run.0).await;
    assert_eq!((read[0].0.status, read[0].0.ended_at), (DeliveryStatus::Delivered, Some(at(11))));
    assert_eq!(read[0].1, [DeliveryAttempt { number: 1, ended_at: at(11), answer: Some(200), error: None }]);
    let failed = DeliveryAttempt { number: 2, ended_at: at(72), answer: Some(500), error: Some("no".to_owned()) };
    assert_eq!((read[1].0.attempts, &read[1].1), (3, &vec![failed]));
}

pub(crate) async fn nobody_is_told_of_pictures_before_they_are_in_place(f: Fixture) {
    let run = running(&f, vec![pictures(), webhook()]).await;
    complete(&f, &run, 5).await;
    let first = claimed(&f, "a", 10).await;
    assert_eq!(first.iter().map(|one| one.kind).collect::<Vec<_>>(), [CallbackKind::Pictures]);
    assert!(f.stores.callbacks.end_delivery(first[0].key, "a", later(20), at(11)).await.unwrap());
    assert!(claimed(&f, "a", 19).await.is_empty());
    let again = claimed(&f, "a", 20).await;
    assert_eq!(again[0].kind, CallbackKind::Pictures);
    assert!(f.stores.callbacks.end_delivery(again[0].key, "a", done(21), at(21)).await.unwrap());
    assert_eq!(claimed(&f, "a", 21).await[0].kind, CallbackKind::Webhook);
}

pub(crate) async fn what_has_ended_can_be_asked_for_again(f: Fixture) {
    let run = running(&f, vec![webhook()]).await;
    complete(&f, &run, 5).await;
    let callbacks = &f.stores.callbacks;
    let first = claimed(&f, "a", 10).await.remove(0);
    assert!(!callbacks.redeliver(f.tenant.id, first.key, at(11)).await.unwrap(), "it is under way");
    let dead = DeliveryOutcome { status: DeliveryStatus::Dead, ..later(12) };
    assert!(callbacks.end_delivery(first.key, "a", dead, at(12)).await.unwrap());
    assert!(callbacks.redeliver(f.tenant.id, first.key, at(20)).await.unwrap());
    assert!(!callbacks.redeliver(f.tenant.id, first.key, at(20)).await.unwrap(), "it is pending already");
    let second = claimed(&f, "b", 20).await.remove(0);
    assert_eq!((second.key, second.attempts, second.attempts_before), (first.key, 2, 1));
    assert!(callbacks.end_delivery(second.key, "b", done(21), at(21)).await.unwrap());
    let tries: Vec<_> = listed(&f, &run.0).await[0].1.iter().map(|one| (one.number, one.answer)).collect();
    assert_eq!(tries, [(1, Some(500)), (2, Some(200))]);
}

pub(crate) async fn many_senders_at_once_get_each_delivery_once(f: Fixture) {
    let other = f.another_tenant("other").await;
    for second in 0..10 {
        for tenant in [&f.tenant, &other] {
            let run = running_of(&f, tenant, vec![backend(), webhook()]).await;
            complete(&f, &run, second).await;
        }
    }
    let mut owed = f.stores.callbacks.owed(at(100)).await.unwrap();
    owed.sort();
    let mut both = [f.tenant.id, other.id];
    both.sort();
    assert_eq!(owed, both);
    let claims = (0..8).map(|sender| {
        let (callbacks, tenant) = (f.stores.callbacks.clone(), both[sender % 2]);
        let wish = wish_of(&format!("s{sender}"), tenant, 100);
        tokio::spawn(async move { (tenant, callbacks.claim_deliveries(wish).await.unwrap()) })
    });
    let mut seen = HashSet::new();
    for claimed in claims.collect::<Vec<_>>() {
        let (tenant, claimed) = claimed.await.unwrap();
        for delivery in claimed {
            assert_eq!(delivery.tenant_id, tenant);
            assert!(seen.insert(delivery.key), "claimed twice");
        }
    }
    assert_eq!(seen.len(), 40);
}

pub(crate) async fn deliveries_go_with_their_task(f: Fixture) {
    let run = running(&f, vec![webhook()]).await;
    complete(&f, &run, 5).await;
    f.stores.callbacks.end_delivery(claimed(&f, "a", 6).await[0].key, "a", later(7), at(7)).await.unwrap();
    f.stores.tasks.delete(f.tenant.id, run.0.attempt.task_id).await.unwrap();
    assert!(f.stores.callbacks.owed(at(100)).await.unwrap().is_empty());
}

pub(crate) async fn a_secret_is_made_once_and_replaced_with_notice(f: Fixture) {
    let callbacks = &f.stores.callbacks;
    assert_eq!(callbacks.webhook_secret(f.tenant.id).await.unwrap(), None);
    let first = callbacks.ensure_webhook_secret(f.tenant.id, "one", at(1)).await.unwrap();
    assert_eq!(callbacks.ensure_webhook_secret(f.tenant.id, "two", at(2)).await.unwrap(), first);
    let second = callbacks.rotate_webhook_secret(f.tenant.id, "three", at(100), at(3)).await.unwrap();
    assert_eq!((second.secret.as_str(), second.previous), ("three", Some(("one".to_owned(), at(100)))));
    let other = f.another_tenant("other").await;
    assert_eq!(callbacks.webhook_secret(other.id).await.unwrap(), None);
    f.stores.tenants.delete_tenant(f.tenant.id).await.unwrap();
    assert_eq!(callbacks.webhook_secret(f.tenant.id).await.unwrap(), None);
    assert!(callbacks.ensure_webhook_secret(f.tenant.id, "x", at(4)).await.is_err());
}
