//! A Redis database for one installation at a time: queues have the same names in all of them.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use anyhow::{Context, Result, bail, ensure};

/// The databases that are lent; other tests keep to the first ones.
const LENT: std::ops::Range<u32> = 6..16;
/// After so long a database counts as given back, however its user ended.
const LENT_FOR_S: u32 = 900;
const KEY: &str = "test:lent";

/// An empty database of the tests' Redis; given back when dropped.
pub(crate) struct RedisDatabase {
    url: String,
    address: String,
    number: u32,
}

impl RedisDatabase {
    /// Takes one that nobody else uses.
    pub(crate) fn claim(server: &str) -> Result<Self> {
        let mut url = reqwest::Url::parse(server)?;
        let host = url.host_str().context("the address of Redis names no host")?;
        let address = format!("{host}:{}", url.port().unwrap_or(6379));
        for number in LENT {
            let claimed = ask(&address, number, &format!("SET {KEY} 1 NX EX {LENT_FOR_S}"))?;
            if claimed == "+OK" {
                url.set_path(&number.to_string());
                return Ok(Self { url: url.into(), address, number });
            }
        }
        bail!(
            "all databases of the tests' Redis are in use; one that was not given back is free again after {LENT_FOR_S} s"
        )
    }

    /// Its address.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for RedisDatabase {
    fn drop(&mut self) {
        // Nothing else can be done while unwinding; the claim ends by itself.
        drop(ask(&self.address, self.number, "FLUSHDB"));
    }
}

/// Sends one command to one database and gives the line it answers.
fn ask(address: &str, database: u32, command: &str) -> Result<String> {
    let mut connection = TcpStream::connect(address).context("the tests' Redis does not answer")?;
    write!(connection, "SELECT {database}\r\n{command}\r\n")?;
    let mut lines = BufReader::new(connection).lines();
    let selected = lines.next().context("Redis closed the connection")??;
    ensure!(selected == "+OK", "database {database} of Redis cannot be selected: {selected}");
    Ok(lines.next().context("Redis closed the connection")??)
}
