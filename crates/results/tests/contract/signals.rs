use std::slice::from_ref;

use futures::FutureExt;
use ortolan_domain::model::ModelRef;
use ortolan_domain::route::QueueName;
use ortolan_domain::{Slot, TaskStatus, TenantId, TenantSlug};
use ortolan_results::{Signals, TaskSignal};

use crate::{attempt, redis, within};

fn change(version: i64) -> TaskSignal {
    TaskSignal {
        attempt: attempt(1),
        tenant_id: TenantId::generate(),
        queue: QueueName::GpuJobs,
        status: TaskStatus::Running,
        version,
    }
}

/// Waits until the second hears what the first says: a subscription takes a moment to hold.
async fn tuned_in(first: &Signals, second: &Signals) {
    let (mut cancels, probe) = (second.cancels(), attempt(0));
    within(async {
        loop {
            first.publish_cancel(probe);
            let heard = tokio::time::timeout(std::time::Duration::from_millis(20), cancels.recv());
            if matches!(heard.await, Ok(Ok(heard)) if heard == probe) {
                return;
            }
        }
    })
    .await;
}

async fn everything_is_heard(speaker: Signals, listener: Signals) {
    tuned_in(&speaker, &listener).await;
    let (mut cancels, mut models) = (listener.cancels(), listener.model_changes());
    let (mut keys, mut wanted) = (listener.keys_changes(), listener.dispatch_wanted());
    let mut progress = listener.progress();
    let model = ModelRef::new(TenantSlug::parse("tenant-a").unwrap(), Slot::Detect);
    let cancelled = attempt(4);
    speaker.publish_cancel(cancelled);
    speaker.publish_progress(cancelled, 0.25);
    speaker.publish_model_changed(model.clone());
    speaker.publish_keys_changed();
    speaker.publish_dispatch_wanted(QueueName::CpuJobs);
    // Other tests use the same server.
    while within(cancels.recv()).await.unwrap() != cancelled {}
    while within(progress.recv()).await.unwrap() != (cancelled, 0.25) {}
    while within(models.recv()).await.unwrap() != model {}
    within(keys.recv()).await.unwrap();
    while within(wanted.recv()).await.unwrap() != QueueName::CpuJobs {}
}

async fn the_changes_of_a_task_reach_its_watchers_in_order(speaker: Signals, listener: Signals) {
    tuned_in(&speaker, &listener).await;
    let (first, other) = (change(1), change(9));
    let second = TaskSignal { version: 2, status: TaskStatus::Completed, ..first.clone() };
    let mut watch = listener.watch_task(first.attempt.task_id);
    speaker.publish_changes(&[first.clone(), other]);
    speaker.publish_changes(from_ref(&second));
    assert_eq!(within(watch.changed()).await, first);
    assert_eq!(within(watch.changed()).await, second);
}

#[tokio::test]
async fn in_process() {
    let signals = Signals::in_process();
    everything_is_heard(signals.clone(), signals.clone()).await;
    the_changes_of_a_task_reach_its_watchers_in_order(signals.clone(), signals).await;
}

#[tokio::test]
async fn between_processes() {
    let (here, there) = (Signals::redis(&redis().await), Signals::redis(&redis().await));
    everything_is_heard(here.clone(), there.clone()).await;
    the_changes_of_a_task_reach_its_watchers_in_order(here, there).await;
}

#[tokio::test]
async fn a_speaker_hears_itself_once() {
    let (here, there) = (Signals::redis(&redis().await), Signals::redis(&redis().await));
    tuned_in(&here, &there).await;
    tuned_in(&there, &here).await;
    let (said, answer) = (change(1), change(2));
    let mut own = here.watch_task(said.attempt.task_id);
    let mut heard = there.watch_task(said.attempt.task_id);
    let mut answered = here.watch_task(answer.attempt.task_id);
    here.publish_changes(from_ref(&said));
    assert_eq!(within(own.changed()).await, said);
    assert_eq!(within(heard.changed()).await, said);
    there.publish_changes(from_ref(&answer));
    // Whatever came back of the first must have come before this.
    assert_eq!(within(answered.changed()).await, answer);
    assert_eq!(own.changed().now_or_never(), None);
}
