//! The registry: reading versions.

use ortolan_domain::model::{Model, ModelFile, ModelStatus, RegistryName, VersionLabel};
use ortolan_domain::{ModelId, TenantId};
use sqlx::AssertSqlSafe;

use super::binder::{Binder, fetch, fetch_many, fetch_optional};
use super::reader::Reader;
use super::{Connection, Row, tenants};
use crate::models::MAX_VERSIONS;
use crate::statement::{MAX_ROWS, ManyRows};
use crate::{ModelFilter, ModelSort, Order, Page, StoreError};

macro_rules! model_columns {
    () => {
        "models.id, models.tenant_id, models.name, models.version, models.description, models.metadata, models.status, \
         models.sha256, models.size_bytes, models.facts, models.error, models.revision, models.validating_until, \
         models.created_at, models.updated_at"
    };
}
pub(super) use model_columns;

/// Reads `model_columns`.
pub(super) fn read(row: &Row) -> Result<Model, StoreError> {
    let mut row = Reader::new("models", row);
    Ok(Model {
        id: row.id(ModelId::from_uuid)?,
        tenant_id: row.id(TenantId::from_uuid)?,
        name: row.word("name", |name| RegistryName::parse(name).ok())?,
        version: row.word("version", |version| VersionLabel::parse(version).ok())?,
        description: row.get()?,
        metadata: row.word("metadata", |json| serde_json::from_str(json).ok())?,
        status: row.word("status", ModelStatus::parse)?,
        file: read_file(&mut row)?,
        facts: row.maybe_word("facts", |json| serde_json::from_str(json).ok())?,
        error: row.get()?,
        revision: row.get()?,
        validating_until: row.maybe_at()?,
        created_at: row.at()?,
        updated_at: row.at()?,
    })
}

fn read_file(row: &mut Reader<'_>) -> Result<Option<ModelFile>, StoreError> {
    let sha256: Option<String> = row.get()?;
    let size_bytes: Option<u64> = row.maybe_number("size_bytes")?;
    Ok(sha256.zip(size_bytes).map(|(sha256, size_bytes)| ModelFile { sha256, size_bytes }))
}

const BY_ID: &str = concat!("SELECT ", model_columns!(), " FROM models WHERE tenant_id = $1 AND id = $2");

/// The tenant's version, if it has it.
pub(super) async fn by_id(
    connection: &mut Connection,
    tenant: TenantId,
    id: ModelId,
) -> Result<Option<Model>, StoreError> {
    let values = Binder::default().with(tenant.as_uuid()).with(id.as_uuid());
    fetch_optional(connection, BY_ID, values).await?.as_ref().map(read).transpose()
}

static BY_IDS: ManyRows = ManyRows::new(
    2,
    concat!(
        "WITH given(tenant_id, id) AS (VALUES {rows}) SELECT ",
        model_columns!(),
        " FROM models WHERE (models.tenant_id, models.id) IN (SELECT given.tenant_id, given.id FROM given)"
    ),
);

/// Those of these versions that the tenant has.
pub(super) async fn by_ids(
    connection: &mut Connection,
    tenant: TenantId,
    ids: &[ModelId],
) -> Result<Vec<Model>, StoreError> {
    let mut found = Vec::with_capacity(ids.len());
    for ids in ids.chunks(MAX_ROWS) {
        let rows = fetch_many(connection, &BY_IDS, ids, |values, id| {
            values.add(tenant.as_uuid()).add(id.as_uuid());
        });
        found.extend(rows.await?.iter().map(read).collect::<Result<Vec<_>, _>>()?);
    }
    Ok(found)
}

const BY_VERSION: &str =
    concat!("SELECT ", model_columns!(), " FROM models WHERE tenant_id = $1 AND name = $2 AND version = $3");

/// The tenant's version with this name and label.
pub(super) async fn by_version(
    connection: &mut Connection,
    tenant: TenantId,
    name: &RegistryName,
    version: &VersionLabel,
) -> Result<Option<Model>, StoreError> {
    let values = named(tenant, name).with(version.as_str().to_owned());
    fetch_optional(connection, BY_VERSION, values).await?.as_ref().map(read).transpose()
}

fn named(tenant: TenantId, name: &RegistryName) -> Binder {
    Binder::default().with(tenant.as_uuid()).with(name.as_str().to_owned())
}

const LATEST: &str = concat!(
    "SELECT ",
    model_columns!(),
    " FROM models WHERE tenant_id = $1 AND name = $2 ORDER BY precedence DESC, version DESC LIMIT 1"
);
const LATEST_READY: &str = concat!(
    "SELECT ",
    model_columns!(),
    " FROM models WHERE tenant_id = $1 AND name = $2 AND status = 'ready' ORDER BY precedence DESC, version DESC LIMIT 1"
);

/// The highest version of this name, or the highest that may be run.
pub(super) async fn latest(
    connection: &mut Connection,
    tenant: TenantId,
    name: &RegistryName,
    ready_only: bool,
) -> Result<Option<Model>, StoreError> {
    let text = if ready_only { LATEST_READY } else { LATEST };
    fetch_optional(connection, text, named(tenant, name)).await?.as_ref().map(read).transpose()
}

static LATEST_READY_OF_MANY: ManyRows = ManyRows::new(
    2,
    concat!(
        "WITH given(tenant_id, name) AS (VALUES {rows}) SELECT ",
        model_columns!(),
        " FROM models WHERE models.id IN (
            SELECT (SELECT m.id FROM models m WHERE m.tenant_id = given.tenant_id AND m.name = given.name
                    AND m.status = 'ready' ORDER BY m.precedence DESC, m.version DESC LIMIT 1)
            FROM given)"
    ),
);

/// The highest version that may be run of each of these names.
pub(super) async fn latest_ready(
    connection: &mut Connection,
    tenant: TenantId,
    names: &[RegistryName],
) -> Result<Vec<Model>, StoreError> {
    let mut found = Vec::with_capacity(names.len());
    for names in names.chunks(MAX_ROWS) {
        let rows = fetch_many(connection, &LATEST_READY_OF_MANY, names, |values, name| {
            values.add(tenant.as_uuid()).add(name.as_str().to_owned());
        });
        found.extend(rows.await?.iter().map(read).collect::<Result<Vec<_>, _>>()?);
    }
    Ok(found)
}

const COUNT_VERSIONS: &str = "SELECT COUNT(*) FROM models WHERE tenant_id = $1 AND name = $2";
const VERSIONS: &str = concat!(
    "SELECT ",
    model_columns!(),
    " FROM models WHERE tenant_id = $1 AND name = $2 ORDER BY precedence DESC, version DESC LIMIT $3 OFFSET $4"
);

/// The versions of this name, the highest first.
pub(super) async fn versions(
    connection: &mut Connection,
    tenant: TenantId,
    name: &RegistryName,
) -> Result<Page<Model>, StoreError> {
    let total = tenants::count(fetch_optional(connection, COUNT_VERSIONS, named(tenant, name)).await?)?;
    let rows = fetch(connection, VERSIONS, named(tenant, name).page(MAX_VERSIONS, 0)).await?;
    Ok(Page { items: rows.iter().map(read).collect::<Result<_, _>>()?, total })
}

/// The tenant's versions.
pub(super) async fn list(
    connection: &mut Connection,
    tenant: TenantId,
    filter: &ModelFilter,
) -> Result<Page<Model>, StoreError> {
    let (condition, words) = wanted(filter);
    let values = || {
        let values = Binder::default().with(tenant.as_uuid());
        words.iter().fold(values, |values, word| values.with(word.clone()))
    };
    let count = format!("SELECT COUNT(*) FROM models WHERE {condition}");
    let total = tenants::count(fetch_optional(connection, AssertSqlSafe(count), values()).await?)?;
    let page = format!(
        concat!("SELECT ", model_columns!(), " FROM models WHERE {} ORDER BY {} LIMIT ${} OFFSET ${}"),
        condition,
        order_by(filter),
        words.len() + 2,
        words.len() + 3,
    );
    let rows = fetch(connection, AssertSqlSafe(page), values().page(filter.limit, filter.offset)).await?;
    Ok(Page { items: rows.iter().map(read).collect::<Result<_, _>>()?, total })
}

/// The condition of a filter and the words that it binds from `$2` on.
fn wanted(filter: &ModelFilter) -> (String, Vec<String>) {
    let mut words: Vec<String> = filter.statuses.iter().map(|status| status.as_str().to_owned()).collect();
    let mut condition = "tenant_id = $1".to_owned();
    if !words.is_empty() {
        let places: Vec<String> = (0..words.len()).map(|at| format!("${}", at + 2)).collect();
        condition.push_str(&format!(" AND status IN ({})", places.join(", ")));
    }
    if let Some(name) = &filter.name {
        words.push(name.as_str().to_owned());
        condition.push_str(&format!(" AND name = ${}", words.len() + 1));
    }
    (condition, words)
}

/// The order of a list; the id makes it the same on every page.
fn order_by(filter: &ModelFilter) -> String {
    let way = match filter.order {
        Order::Ascending => "ASC",
        Order::Descending => "DESC",
    };
    let keys = match filter.sort_by {
        ModelSort::CreatedAt => format!("created_at {way}"),
        ModelSort::UpdatedAt => format!("updated_at {way}"),
        ModelSort::Name => format!("name {way}, precedence {way}, version {way}"),
        ModelSort::SizeBytes => format!("size_bytes {way} NULLS LAST"),
    };
    format!("{keys}, id {way}")
}
