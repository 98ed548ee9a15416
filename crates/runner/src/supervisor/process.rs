//! One runner's process, as the service sees it.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::process::Child;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::error::RunnerError;
use crate::supervisor::calls::Calls;
use crate::supervisor::deaths::DeathCause;
use crate::supervisor::log;
use crate::supervisor::spawn::Launch;
use crate::wire::packet::{self, Descriptors, Packet, Received};
use crate::wire::protocol::Ready;
use crate::wire::queue::ring;
use crate::wire::segment::Segment;

/// How long the last words of a dead runner are waited for.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A runner's process.
pub(super) struct Process {
    pid: u32,
    pidfd: OwnedFd,
    control: OwnedFd,
    pub(super) segment: Segment,
    pub(super) bell: OwnedFd,
    pub(super) grace: Duration,
    pub(super) submitted: Notify,
    calls: Mutex<Calls>,
    verdict: OnceLock<Verdict>,
    cause: OnceLock<Option<DeathCause>>,
    ended: Notify,
}

/// Why the service killed it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Verdict {
    Hung,
    Misbehaved,
    Retired,
}

/// A process that was just started, and what it will say once it is ready.
pub(super) struct Started {
    pub(super) process: Arc<Process>,
    pub(super) ready: oneshot::Receiver<Result<Ready, String>>,
}

type ReadySender = Option<oneshot::Sender<Result<Ready, String>>>;

impl std::fmt::Debug for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Process").field("pid", &self.pid).finish_non_exhaustive()
    }
}

impl Process {
    /// Starts the tasks that follow a process until it ends.
    pub(super) fn watch(
        mut child: Child,
        pid: u32,
        pidfd: OwnedFd,
        control: OwnedFd,
        segment: Segment,
        bell: OwnedFd,
        launch: &Launch,
    ) -> io::Result<Started> {
        let commands = nonblocking(control.try_clone()?)?;
        let answers = readable(bell.try_clone()?)?;
        let calls = Mutex::new(Calls::new(segment.slots()));
        let process = Arc::new(Self {
            pid,
            pidfd,
            control,
            segment,
            bell,
            grace: launch.grace,
            submitted: Notify::new(),
            calls,
            verdict: OnceLock::new(),
            cause: OnceLock::new(),
            ended: Notify::new(),
        });
        let (sender, ready) = oneshot::channel();
        let stderr = child.stderr.take().map(|pipe| tokio::spawn(log::pass_on(pipe, launch.tenant.clone(), pid)));
        tokio::spawn(Arc::clone(&process).follow(child, commands, stderr, Some(sender)));
        tokio::spawn(Arc::clone(&process).read_answers(answers));
        tokio::spawn(Arc::clone(&process).wake_once_per_turn());
        Ok(Started { process, ready })
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    pub(super) fn is_alive(&self) -> bool {
        self.calls().is_alive()
    }

    pub(super) fn under_way(&self) -> usize {
        self.calls().under_way()
    }

    /// Waits until it is gone; says what it died of, unless it was ended on purpose.
    pub(super) async fn ended(&self) -> Option<DeathCause> {
        loop {
            let ended = self.ended.notified();
            if let Some(cause) = self.cause.get() {
                return *cause;
            }
            ended.await;
        }
    }

    /// Ends it on purpose.
    pub(super) fn retire(&self) {
        self.kill(Verdict::Retired);
    }

    pub(super) fn unload(&self, model: u32) {
        let packet = Packet { kind: packet::UNLOAD, model, ..Packet::default() };
        self.command(packet, None).ok();
    }

    pub(super) fn command(&self, packet: Packet, memory: Option<&OwnedFd>) -> io::Result<()> {
        let descriptor = memory.map(AsRawFd::as_raw_fd);
        packet::send(self.control.as_fd(), packet, b"", descriptor.as_slice())
    }

    pub(super) fn kill(&self, verdict: Verdict) {
        self.verdict.set(verdict).ok();
        // SAFETY: sends a signal; the descriptor means this process only, even when it is gone already.
        unsafe {
            let pidfd = self.pidfd.as_raw_fd();
            libc::syscall(libc::SYS_pidfd_send_signal, pidfd, libc::SIGKILL, std::ptr::null::<libc::siginfo_t>(), 0);
        }
    }

    pub(super) fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows the process and its packets; when it ends, tells everyone who waits.
    async fn follow(
        self: Arc<Self>,
        mut child: Child,
        commands: AsyncFd<OwnedFd>,
        stderr: Option<JoinHandle<bool>>,
        mut ready: ReadySender,
    ) {
        let status = loop {
            tokio::select! {
                status = child.wait() => break status,
                readable = commands.readable() => {
                    let Ok(mut guard) = readable else { break child.wait().await };
                    match guard.try_io(|socket| packet::receive(socket.as_fd(), Descriptors::Refuse)) {
                        Ok(Ok(Some(received))) => self.hear(received, &mut ready),
                        Ok(_) => break child.wait().await,
                        Err(_would_block) => {}
                    }
                }
            }
        };
        // Its last packet says why it could not start.
        while let Ok(Some(received)) = packet::receive(commands.get_ref().as_fd(), Descriptors::Refuse) {
            self.hear(received, &mut ready);
        }
        let no_memory = match stderr {
            Some(last_words) => timeout(LAST_WORDS, last_words).await.is_ok_and(|told| told.unwrap_or(false)),
            None => false,
        };
        let (error, cause) = self.describe(status, no_memory);
        tracing::debug!(pid = self.pid, ?error, "a runner ended");
        self.cause.set(cause).ok();
        self.calls().end(error);
        self.ended.notify_waiters();
        // Both of the other tasks see the end and stop.
        self.submitted.notify_one();
        ring(self.bell.as_fd());
    }

    fn hear(&self, received: Received, ready: &mut ReadySender) {
        let words = match received.packet.kind {
            packet::READY => serde_json::from_str(&received.text).map_err(|error| error.to_string()),
            packet::FAILED => Err(crate::wire::protocol::clean(&received.text)),
            packet::PROGRESS => {
                return self.calls().progress(received.packet.id, received.packet.model as f32 / 1e3);
            }
            _ => return,
        };
        if let Some(ready) = ready.take() {
            ready.send(words).ok();
        }
    }

    fn describe(&self, status: io::Result<ExitStatus>, no_memory: bool) -> (RunnerError, Option<DeathCause>) {
        match self.verdict.get() {
            Some(Verdict::Hung) => return (RunnerError::Killed, Some(DeathCause::Hung)),
            Some(Verdict::Misbehaved) => return (RunnerError::Killed, Some(DeathCause::Misbehaved)),
            Some(Verdict::Retired) => return (RunnerError::Killed, None),
            None => {}
        }
        let signal = status.as_ref().ok().and_then(ExitStatusExt::signal);
        match signal {
            Some(libc::SIGABRT) if no_memory => (RunnerError::OutOfMemory, Some(DeathCause::OutOfMemory)),
            Some(signal) => (RunnerError::Crashed { signal }, Some(DeathCause::Crashed)),
            None => {
                let code = status.ok().and_then(|status| status.code()).unwrap_or(-1);
                (RunnerError::Exited { code }, Some(DeathCause::Exited))
            }
        }
    }
}

fn nonblocking(socket: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: changes how the descriptor waits, which concerns the service's end only.
    if unsafe { libc::fcntl(socket.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) } != 0 {
        return Err(io::Error::last_os_error());
    }
    readable(socket)
}

fn readable(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an owned descriptor is the same open file until the registration drops it.
    unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) }.map_err(io::Error::from)
}
