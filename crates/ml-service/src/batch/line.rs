//! The task that serves one model's line.

use std::time::Duration;

use ortolan_ml_client::BatchClose;
use tokio::sync::mpsc::Receiver;
use tokio::time::{timeout, timeout_at};

use crate::batch::gather::Batch;
use crate::batch::{Member, run};
use crate::service::MlService;

/// A line is closed when nobody came for so long.
const IDLE: Duration = Duration::from_secs(60);

/// Serves a line until nobody comes for a while.
pub(super) async fn serve(service: MlService, mut members: Receiver<Member>) {
    let mut aside = None;
    loop {
        let first = match aside.take() {
            Some(first) => first,
            None => match next(&mut members).await {
                Some(first) => first,
                None => return,
            },
        };
        aside = batch(&service, first, &mut members).await;
    }
}

/// The next request; nothing once the line is closed and empty.
async fn next(members: &mut Receiver<Member>) -> Option<Member> {
    if let Ok(member) = timeout(IDLE, members.recv()).await {
        return member;
    }
    // Whoever comes now opens another line; who came before is still served.
    members.close();
    members.recv().await
}

/// Gathers a batch and lets it run; gives back the request that did not fit.
async fn batch(service: &MlService, first: Member, members: &mut Receiver<Member>) -> Option<Member> {
    let mut batch = Batch::of(first);
    let (mut aside, mut why) = wait_for_others(&mut batch, members).await;
    let Some(permit) = run::permit(service, &mut batch).await else { return aside };
    // Others came while the device was busy.
    while aside.is_none() && !batch.is_full() {
        let Ok(next) = members.try_recv() else { break };
        if let Some((next, reason)) = batch.take(next) {
            (aside, why) = (Some(next), reason);
        }
    }
    if aside.is_none() && batch.is_full() {
        why = BatchClose::Rows;
    }
    tokio::spawn(run::run(service.clone(), batch.members, permit, why));
    aside
}

/// Waits until the batch is full, somebody comes who does not fit, or the first has waited long enough.
async fn wait_for_others(batch: &mut Batch, members: &mut Receiver<Member>) -> (Option<Member>, BatchClose) {
    let until = batch.members.first().map(|first| first.arrived + first.policy.max_wait);
    let Some(until) = until else { return (None, BatchClose::Waited) };
    while !batch.is_full() {
        match timeout_at(until, members.recv()).await {
            Ok(Some(next)) => {
                if let Some((next, why)) = batch.take(next) {
                    return (Some(next), why);
                }
            }
            Ok(None) | Err(_) => return (None, BatchClose::Waited),
        }
    }
    (None, BatchClose::Rows)
}
