//! Waiting until the pictures of a pipeline lie where its result says.

use std::time::Duration;

use ortolan_domain::Task;
use ortolan_store::{CallbackKind, DeliveryStatus};

use crate::error::ApiError;
use crate::state::ApiState;

/// How long it is waited between looks.
const PAUSE: Duration = Duration::from_millis(20);
/// Looks after which it is not waited any more: the pictures come later, and the task's callbacks tell of it.
const MOST_LOOKS: u32 = 250;

/// Waits until a completed task's pictures are in their places, for a few seconds at most.
pub async fn wait_until_placed(state: &ApiState, task: &Task) -> Result<(), ApiError> {
    for _ in 0..MOST_LOOKS {
        let deliveries = state.stores.callbacks.deliveries(task.spec.tenant_id, task.spec.id).await?;
        let mut pictures = deliveries.iter().flatten().filter(|(delivery, _)| delivery.kind == CallbackKind::Pictures);
        if pictures.all(|(delivery, _)| delivery.status != DeliveryStatus::Pending) {
            break;
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = state.stop.cancelled() => break,
        }
    }
    Ok(())
}
