//! Media objects' rows.

use ortolan_domain::media::{Media, MediaFacts, MediaKind};
use ortolan_domain::{MediaId, TenantId};

use super::binder::{Binder, execute, fetch, fetch_many, fetch_optional};
use super::keys::{self, KeyClaim, KeyHolder, Scope};
use super::reader::Reader;
use super::{Connection, Row, tenants};
use crate::statement::{MAX_ROWS, ManyRows};
use crate::{Idempotency, NewMediaOutcome, Page, StoreError};

macro_rules! media_columns {
    () => {
        "id, tenant_id, kind, content_type, width, height, duration_ms, file_name, size_bytes, sha256, object_path, \
         created_at"
    };
}

fn read(row: &Row) -> Result<Media, StoreError> {
    let mut row = Reader::new("media", row);
    Ok(Media {
        id: row.id(MediaId::from_uuid)?,
        tenant_id: row.id(TenantId::from_uuid)?,
        facts: MediaFacts {
            kind: row.word("kind", MediaKind::parse)?,
            content_type: row.get()?,
            width: row.maybe_number("width")?,
            height: row.maybe_number("height")?,
            duration_ms: row.maybe_number("duration_ms")?,
        },
        file_name: row.get()?,
        size_bytes: row.number("size_bytes")?,
        sha256: row.get()?,
        object_path: row.get()?,
        created_at: row.at()?,
    })
}

const INSERT: &str = concat!(
    "INSERT INTO media (",
    media_columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING"
);

/// Stores a row, unless its key was used before.
pub(super) async fn create(
    connection: &mut Connection,
    media: Media,
    idempotency: Option<Idempotency>,
) -> Result<NewMediaOutcome, StoreError> {
    match take_key(connection, &media, idempotency.as_ref()).await? {
        KeyHolder::Ours => insert(connection, &media).await,
        KeyHolder::Other => Ok(NewMediaOutcome::Conflict),
        KeyHolder::Same(target) => {
            let before = by_id(connection, media.tenant_id, MediaId::from_uuid(target)).await?;
            before.map_or(Err(StoreError::NoParent), |media| Ok(NewMediaOutcome::Replayed(Box::new(media))))
        }
    }
}

async fn take_key(
    connection: &mut Connection,
    media: &Media,
    idempotency: Option<&Idempotency>,
) -> Result<KeyHolder, StoreError> {
    let Some(idempotency) = idempotency else { return Ok(KeyHolder::Ours) };
    let claim = KeyClaim { tenant: media.tenant_id, idempotency, target: media.id.as_uuid(), now: media.created_at };
    Ok(keys::take(connection, Scope::Media, &[claim]).await?.pop().unwrap_or(KeyHolder::Ours))
}

async fn insert(connection: &mut Connection, media: &Media) -> Result<NewMediaOutcome, StoreError> {
    if !tenants::exists(connection, media.tenant_id).await? {
        return Err(StoreError::NoParent);
    }
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let MediaFacts { kind, content_type, width, height, duration_ms } = &media.facts;
    let values = Binder::default().with(media.id.as_uuid()).with(media.tenant_id.as_uuid()).with(kind.as_str());
    let values = values.with(content_type.clone()).with(width.map(i64::from)).with(height.map(i64::from));
    let values = values.with(duration_ms.map(number)).with(media.file_name.clone()).with(number(media.size_bytes));
    let values = values.with(media.sha256.clone()).with(media.object_path.clone()).with(media.created_at.as_micros());
    match execute(connection, INSERT, values).await? {
        0 => Err(StoreError::Duplicate),
        _ => Ok(NewMediaOutcome::Created),
    }
}

const BY_ID: &str = concat!("SELECT ", media_columns!(), " FROM media WHERE tenant_id = $1 AND id = $2");

/// The tenant's media object, if it has it.
pub(super) async fn by_id(
    connection: &mut Connection,
    tenant: TenantId,
    id: MediaId,
) -> Result<Option<Media>, StoreError> {
    let values = Binder::default().with(tenant.as_uuid()).with(id.as_uuid());
    fetch_optional(connection, BY_ID, values).await?.as_ref().map(read).transpose()
}

const COUNT: &str = "SELECT COUNT(*) FROM media WHERE tenant_id = $1";
const LIST: &str = concat!(
    "SELECT ",
    media_columns!(),
    " FROM media WHERE tenant_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2 OFFSET $3"
);

/// The tenant's media objects, the newest first.
pub(super) async fn list(
    connection: &mut Connection,
    tenant: TenantId,
    limit: u32,
    offset: u64,
) -> Result<Page<Media>, StoreError> {
    let whose = || Binder::default().with(tenant.as_uuid());
    let total = tenants::count(fetch_optional(connection, COUNT, whose()).await?)?;
    let rows = fetch(connection, LIST, whose().page(limit, offset)).await?;
    Ok(Page { items: rows.iter().map(read).collect::<Result<_, _>>()?, total })
}

const DELETE: &str = concat!("DELETE FROM media WHERE tenant_id = $1 AND id = $2 RETURNING ", media_columns!());

/// Deletes a row and gives it.
pub(super) async fn delete(
    connection: &mut Connection,
    tenant: TenantId,
    id: MediaId,
) -> Result<Option<Media>, StoreError> {
    let values = Binder::default().with(tenant.as_uuid()).with(id.as_uuid());
    fetch_optional(connection, DELETE, values).await?.as_ref().map(read).transpose()
}

static KNOWN: ManyRows = ManyRows::new(
    1,
    "WITH given(path) AS (VALUES {rows})
     SELECT object_path FROM media WHERE object_path IN (SELECT given.path FROM given)",
);

/// Which of these object paths have a row.
pub(super) async fn known_object_paths(
    connection: &mut Connection,
    paths: &[String],
) -> Result<Vec<String>, StoreError> {
    let mut known = Vec::new();
    for some in paths.chunks(MAX_ROWS) {
        let rows = fetch_many(connection, &KNOWN, some, |values, path| {
            values.add(path.clone());
        });
        for row in &rows.await? {
            known.push(Reader::new("media", row).get()?);
        }
    }
    Ok(known)
}
