//! Starts a runner.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use ortolan_engine::Device;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::error::RunnerError;
use crate::settings::{Isolation, RunnerSettings};
use crate::supervisor::process::{Process, Started};
use crate::wire::packet::{self, Packet};
use crate::wire::protocol::{Hello, Ready, SessionSettings};
use crate::wire::queue::bell;
use crate::wire::segment::{Layout, Segment};

/// How long a runner may take until it is ready; usually 20 ms.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// What a runner is started with.
#[derive(Debug, Clone)]
pub(super) struct Launch {
    program: PathBuf,
    arguments: Vec<String>,
    accept_degraded: bool,
    pub(super) grace: Duration,
    pub(super) hello: Hello,
    /// For the log: whose runner it is.
    pub(super) tenant: String,
}

impl Launch {
    pub(super) fn new(settings: &RunnerSettings, hello: Hello, tenant: String) -> Self {
        Self {
            program: settings.program.clone().unwrap_or_else(|| PathBuf::from("/proc/self/exe")),
            arguments: settings.arguments.clone(),
            accept_degraded: settings.allow_degraded_sandbox || settings.isolation == Isolation::None,
            grace: settings.grace,
            hello,
            tenant,
        }
    }

    /// Starts the process and waits until it is ready.
    pub(super) async fn start(self) -> Result<(Arc<Process>, Ready), RunnerError> {
        let spawn = |error: io::Error| RunnerError::Spawn(error.to_string());
        let (control, theirs) = packet::pair().map_err(spawn)?;
        let layout = Layout::new(self.hello.slots, self.hello.room);
        let (segment, segment_file) = Segment::create(layout).map_err(spawn)?;
        let bell = bell().map_err(spawn)?;
        let child = self.spawn_child(theirs).map_err(spawn)?;
        let pid = child.id().ok_or_else(|| RunnerError::Spawn("the process ended at once".to_owned()))?;
        let pidfd = open_pidfd(pid).map_err(spawn)?;
        let text = serde_json::to_vec(&self.hello).map_err(|error| RunnerError::Spawn(error.to_string()))?;
        let hello = Packet { kind: packet::HELLO, ..Packet::default() };
        packet::send(control.as_fd(), hello, &text, &[segment_file.as_raw_fd(), bell.as_raw_fd()]).map_err(spawn)?;
        let Started { process, ready } =
            Process::watch(child, pid, pidfd, control, segment, bell, &self).map_err(spawn)?;
        // Until it is ready the runner is dropped, and so killed, when this future is.
        let guard = RetireOnDrop(Some(process));
        let ready = match timeout(START_TIMEOUT, ready).await {
            Ok(Ok(ready)) => ready.map_err(RunnerError::Spawn)?,
            Ok(Err(_)) => return Err(RunnerError::Spawn("the process ended before it was ready".to_owned())),
            Err(_) => return Err(RunnerError::Spawn("the process was not ready in time".to_owned())),
        };
        if let Some(missing) = ready.missing() {
            if !self.accept_degraded {
                return Err(RunnerError::SandboxUnavailable(missing));
            }
            tracing::warn!(missing, "runners are less isolated than they should be");
        }
        Ok((guard.keep()?, ready))
    }

    /// No code of ours runs between fork and exec, and only standard input is inherited; other descriptors follow as a
    /// message.
    fn spawn_child(&self, control: OwnedFd) -> io::Result<Child> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).env_clear().kill_on_drop(true);
        command.stdin(Stdio::from(control)).stdout(Stdio::null()).stderr(Stdio::piped());
        command.env("ORT_DISABLE_TELEMETRY", "1");
        if self.hello.memory_limit_bytes.is_some() {
            // Each thread's arena would reserve 64 MiB of the address space that is limited.
            command.env("MALLOC_ARENA_MAX", "1");
        }
        // A decoded picture is freed after each call; given back to the kernel it would be faulted in again for the next.
        command.env("MALLOC_MMAP_THRESHOLD_", "33554432").env("MALLOC_TRIM_THRESHOLD_", "67108864");
        for name in ["LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        command.spawn()
    }
}

impl RunnerSettings {
    /// What a runner on `device` is told.
    pub(super) fn hello(&self, device: Device) -> Hello {
        let slots = self.slots_on(device);
        let layout = Layout::new(slots, self.room_bytes);
        let memory_limit_bytes = match device {
            // The segment is shared and not the runner's own.
            Device::Cpu => Some(self.memory_limit_bytes.saturating_add(layout.total() as u64)),
            Device::Cuda(_) => None,
        };
        Hello {
            runtime_library: self.runtime_library.to_string_lossy().into_owned(),
            slots,
            room: self.room_bytes,
            memory_limit_bytes,
            workers: self.workers + self.pictures_ahead_on(device),
            picture_limit_px: self.picture_limit_px,
            detect_gpus: false,
            sessions: self.sessions(device),
        }
    }

    pub(super) fn sessions(&self, device: Device) -> SessionSettings {
        SessionSettings {
            device,
            gpu_memory_limit_bytes: self.gpu_memory_limit_bytes,
            gpu_tf32: self.gpu_tf32,
            copies: self.sessions_per_model,
            intra_threads: self.intra_threads,
        }
    }
}

struct RetireOnDrop(Option<Arc<Process>>);

impl RetireOnDrop {
    fn keep(mut self) -> Result<Arc<Process>, RunnerError> {
        self.0.take().ok_or(RunnerError::Killed)
    }
}

impl Drop for RetireOnDrop {
    fn drop(&mut self) {
        if let Some(process) = &self.0 {
            process.retire();
        }
    }
}

/// A descriptor that means this process and no later one with its number.
fn open_pidfd(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: makes a new descriptor, which is ours. The process is a child that was not waited for, so the number is its own.
    unsafe {
        let pidfd = libc::syscall(libc::SYS_pidfd_open, pid, 0);
        let pidfd = i32::try_from(pidfd).map_err(io::Error::other)?;
        if pidfd < 0 { Err(io::Error::last_os_error()) } else { Ok(OwnedFd::from_raw_fd(pidfd)) }
    }
}
