//! The programs that `./dev bench predict` runs beside Ortolan: the least an inference server can be, and a load generator that is
//! cheaper than any server. Neither is part of the product.
// What it prints is what it is for.
#![allow(clippy::print_stdout)]

mod answers;
mod floor;
mod load;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;

use load::Plan;

#[derive(Parser)]
#[command(about = "What the bench of predictions runs beside Ortolan")]
enum Command {
    /// Serves every model of a folder on one thread and does nothing else
    Floor {
        /// The folder of the models; each is served under its file's name.
        #[arg(long)]
        models: PathBuf,
        /// Where to listen.
        #[arg(long)]
        listen: SocketAddr,
        /// The ONNX Runtime library.
        #[arg(long, env = "ORT_DYLIB_PATH")]
        library: PathBuf,
    },
    /// Sends one request again and again, and prints what came of it as a JSON object
    Load {
        /// Where the server listens.
        #[arg(long)]
        address: SocketAddr,
        /// A file with the whole request, head and body.
        #[arg(long)]
        request: PathBuf,
        /// Connections, each with one request under way.
        #[arg(long)]
        connections: usize,
        /// How long it is measured.
        #[arg(long)]
        seconds: f64,
        /// How long requests are sent before that.
        #[arg(long)]
        warm_up_seconds: f64,
    },
}

fn main() -> Result<()> {
    // One thread: what is measured is a server on one core, and a generator on another.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match Command::parse() {
        Command::Floor { models, listen, library } => runtime.block_on(floor::serve(&models, listen, &library)),
        Command::Load { address, request, connections, seconds, warm_up_seconds } => {
            let plan = Plan {
                address,
                request: std::fs::read(request)?,
                connections,
                measured: Duration::from_secs_f64(seconds),
                warm_up: Duration::from_secs_f64(warm_up_seconds),
            };
            let report = load::run(&runtime, plan)?;
            println!("{}", serde_json::to_string(&report)?);
            Ok(())
        }
    }
}
