//! Remembered `Idempotency-Key`s: the first request with a key makes something, the later ones find what it made.

use std::collections::HashSet;

use ortolan_domain::{TenantId, Timestamp};
use sqlx::types::Uuid;

use super::binder::{Binder, execute, fetch_many, fetch_optional};
use super::reader::Reader;
use super::{Connection, Row};
use crate::statement::{ManyRows, rounds};
use crate::{Idempotency, StoreError};

/// A wish to be the one that a key stands for.
pub(super) struct KeyClaim<'a> {
    pub(super) tenant: TenantId,
    pub(super) idempotency: &'a Idempotency,
    /// What would be made.
    pub(super) target: Uuid,
    pub(super) now: Timestamp,
}

/// Who has the key.
pub(super) enum KeyHolder {
    /// This request: it is the first.
    Ours,
    /// An earlier request of the same content, which made this.
    Same(Uuid),
    /// An earlier request of other content.
    Other,
}

/// What a key makes.
#[derive(Clone, Copy)]
pub(super) enum Scope {
    Task,
    Media,
    Model,
    Key,
}

impl Scope {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Media => "media",
            Self::Model => "model",
            Self::Key => "key",
        }
    }

    /// Forgets keys that expired or whose target is gone.
    const fn forget(self) -> &'static ManyRows {
        match self {
            Self::Task => &FORGET_TASK_KEYS,
            Self::Media => &FORGET_MEDIA_KEYS,
            Self::Model => &FORGET_MODEL_KEYS,
            Self::Key => &FORGET_KEY_KEYS,
        }
    }
}

macro_rules! forget {
    ($scope:literal, $table:literal) => {
        concat!(
            "WITH given(tenant_id, key, at) AS (VALUES {rows})
             DELETE FROM idempotency_keys
             WHERE (tenant_id, key) IN (SELECT given.tenant_id, given.key FROM given) AND scope = '",
            $scope,
            "' AND (expires_at <= (SELECT MIN(given.at) FROM given)
                OR NOT EXISTS (SELECT 1 FROM ",
            $table,
            " WHERE id = idempotency_keys.target_id))"
        )
    };
}

static FORGET_TASK_KEYS: ManyRows = ManyRows::new(3, forget!("task", "tasks"));
static FORGET_MEDIA_KEYS: ManyRows = ManyRows::new(3, forget!("media", "media"));
static FORGET_MODEL_KEYS: ManyRows = ManyRows::new(3, forget!("model", "models"));
static FORGET_KEY_KEYS: ManyRows = ManyRows::new(3, forget!("key", "api_keys"));

static TAKE: ManyRows = ManyRows::new(
    6,
    "WITH given(tenant_id, scope, key, request_hash, target_id, expires_at) AS (VALUES {rows})
     INSERT INTO idempotency_keys (tenant_id, scope, key, request_hash, target_id, expires_at)
     SELECT tenant_id, scope, key, request_hash, target_id, expires_at FROM given
     WHERE EXISTS (SELECT 1 FROM tenants WHERE tenants.id = given.tenant_id)
     ON CONFLICT DO NOTHING
     RETURNING target_id",
);

const HOLDER: &str = "SELECT target_id, request_hash FROM idempotency_keys
     WHERE tenant_id = $1 AND key = $2 AND scope = $3";

/// Takes the keys that are free; tells for each claim who has its key now.
pub(super) async fn take(
    connection: &mut Connection,
    scope: Scope,
    claims: &[KeyClaim<'_>],
) -> Result<Vec<KeyHolder>, StoreError> {
    let rounds = rounds(claims.iter().map(|claim| (claim.tenant, claim.idempotency.key.as_str())));
    let rounds: Vec<Vec<&KeyClaim>> =
        rounds.into_iter().map(|round| round.into_iter().map(|index| &claims[index]).collect()).collect();
    // All of them before the first is taken: until its target is made, a key that was just taken looks stale.
    for round in &rounds {
        forget_stale(connection, scope, round).await?;
    }
    let mut ours = HashSet::new();
    for round in &rounds {
        for row in fetch_many(connection, &TAKE, round, |values, claim| bind(values, scope, claim)).await? {
            ours.insert(Reader::new("idempotency_keys", &row).get::<Uuid>()?);
        }
    }
    let mut holders = Vec::with_capacity(claims.len());
    for claim in claims {
        holders.push(match ours.contains(&claim.target) {
            true => KeyHolder::Ours,
            false => holder(connection, scope, claim).await?,
        });
    }
    Ok(holders)
}

async fn forget_stale(
    connection: &mut Connection,
    scope: Scope,
    claims: &[&KeyClaim<'_>],
) -> Result<Vec<Row>, StoreError> {
    fetch_many(connection, scope.forget(), claims, |values, claim| {
        values.add(claim.tenant.as_uuid()).add(claim.idempotency.key.clone()).add(claim.now.as_micros());
    })
    .await
}

fn bind(values: &mut Binder, scope: Scope, claim: &KeyClaim<'_>) {
    let Idempotency { key, request_hash, expires_at } = claim.idempotency;
    values.add(claim.tenant.as_uuid()).add(scope.as_str()).add(key.clone());
    values.add(request_hash.clone()).add(claim.target).add(expires_at.as_micros());
}

async fn holder(connection: &mut Connection, scope: Scope, claim: &KeyClaim<'_>) -> Result<KeyHolder, StoreError> {
    let key = claim.idempotency.key.clone();
    let values = Binder::default().with(claim.tenant.as_uuid()).with(key).with(scope.as_str());
    let row = fetch_optional(connection, HOLDER, values).await?.ok_or(StoreError::NoParent)?;
    let mut row = Reader::new("idempotency_keys", &row);
    let target = row.get()?;
    let same = row.get::<&str>()? == claim.idempotency.request_hash;
    Ok(if same { KeyHolder::Same(target) } else { KeyHolder::Other })
}

const FORGET_EXPIRED: &str = concat!(
    "WITH chosen(tenant_id, key, scope) AS MATERIALIZED (
        SELECT tenant_id, key, scope FROM idempotency_keys WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2",
    skip_locked!(),
    ") DELETE FROM idempotency_keys WHERE (tenant_id, key, scope) IN (SELECT * FROM chosen)"
);

/// Forgets keys that expired; returns how many.
pub(super) async fn forget_expired(connection: &mut Connection, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
    execute(connection, FORGET_EXPIRED, Binder::default().with(now.as_micros()).with(i64::from(limit))).await
}
