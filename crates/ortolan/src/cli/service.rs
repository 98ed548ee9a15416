//! What commands that start or inspect a process take.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use ortolan_engine::Device;

const UP_HELP: &str = "\
Examples:
  ortolan up                          demo on a built-in picture, then serve on 127.0.0.1:8000
  ortolan up photo.jpg --once         demo on your picture, then stop
  ortolan up --no-demo --listen 0.0.0.0:8000 --data-dir /var/lib/ortolan

The first start makes an operator's key, prints it once and keeps only its hash; ORTOLAN_OPERATOR_KEY (at least 32
characters) sets it instead.";

/// What `up` takes.
#[derive(Debug, Clone, Default, Args)]
#[command(after_help = UP_HELP)]
pub struct UpArgs {
    /// Picture of your own for the demo
    #[arg(value_name = "PICTURE", conflicts_with = "no_demo")]
    pub picture: Option<PathBuf>,

    /// Address and port to listen on; without it another free port is taken when the usual one is in use
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<SocketAddr>,

    /// Configuration file
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Start without the demo tenant, model and picture
    #[arg(long)]
    pub no_demo: bool,

    /// Stop after the demo
    #[arg(long, conflicts_with = "no_demo")]
    pub once: bool,

    /// Answer without a key; only on a loopback address
    #[arg(long)]
    pub no_auth: bool,

    /// Where the demo writes its annotated picture
    #[arg(long, value_name = "FILE", conflicts_with = "no_demo", default_value = crate::demo::DEFAULT_OUT)]
    pub out: PathBuf,
}

/// What the services and the commands about them take.
#[derive(Debug, Clone, Default, Args)]
pub struct ServiceArgs {
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// What services without HTTP take.
#[derive(Debug, Clone, Default, Args)]
pub struct BackgroundServiceArgs {
    /// What all services take.
    #[command(flatten)]
    pub service: ServiceArgs,

    /// Start nothing; succeed when one of this machine is running and well, for a container's health check
    #[arg(long)]
    pub check: bool,
}

/// What `raw-loop` takes.
#[derive(Debug, Clone, Args)]
pub struct RawLoopArgs {
    /// The model file
    #[arg(long, value_name = "FILE")]
    pub model: PathBuf,

    /// How long to run it
    #[arg(long, value_name = "SECONDS")]
    pub seconds: f64,

    /// Where: cpu, or cuda:0 for the first GPU
    #[arg(long, default_value_t = Device::Cpu)]
    pub device: Device,

    /// How many loops at once, each with a thread and a session of its own
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub loops: u16,
}
