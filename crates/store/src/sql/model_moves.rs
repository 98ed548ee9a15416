//! The registry: making, changing and moving versions. Every move names the statuses from which it is legal, so that of two
//! callers at once one finds the version changed and moves nothing.

use ortolan_domain::model::{Model, ModelFile, ModelMove, ModelStatus};
use ortolan_domain::{ModelId, TenantId, Timestamp};
use sqlx::AssertSqlSafe;

use super::binder::{Binder, execute, fetch_optional};
use super::keys::{self, KeyClaim, KeyHolder, Scope};
use super::models::{by_id, model_columns, read};
use super::{Connection, tenants};
use crate::{Idempotency, ModelChanges, ModelMoved, NewModelOutcome, StoreError, Verdict};

const INSERT: &str = "INSERT INTO models (id, tenant_id, name, version, precedence, description, metadata, status, \
     revision, created_at, updated_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, 'pending', 1, $8, $8)
     ON CONFLICT DO NOTHING";

/// Stores a version, unless its key was used before.
pub(super) async fn create(
    connection: &mut Connection,
    model: Model,
    idempotency: Option<Idempotency>,
) -> Result<NewModelOutcome, StoreError> {
    match take_key(connection, &model, idempotency.as_ref()).await? {
        KeyHolder::Ours => insert(connection, &model).await,
        KeyHolder::Other => Ok(NewModelOutcome::Conflict),
        KeyHolder::Same(target) => {
            let before = by_id(connection, model.tenant_id, ModelId::from_uuid(target)).await?;
            before.map_or(Err(StoreError::NoParent), |model| Ok(NewModelOutcome::Replayed(Box::new(model))))
        }
    }
}

async fn take_key(
    connection: &mut Connection,
    model: &Model,
    idempotency: Option<&Idempotency>,
) -> Result<KeyHolder, StoreError> {
    let Some(idempotency) = idempotency else { return Ok(KeyHolder::Ours) };
    let claim = KeyClaim { tenant: model.tenant_id, idempotency, target: model.id.as_uuid(), now: model.created_at };
    Ok(keys::take(connection, Scope::Model, &[claim]).await?.pop().unwrap_or(KeyHolder::Ours))
}

async fn insert(connection: &mut Connection, model: &Model) -> Result<NewModelOutcome, StoreError> {
    if !tenants::exists(connection, model.tenant_id).await? {
        return Err(StoreError::NoParent);
    }
    let values = Binder::default().with(model.id.as_uuid()).with(model.tenant_id.as_uuid());
    let values = values.with(model.name.as_str().to_owned()).with(model.version.as_str().to_owned());
    let values = values.with(model.version.precedence()).with(model.description.clone());
    let values = values.with(json(&model.metadata)?).with(model.created_at.as_micros());
    match execute(connection, INSERT, values).await? {
        0 => Err(StoreError::Duplicate),
        _ => Ok(NewModelOutcome::Created),
    }
}

fn json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|_| StoreError::Mismatch("a value cannot be written as JSON"))
}

/// `UPDATE models SET {what}, revision and time WHERE` it is the tenant's version and `{guard}`. `$1` to `$3` are tenant, id
/// and now.
macro_rules! change {
    ($what:literal, $guard:expr) => {
        format!(
            concat!(
                "UPDATE models SET ",
                $what,
                ", revision = revision + 1, updated_at = $3 WHERE tenant_id = $1 AND id = $2 AND ({}) RETURNING ",
                model_columns!()
            ),
            $guard
        )
    };
}

/// Where `wanted` is legal; a validation that should have ended counts as given up.
fn legal(wanted: ModelMove) -> String {
    let from: Vec<String> = ModelStatus::before(wanted).map(|status| format!("'{status}'")).collect();
    let lapsed = if ModelStatus::Uploaded.allows(wanted) {
        " OR (status = 'validating' AND (validating_until IS NULL OR validating_until <= $3))"
    } else {
        ""
    };
    format!("status IN ({}){lapsed}", from.join(", "))
}

fn of(tenant: TenantId, id: ModelId, now: Timestamp) -> Binder {
    Binder::default().with(tenant.as_uuid()).with(id.as_uuid()).with(now.as_micros())
}

async fn attempt(connection: &mut Connection, text: String, values: Binder) -> Result<Option<Model>, StoreError> {
    fetch_optional(connection, AssertSqlSafe(text), values).await?.as_ref().map(read).transpose()
}

async fn moved_or_not(
    connection: &mut Connection,
    tenant: TenantId,
    id: ModelId,
    moved: Option<Model>,
) -> Result<ModelMoved, StoreError> {
    if let Some(model) = moved {
        return Ok(ModelMoved::Moved(Box::new(model)));
    }
    let stands = by_id(connection, tenant, id).await?;
    Ok(stands.map_or(ModelMoved::Missing, |model| ModelMoved::Refused(Box::new(model))))
}

/// Changes what its owner may change.
pub(super) async fn update(
    connection: &mut Connection,
    tenant: TenantId,
    id: ModelId,
    changes: ModelChanges,
    now: Timestamp,
) -> Result<ModelMoved, StoreError> {
    let guard = match changes.archived {
        None => "TRUE".to_owned(),
        Some(true) => legal(ModelMove::Archive),
        Some(false) => legal(ModelMove::Unarchive),
    };
    let text = change!(
        "name = COALESCE($4, name), version = COALESCE($5, version), precedence = COALESCE($6, precedence),
         description = COALESCE($7, description), metadata = COALESCE($8, metadata),
         status = CASE WHEN $9 THEN 'archived'
                       WHEN NOT $9 AND sha256 IS NULL THEN 'pending'
                       WHEN NOT $9 AND error IS NOT NULL THEN 'error'
                       WHEN NOT $9 AND facts IS NOT NULL THEN 'ready'
                       WHEN NOT $9 THEN 'uploaded'
                       ELSE status END",
        guard
    );
    let ModelChanges { name, version, description, metadata, archived } = changes;
    let values = of(tenant, id, now).with(name.map(|name| name.as_str().to_owned()));
    let values = values.with(version.as_ref().map(|version| version.as_str().to_owned()));
    let values = values.with(version.map(|version| version.precedence())).with(description);
    let values = values.with(metadata.as_ref().map(json).transpose()?).with(archived);
    let moved = attempt(connection, text, values).await?;
    moved_or_not(connection, tenant, id, moved).await
}

/// Records a file; what was known of the file before is forgotten.
pub(super) async fn record_file(
    connection: &mut Connection,
    tenant: TenantId,
    id: ModelId,
    file: ModelFile,
    now: Timestamp,
) -> Result<ModelMoved, StoreError> {
    let text = change!(
        "status = 'uploaded', sha256 = $4, size_bytes = $5, facts = NULL, error = NULL, validating_until = NULL",
        legal(ModelMove::Upload)
    );
    let size_bytes = i64::try_from(file.size_bytes).map_err(|_| StoreError::Mismatch("the file is too large"))?;
    let moved = attempt(connection, text, of(tenant, id, now).with(file.sha256).with(size_bytes)).await?;
    moved_or_not(connection, tenant, id, moved).await
}

/// Takes a recorded file back.
pub(super) async fn forget_file(
    connection: &mut Connection,
    tenant: TenantId,
    id: ModelId,
    revision: i64,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let text = change!(
        "status = 'pending', sha256 = NULL, size_bytes = NULL, facts = NULL, error = NULL",
        "revision = $4 AND status = 'uploaded'"
    );
    Ok(attempt(connection, text, of(tenant, id, now).with(revision)).await?.is_some())
}

/// Begins a validation.
pub(super) async fn begin_validation(
    connection: &mut Connection,
    tenant: TenantId,
    id: ModelId,
    until: Timestamp,
    now: Timestamp,
) -> Result<ModelMoved, StoreError> {
    let guard = format!("sha256 IS NOT NULL AND ({})", legal(ModelMove::Validate));
    let text = change!("status = 'validating', error = NULL, validating_until = $4", guard);
    let moved = attempt(connection, text, of(tenant, id, now).with(until.as_micros())).await?;
    moved_or_not(connection, tenant, id, moved).await
}

/// Ends a validation.
pub(super) async fn end_validation(
    connection: &mut Connection,
    tenant: TenantId,
    id: ModelId,
    revision: i64,
    verdict: Verdict,
    now: Timestamp,
) -> Result<Option<Model>, StoreError> {
    let text = change!(
        "status = $5, facts = $6, error = $7, validating_until = NULL",
        "revision = $4 AND status = 'validating'"
    );
    let (status, facts, error) = match verdict {
        Verdict::Accepted(facts) => (ModelStatus::Ready, Some(json(&facts)?), None),
        Verdict::Rejected(reason) => (ModelStatus::Error, None, Some(reason)),
        Verdict::GivenUp => (ModelStatus::Uploaded, None, None),
    };
    let values = of(tenant, id, now).with(revision).with(status.as_str());
    attempt(connection, text, values.with(facts).with(error)).await
}

const DELETE: &str = concat!("DELETE FROM models WHERE tenant_id = $1 AND id = $2 RETURNING ", model_columns!());

/// Jobs of whatever status: a run under way finds its row gone, as after any lost lease.
const DELETE_JOBS: &str = "DELETE FROM tasks
     WHERE tenant_id = $1 AND task_type = 'inference' AND substr(config, 1, 50) = $2";

/// Deletes a version with its predictions and jobs.
pub(super) async fn delete(
    connection: &mut Connection,
    tenant: TenantId,
    id: ModelId,
) -> Result<Option<Model>, StoreError> {
    // How the configuration of a job begins.
    let begin = format!("{{\"model_id\":\"{id}\"");
    execute(connection, DELETE_JOBS, Binder::default().with(tenant.as_uuid()).with(begin)).await?;
    let values = Binder::default().with(tenant.as_uuid()).with(id.as_uuid());
    fetch_optional(connection, DELETE, values).await?.as_ref().map(read).transpose()
}
