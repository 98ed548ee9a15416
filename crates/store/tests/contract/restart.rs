//! Migrations, crashes and ends.

use sqlx::{Connection as _, PgConnection, SqliteConnection};

use ortolan_domain::TaskStatus;
use ortolan_store::StoreError;

use crate::fixture::{Fixture, Home, completion, open};

pub(crate) async fn migrations_run_twice(f: Fixture) {
    let id = f.submit(f.new_task()).await;
    f.stores.migrate().await.unwrap();
    let other = open(&f.home, f.heard.clone()).await.unwrap();
    let (one, two) = futures::join!(other.migrate(), f.stores.migrate());
    one.and(two).unwrap();
    assert_eq!(f.get(id).await.status, TaskStatus::Pending);
}

pub(crate) async fn a_newer_database_is_refused(f: Fixture) {
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 VALUES (9999, 'from the future', TRUE, 'x', 0)";
    match &f.home {
        Home::Sqlite(path) => {
            let mut connection = SqliteConnection::connect(&format!("sqlite:{}", path.display())).await.unwrap();
            sqlx::query(newer).execute(&mut connection).await.unwrap();
        }
        Home::Postgres(url) => {
            let mut connection = PgConnection::connect(url).await.unwrap();
            sqlx::query(newer).execute(&mut connection).await.unwrap();
        }
    }
    assert!(matches!(f.stores.migrate().await, Err(StoreError::NewerDatabase(9999))));
}

/// Opens the database on a runtime of its own, writes, and drops that runtime with everything in it, as a crash would.
pub(crate) async fn what_was_acknowledged_survives_a_crash(f: Fixture) {
    let (home, tenant, heard) = (f.home.clone(), f.tenant.clone(), f.heard.clone());
    let written = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let written = runtime.block_on(async {
            let stores = open(&home, heard.clone()).await.unwrap();
            let doomed = Fixture { stores, heard, tenant, home };
            let (fence, task) = doomed.running().await;
            assert!(doomed.stores.tasks.complete(completion(&fence, &task, 2, 3)).await.unwrap());
            let (running, _) = doomed.running().await;
            let pending = doomed.submit(doomed.new_task()).await;
            (task.spec.id, running.attempt.task_id, pending)
        });
        runtime.shutdown_background();
        written
    });
    let (completed, running, pending) = written.join().unwrap();

    let stores = open(&f.home, f.heard.clone()).await.unwrap();
    stores.migrate().await.unwrap();
    let f = Fixture { stores, ..f };
    assert_eq!(f.get(completed).await.status, TaskStatus::Completed);
    assert_eq!(f.artifacts(completed).await.len(), 3);
    assert_eq!(f.get(running).await.status, TaskStatus::Running);
    assert_eq!(f.get(pending).await.status, TaskStatus::Pending);
    assert_eq!(f.stores.tasks.take_back_all(crate::fixture::at(9), 3).await.unwrap(), 1);
}

pub(crate) async fn a_closed_store_says_so(f: Fixture) {
    let id = f.submit(f.new_task()).await;
    f.stores.close().await;
    f.stores.close().await;
    assert!(matches!(f.stores.tasks.submit(f.new_task(), None).await, Err(StoreError::Closed)));
    assert!(matches!(f.stores.tasks.get(f.tenant.id, id).await, Err(StoreError::Closed)));
    let stores = open(&f.home, f.heard.clone()).await.unwrap();
    assert!(stores.tasks.get(f.tenant.id, id).await.unwrap().is_some());
}

/// SQLite alone: its writes are answered after a sync of the WAL file, and without that file there is none.
#[cfg(unix)]
#[tokio::test]
async fn a_write_is_not_acknowledged_when_it_cannot_be_synced() {
    let folder = tempfile::tempdir().unwrap();
    let f = Fixture::open(Home::Sqlite(folder.path().join("sync.db"))).await;
    let attempt = f.queued().await;
    std::fs::remove_file(folder.path().join("sync.db-wal")).unwrap();
    let submitted = f.stores.tasks.submit(f.new_task(), None).await;
    assert!(matches!(submitted, Err(StoreError::Unavailable(_))), "{submitted:?}");
    // What a power cut may take back is answered at once.
    assert_eq!(f.stores.tasks.undo_dispatch(&[attempt], crate::fixture::at(1)).await.unwrap(), 1);
}
