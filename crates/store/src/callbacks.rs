//! The port of what is done after a task has ended: webhooks that are sent, results that are posted, pictures that get their
//! names. Each is written down in the transaction that ends its task, and done at least once.

use std::time::Duration;

use async_trait::async_trait;
use ortolan_domain::task::TaskError;
use ortolan_domain::{TaskId, TaskStatus, TenantId, TenantSlug, Timestamp};

use crate::StoreError;

/// What is done after a task has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallbackKind {
    /// A signed webhook to an address of the tenant's choice.
    Webhook,
    /// The results, in the backend's shape, to the address that the installation names.
    Backend,
    /// Pictures that were put aside get their names, or go when the task failed.
    Pictures,
}

impl CallbackKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Webhook, Self::Backend, Self::Pictures];

    /// The word used in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Backend => "backend",
            Self::Pictures => "pictures",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A wish that something is done once a task has ended, however.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCallback {
    /// What.
    pub kind: CallbackKind,
    /// Where to, of a webhook.
    pub url: Option<String>,
}

/// How far a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryStatus {
    /// It waits for its first or its next try.
    Pending,
    /// It was done.
    Delivered,
    /// It was given up.
    Dead,
}

impl DeliveryStatus {
    /// All statuses.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Delivered, Self::Dead];

    /// The word used in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// What tells a delivery from all others: the end of a task that it belongs to, and which of the task's callbacks it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeliveryKey {
    /// The task.
    pub task_id: TaskId,
    /// The task's version at that end; a task that is tried again may end several times.
    pub version: i64,
    /// Which of its callbacks, from 0.
    pub ordinal: i32,
}

impl DeliveryKey {
    /// The id that a receiver knows the delivery by: the same at every try.
    pub fn webhook_id(&self) -> String {
        format!("msg_{}_{}_{}", self.task_id.as_uuid().simple(), self.version, self.ordinal)
    }
}

/// Something that is done because a task has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// What tells it from all others.
    pub key: DeliveryKey,
    /// Whose.
    pub tenant_id: TenantId,
    /// The tenant's name.
    pub tenant: TenantSlug,
    /// What is done.
    pub kind: CallbackKind,
    /// Where to, of a webhook.
    pub url: Option<String>,
    /// How the task ended.
    pub event: TaskStatus,
    /// Why it failed, if it did.
    pub error: Option<TaskError>,
    /// How far it is.
    pub status: DeliveryStatus,
    /// How often it was tried, the present try included.
    pub attempts: i32,
    /// How often it had been tried when it was asked for again; 0 unless it was.
    pub attempts_before: i32,
    /// Nobody takes it before then.
    pub due_at: Timestamp,
    /// When the task ended.
    pub created_at: Timestamp,
    /// When it was done or given up.
    pub ended_at: Option<Timestamp>,
}

/// A try to deliver that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryAttempt {
    /// The how-manyth it was, from 1. A number is missing when its sender died.
    pub number: i32,
    /// When it ended.
    pub ended_at: Timestamp,
    /// The HTTP status of the answer, if one came.
    pub answer: Option<u16>,
    /// Why it failed, if it did.
    pub error: Option<String>,
}

/// A sender's wish for work.
#[derive(Debug, Clone)]
pub struct DeliveryClaim {
    /// Who wants it; no other incarnation of any sender has this name.
    pub owner: String,
    /// Now.
    pub now: Timestamp,
    /// Whose deliveries.
    pub tenant: TenantId,
    /// How long nobody else gets them.
    pub lease: Duration,
    /// At most this many.
    pub limit: u32,
}

/// How a try ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryOutcome {
    /// What becomes of the delivery.
    pub status: DeliveryStatus,
    /// When it may be tried again, of one that stays pending.
    pub due_at: Timestamp,
    /// The HTTP status of the answer.
    pub answer: Option<u16>,
    /// Why it failed.
    pub error: Option<String>,
}

/// What a tenant's webhooks are signed with, as it is written down.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret {
    /// The secret.
    pub secret: String,
    /// The one before it, which signs too until then.
    pub previous: Option<(String, Timestamp)>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl std::fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookSecret").field("created_at", &self.created_at).finish_non_exhaustive()
    }
}

/// Deliveries and what they are signed with.
#[async_trait]
pub trait CallbackStore: Send + Sync {
    /// The tenants of deliveries that are due, each once.
    async fn owed(&self, now: Timestamp) -> Result<Vec<TenantId>, StoreError>;

    /// Gives due deliveries of a tenant to a sender, who alone has them until the lease ends; each counts as tried.
    async fn claim_deliveries(&self, claim: DeliveryClaim) -> Result<Vec<Delivery>, StoreError>;

    /// Writes down how a try ended; false when the sender's lease was lost.
    async fn end_delivery(
        &self,
        key: DeliveryKey,
        owner: &str,
        outcome: DeliveryOutcome,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// The deliveries of the tenant's task with their ended tries, the oldest first, or `None` when it has no such task.
    async fn deliveries(
        &self,
        tenant: TenantId,
        task: TaskId,
    ) -> Result<Option<Vec<(Delivery, Vec<DeliveryAttempt>)>>, StoreError>;

    /// Makes an ended delivery of the tenant's due again, with all its tries; false when it has not ended, or is not there.
    async fn redeliver(&self, tenant: TenantId, key: DeliveryKey, now: Timestamp) -> Result<bool, StoreError>;

    /// What the tenant's webhooks are signed with.
    async fn webhook_secret(&self, tenant: TenantId) -> Result<Option<WebhookSecret>, StoreError>;

    /// Keeps a first secret unless there is one; gives the one that is kept.
    async fn ensure_webhook_secret(
        &self,
        tenant: TenantId,
        secret: &str,
        now: Timestamp,
    ) -> Result<WebhookSecret, StoreError>;

    /// Replaces the secret; the one before signs too until `previous_until`.
    async fn rotate_webhook_secret(
        &self,
        tenant: TenantId,
        secret: &str,
        previous_until: Timestamp,
        now: Timestamp,
    ) -> Result<WebhookSecret, StoreError>;
}
