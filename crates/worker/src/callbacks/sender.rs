//! Takes deliveries that are due, has them done, and writes down how it went.

use std::sync::Arc;
use std::time::Duration;

use ortolan_blobs::Blobs;
use ortolan_domain::Clock;
use ortolan_outbound::Outbound;
use ortolan_store::{
    CallbackKind, CallbackStore, Delivery, DeliveryClaim, DeliveryOutcome, DeliveryStatus, StoreError, TaskStore,
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::{Tried, Why};
use crate::Backoff;

/// Deliveries that one sender has under way at once.
const MOST_AT_ONCE: usize = 16;

/// What an operator can set.
#[derive(Debug, Clone)]
pub struct CallbackSettings {
    /// How long a delivery stays with a sender; longer than a request may take.
    pub lease: Duration,
    /// Tries after which a delivery is given up.
    pub max_attempts: i32,
    /// How long to wait between tries.
    pub backoff: Backoff,
    /// How often it is looked for what is due.
    pub interval: Duration,
}

/// Where results in the backend's shape are posted.
#[derive(Debug, Clone)]
pub struct Backend {
    /// Its address, without the path.
    pub url: String,
    /// The client, which may go anywhere: the operator chose the address.
    pub client: Outbound,
}

/// What a sender is made of.
pub struct SenderParts {
    /// A name that no other incarnation of any sender has.
    pub id: String,
    /// What is to be done.
    pub callbacks: Arc<dyn CallbackStore>,
    /// Tasks and their results.
    pub tasks: Arc<dyn TaskStore>,
    /// Pictures.
    pub blobs: Blobs,
    /// The client for addresses that tenants chose.
    pub outbound: Outbound,
    /// The backend, where there is one.
    pub backend: Option<Backend>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What an operator has set.
    pub settings: CallbackSettings,
}

/// Does what is to be done after tasks have ended. Clones share it.
#[derive(Clone)]
pub struct CallbackSender(pub(super) Arc<SenderParts>);

impl CallbackSender {
    /// Puts a sender together.
    pub fn new(parts: SenderParts) -> Self {
        Self(Arc::new(parts))
    }

    /// Works until `stop`, then waits for what is under way.
    pub async fn run(&self, stop: CancellationToken) {
        let mut under_way = JoinSet::new();
        while !stop.is_cancelled() {
            while under_way.try_join_next().is_some() {}
            let due = match self.claim(MOST_AT_ONCE - under_way.len().min(MOST_AT_ONCE)).await {
                Ok(due) => due,
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "deliveries could not be looked for");
                    Vec::new()
                }
            };
            let found_some = !due.is_empty();
            for delivery in due {
                let sender = self.clone();
                under_way.spawn(async move { sender.see_to(delivery).await });
            }
            if !found_some {
                tokio::select! {
                    () = tokio::time::sleep(self.0.settings.interval) => {}
                    () = stop.cancelled() => {}
                }
            } else if under_way.len() >= MOST_AT_ONCE {
                under_way.join_next().await;
            }
        }
        while under_way.join_next().await.is_some() {}
    }

    async fn claim(&self, limit: usize) -> Result<Vec<Delivery>, StoreError> {
        let Ok(limit @ 1..) = u32::try_from(limit) else { return Ok(Vec::new()) };
        let parts = &self.0;
        let claim =
            DeliveryClaim { owner: parts.id.clone(), now: parts.clock.now(), lease: parts.settings.lease, limit };
        parts.callbacks.claim_deliveries(claim).await
    }

    async fn see_to(&self, delivery: Delivery) {
        let span = tracing::info_span!("callback", webhook_id = delivery.key.webhook_id(), tenant = %delivery.tenant, kind = delivery.kind.as_str());
        async {
            let tried = match delivery.kind {
                CallbackKind::Webhook => self.send_webhook(&delivery).await,
                CallbackKind::Backend => self.post_results(&delivery).await,
                CallbackKind::Pictures => self.place_pictures(&delivery).await,
            };
            let outcome = self.outcome(&delivery, tried);
            tracing::info!(status = outcome.status.as_str(), attempts = delivery.attempts, answer = outcome.answer, reason = outcome.error, "delivery tried");
            let (key, now) = (delivery.key, self.0.clock.now());
            // When this is lost, the lease runs out and the delivery is done once more, under the same id.
            if let Err(error) = self.0.callbacks.end_delivery(key, &self.0.id, outcome, now).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "a delivery's outcome could not be stored");
            }
        }
        .instrument(span)
        .await;
    }

    /// What becomes of a delivery after a try.
    fn outcome(&self, delivery: &Delivery, tried: Tried) -> DeliveryOutcome {
        let (now, settings) = (self.0.clock.now(), &self.0.settings);
        let ended = |status, Why { answer, reason }: Why| {
            DeliveryOutcome { status, due_at: now, answer, error: Some(reason) }
        };
        match tried {
            Tried::Done(answer) => {
                DeliveryOutcome { status: DeliveryStatus::Delivered, due_at: now, answer, error: None }
            }
            Tried::Never(why) => ended(DeliveryStatus::Dead, why),
            Tried::Later(why) if delivery.attempts >= settings.max_attempts => ended(DeliveryStatus::Dead, why),
            Tried::Later(why) => {
                let wait = settings.backoff.after(delivery.attempts.unsigned_abs(), rand::random());
                DeliveryOutcome { due_at: now.plus(wait), ..ended(DeliveryStatus::Pending, why) }
            }
        }
    }
}
