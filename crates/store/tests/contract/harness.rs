//! Runs each test over each database.

use std::future::Future;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::fixture::{Fixture, Home};

/// Makes a test of each function for each database.
macro_rules! contract {
    ($($module:ident::$test:ident,)*) => {
        mod over_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                $crate::harness::over_sqlite($crate::$module::$test).await;
            })*
        }

        mod over_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                $crate::harness::over_postgres($crate::$module::$test).await;
            })*
        }
    };
}
pub(crate) use contract;

pub(crate) async fn over_sqlite<T: Future<Output = ()>>(test: impl FnOnce(Fixture) -> T) {
    let folder = tempfile::tempdir().unwrap();
    test(Fixture::open(Home::Sqlite(folder.path().join("contract.db"))).await).await;
}

pub(crate) async fn over_postgres<T>(test: impl FnOnce(Fixture) -> T)
where
    T: Future<Output = ()> + Send + 'static,
{
    let server = std::env::var("ORTOLAN_TEST_POSTGRES_URL");
    let server =
        server.expect("ORTOLAN_TEST_POSTGRES_URL names no PostgreSQL server: `./dev test` starts one and sets it");
    let name = format!("ortolan_{}", ortolan_domain::TenantId::generate()).replace('-', "");
    let mut admin = PgConnection::connect(&server).await.unwrap();
    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut admin).await.unwrap();
    let (before, _) = server.rsplit_once('/').unwrap();
    let fixture = Fixture::open(Home::Postgres(format!("{before}/{name}"))).await;
    // On a task of its own, so that the database is dropped when the test fails, too.
    let ended = tokio::spawn(test(fixture)).await;
    let drop = AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"));
    sqlx::query(drop).execute(&mut admin).await.unwrap();
    if let Err(failed) = ended {
        std::panic::resume_unwind(failed.into_panic());
    }
}
