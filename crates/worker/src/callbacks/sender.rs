//! Takes deliveries that are due, has them done, and writes down how it went.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ortolan_blobs::Blobs;
use ortolan_domain::{Clock, TenantId};
use ortolan_outbound::Outbound;
use ortolan_service::telemetry::callbacks as metrics;
use ortolan_store::{
    CallbackKind, CallbackStore, Delivery, DeliveryClaim, DeliveryOutcome, DeliveryStatus, StoreError, TaskStore,
};
use rand::seq::SliceRandom;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::under_way::UnderWay;
use super::{Tried, Why};
use crate::Backoff;

/// What an operator can set.
#[derive(Debug, Clone)]
pub struct CallbackSettings {
    /// How long a delivery stays with a sender; longer than a request may take.
    pub lease: Duration,
    /// Tries after which a delivery is given up.
    pub max_attempts: i32,
    /// How long to wait between tries.
    pub backoff: Backoff,
    /// How often it is looked for what is due when nobody tells of it.
    pub interval: Duration,
    /// How long a stopping sender waits for what is under way.
    pub drain: Duration,
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
    /// Rings when something may have become due.
    pub news: Arc<Notify>,
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

    /// Works until `stop`, then waits a while for what is under way; what is cut off is done again by the next sender.
    pub async fn run(&self, stop: CancellationToken) {
        let mut under_way = UnderWay::default();
        while !stop.is_cancelled() {
            if let Err(error) = self.take_due(&mut under_way).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "deliveries could not be looked for");
            }
            tokio::select! {
                () = self.0.news.notified() => {}
                () = under_way.one_ended() => {}
                () = tokio::time::sleep(self.0.settings.interval) => {}
                () = stop.cancelled() => {}
            }
        }
        if tokio::time::timeout(self.0.settings.drain, under_way.all_ended()).await.is_err() {
            tracing::warn!("deliveries are cut off, as their sender stops; they will be repeated");
        }
    }

    /// Begins what is due, some of each tenant's. A tenant whose receivers are slow does not hold the others up.
    async fn take_due(&self, under_way: &mut UnderWay) -> Result<(), StoreError> {
        if under_way.is_full() {
            return Ok(());
        }
        let mut owed = self.0.callbacks.owed(self.0.clock.now()).await?;
        // When there is no place for all, nobody is always the last.
        owed.shuffle(&mut rand::rng());
        for tenant in owed {
            for delivery in self.claim(tenant, under_way.places_for(tenant)).await? {
                let sender = self.clone();
                under_way.begin(tenant, async move { sender.see_to(delivery).await });
            }
        }
        Ok(())
    }

    async fn claim(&self, tenant: TenantId, limit: u32) -> Result<Vec<Delivery>, StoreError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let (parts, now) = (&self.0, self.0.clock.now());
        let claim = DeliveryClaim { owner: parts.id.clone(), now, tenant, lease: parts.settings.lease, limit };
        parts.callbacks.claim_deliveries(claim).await
    }

    async fn see_to(&self, delivery: Delivery) {
        let span = tracing::info_span!("callback", webhook_id = delivery.key.webhook_id(), tenant_id = %delivery.tenant, kind = delivery.kind.as_str());
        async {
            let began = Instant::now();
            let tried = match delivery.kind {
                CallbackKind::Webhook => self.send_webhook(&delivery).await,
                CallbackKind::Backend => self.post_results(&delivery).await,
                CallbackKind::Pictures => self.place_pictures(&delivery).await,
            };
            let outcome = self.outcome(&delivery, tried);
            tell(&delivery, &outcome, began.elapsed());
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
        let tries = delivery.attempts - delivery.attempts_before;
        let ended = |status, Why { answer, reason, .. }: Why| DeliveryOutcome {
            status,
            due_at: now,
            answer,
            error: Some(reason),
        };
        match tried {
            Tried::Done(answer) => {
                DeliveryOutcome { status: DeliveryStatus::Delivered, due_at: now, answer, error: None }
            }
            Tried::Never(why) => ended(DeliveryStatus::Dead, why),
            Tried::Later(why) if tries >= settings.max_attempts => ended(DeliveryStatus::Dead, why),
            Tried::Later(why) => {
                let usual = settings.backoff.after(tries.unsigned_abs(), rand::random());
                let asked = why.retry_after.unwrap_or_default().min(settings.backoff.cap);
                let wait = usual.max(asked);
                DeliveryOutcome { due_at: now.plus(wait), ..ended(DeliveryStatus::Pending, why) }
            }
        }
    }
}

/// Addresses are not told: they may hold what only the receiver is to know.
fn tell(delivery: &Delivery, outcome: &DeliveryOutcome, took: Duration) {
    let word = match outcome.status {
        DeliveryStatus::Delivered => "delivered",
        DeliveryStatus::Pending => "retried",
        DeliveryStatus::Dead => "dead",
    };
    metrics::tried(delivery.kind.as_str(), word, took);
    let (attempt, answer, reason) = (delivery.attempts, outcome.answer, outcome.error.as_deref());
    tracing::info!(attempt, outcome = word, answer, reason, "delivery tried");
}
