//! A PostgreSQL database of a test's own.

use anyhow::Result;

use crate::cluster::{psql, required, with_database};

/// A database on the server at `ORTOLAN_TEST_POSTGRES_URL`; dropped with this.
pub struct OwnDatabase {
    admin_url: String,
    name: String,
    url: String,
}

impl OwnDatabase {
    /// An empty database whose name begins with `prefix`.
    pub fn create(prefix: &str) -> Result<Self> {
        let admin_url = required("ORTOLAN_TEST_POSTGRES_URL")?;
        let name = format!("{prefix}_{}", uuid::Uuid::now_v7().simple());
        psql(&admin_url, &format!("CREATE DATABASE {name}"))?;
        let url = with_database(&admin_url, &name)?;
        Ok(Self { admin_url, name, url })
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for OwnDatabase {
    fn drop(&mut self) {
        // Nothing else can be done while unwinding.
        drop(psql(&self.admin_url, &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name)));
    }
}
