//! Who is measured: Ortolan in its shapes, the floor, and servers of others.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::cells::{Cell, Wire};
use super::models::Models;
use super::registry::Registry;
use crate::bench::server::{Launch, Server, free_address, on_cores};
use crate::bench::stores::Stores;

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// axum and ONNX Runtime on one thread.
    Floor,
    /// The embedded profile as it is: a sandboxed process for the tenant.
    Ortolan,
    /// The embedded profile with `ml.isolation = "none"`.
    OrtolanNone,
    /// API and ML service as two processes, on PostgreSQL and Redis.
    OrtolanProduction,
    /// A common Python service.
    FastapiPlain,
    /// The same, tuned.
    FastapiTuned,
    /// MLServer.
    Mlserver,
}

impl Target {
    /// In the order of measuring.
    pub const ALL: [Self; 7] = [
        Self::Floor,
        Self::Ortolan,
        Self::OrtolanNone,
        Self::OrtolanProduction,
        Self::FastapiPlain,
        Self::FastapiTuned,
        Self::Mlserver,
    ];

    /// What the table and `--only` call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Ortolan => "ortolan",
            Self::OrtolanNone => "ortolan-none",
            Self::OrtolanProduction => "ortolan-production",
            Self::FastapiPlain => "fastapi-plain",
            Self::FastapiTuned => "fastapi-tuned",
            Self::Mlserver => "mlserver",
        }
    }

    /// The target of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|target| target.name() == name)
    }

    /// True when it has this kind of request at all.
    pub fn has(self, cell: &Cell) -> bool {
        match cell.wire {
            Wire::Json => true,
            // MLServer has no binary bodies over REST.
            Wire::Binary => !matches!(self, Self::FastapiPlain | Self::Mlserver),
            Wire::Cached => self.is_ours(),
        }
    }

    fn is_ours(self) -> bool {
        matches!(self, Self::Ortolan | Self::OrtolanNone | Self::OrtolanProduction)
    }

    /// The script and the variable that names its Python packages, of a peer.
    fn peer(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::FastapiPlain => Some(("fastapi_plain.py", "BENCH_FASTAPI_PACKAGES")),
            Self::FastapiTuned => Some(("fastapi_tuned.py", "BENCH_FASTAPI_PACKAGES")),
            Self::Mlserver => Some(("mlserver_onnx.py", "BENCH_MLSERVER_PACKAGES")),
            _ => None,
        }
    }
}

/// What targets are started from.
#[derive(Debug)]
pub struct Ground<'a> {
    /// The folder of the release build.
    pub programs: &'a Path,
    /// A folder for data, on the disk of the build.
    pub folder: &'a Path,
    /// The models.
    pub models: &'a Models,
    /// The processor cores that servers get.
    pub server_cores: &'a str,
    /// PostgreSQL and Redis, where they were started.
    pub stores: Option<Stores>,
}

/// A target that answers.
#[derive(Debug)]
pub struct Running {
    target: Target,
    /// Its processes.
    pub server: Server,
    registry: Option<Registry>,
}

impl Running {
    /// Starts a target alone on the server's cores. Ortolan gets a fresh data folder, a tenant with a key, and the models.
    pub fn start(target: Target, ground: &Ground<'_>) -> Result<Self> {
        let server = match target {
            Target::Floor => start_floor(ground)?,
            _ if target.peer().is_some() => start_peer(target, ground)?,
            _ => start_ours(target, ground)?,
        };
        let registry = target.is_ours().then(|| Registry::fill(server.address, ground.models)).transpose()?;
        Ok(Self { target, server, registry })
    }

    /// The whole request of a cell, head and body.
    pub fn request(&self, cell: &Cell, models: &Models) -> Result<Vec<u8>> {
        let (mut headers, mut body) = models.body(cell)?;
        let path = match (&self.registry, cell.wire) {
            (Some(registry), Wire::Cached) => {
                body = [b"{\"input_data\": ".as_slice(), &body, b"}"].concat();
                format!("/api/v1/models/{}/predict", registry.id(cell.model)?)
            }
            (None, _) if self.target == Target::FastapiPlain => {
                let lists = std::fs::read(models.folder.join(format!("{}.lists", cell.model)))?;
                body = [b"{\"inputs\": ".as_slice(), &lists, b"}"].concat();
                format!("/models/{}/predict", cell.model)
            }
            _ => format!("/v2/models/{}/infer", cell.model),
        };
        if let Some(registry) = &self.registry {
            headers.push_str(&registry.authorization);
        }
        let (address, length) = (self.server.address, body.len());
        let head = format!("POST {path} HTTP/1.1\r\nhost: {address}\r\n{headers}content-length: {length}\r\n\r\n");
        Ok([head.as_bytes(), &body].concat())
    }
}

fn start_floor(ground: &Ground<'_>) -> Result<Server> {
    let address = free_address()?;
    let mut command = pinned(ground, &ground.programs.join("ortolan-bench"));
    command.args(["floor", "--listen", &address.to_string(), "--models"]).arg(&ground.models.folder);
    Server::of_command(command, address, ground.folder.join("floor.log"), "/health/ready")
}

fn start_peer(target: Target, ground: &Ground<'_>) -> Result<Server> {
    let (script, variable) = target.peer().context("no peer")?;
    let packages = std::env::var(variable);
    let packages =
        packages.with_context(|| format!("{variable} is not set; `./dev bench` sets it when pip gives it"))?;
    let address: SocketAddr = free_address()?;
    let mut command = pinned(ground, Path::new("python3"));
    command.env("PYTHONPATH", packages).arg(format!("crates/bench/peers/{script}"));
    command.args(["--port", &address.port().to_string(), "--models"]).arg(&ground.models.folder);
    let ready = if target == Target::Mlserver { "/v2/health/ready" } else { "/health/ready" };
    Server::of_command(command, address, ground.folder.join(format!("{}.log", target.name())), ready)
}

fn start_ours(target: Target, ground: &Ground<'_>) -> Result<Server> {
    let folder = ground.folder.join(target.name());
    // Each round begins with nothing, so that rounds are alike.
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    let binary = ground.programs.join("ortolan");
    let mut launch = Launch::new(&binary, &folder).pinned_to(ground.server_cores);
    if target == Target::OrtolanNone {
        launch = launch.with_env("ORTOLAN_ML__ISOLATION", "none");
    }
    if target == Target::OrtolanProduction {
        let stores = ground.stores.as_ref();
        let stores = stores.context("there is no PostgreSQL; `./dev bench predict --production` starts one")?;
        launch = launch.on_stores(stores, &[("ml-service", "auto"), ("api", "auto")]);
    }
    Server::launch(launch)
}

/// The program on the server's cores.
fn pinned(ground: &Ground<'_>, program: &Path) -> Command {
    on_cores(ground.server_cores, program)
}
