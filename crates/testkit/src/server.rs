//! A real server in a process of its own.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use reqwest::Client;
use tempfile::TempDir;

use crate::operator::{self, Operator};
use crate::tenant::Tenant;

/// A port that nothing listens on at the moment.
pub fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// How a server is started.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// The `ortolan` program.
    pub program: PathBuf,
    /// Variables beyond the few that every server gets.
    pub env: BTreeMap<String, String>,
}

impl ServerOptions {
    /// The defaults.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), env: BTreeMap::new() }
    }

    /// The same with one more variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }
}

/// A running server; killed when dropped.
pub struct Server {
    options: ServerOptions,
    folder: TempDir,
    port: u16,
    operator_key: String,
    child: Option<Child>,
    client: Client,
}

impl Server {
    /// Starts a server and waits until it is ready.
    pub async fn start(options: ServerOptions) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("ortolan-test-").tempdir()?;
        let port = free_port()?;
        let (operator_key, client) = (operator::random_key(), operator::client()?);
        let mut server = Self { options, folder, port, operator_key, child: None, client };
        server.restart().await?;
        Ok(server)
    }

    /// Starts the program again on the same data and port.
    pub async fn restart(&mut self) -> Result<()> {
        ensure!(self.child.is_none(), "it runs already");
        let library = std::env::var("ORT_DYLIB_PATH").context("ORT_DYLIB_PATH is not set; `./dev test` sets it")?;
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log_path())?;
        let mut command = Command::new(&self.options.program);
        command
            .args(["up", "--no-demo", "--listen", &format!("127.0.0.1:{}", self.port), "--data-dir"])
            .arg(self.data());
        command.env_clear().env("PATH", std::env::var("PATH").unwrap_or_default()).env("ORT_DYLIB_PATH", library);
        command.env("ORTOLAN_OPERATOR_KEY", &self.operator_key).envs(&self.options.env).current_dir(self.folder.path());
        // A group of its own, so that a kill reaches the runners too.
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
        self.child = Some(command.spawn().context("the program could not be started")?);
        self.ready().await
    }

    async fn ready(&mut self) -> Result<()> {
        for _ in 0..1200 {
            if let Some(status) = self.child.as_mut().and_then(|child| child.try_wait().transpose()) {
                bail!("the server ended with {:?}: {}", status?, self.log_tail());
            }
            let answer = self.client.get(self.url("/health/ready")).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        bail!("the server did not get ready: {}", self.log_tail())
    }

    /// Kills the program and everything it started, without warning.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            let group = format!("-{}", child.id());
            Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Asks the program to stop and waits for its end.
    pub async fn stop(&mut self) -> Result<ExitStatus> {
        let mut child = self.child.take().context("it does not run")?;
        Command::new("kill").args(["-TERM", &child.id().to_string()]).status()?;
        Ok(tokio::task::spawn_blocking(move || child.wait()).await??)
    }

    /// The server's process.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// True while the program runs.
    pub fn is_alive(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The operator's key.
    pub fn operator_key(&self) -> &str {
        &self.operator_key
    }

    /// A client without a key.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Everything the server has printed and logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// The operator of this server.
    pub fn operator(&self) -> Operator {
        Operator::new(self.client.clone(), self.url(""), self.operator_key.clone())
    }

    /// Makes a tenant and a key with all of a tenant's scopes.
    pub async fn tenant(&self, name: &str) -> Result<Tenant> {
        self.operator().tenant(name).await
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        log.lines().rev().take(20).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// The folder of everything this server keeps and logs.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            // Nothing else can be done while unwinding; the folder's clean-up will tell.
            drop(error);
        }
    }
}
