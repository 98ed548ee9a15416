//! The migrations of both databases, compiled in: the same numbers and names in both folders.

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

macro_rules! migrations {
    ($folder:literal: $($number:literal $name:literal,)*) => {
        Migrator::with_migrations(vec![$(Migration::new(
            $number,
            $name.into(),
            MigrationType::Simple,
            include_str!(concat!("../../../migrations/", $folder, "/", $name, ".sql")).into_sql_str(),
            false,
        )),*])
    };
}

macro_rules! folders {
    ($($number:literal $name:literal,)*) => {
        /// The migrations of SQLite.
        pub(crate) fn sqlite() -> Migrator {
            migrations!("sqlite": $($number $name,)*)
        }

        /// The migrations of PostgreSQL.
        pub(crate) fn postgres() -> Migrator {
            migrations!("postgres": $($number $name,)*)
        }
    };
}

folders! {
    1 "0001_tenants",
    2 "0002_media_and_slots",
    3 "0003_tasks",
    5 "0005_processes",
    6 "0006_models",
    7 "0007_predictions",
    8 "0008_callbacks",
    9 "0009_keys_and_jobs",
    10 "0010_origins",
}
