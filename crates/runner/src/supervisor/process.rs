//! One runner's process, as the service sees it.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::process::Child;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::error::RunnerError;
use crate::supervisor::calls::{Calls, Reply, Ticket, Unexpected};
use crate::supervisor::context::CallContext;
use crate::supervisor::deaths::DeathCause;
use crate::supervisor::host::Request;
use crate::supervisor::log;
use crate::supervisor::spawn::Launch;
use crate::wire::message::{self, Head, PartKind};
use crate::wire::packet::{self, Descriptors, Packet, Received};
use crate::wire::protocol::{Ready, Status, error_of};
use crate::wire::queue::ring;
use crate::wire::segment::{MAX_SLOTS, Segment, sealed_file};

/// How long the last words of a dead runner are waited for.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A runner's process.
pub(super) struct Process {
    pid: u32,
    pidfd: OwnedFd,
    control: OwnedFd,
    segment: Segment,
    bell: OwnedFd,
    grace: Duration,
    submitted: Notify,
    calls: Mutex<Calls>,
    verdict: OnceLock<Verdict>,
    cause: OnceLock<Option<DeathCause>>,
    ended: Notify,
}

/// Why the service killed it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Verdict {
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

    /// One call. When it is cancelled, this returns once the runner has let go of it, which is at worst the grace later;
    /// dropping the future cancels too, and the slot stays taken until then.
    pub(super) async fn call(self: &Arc<Self>, mut request: Request, context: CallContext) -> Reply {
        let bounds = context.bounds();
        bounds.check()?;
        let room = self.segment.room();
        if message::size(&request.parts()) > room {
            // A large medium goes the way of models.
            request.attachment = request.attachment.or(request.media.take());
        }
        if message::size(&request.parts()) > room {
            return Err(RunnerError::TooLarge(format!("a call may have at most {room} bytes")));
        }
        let attachment = match request.attachment.take() {
            Some(bytes) => Some(bounds.limit(seal(bytes)).await??),
            None => None,
        };
        let Ticket { slot, id, mut answer } = self.calls().reserve(context.permit)?;
        self.submit(slot, id, &request, attachment.as_ref())?;
        drop((request, attachment));
        let guard = CancelOnDrop { process: self, id, armed: true };
        let reply = tokio::select! {
            reply = &mut answer => reply.unwrap_or(Err(RunnerError::Killed)),
            why = bounds.exceeded() => {
                self.cancel(id);
                answer.await.ok();
                Err(why)
            }
        };
        guard.disarm();
        reply
    }

    /// Writes a call into its slot and puts it into the queue; gives the slot back when that fails.
    fn submit(&self, slot: u32, id: u64, request: &Request, attachment: Option<&OwnedFd>) -> Result<(), RunnerError> {
        let written = self.write(slot, id, request, attachment);
        let mut calls = self.calls();
        match written {
            Ok(()) => self.segment.control().push_call(&mut calls.tail, slot),
            Err(_) => calls.give_back(slot),
        }
        drop(calls);
        self.submitted.notify_one();
        written
    }

    fn write(&self, slot: u32, id: u64, request: &Request, attachment: Option<&OwnedFd>) -> Result<(), RunnerError> {
        let head = Head::call(id, request.operation.code(), request.model);
        let at = self.segment.call(slot).ok_or(RunnerError::Overloaded)?;
        // SAFETY: the slot has as much room and belongs to this call.
        unsafe { message::write(at, self.segment.room(), head, &request.parts()) }
            .ok_or_else(|| RunnerError::BadInput("a tensor has too many or too long axes".to_owned()))?;
        if let Some(memory) = attachment {
            let packet = Packet { kind: packet::ATTACH, id, ..Packet::default() };
            // The command socket is full, or the runner is gone.
            self.command(packet, Some(memory)).map_err(|_| RunnerError::Overloaded)?;
        }
        Ok(())
    }

    fn command(&self, packet: Packet, memory: Option<&OwnedFd>) -> io::Result<()> {
        let descriptor = memory.map(AsRawFd::as_raw_fd);
        packet::send(self.control.as_fd(), packet, b"", descriptor.as_slice())
    }

    /// Asks the runner to stop a call, and kills it when it has not after the grace.
    fn cancel(self: &Arc<Self>, id: u64) {
        self.command(Packet { kind: packet::CANCEL, id, ..Packet::default() }, None).ok();
        let process = Arc::clone(self);
        tokio::spawn(async move {
            sleep(process.grace).await;
            if process.calls().is_waiting(id) {
                process.kill(Verdict::Hung);
            }
        });
    }

    fn kill(&self, verdict: Verdict) {
        self.verdict.set(verdict).ok();
        // SAFETY: sends a signal; the descriptor means this process only, even when it is gone already.
        unsafe {
            let pidfd = self.pidfd.as_raw_fd();
            libc::syscall(libc::SYS_pidfd_send_signal, pidfd, libc::SIGKILL, std::ptr::null::<libc::siginfo_t>(), 0);
        }
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the runner once per turn of the event loop instead of once per call.
    async fn wake_once_per_turn(self: Arc<Self>) {
        while self.is_alive() {
            self.submitted.notified().await;
            tokio::task::yield_now().await;
            self.segment.control().wake_runner();
        }
    }

    async fn read_answers(self: Arc<Self>, bell: AsyncFd<OwnedFd>) {
        let mut head = 0;
        while self.is_alive() {
            match self.drain(&mut head) {
                Ok(()) if !self.segment.control().service_rests(head) => continue,
                Ok(()) => {}
                Err(Unexpected) => return self.kill(Verdict::Misbehaved),
            }
            // The event loop tells of every ring, so the counter itself is never read.
            match bell.readable().await {
                Ok(mut guard) => guard.clear_ready(),
                Err(_) => return self.kill(Verdict::Misbehaved),
            }
        }
    }

    /// Takes all answers that are there; `head` is this reader's own count.
    fn drain(&self, head: &mut u32) -> Result<(), Unexpected> {
        let control = self.segment.control();
        loop {
            let ahead = control.done_tail.0.load(std::sync::atomic::Ordering::SeqCst).wrapping_sub(*head);
            if ahead == 0 {
                return Ok(());
            }
            if ahead > MAX_SLOTS {
                return Err(Unexpected);
            }
            self.take_answer(control.done_at(*head))?;
            *head = head.wrapping_add(1);
        }
    }

    /// Takes one answer. Everything in it is doubted: it is copied once, and the copy is checked.
    fn take_answer(&self, slot: u32) -> Result<(), Unexpected> {
        let at = self.segment.answer(slot).ok_or(Unexpected)?;
        // SAFETY: the slot has as much room. The runner may write meanwhile; `read` and `copy_out` copy first.
        let (head, records) = unsafe { message::read(at, self.segment.room()) }.ok_or(Unexpected)?;
        self.calls().expects(slot, head.id)?;
        let status = Status::from_code(head.status).ok_or(Unexpected)?;
        // The slot still belongs to this call, so the copy needs no lock.
        let parts = records.iter().map(|record| unsafe { record.copy_out(at) });
        let reply = match status {
            Status::Done => Ok(parts.collect()),
            failed => {
                let words = parts
                    .into_iter()
                    .find(|part| part.kind == PartKind::Words)
                    .unwrap_or_else(|| message::Part::words("").copied());
                Err(error_of(failed, &String::from_utf8_lossy(&words.bytes)))
            }
        };
        self.calls().finish(slot, reply);
        Ok(())
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
                        Ok(Ok(Some(received))) => hear(received, &mut ready),
                        Ok(_) => break child.wait().await,
                        Err(_would_block) => {}
                    }
                }
            }
        };
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

fn hear(received: Received, ready: &mut ReadySender) {
    let words = match received.packet.kind {
        packet::READY => serde_json::from_str(&received.text).map_err(|error| error.to_string()),
        packet::FAILED => Err(crate::wire::protocol::clean(&received.text)),
        _ => return,
    };
    if let Some(ready) = ready.take() {
        ready.send(words).ok();
    }
}

/// Copying many bytes would hold up the event loop.
async fn seal(bytes: Bytes) -> Result<OwnedFd, RunnerError> {
    let sealed = tokio::task::spawn_blocking(move || sealed_file(&bytes)).await;
    sealed.map_err(io::Error::other).flatten().map_err(|error| RunnerError::Spawn(error.to_string()))
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

struct CancelOnDrop<'a> {
    process: &'a Arc<Process>,
    id: u64,
    armed: bool,
}

impl CancelOnDrop<'_> {
    fn disarm(mut self) {
        self.armed = false;
    }
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.process.cancel(self.id);
        }
    }
}
