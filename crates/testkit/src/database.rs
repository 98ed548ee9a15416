//! A PostgreSQL database of a test's own.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::cluster::required;

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
        query(&admin_url, &format!("CREATE DATABASE {name}"))?;
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
        drop(query(&self.admin_url, &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name)));
    }
}

/// The same server's address with another database.
fn with_database(url: &str, database: &str) -> Result<String> {
    let mut url = reqwest::Url::parse(url)?;
    url.set_path(database);
    Ok(url.into())
}

/// Runs statements on PostgreSQL and gives the rows of the last one as text.
pub fn query(url: &str, statement: &str) -> Result<Vec<Vec<String>>> {
    let options = ["-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-c", statement, url];
    let output = Command::new("psql").args(options).env("PGCONNECT_TIMEOUT", "5").output();
    let output = output.context("psql cannot be started; `./dev test` installs it")?;
    ensure!(output.status.success(), "{statement}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    Ok(text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect())
}
