//! The runner's own side: shuts itself in, then serves. It trusts the service, and nobody trusts it.

pub mod sandbox;
mod serve;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use ortolan_engine::{Device, Engine};

use crate::wire::packet::{self, Descriptors, Packet, Received};
use crate::wire::protocol::{Hello, Ready};
use crate::wire::segment::{Layout, Segment};
use crate::work::Workbench;
use serve::Server;

/// Runs as a runner until the service ends or kills it. The service starts its own program with the argument `runner` for
/// this; it must come before anything else of the program, as no other thread may exist yet.
pub fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .without_time()
        .with_max_level(tracing::Level::WARN)
        .init();
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(words) => {
            let failed = Packet { kind: packet::FAILED, ..Packet::default() };
            let text = words.get(..words.floor_char_boundary(packet::MAX_TEXT)).unwrap_or_default();
            packet::send(service(), failed, text.as_bytes(), &[]).ok();
            ExitCode::FAILURE
        }
    }
}

/// The command socket came as standard input.
pub(super) fn service() -> BorrowedFd<'static> {
    // SAFETY: standard input stays open as long as the process lives.
    unsafe { BorrowedFd::borrow_raw(libc::STDIN_FILENO) }
}

fn run() -> Result<(), String> {
    let Some(hello) = packet::receive(service(), Descriptors::Take).map_err(words)? else { return Ok(()) };
    let settings: Hello = serde_json::from_str(&hello.text).map_err(words)?;
    let [segment, bell]: [OwnedFd; 2] =
        hello.descriptors.try_into().map_err(|_| "two descriptors come with the hello")?;
    sandbox::limit(settings.memory_limit_bytes).map_err(words)?;
    let segment = Segment::map(segment.as_fd(), Layout::new(settings.slots, settings.room)).map_err(words)?;
    // The runtime is ours, so it is opened before the doors close; what it will load is not.
    let engine = Engine::open(Path::new(&settings.runtime_library)).map_err(words)?;
    let with_gpu = matches!(settings.sessions.device, Device::Cuda(_));
    // Asking also makes the provider's libraries load while their files can still be opened.
    let gpus = if settings.detect_gpus || with_gpu { engine.cuda_devices() } else { 0 };
    let ready = Ready { landlock: sandbox::shut_files(with_gpu), seccomp: sandbox::shut_system_calls(with_gpu), gpus };
    let server = Arc::new(Server::new(Workbench::new(engine, settings.sessions), segment, bell));
    server.start(settings.workers).map_err(words)?;
    let text = serde_json::to_vec(&ready).map_err(words)?;
    packet::send(service(), Packet { kind: packet::READY, ..Packet::default() }, &text, &[]).map_err(words)?;
    obey(&server);
    // End of file: the service is gone. Workers may be stuck in a kernel, so this leaves without them.
    // SAFETY: ends the process at once.
    unsafe { libc::_exit(0) }
}

/// Follows commands until the service closes its end.
fn obey(server: &Server) {
    while let Ok(Some(Received { packet, descriptors, .. })) = packet::receive(service(), Descriptors::Take) {
        match packet.kind {
            packet::ATTACH => descriptors.into_iter().for_each(|memory| server.attach(packet.id, memory)),
            packet::CANCEL => server.bench.cancel(packet.id),
            packet::UNLOAD => server.bench.unload(packet.model),
            _ => {}
        }
    }
}

fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}
