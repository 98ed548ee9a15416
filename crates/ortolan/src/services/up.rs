//! `ortolan up`: everything in one process, a demo, and then serving until it is told to stop.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Instant;

use ortolan::cli::{GlobalArgs, UpArgs};
use ortolan::demo::{DemoOptions, run_demo};
use ortolan::{Failure, Terminal, client};
use ortolan_assembly::Traces;
use ortolan_assembly::program::Process;
use ortolan_service::Shutdown;
use ortolan_service::config::{Config, Role};
use serde_json::json;
use tokio::net::TcpListener;

use crate::embedded::{self, Installation};

/// Variables that say how much is logged; without them a demo is not interrupted by what goes well.
const LOG_VARIABLES: [&str; 3] = ["LOG_LEVEL", "ORTOLAN_LOG__LEVEL", "ORTOLAN_CONFIG"];

/// Runs the command.
pub async fn run(args: UpArgs, global: &GlobalArgs, terminal: Terminal) -> Result<(), Failure> {
    let began = Instant::now();
    let process = Process::prepare(load(&args, global)?);
    let process = process.map_err(|error| Failure::internal("the process could not be prepared", error))?;
    let Process { config, shutdown, .. } = &process;
    let listener = listen(config, args.listen.is_some()).await?;
    let traces = Traces::start(config, "ortolan");
    let traces = traces.map_err(|error| Failure::internal("traces cannot be sent", error))?;
    let started = embedded::start(&process, listener).await;
    let installation = started.map_err(|error| Failure::internal("the services could not be started", error))?;
    greet(&installation, config, terminal)?;
    let shown = show(&args, config, &installation, shutdown, terminal).await;
    if args.once || shown.is_err() {
        shutdown.begin();
    }
    installation.ended().await;
    traces.end().await;
    if args.once && shown.is_ok() {
        terminal.note(&format!("Stopped after {:.1} s in all.", began.elapsed().as_secs_f64()));
    }
    shown
}

fn load(args: &UpArgs, global: &GlobalArgs) -> Result<Config, Failure> {
    let mut options = super::options(global, Role::Everything);
    if let Some(listen) = args.listen {
        options = options.with_override("server.listen", listen.to_string());
    }
    if args.no_auth {
        options = options.with_override("server.no_auth", "true");
    }
    let says_how_much = LOG_VARIABLES.iter().any(|name| std::env::var_os(name).is_some());
    if !args.no_demo && !says_how_much && args.config.is_none() {
        options = options.with_override("log.level", "warn");
    }
    super::load(options, args.config.as_deref())
}

/// The configured address; when nobody insists on it and it is taken, another free port beside it.
async fn listen(config: &Config, is_asked_for: bool) -> Result<TcpListener, Failure> {
    let wanted = config.server.listen;
    match TcpListener::bind(wanted).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse && !is_asked_for => {
            let other = TcpListener::bind(SocketAddr::new(wanted.ip(), 0)).await;
            other.map_err(|error| Failure::internal("no free port was found", error))
        }
        Err(error) => Err(Failure::internal(format!("cannot listen on {wanted}"), error)),
    }
}

/// Says where it listens, in one line of its own, and the operator's key if it was made just now.
fn greet(installation: &Installation, config: &Config, terminal: Terminal) -> Result<(), Failure> {
    let (url, new_key) = (installation.url(), installation.new_operator_key.as_deref());
    if terminal.is_json() {
        terminal.json_line(&json!({"url": url, "new_operator_key": new_key}))?;
    } else {
        terminal.line(&format!("Ortolan listens on {url}"))?;
        if let Some(key) = new_key {
            terminal.line(&format!("Operator key (shown this once): {key}"))?;
        }
    }
    leave_address(&config.data_dir, installation);
    Ok(())
}

/// Leaves the address for commands on this machine; without it they need `--url`.
fn leave_address(data_dir: &Path, installation: &Installation) {
    let host =
        if installation.address.ip().is_unspecified() { Ipv4Addr::LOCALHOST.into() } else { installation.address.ip() };
    let url = format!("http://{}", SocketAddr::new(host, installation.address.port()));
    if let Err(error) = client::keep_url(data_dir, &url) {
        tracing::warn!(%error, "the address could not be left in the data folder");
    }
}

/// The demo, unless it is not wanted; a signal ends it.
async fn show(
    args: &UpArgs,
    config: &Config,
    installation: &Installation,
    shutdown: &Shutdown,
    terminal: Terminal,
) -> Result<(), Failure> {
    if args.no_demo {
        return Ok(());
    }
    let given = config.secrets.operator_key.as_ref().map(|key| key.expose().as_str());
    let operator_key = installation.new_operator_key.as_deref().or(given);
    let options = DemoOptions {
        data_dir: config.data_dir.clone(),
        picture: args.picture.clone(),
        out: args.out.clone(),
        terminal,
    };
    let url = installation.url();
    tokio::select! {
        outcome = run_demo(&url, operator_key, &options) => outcome.map(drop)?,
        () = shutdown.draining() => return Ok(()),
    }
    if !args.once {
        terminal.note("Serving. Ctrl-C stops.");
    }
    Ok(())
}
