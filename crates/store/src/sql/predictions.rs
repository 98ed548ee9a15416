//! Records of predictions.

use async_trait::async_trait;
use futures::FutureExt as _;
use ortolan_domain::prediction::Prediction;
use ortolan_domain::{ModelId, PredictionId, TenantId, Timestamp};

use super::super::Store;
use super::binder::{Binder, execute, fetch, fetch_many, fetch_optional};
use super::reader::Reader;
use super::{Connection, Row};
use crate::predictions::After;
use crate::statement::{MAX_ROWS, ManyRows};
use crate::{Page, PredictionStore, StoreError};

macro_rules! prediction_columns {
    () => {
        "id, tenant_id, model_id, request_id, client_ip, cached, inference_time_ms, input_data, output_data, created_at"
    };
}

fn read(row: &Row) -> Result<Prediction, StoreError> {
    let mut row = Reader::new("predictions", row);
    Ok(Prediction {
        id: row.id(PredictionId::from_uuid)?,
        tenant_id: row.id(TenantId::from_uuid)?,
        model_id: row.id(ModelId::from_uuid)?,
        request_id: row.get()?,
        client_ip: row.get()?,
        cached: row.get()?,
        inference_time_ms: row.get()?,
        input_data: row.get()?,
        output_data: row.get()?,
        created_at: row.at()?,
    })
}

static INSERT: ManyRows = ManyRows::new(
    10,
    concat!(
        "WITH given(",
        prediction_columns!(),
        ") AS (VALUES {rows}) INSERT INTO predictions (",
        prediction_columns!(),
        ") SELECT ",
        prediction_columns!(),
        " FROM given WHERE EXISTS (
            SELECT 1 FROM models WHERE models.id = given.model_id AND models.tenant_id = given.tenant_id)
        ON CONFLICT DO NOTHING RETURNING id"
    ),
);

async fn insert(connection: &mut Connection, predictions: &[Prediction]) -> Result<u64, StoreError> {
    let mut stored = 0;
    for some in predictions.chunks(MAX_ROWS) {
        stored += fetch_many(connection, &INSERT, some, bind).await?.len() as u64;
    }
    Ok(stored)
}

fn bind(values: &mut Binder, prediction: &Prediction) {
    values.add(prediction.id.as_uuid()).add(prediction.tenant_id.as_uuid()).add(prediction.model_id.as_uuid());
    values.add(prediction.request_id.clone()).add(prediction.client_ip.clone()).add(prediction.cached);
    values.add(prediction.inference_time_ms).add(prediction.input_data.clone()).add(prediction.output_data.clone());
    values.add(prediction.created_at.as_micros());
}

const BY_ID: &str = concat!("SELECT ", prediction_columns!(), " FROM predictions WHERE tenant_id = $1 AND id = $2");
const COUNT: &str = "SELECT COUNT(*) FROM predictions WHERE tenant_id = $1 AND model_id = $2";
const LIST: &str = concat!(
    "SELECT ",
    prediction_columns!(),
    " FROM predictions WHERE tenant_id = $1 AND model_id = $2 ORDER BY created_at DESC, id DESC LIMIT $3 OFFSET $4"
);
const AFTER: &str = concat!(
    "SELECT ",
    prediction_columns!(),
    " FROM predictions WHERE tenant_id = $1 AND model_id = $2
        AND (created_at < $3 OR (created_at = $3 AND id < $4))
     ORDER BY created_at DESC, id DESC LIMIT $5"
);

/// Rows are chosen in a materialized CTE, as the reconciler's other deletions do.
const DELETE: &str = concat!(
    "WITH chosen(id) AS MATERIALIZED (
        SELECT id FROM predictions WHERE created_at < $1 ORDER BY created_at LIMIT $2",
    skip_locked!(),
    ") DELETE FROM predictions WHERE id IN (SELECT chosen.id FROM chosen)"
);

async fn list(
    connection: &mut Connection,
    tenant: TenantId,
    model: ModelId,
    limit: u32,
    offset: u64,
) -> Result<Page<Prediction>, StoreError> {
    let of_model = || Binder::default().with(tenant.as_uuid()).with(model.as_uuid());
    let count = fetch_optional(connection, COUNT, of_model()).await?;
    let total = count.map_or(Ok(0), |row| Reader::new("predictions", &row).number("count"))?;
    let rows = fetch(connection, LIST, of_model().page(limit, offset)).await?;
    Ok(Page { items: rows.iter().map(read).collect::<Result<_, _>>()?, total })
}

async fn list_after(
    connection: &mut Connection,
    tenant: TenantId,
    model: ModelId,
    after: Option<After>,
    limit: u32,
) -> Result<Vec<Prediction>, StoreError> {
    let (at, id) = after.map_or((i64::MAX, sqlx::types::Uuid::max()), |(at, id)| (at.as_micros(), id.as_uuid()));
    let values = Binder::default().with(tenant.as_uuid()).with(model.as_uuid());
    let rows = fetch(connection, AFTER, values.with(at).with(id).with(i64::from(limit))).await?;
    rows.iter().map(read).collect()
}

async fn delete(connection: &mut Connection, made_before: Timestamp, limit: u32) -> Result<u64, StoreError> {
    let values = Binder::default().with(made_before.as_micros()).with(i64::from(limit));
    execute(connection, DELETE, values).await
}

#[async_trait]
impl PredictionStore for Store {
    async fn record_predictions(&self, predictions: Vec<Prediction>) -> Result<u64, StoreError> {
        let predictions = std::sync::Arc::new(predictions);
        let upkeep = self.lanes.upkeep();
        upkeep
            .single(move |to, _| {
                let predictions = predictions.clone();
                async move { insert(to, &predictions).await }.boxed()
            })
            .await
    }

    async fn prediction(&self, tenant: TenantId, id: PredictionId) -> Result<Option<Prediction>, StoreError> {
        let values = Binder::default().with(tenant.as_uuid()).with(id.as_uuid());
        fetch_optional(&mut *self.read().await?, BY_ID, values).await?.as_ref().map(read).transpose()
    }

    async fn predictions(
        &self,
        tenant: TenantId,
        model: ModelId,
        limit: u32,
        offset: u64,
    ) -> Result<Page<Prediction>, StoreError> {
        list(&mut *self.read().await?, tenant, model, limit, offset).await
    }

    async fn predictions_after(
        &self,
        tenant: TenantId,
        model: ModelId,
        after: Option<After>,
        limit: u32,
    ) -> Result<Vec<Prediction>, StoreError> {
        list_after(&mut *self.read().await?, tenant, model, after, limit).await
    }

    async fn delete_predictions(&self, made_before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.lanes.upkeep().single(move |to, _| delete(to, made_before, limit).boxed()).await
    }
}
