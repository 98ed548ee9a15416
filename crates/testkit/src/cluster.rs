//! The production profile for real: each service in a process of its own, on a real PostgreSQL and Redis.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use reqwest::Client;
use tempfile::TempDir;

use crate::operator::{self, Operator};
use crate::redis_database::RedisDatabase;
use crate::server::free_port;

/// An installation of several processes; all killed when dropped, with their database.
pub struct Cluster {
    program: PathBuf,
    folder: TempDir,
    env: BTreeMap<String, String>,
    admin_url: String,
    database: String,
    base: String,
    operator_key: String,
    client: Client,
    processes: Vec<(String, Child)>,
    _redis: RedisDatabase,
}

impl Cluster {
    /// A database of its own and no process yet.
    pub fn prepare(program: impl Into<PathBuf>) -> Result<Self> {
        let admin_url = required("ORTOLAN_TEST_POSTGRES_URL")?;
        let redis = RedisDatabase::claim(&required("ORTOLAN_TEST_REDIS_URL")?)?;
        let database = format!("cluster_{}", uuid::Uuid::now_v7().simple());
        psql(&admin_url, &format!("CREATE DATABASE {database}"))?;
        let folder = tempfile::Builder::new().prefix("ortolan-cluster-").tempdir()?;
        let (api, ml) = (free_port()?, free_port()?);
        let operator_key = operator::random_key();
        let env = [
            ("ORTOLAN_PROFILE", "production".to_owned()),
            ("ORTOLAN_DATA_DIR", folder.path().join("data").display().to_string()),
            ("ORTOLAN_SERVER__LISTEN", format!("127.0.0.1:{api}")),
            ("ORTOLAN_ML__LISTEN", format!("127.0.0.1:{ml}")),
            ("ORTOLAN_WORKER__LEASE_S", "2".to_owned()),
            ("ML_SERVICE_URL", format!("http://127.0.0.1:{ml}")),
            ("DATABASE_URL", with_database(&admin_url, &database)?),
            ("REDIS_URL", redis.url().to_owned()),
            ("ORTOLAN_OPERATOR_KEY", operator_key.clone()),
            ("ORT_DYLIB_PATH", required("ORT_DYLIB_PATH")?),
            ("PATH", std::env::var("PATH").unwrap_or_default()),
        ];
        let env = env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let (base, client) = (format!("http://127.0.0.1:{api}"), operator::client()?);
        let program = program.into();
        Ok(Self {
            program,
            folder,
            env,
            admin_url,
            database,
            base,
            operator_key,
            client,
            processes: Vec::new(),
            _redis: redis,
        })
    }

    /// Sets a variable for processes that are started from now on.
    pub fn env(&mut self, name: &str, value: &str) {
        self.env.insert(name.to_owned(), value.to_owned());
    }

    /// The data folder of its processes.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Starts one more process of a service; gives its number for [`Cluster::kill`] and [`Cluster::pid`].
    pub fn start(&mut self, service: &str, without: &[&str]) -> Result<usize> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log_path(service))?;
        let mut command = Command::new(&self.program);
        let env = self.env.iter().filter(|(name, _)| !without.contains(&name.as_str()));
        command.arg(service).env_clear().envs(env).current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
        self.processes.push((service.to_owned(), command.spawn()?));
        Ok(self.processes.len() - 1)
    }

    /// Waits until the API says that it is ready and the ML service answers it.
    pub async fn ready(&mut self) -> Result<()> {
        for _ in 0..1200 {
            let answer = self.client.get(format!("{}/health", self.base)).send().await;
            if let Ok(answer) = answer
                && answer.json::<serde_json::Value>().await.is_ok_and(|health| health["status"] == "healthy")
            {
                return Ok(());
            }
            for (service, child) in &mut self.processes {
                if let Some(status) = child.try_wait()? {
                    let log = std::fs::read_to_string(self.folder.path().join(format!("{service}.log")))?;
                    bail!("{service} ended with {status}: {log}");
                }
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        bail!("the cluster did not get ready: {}", self.logs())
    }

    /// The operator of this installation.
    pub fn operator(&self) -> Operator {
        Operator::new(self.client.clone(), self.base.clone(), self.operator_key.clone())
    }

    /// The process's number for the kernel.
    pub fn pid(&self, process: usize) -> u32 {
        self.processes[process].1.id()
    }

    /// Kills a process and everything it started, without warning.
    pub fn kill(&mut self, process: usize) -> Result<()> {
        let child = &mut self.processes[process].1;
        Command::new("kill").args(["-KILL", "--", &format!("-{}", child.id())]).stderr(Stdio::null()).status()?;
        child.wait()?;
        Ok(())
    }

    /// Asks a process to stop and waits for its end.
    pub fn stop(&mut self, process: usize) -> Result<std::process::ExitStatus> {
        let child = &mut self.processes[process].1;
        Command::new("kill").args(["-TERM", &child.id().to_string()]).status()?;
        Ok(child.wait()?)
    }

    /// Everything that has been logged, by service.
    pub fn logs(&self) -> String {
        let services = ["api", "worker", "ml-service", "reconciler"];
        let log = |service: &&str| std::fs::read_to_string(self.log_path(service)).unwrap_or_default();
        services.iter().map(|service| format!("== {service}\n{}", log(service))).collect()
    }

    fn log_path(&self, service: &str) -> PathBuf {
        self.folder.path().join(format!("{service}.log"))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for process in 0..self.processes.len() {
            // Nothing else can be done while unwinding.
            drop(self.kill(process));
        }
        drop(psql(&self.admin_url, &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.database)));
    }
}

pub(crate) fn required(name: &str) -> Result<String> {
    std::env::var(name).with_context(|| format!("{name} is not set; `./dev test` sets it"))
}

/// The same server's address with another database.
pub(crate) fn with_database(url: &str, database: &str) -> Result<String> {
    let mut url = reqwest::Url::parse(url)?;
    url.set_path(database);
    Ok(url.into())
}

pub(crate) fn psql(url: &str, statement: &str) -> Result<()> {
    let output = Command::new("psql").args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", statement, url]).output();
    let output = output.context("psql cannot be started; `./dev test` installs it")?;
    ensure!(output.status.success(), "{statement}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
