//! Logs and metrics.
//!
//! One event is one line on standard error, in JSON or for people, whatever text a tenant put into it; the fields of the
//! spans around it (`request_id`, `task_id`, `tenant`, ...) stand in the same line.

mod answered;
pub mod callbacks;
mod escape;
mod fields;
mod gathered;
pub mod inference;
mod lines;
mod mask;
pub mod metrics;
pub mod trace;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

pub use gathered::{Published, gathered};
pub use lines::{LineFormat, LogLines};
pub use metrics::{MetricsHandle, metrics_handle};

use crate::config::{LogConfig, LogFormat};

/// Why logs or metrics cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The level is none.
    #[error("`log.level` cannot be read")]
    Level(#[source] tracing_subscriber::filter::ParseError),
    /// Another logger is in place.
    #[error("a logger is already in place")]
    LoggerInPlace(#[source] tracing_subscriber::util::TryInitError),
    /// Another recorder of metrics is in place, or it cannot be built.
    #[error("metrics cannot be recorded")]
    Recorder(#[source] metrics_exporter_prometheus::BuildError),
}

/// Sends the process's events to standard error, and its panics as events.
pub fn init(config: &LogConfig) -> Result<(), TelemetryError> {
    let filter = EnvFilter::builder().parse(&config.level).map_err(TelemetryError::Level)?;
    let format = match config.format {
        LogFormat::Json => LineFormat::Json,
        LogFormat::Auto | LogFormat::Pretty => LineFormat::Pretty { colour: std::io::stderr().is_terminal() },
    };
    let lines = LogLines::new(format, std::io::stderr);
    tracing_subscriber::registry().with(filter).with(lines).try_init().map_err(TelemetryError::LoggerInPlace)?;
    std::panic::set_hook(Box::new(report_panic));
    Ok(())
}

fn report_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string);
    // Captured only where RUST_BACKTRACE asks for it.
    let backtrace = Some(Backtrace::capture()).filter(|trace| trace.status() == BacktraceStatus::Captured);
    let backtrace = backtrace.map(|trace| trace.to_string());
    tracing::error!(target: "panic", location, backtrace, "panicked: {}", panic.payload_as_str().unwrap_or("no text"));
}
