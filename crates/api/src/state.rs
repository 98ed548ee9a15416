//! What every handler can reach.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use ortolan_blobs::Blobs;
use ortolan_dispatch::Dispatcher;
use ortolan_domain::{Clock, Slot, TenantId, Timestamp};
use ortolan_ml_client::Inference;
use ortolan_outbound::Outbound;
use ortolan_results::{Cache, Signals};
use ortolan_store::Stores;
use tokio_util::sync::CancellationToken;

use crate::auth::Auth;
use crate::limits::Limits;
use crate::predict::Predictions;
use crate::recent::Recent;
use crate::reconcile::Reconcile;
use crate::settings::ApiSettings;
use crate::tasks::quota::OpenTaskQuota;
use crate::v2::BodyBudget;

/// How long a slot that had a model is not asked for again. One that was emptied by hand meanwhile takes tasks that then fail, with the
/// error that they would have been refused with.
const FILLED_FOR: Duration = Duration::from_secs(5);

/// What the API is built from.
pub struct ApiParts {
    /// The truth.
    pub stores: Stores,
    /// Moves pending tasks into the queues.
    pub dispatcher: Arc<Dispatcher>,
    /// Signals to and from other processes.
    pub signals: Signals,
    /// Values that may be forgotten at any time.
    pub cache: Cache,
    /// Media objects and models.
    pub blobs: Blobs,
    /// The ML service.
    pub inference: Arc<dyn Inference>,
    /// Counts of requests, for rates.
    pub counters: Cache,
    /// One pass of the reconciler.
    pub reconcile: Arc<dyn Reconcile>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Fetches pictures from https addresses, where that is allowed.
    pub fetch: Option<Outbound>,
    /// Ends waiting requests and event streams when the service drains.
    pub stop: CancellationToken,
    /// What the installation decided.
    pub settings: ApiSettings,
}

/// What every handler can reach. Cheap to clone.
#[derive(Clone)]
pub struct ApiState(Arc<Shared>);

/// The parts, and what the API itself keeps between requests.
pub struct Shared {
    pub(crate) parts: ApiParts,
    pub(crate) auth: Auth,
    pub(crate) limits: Limits,
    pub(crate) quota: OpenTaskQuota,
    /// Slots that had a model a moment ago.
    pub(crate) filled_slots: Recent<(TenantId, Slot), ()>,
    pub(crate) predictions: Predictions,
    pub(crate) bodies: BodyBudget,
}

impl ApiState {
    /// Puts the parts together.
    pub fn new(parts: ApiParts) -> Self {
        let auth = Auth::new(&parts);
        let limits = Limits::new(&parts.settings);
        let quota = OpenTaskQuota::new(Arc::clone(&parts.stores.tasks), parts.settings.open_tasks_per_tenant);
        let filled_slots = Recent::new(&parts.signals, FILLED_FOR);
        let predictions = Predictions::new(&parts);
        let bodies = BodyBudget::new(parts.settings.max_tensor_bytes_at_once);
        Self(Arc::new(Shared { parts, auth, limits, quota, filled_slots, predictions, bodies }))
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.parts.clock.now()
    }

    pub(crate) fn settings(&self) -> &ApiSettings {
        &self.0.parts.settings
    }
}

impl Deref for ApiState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Deref for Shared {
    type Target = ApiParts;

    fn deref(&self) -> &ApiParts {
        &self.parts
    }
}
