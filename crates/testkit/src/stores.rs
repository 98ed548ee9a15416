//! A PostgreSQL and a Redis of a test's own, which it may kill, stall and start again.
//!
//! They die with the thread that started them, so start them from one that lives as long as they are needed.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::server::free_port;

/// How long a server may take to accept connections, or to end.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

/// A server program on a port of its own with a folder of its own; killed when dropped.
struct Program {
    name: &'static str,
    folder: TempDir,
    port: u16,
    command: Vec<String>,
    child: Option<Child>,
}

impl Program {
    fn start(&mut self) -> Result<()> {
        ensure!(self.child.is_none(), "{} runs already", self.name);
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log_path())?;
        let mut command = unprivileged(self.folder.path());
        command.args(&self.command).current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        self.child = Some(command.spawn().with_context(|| format!("{} cannot be started", self.name))?);
        self.accepts()
    }

    fn accepts(&mut self) -> Result<()> {
        let began = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().transpose());
            if ended.is_some() || began.elapsed() > PATIENCE {
                bail!("{} does not start: {}", self.name, std::fs::read_to_string(self.log_path())?);
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Sends a signal by its name, for instance `STOP`.
    fn signal(&self, signal: &str) -> Result<()> {
        let child = self.child.as_ref().with_context(|| format!("{} does not run", self.name))?;
        // `setpriv` has become the server: it is this process.
        Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status()?;
        Ok(())
    }

    /// Sends a signal and waits for the end.
    fn end(&mut self, signal: &str) -> Result<()> {
        self.signal(signal)?;
        if let Some(mut child) = self.child.take() {
            child.wait()?;
        }
        Ok(())
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if self.child.is_some() {
            // A stalled one hears nothing else; what it keeps goes with its folder.
            drop(self.end("KILL"));
        }
    }
}

/// A PostgreSQL server with the superuser `ortolan` and no password.
pub struct ThrowAwayPostgres(Program);

impl ThrowAwayPostgres {
    /// Makes a data folder and starts a server on it.
    pub fn start() -> Result<Self> {
        let mut server = Self::prepare()?;
        server.0.start()?;
        Ok(server)
    }

    /// Makes a data folder and picks a port, and starts nothing yet.
    pub fn prepare() -> Result<Self> {
        let (folder, port, programs) = (folder()?, free_port()?, postgres_folder()?);
        let data = folder.path().join("data");
        let mut initdb = unprivileged(folder.path());
        initdb.arg(programs.join("initdb")).arg("-D").arg(&data).current_dir(folder.path());
        initdb.args(["-U", "ortolan", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8"]);
        let made = initdb.output().context("initdb cannot be started")?;
        ensure!(made.status.success(), "initdb failed: {}", String::from_utf8_lossy(&made.stderr));
        let mut command =
            vec![programs.join("postgres").display().to_string(), "-D".into(), data.display().to_string()];
        command.extend(["-p".to_owned(), port.to_string()]);
        // Without fsync a killed server still keeps what it acknowledged: the page cache stays.
        for setting in [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "fsync=off",
            "full_page_writes=off",
            "max_connections=300",
            "shared_buffers=64MB",
        ] {
            command.extend(["-c".to_owned(), setting.to_owned()]);
        }
        Ok(Self(Program { name: "PostgreSQL", folder, port, command, child: None }))
    }

    /// Starts the server again on its data, or for the first time.
    pub fn begin(&mut self) -> Result<()> {
        self.0.start()
    }

    /// Ends the server: in order, or at once as if it had crashed.
    pub fn end(&mut self, in_order: bool) -> Result<()> {
        self.0.end(if in_order { "INT" } else { "QUIT" })
    }

    /// The address of a database on it.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://ortolan@127.0.0.1:{}/{database}", self.0.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.0.port
    }
}

/// A Redis server that keeps an append-only file.
pub struct ThrowAwayRedis {
    program: Program,
    url: String,
}

impl ThrowAwayRedis {
    /// Starts a server without a password.
    pub fn start() -> Result<Self> {
        let mut server = Self::prepare(&[])?;
        server.begin()?;
        Ok(server)
    }

    /// Picks a port for a server with more options, and starts nothing yet.
    pub fn prepare(options: &[&str]) -> Result<Self> {
        let (folder, port) = (folder()?, free_port()?);
        let mut command = redis_command(&folder);
        command.extend(["--port".to_owned(), port.to_string()]);
        command.extend(options.iter().map(|&option| option.to_owned()));
        let program = Program { name: "Redis", folder, port, command, child: None };
        Ok(Self { url: format!("redis://127.0.0.1:{port}/0"), program })
    }

    /// Starts a server that speaks TLS only and wants a password; `certificate` and `key` are files that it may read.
    pub fn with_tls(certificate: &Path, key: &Path, password: &str) -> Result<Self> {
        let (folder, port) = (folder()?, free_port()?);
        let [certificate, key] = [(certificate, "server.crt"), (key, "server.key")].map(|(file, name)| {
            let copy = folder.path().join(name);
            std::fs::copy(file, &copy).map(|_| copy.display().to_string())
        });
        let (certificate, key) = (certificate?, key?);
        own(folder.path())?;
        let mut command = redis_command(&folder);
        let options = ["--port", "0", "--tls-port", &port.to_string(), "--tls-cert-file", &certificate];
        command.extend(options.map(str::to_owned));
        let options = ["--tls-key-file", &key, "--tls-auth-clients", "no", "--requirepass", password];
        command.extend(options.map(str::to_owned));
        let program = Program { name: "Redis", folder, port, command, child: None };
        let mut server = Self { url: format!("rediss://:{password}@127.0.0.1:{port}/0"), program };
        server.begin()?;
        Ok(server)
    }

    /// Starts the server again on its data, or for the first time.
    pub fn begin(&mut self) -> Result<()> {
        self.program.start()
    }

    /// Ends the server: in order, or at once.
    pub fn end(&mut self, in_order: bool) -> Result<()> {
        self.program.end(if in_order { "TERM" } else { "KILL" })
    }

    /// Stops answering until [`ThrowAwayRedis::resume`], with all connections open.
    pub fn stall(&self) -> Result<()> {
        self.program.signal("STOP")
    }

    /// Goes on.
    pub fn resume(&self) -> Result<()> {
        self.program.signal("CONT")
    }

    /// Runs a command and gives what `redis-cli` prints, without its last line end. A server that still reads its data is waited for.
    pub fn command(&self, words: &[&str]) -> Result<String> {
        let asked = Instant::now();
        loop {
            let output = Command::new("redis-cli").args(["-u", &self.url, "-e"]).args(words).output();
            let output = output.context("redis-cli cannot be started; `./dev test` installs it")?;
            let text = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
            let said = format!("{text}{}", String::from_utf8_lossy(&output.stderr));
            if said.contains("LOADING") && asked.elapsed() < PATIENCE {
                std::thread::sleep(PAUSE);
                continue;
            }
            ensure!(output.status.success(), "redis-cli {words:?}: {said}");
            return Ok(text);
        }
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.program.port
    }
}

fn redis_command(folder: &TempDir) -> Vec<String> {
    let program = if in_path("redis-server") { "redis-server" } else { "valkey-server" };
    let folder = folder.path().display().to_string();
    let options = [program, "--bind", "127.0.0.1", "--dir", &folder, "--save", "", "--appendonly", "yes"];
    let more = ["--appendfsync", "everysec", "--maxmemory-policy", "noeviction"];
    options.into_iter().chain(more).map(str::to_owned).collect()
}

fn in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// The newest PostgreSQL of this machine.
fn postgres_folder() -> Result<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").context("no PostgreSQL here; `./dev test` installs it")?;
    let mut found: Vec<_> = versions.flatten().map(|entry| entry.path().join("bin")).collect();
    found.retain(|folder| folder.join("initdb").is_file());
    found.sort();
    found.pop().context("no PostgreSQL here; `./dev test` installs it")
}

fn folder() -> Result<TempDir> {
    let folder = tempfile::Builder::new().prefix("ortolan-store-").tempdir()?;
    own(folder.path())?;
    Ok(folder)
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

/// Gives a folder to the user that servers run as.
fn own(folder: &Path) -> Result<()> {
    if is_root() {
        let given = Command::new("chown").args(["-R", "postgres:postgres"]).arg(folder).status()?;
        ensure!(given.success(), "{} cannot be given to the user postgres", folder.display());
    }
    Ok(())
}

/// A command that becomes the program named by its next argument, as the user postgres when this is root (initdb refuses
/// root), and that is killed when the thread that started it ends.
fn unprivileged(folder: &Path) -> Command {
    let mut command = Command::new("setpriv");
    if is_root() {
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]);
    }
    command.args(["--pdeathsig", "KILL"]).env("HOME", folder);
    command
}
