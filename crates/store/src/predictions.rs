//! The port of the records of predictions.

use async_trait::async_trait;
use ortolan_domain::prediction::Prediction;
use ortolan_domain::{ModelId, PredictionId, TenantId, Timestamp};

use crate::{Page, StoreError};

/// Where a page of an export begins: after this prediction.
pub type After = (Timestamp, PredictionId);

/// Records of predictions. Those of a deleted version go with it.
#[async_trait]
pub trait PredictionStore: Send + Sync {
    /// Stores records, many in one statement. One whose version or tenant is gone is left out; returns how many were stored.
    async fn record_predictions(&self, predictions: Vec<Prediction>) -> Result<u64, StoreError>;

    /// The tenant's record, if it has it.
    async fn prediction(&self, tenant: TenantId, id: PredictionId) -> Result<Option<Prediction>, StoreError>;

    /// The records of the tenant's version, the newest first.
    async fn predictions(
        &self,
        tenant: TenantId,
        model: ModelId,
        limit: u32,
        offset: u64,
    ) -> Result<Page<Prediction>, StoreError>;

    /// The records of the tenant's version older than `after`, the newest first: for exports, which must not slow down
    /// the further they get.
    async fn predictions_after(
        &self,
        tenant: TenantId,
        model: ModelId,
        after: Option<After>,
        limit: u32,
    ) -> Result<Vec<Prediction>, StoreError>;

    /// Deletes records made before `made_before`; returns how many.
    async fn delete_predictions(&self, made_before: Timestamp, limit: u32) -> Result<u64, StoreError>;
}
