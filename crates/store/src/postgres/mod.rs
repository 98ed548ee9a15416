//! The store over PostgreSQL.
//!
//! Each kind of write has a lane of its own: rows are locked in the order of their ids within a lane, and two lanes
//! seldom want the same row. Upkeep runs beside the lanes that requests wait for.

#[macro_use]
mod dialect;
mod committer;
mod fill;
#[path = "../sql/mod.rs"]
mod sql;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection as _, PgConnection, PgPool, Postgres};

use self::committer::Committer;
use self::sql::{Lane, Looks};
use crate::database::Database;
use crate::{PostgresSettings, StoreError, StoreFacts, TaskObserver, migrations};

/// How many prepared statements a connection keeps: each kind of statement in each of its sizes.
const STATEMENTS: usize = 256;
/// How long a pooled connection is trusted without being asked.
const IDLE: Duration = Duration::from_secs(1);

/// The store over PostgreSQL.
pub(crate) struct Store {
    pool: PgPool,
    lanes: Lanes,
    looks: Looks,
}

/// Connects, and starts the lanes.
pub(crate) async fn open(settings: PostgresSettings, observer: Arc<dyn TaskObserver>) -> Result<Store, StoreError> {
    let options: PgConnectOptions = settings.url.parse()?;
    let options = options.statement_cache_capacity(STATEMENTS).application_name("ortolan");
    let pool = PgPoolOptions::new()
        .max_connections(settings.max_connections)
        .acquire_timeout(settings.acquire_timeout)
        .test_before_acquire(false)
        .before_acquire(|connection, meta| Box::pin(answers(connection, meta.idle_for)))
        .after_connect(|connection, _| Box::pin(set_planning(connection)))
        .connect_with(options)
        .await?;
    let lanes = Lanes::start(&pool, &observer);
    let looks = Looks::start(pool.clone());
    Ok(Store { pool, lanes, looks })
}

/// How statements are planned on every connection: once, and by index.
///
/// Each statement reads a few rows of tables that grow to millions, in batches whose size has a statement of its own. Planning one anew
/// for its values costs as much as running it and finds the same plan. A plan that is kept must not come from a day when the
/// table was small, so reading whole tables is made dear; where no index serves, PostgreSQL still does it. Compiling plans, for which
/// dispatch over a million tasks looks dear enough, takes hundreds of milliseconds each time.
const PLANNING: &str = "
    SET plan_cache_mode = force_generic_plan;
    SET enable_seqscan = off;
    SET enable_hashjoin = off;
    SET enable_mergejoin = off;
    SET jit = off";

async fn set_planning(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(PLANNING).execute(connection).await.map(drop)
}

/// True when a pooled connection still answers; only asked when it was idle long enough for a server to have gone away.
async fn answers(connection: &mut PgConnection, idle_for: Duration) -> Result<bool, sqlx::Error> {
    Ok(idle_for < IDLE || connection.ping().await.is_ok())
}

impl Store {
    /// A connection to read on.
    async fn read(&self) -> Result<PoolConnection<Postgres>, StoreError> {
        Ok(self.pool.acquire().await?)
    }
}

/// Which lane takes which writes.
struct Lanes {
    submits: Lane,
    dispatches: Lane,
    claims: Lane,
    heartbeats: Lane,
    endings: Lane,
    steers: Lane,
    upkeep: Lane,
}

impl Lanes {
    fn start(pool: &PgPool, observer: &Arc<dyn TaskObserver>) -> Self {
        let lane = || Lane::start(Committer::new(pool.clone(), observer.clone()));
        Self {
            submits: lane(),
            dispatches: lane(),
            claims: lane(),
            heartbeats: lane(),
            endings: lane(),
            steers: lane(),
            upkeep: lane(),
        }
    }

    const fn all(&self) -> [&Lane; 7] {
        let Self { submits, dispatches, claims, heartbeats, endings, steers, upkeep } = self;
        [submits, dispatches, claims, heartbeats, endings, steers, upkeep]
    }

    const fn submits(&self) -> &Lane {
        &self.submits
    }

    const fn dispatches(&self) -> &Lane {
        &self.dispatches
    }

    const fn claims(&self) -> &Lane {
        &self.claims
    }

    const fn heartbeats(&self) -> &Lane {
        &self.heartbeats
    }

    const fn endings(&self) -> &Lane {
        &self.endings
    }

    const fn steers(&self) -> &Lane {
        &self.steers
    }

    const fn upkeep(&self) -> &Lane {
        &self.upkeep
    }
}

#[async_trait]
impl Database for Store {
    async fn migrate(&self) -> Result<(), StoreError> {
        Ok(migrations::postgres().run_direct(None, &mut *self.pool.acquire().await?, false).await?)
    }

    fn facts(&self) -> StoreFacts {
        StoreFacts {
            backend: "postgres",
            connections: self.pool.size(),
            idle: u32::try_from(self.pool.num_idle()).unwrap_or(u32::MAX),
            waiting_writes: self.lanes.all().iter().map(|lane| lane.waiting()).sum(),
        }
    }

    async fn close(&self) {
        futures::future::join_all(self.lanes.all().map(Lane::close)).await;
        self.pool.close().await;
    }
}
