//! The database, and dispatch out of it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use ortolan_dispatch::Dispatcher;
use ortolan_service::Shutdown;
use ortolan_service::config::{Config, Database};
use ortolan_store::{PostgresSettings, Stores};

use crate::{ChangeRelay, Ports, settings};

/// The longest pause between two tries to reach something at the start.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The database, and dispatch out of it.
pub struct Truth {
    /// The ports of the database.
    pub stores: Stores,
    /// Moves pending tasks into the queues.
    pub dispatcher: Arc<Dispatcher>,
}

impl Truth {
    /// A database whose changes `relay` hears of.
    pub fn new(config: &Config, ports: &Ports, stores: Stores, relay: &ChangeRelay) -> Self {
        let limits = settings::dispatch(config);
        let dispatcher = Dispatcher::new(stores.tasks.clone(), ports.queues.clone(), ports.clock.clone(), limits);
        let dispatcher = Arc::new(dispatcher);
        relay.bind(&dispatcher);
        Self { stores, dispatcher }
    }

    /// The PostgreSQL server that all services share, its schema up to date; waits for it, and gives `None` when the process
    /// is told to stop before it is there.
    pub async fn open(
        config: &Config,
        ports: &Ports,
        max_connections: u32,
        shutdown: &Shutdown,
    ) -> Result<Option<Self>> {
        let Database::Postgres(url) = config.database()? else {
            bail!("this service needs database.url (DATABASE_URL) of a PostgreSQL server; `ortolan up` runs on SQLite")
        };
        let relay = ChangeRelay::new(ports.signals.clone());
        let connect = || async {
            let settings = PostgresSettings { max_connections, ..PostgresSettings::at(url.expose()) };
            let stores = Stores::postgres(settings, relay.clone()).await?;
            stores.migrate().await?;
            Ok(stores)
        };
        let stores = patiently("the database", shutdown, connect).await;
        Ok(stores.map(|stores| Self::new(config, ports, stores, &relay)))
    }
}

/// Tries until it works; `None` when the process is told to stop before. Services may start in any order.
async fn patiently<T, F: Future<Output = Result<T>>>(
    what: &str,
    shutdown: &Shutdown,
    attempt: impl Fn() -> F,
) -> Option<T> {
    let mut pause = Duration::from_millis(250);
    let stop = shutdown.token();
    loop {
        // A try may hang for as long as a connection takes to be refused.
        let error = match stop.run_until_cancelled(attempt()).await? {
            Ok(there) => return Some(there),
            Err(error) => error,
        };
        tracing::warn!(error = format!("{error:#}"), ?pause, "waiting for {what}");
        stop.run_until_cancelled(tokio::time::sleep(pause)).await?;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
