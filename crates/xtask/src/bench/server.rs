//! Starts the release build of Ortolan in a fresh data folder on a free port, as a user would, or another server, and stops it again.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::cpu;
use super::http::Connection;
use super::stores::Stores;

const START_WITHIN: Duration = Duration::from_secs(60);
const STOP_WITHIN: Duration = Duration::from_secs(20);

/// The operator's key of a server that lives for one bench on the loopback interface.
pub const OPERATOR_KEY: &str = "bench-operator-key-0123456789abcdef0123456789";

/// A service's command, and the queues that it takes from where it takes from any.
pub type Service = (&'static str, &'static str);

/// The services of the production profile in the order of their start.
const SERVICES: [Service; 5] =
    [("ml-service", "auto"), ("worker", "gpu"), ("worker", "cpu"), ("reconciler", "auto"), ("api", "auto")];

/// A running server, of one process or of several; they are killed when this is dropped without `stop`.
#[derive(Debug)]
pub struct Server {
    processes: Vec<Child>,
    log: PathBuf,
    /// Where it listens.
    pub address: SocketAddr,
}

/// How Ortolan is started.
#[derive(Debug)]
pub struct Launch<'a> {
    binary: &'a Path,
    folder: &'a Path,
    stores: Option<(&'a Stores, &'a [Service])>,
    cores: Option<&'a str>,
    env: Vec<(&'a str, &'a str)>,
}

impl<'a> Launch<'a> {
    /// `binary up` with the data under the folder.
    pub fn new(binary: &'a Path, folder: &'a Path) -> Self {
        Self { binary, folder, stores: None, cores: None, env: Vec::new() }
    }

    /// These services instead, in the order of their start, as processes of their own on the given stores.
    pub fn on_stores(self, stores: &'a Stores, services: &'a [Service]) -> Self {
        Self { stores: Some((stores, services)), ..self }
    }

    /// On these processor cores alone.
    pub fn pinned_to(self, cores: &'a str) -> Self {
        Self { cores: Some(cores), ..self }
    }

    /// With this setting.
    pub fn with_env(mut self, name: &'a str, value: &'a str) -> Self {
        self.env.push((name, value));
        self
    }

    fn command(&self) -> Command {
        let mut command = self.cores.map_or_else(|| Command::new(self.binary), |cores| on_cores(cores, self.binary));
        command.envs(self.env.iter().copied()).env("ORTOLAN_OPERATOR_KEY", OPERATOR_KEY);
        // Room beside the waiting tasks that a bench may put into the table.
        command.env("ORTOLAN_LIMITS__OPEN_TASKS_PER_TENANT", "1000000");
        command
    }
}

impl Server {
    /// Starts `binary up`, or each service on the given stores, with the data under the folder, and waits until it is ready. With
    /// `cores` it has these alone.
    pub fn start(binary: &Path, folder: &Path, stores: Option<&Stores>, cores: Option<&str>) -> Result<Self> {
        let stores = stores.map(|stores| (stores, &SERVICES[..]));
        Self::launch(Launch { stores, cores, ..Launch::new(binary, folder) })
    }

    /// Starts Ortolan and waits until it is ready.
    pub fn launch(launch: Launch<'_>) -> Result<Self> {
        let address = free_address()?;
        let mut server = Self { processes: Vec::new(), log: launch.folder.join("server.log"), address };
        let mut listeners = vec![(address, "/health/ready")];
        let data = launch.folder.join("data");
        match launch.stores {
            None => {
                let mut command = launch.command();
                command.args(["up", "--no-demo", "--listen", &address.to_string(), "--data-dir"]).arg(data);
                server.spawn(command)?;
            }
            Some((stores, services)) => {
                let ml = free_address()?;
                listeners.push((ml, "/health"));
                for (service, queues) in services {
                    let mut command = launch.command();
                    command.arg(service).env("ORTOLAN_PROFILE", "production").env("ORTOLAN_DATA_DIR", &data);
                    command.env("DATABASE_URL", &stores.database_url).env("REDIS_URL", &stores.redis_url);
                    command.env("ORTOLAN_SERVER__LISTEN", address.to_string()).env("GPU_MODE", queues);
                    command.env("ORTOLAN_ML__LISTEN", ml.to_string()).env("ML_SERVICE_URL", format!("http://{ml}"));
                    server.spawn(command)?;
                }
            }
        }
        for (address, path) in listeners {
            server.wait_until_ready(address, path)?;
        }
        Ok(server)
    }

    /// Starts another server, which is ready once it answers 200 at `ready`.
    pub fn of_command(command: Command, address: SocketAddr, log: PathBuf, ready: &str) -> Result<Self> {
        let mut server = Self { processes: Vec::new(), log, address };
        server.spawn(command)?;
        server.wait_until_ready(address, ready)?;
        Ok(server)
    }

    fn spawn(&mut self, mut command: Command) -> Result<()> {
        let output = File::options().create(true).append(true).open(&self.log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().with_context(|| format!("cannot start {:?}", command.get_program()))?;
        self.processes.push(child);
        Ok(())
    }

    /// Processor time so far of all its processes with what they started, in seconds.
    pub fn processor_s(&self) -> f64 {
        self.processes.iter().map(|process| cpu::tree_s(process.id())).sum()
    }

    /// Asks every process to stop, and fails when one does not do so cleanly.
    pub fn stop(mut self) -> Result<()> {
        for process in &self.processes {
            Command::new("kill").args(["-TERM", &process.id().to_string()]).status()?;
        }
        let asked = Instant::now();
        while asked.elapsed() < STOP_WITHIN {
            match self.first_end()? {
                Some((_, status)) if !status.success() => {
                    bail!("the server ended with {status}: {}", self.last_words())
                }
                Some((ended, _)) => drop(self.processes.swap_remove(ended)),
                None if self.processes.is_empty() => return Ok(()),
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        }
        bail!("the server did not stop within {STOP_WITHIN:?}")
    }

    /// The first of the processes that has ended.
    fn first_end(&mut self) -> Result<Option<(usize, ExitStatus)>> {
        for (number, process) in self.processes.iter_mut().enumerate() {
            if let Some(status) = process.try_wait()? {
                return Ok(Some((number, status)));
            }
        }
        Ok(None)
    }

    fn wait_until_ready(&mut self, address: SocketAddr, path: &str) -> Result<()> {
        let mut connection = Connection::new(address);
        let started = Instant::now();
        while started.elapsed() < START_WITHIN {
            if let Some((_, status)) = self.first_end()? {
                bail!("the server ended with {status}: {}", self.last_words());
            }
            if connection.request("GET", path, "", b"").is_ok_and(|answer| answer.status == 200) {
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
        for process in &mut self.processes {
            let _gone_already_is_fine = process.kill();
            let _gone_already_is_fine = process.wait();
        }
    }
}

/// A command that has only these cores, named as `taskset` does.
pub fn on_cores(cores: &str, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", cores]).arg(program);
    command
}

/// An address that nobody listened at a moment ago.
pub fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
