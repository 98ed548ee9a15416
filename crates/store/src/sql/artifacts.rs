//! Storing and reading artifacts. What made them is stored once per task, so that they cannot come from two runs.

use ortolan_domain::artifact::{Artifact, ArtifactType};
use ortolan_domain::job::Provenance;
use ortolan_domain::{ArtifactId, RunId, TaskId, TenantId};

use super::binder::{Binder, fetch, fetch_many, fetch_optional};
use super::reader::Reader;
use super::{Connection, Row};
use crate::statement::{MAX_ROWS, ManyRows};
use crate::{Completion, Page, StoreError};

/// A run that has just completed.
pub(super) struct Run<'a> {
    pub(super) id: RunId,
    pub(super) completion: &'a Completion,
}

static INSERT_PROVENANCE: ManyRows = ManyRows::new(
    9,
    "INSERT INTO provenances (task_id, run_id, config_hash, input_hash, producer, producer_version, model_profile,
                              model_sha256, request_id)
     VALUES {rows} ON CONFLICT DO NOTHING",
);

static INSERT: ManyRows = ManyRows::new(
    9,
    "INSERT INTO artifacts (task_id, ordinal, id, artifact_type, schema_version, span_start_ms, span_end_ms, payload,
                            created_at)
     VALUES {rows} ON CONFLICT DO NOTHING RETURNING ordinal",
);

/// Stores the artifacts of runs that have just completed.
pub(super) async fn insert(connection: &mut Connection, runs: &[Run<'_>]) -> Result<(), StoreError> {
    let mut provenances = Vec::with_capacity(runs.len());
    let mut all = Vec::new();
    for Run { id, completion } in runs {
        let task = completion.fence.attempt.task_id;
        if let Some(provenance) = one_provenance(*id, completion)? {
            provenances.push((task, provenance));
        }
        all.extend(completion.artifacts.iter().map(|artifact| (task, artifact)));
    }
    for some in provenances.chunks(MAX_ROWS) {
        fetch_many(connection, &INSERT_PROVENANCE, some, bind_provenance).await?;
    }
    for some in all.chunks(MAX_ROWS) {
        let stored = fetch_many(connection, &INSERT, some, bind).await?;
        if stored.len() < some.len() {
            return Err(StoreError::Mismatch("two artifacts have the same ordinal"));
        }
    }
    Ok(())
}

/// What made the artifacts; `None` when there are none.
fn one_provenance(run: RunId, completion: &Completion) -> Result<Option<&Provenance>, StoreError> {
    let Some(first) = completion.artifacts.first() else { return Ok(None) };
    if first.provenance.run_id != run {
        return Err(StoreError::Mismatch("the artifacts come from another run"));
    }
    if completion.artifacts.iter().any(|artifact| artifact.provenance != first.provenance) {
        return Err(StoreError::Mismatch("the artifacts do not have one provenance"));
    }
    Ok(Some(&first.provenance))
}

fn bind_provenance(values: &mut Binder, (task, made_by): &(TaskId, &Provenance)) {
    values.add(task.as_uuid()).add(made_by.run_id.as_uuid()).add(made_by.config_hash.clone());
    values.add(made_by.input_hash.clone()).add(made_by.producer.clone()).add(made_by.producer_version.clone());
    values.add(made_by.model_profile.clone()).add(made_by.model_sha256.clone());
    values.add(made_by.request_id.clone());
}

fn bind(values: &mut Binder, (task, artifact): &(TaskId, &Artifact)) {
    values.add(task.as_uuid()).add(i64::from(artifact.ordinal)).add(artifact.id.as_uuid());
    values.add(artifact.artifact_type.as_str()).add(i64::from(artifact.schema_version));
    values.add(artifact.span_start_ms).add(artifact.span_end_ms).add(artifact.payload.to_string());
    values.add(artifact.created_at.as_micros());
}

const COUNT: &str = "SELECT (SELECT COUNT(*) FROM artifacts WHERE artifacts.task_id = tasks.id)
     FROM tasks WHERE tasks.tenant_id = $1 AND tasks.id = $2";

const LIST: &str = "SELECT artifacts.id, artifacts.ordinal, artifacts.artifact_type, artifacts.schema_version,
        artifacts.span_start_ms, artifacts.span_end_ms, artifacts.payload, artifacts.created_at, provenances.run_id,
        provenances.config_hash, provenances.input_hash, provenances.producer, provenances.producer_version,
        provenances.model_profile, provenances.model_sha256, provenances.request_id
     FROM artifacts JOIN provenances ON provenances.task_id = artifacts.task_id
     WHERE artifacts.task_id = $1 ORDER BY artifacts.ordinal LIMIT $2 OFFSET $3";

/// The artifacts of the tenant's task by ordinal, or `None` when it has no such task.
pub(super) async fn list(
    connection: &mut Connection,
    tenant: TenantId,
    task: TaskId,
    limit: u32,
    offset: u64,
) -> Result<Option<Page<Artifact>>, StoreError> {
    let ids = Binder::default().with(tenant.as_uuid()).with(task.as_uuid());
    let Some(count) = fetch_optional(connection, COUNT, ids).await? else { return Ok(None) };
    let total = Reader::new("artifacts", &count).number("count")?;
    let page = Binder::default().with(task.as_uuid()).page(limit, offset);
    let rows = fetch(connection, LIST, page).await?;
    let items: Result<_, _> = rows.iter().map(|row| read(tenant, task, row)).collect();
    Ok(Some(Page { items: items?, total }))
}

fn read(tenant_id: TenantId, task_id: TaskId, row: &Row) -> Result<Artifact, StoreError> {
    let mut row = Reader::new("artifacts", row);
    Ok(Artifact {
        id: row.id(ArtifactId::from_uuid)?,
        tenant_id,
        task_id,
        ordinal: row.number("ordinal")?,
        artifact_type: row.word("artifact_type", ArtifactType::parse)?,
        schema_version: row.number("schema_version")?,
        span_start_ms: row.get()?,
        span_end_ms: row.get()?,
        payload: row.word("payload", |json| serde_json::from_str(json).ok())?,
        created_at: row.at()?,
        provenance: Provenance {
            run_id: row.id(RunId::from_uuid)?,
            config_hash: row.get()?,
            input_hash: row.get()?,
            producer: row.get()?,
            producer_version: row.get()?,
            model_profile: row.get()?,
            model_sha256: row.get()?,
            request_id: row.get()?,
        },
    })
}
