//! Starts the release build of Ortolan in a fresh data folder on a free port, as a user would, and stops it again.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::http::Connection;

const START_WITHIN: Duration = Duration::from_secs(60);
const STOP_WITHIN: Duration = Duration::from_secs(20);

/// The operator's key of a server that lives for one bench on the loopback interface.
pub const OPERATOR_KEY: &str = "bench-operator-key-0123456789abcdef0123456789";

/// A running Ortolan; it is killed when this is dropped without `stop`.
#[derive(Debug)]
pub struct Server {
    child: Child,
    log: PathBuf,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Server {
    /// Starts `binary up` with its data under the folder and waits until it is ready.
    pub fn start(binary: &Path, folder: &Path) -> Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let log = folder.join("server.log");
        let output = File::create(&log)?;
        let child = Command::new(binary)
            .args(["up", "--no-demo", "--listen", &address.to_string(), "--data-dir"])
            .arg(folder.join("data"))
            .env("ORTOLAN_OPERATOR_KEY", OPERATOR_KEY)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let mut server = Self { child, log, address };
        server.wait_until_ready()?;
        Ok(server)
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to stop, and fails when it does not do so cleanly.
    pub fn stop(mut self) -> Result<()> {
        Command::new("kill").args(["-TERM", &self.pid().to_string()]).status()?;
        let asked = Instant::now();
        while asked.elapsed() < STOP_WITHIN {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!("the server ended with {status}: {}", self.last_words()),
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        }
        bail!("the server did not stop within {STOP_WITHIN:?}")
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let mut connection = Connection::new(self.address);
        let started = Instant::now();
        while started.elapsed() < START_WITHIN {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended with {status}: {}", self.last_words());
            }
            if connection.request("GET", "/health/ready", "", b"").is_ok_and(|answer| answer.status == 200) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("the server was not ready within {START_WITHIN:?}: {}", self.last_words())
    }

    fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _gone_already_is_fine = self.child.kill();
            let _gone_already_is_fine = self.child.wait();
        }
    }
}
