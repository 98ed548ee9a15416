//! The production profile for real: each service in a process of its own, on a real PostgreSQL and Redis.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::Client;
use tempfile::TempDir;

use crate::database::OwnDatabase;
use crate::operator::{self, Operator};
use crate::server::free_port;
use crate::stores::ThrowAwayRedis;

/// An installation of several processes; all killed when dropped, with their database.
pub struct Cluster {
    program: PathBuf,
    folder: TempDir,
    env: BTreeMap<String, String>,
    /// A database that goes with the cluster.
    own_database: Option<OwnDatabase>,
    /// A broker that goes with the cluster: two clusters on one would take each other's deliveries.
    own_redis: Option<ThrowAwayRedis>,
    base: String,
    operator_key: String,
    client: Client,
    processes: Vec<Process>,
}

/// A process that was started, and how to start it again.
struct Process {
    service: String,
    env: BTreeMap<String, String>,
    child: Child,
}

impl Cluster {
    /// A database of its own on the server that all tests share, a Redis of its own, and no process yet.
    pub fn prepare(program: impl Into<PathBuf>) -> Result<Self> {
        let redis = ThrowAwayRedis::start()?;
        let database = OwnDatabase::create("cluster")?;
        let mut cluster = Self::on(program, database.url(), redis.url())?;
        (cluster.own_database, cluster.own_redis) = (Some(database), Some(redis));
        Ok(cluster)
    }

    /// On a database and a Redis that are given, which need not be there yet; and no process yet.
    pub fn on(program: impl Into<PathBuf>, database_url: &str, redis_url: &str) -> Result<Self> {
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
            ("DATABASE_URL", database_url.to_owned()),
            ("REDIS_URL", redis_url.to_owned()),
            ("ORTOLAN_OPERATOR_KEY", operator_key.clone()),
            ("ORT_DYLIB_PATH", required("ORT_DYLIB_PATH")?),
            ("PATH", std::env::var("PATH").unwrap_or_default()),
        ];
        let env = env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let (base, client) = (format!("http://127.0.0.1:{api}"), operator::client()?);
        let (program, own_database, own_redis, processes) = (program.into(), None, None, Vec::new());
        Ok(Self { program, folder, env, own_database, own_redis, base, operator_key, client, processes })
    }

    /// Sets a variable for processes that are started from now on.
    pub fn env(&mut self, name: &str, value: &str) {
        self.env.insert(name.to_owned(), value.to_owned());
    }

    /// The data folder of its processes.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Starts one more process of a service; gives its number for [`Cluster::kill`] and [`Cluster::pid`]. A program that is a service
    /// by itself is started with `""`.
    pub fn start(&mut self, service: &str, without: &[&str]) -> Result<usize> {
        self.start_with(service, without, &[])
    }

    /// The same with more variables, for this process alone.
    pub fn start_with(&mut self, service: &str, without: &[&str], more: &[(&str, &str)]) -> Result<usize> {
        let mut env = self.env.clone();
        env.retain(|name, _| !without.contains(&name.as_str()));
        env.extend(more.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())));
        let child = self.spawn(service, &env)?;
        self.processes.push(Process { service: service.to_owned(), env, child });
        Ok(self.processes.len() - 1)
    }

    /// Starts a process that has ended again, as it was.
    pub fn restart(&mut self, process: usize) -> Result<()> {
        let Process { service, env, .. } = &self.processes[process];
        let child = self.spawn(service, env)?;
        self.processes[process].child = child;
        Ok(())
    }

    fn spawn(&self, service: &str, env: &BTreeMap<String, String>) -> Result<Child> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log_path(service))?;
        let mut command = Command::new(&self.program);
        command.args(service.split_whitespace()).env_clear().envs(env).current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
        command.spawn().with_context(|| format!("{} cannot be started", self.program.display()))
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
            let mut ended = Vec::new();
            for Process { service, child, .. } in &mut self.processes {
                ended.extend(child.try_wait()?.map(|status| format!("{service} ended with {status}")));
            }
            if let Some(ended) = ended.first() {
                bail!("{ended}: {}", self.logs());
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        bail!("the cluster did not get ready: {}", self.logs())
    }

    /// The status with which the API answers, 0 when nobody does.
    pub async fn status(&self, path: &str) -> u16 {
        let answer = self.client.get(format!("{}{path}", self.base)).send().await;
        answer.map_or(0, |answer| answer.status().as_u16())
    }

    /// The operator of this installation.
    pub fn operator(&self) -> Operator {
        Operator::new(self.client.clone(), self.base.clone(), self.operator_key.clone())
    }

    /// Says where the API answers that is asked first.
    pub fn at(&mut self, base: &str) {
        base.clone_into(&mut self.base);
    }

    /// Where the API answers that is asked first.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Where the ML service answers.
    pub fn ml_base(&self) -> &str {
        self.env.get("ML_SERVICE_URL").map_or("", String::as_str)
    }

    /// The address of the database.
    pub fn database_url(&self) -> &str {
        self.env.get("DATABASE_URL").map_or("", String::as_str)
    }

    /// The broker that goes with the cluster.
    ///
    /// # Panics
    /// When the cluster was given one that is not its own.
    #[expect(clippy::panic, reason = "a test that asks for what it did not make cannot go on")]
    pub fn redis(&self) -> &ThrowAwayRedis {
        self.own_redis.as_ref().unwrap_or_else(|| panic!("this cluster has no Redis of its own"))
    }

    /// The same, to kill it and start it again.
    ///
    /// # Panics
    /// As [`Cluster::redis`].
    #[expect(clippy::panic, reason = "a test that asks for what it did not make cannot go on")]
    pub fn redis_mut(&mut self) -> &mut ThrowAwayRedis {
        self.own_redis.as_mut().unwrap_or_else(|| panic!("this cluster has no Redis of its own"))
    }

    /// The folder of everything that the processes keep.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The process's number for the kernel.
    pub fn pid(&self, process: usize) -> u32 {
        self.processes[process].child.id()
    }

    /// How the process ended, if it has.
    pub fn ended(&mut self, process: usize) -> Result<Option<ExitStatus>> {
        Ok(self.processes[process].child.try_wait()?)
    }

    /// Waits until the process ends by itself.
    pub fn wait(&mut self, process: usize) -> Result<ExitStatus> {
        Ok(self.processes[process].child.wait()?)
    }

    /// Kills a process and everything it started, without warning.
    pub fn kill(&mut self, process: usize) -> Result<()> {
        self.signal(process, "KILL", true)?;
        self.processes[process].child.wait()?;
        Ok(())
    }

    /// Sends a signal by its name, for instance `STOP`; to everything that the process started, too, when so asked.
    pub fn signal(&self, process: usize, signal: &str, is_for_all: bool) -> Result<()> {
        let pid = self.pid(process);
        let whom = if is_for_all { format!("-{pid}") } else { pid.to_string() };
        Command::new("kill").args([&format!("-{signal}"), "--", &whom]).stderr(Stdio::null()).status()?;
        Ok(())
    }

    /// Asks a process to stop and waits for its end.
    pub fn stop(&mut self, process: usize) -> Result<ExitStatus> {
        self.signal(process, "TERM", false)?;
        Ok(self.processes[process].child.wait()?)
    }

    /// What the processes of a service have logged.
    pub fn log(&self, service: &str) -> String {
        std::fs::read_to_string(self.log_path(service)).unwrap_or_default()
    }

    /// Everything that has been logged, by service.
    pub fn logs(&self) -> String {
        let services = ["api", "worker", "ml-service", "reconciler", ""];
        services.iter().map(|service| format!("== {service}\n{}", self.log(service))).collect()
    }

    fn log_path(&self, service: &str) -> PathBuf {
        let name = service.split(' ').next().filter(|name| !name.is_empty()).unwrap_or("program");
        self.folder.path().join(format!("{name}.log"))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for process in 0..self.processes.len() {
            // Nothing else can be done while unwinding.
            drop(self.kill(process));
        }
    }
}

pub(crate) fn required(name: &str) -> Result<String> {
    std::env::var(name).with_context(|| format!("{name} is not set; `./dev test` sets it"))
}
