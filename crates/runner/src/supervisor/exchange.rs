//! Calls to a runner's process and its answers, through the shared segment.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, sleep, timeout};

use crate::error::RunnerError;
use crate::supervisor::calls::{Reply, Ticket, Unexpected};
use crate::supervisor::context::CallContext;
use crate::supervisor::host::Request;
use crate::supervisor::process::{Process, Verdict};
use crate::wire::message::{self, Head, OwnedPart, PartKind};
use crate::wire::packet::{self, Packet};
use crate::wire::protocol::{Operation, Status, error_of};
use crate::wire::queue::ring;
use crate::wire::segment::{MAX_SLOTS, sealed_file};

/// How long an answer may lie in the queue before it is looked for.
const LOOK_AFTER: Duration = Duration::from_millis(20);

impl Process {
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
        let (began, operation) = (Instant::now(), request.operation);
        let Ticket { slot, id, mut answer } = self.calls().reserve(context.permit, context.progress)?;
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
        self.log(operation, began, &reply);
        reply
    }

    /// A line for what takes long; predictions are far too many for one each, unless somebody looks for them.
    fn log(&self, operation: Operation, began: Instant, reply: &Reply) {
        let (pid, duration_ms) = (self.pid(), began.elapsed().as_secs_f64() * 1e3);
        let error = reply.as_ref().err().map(ToString::to_string);
        match operation {
            Operation::Infer | Operation::Read => {
                tracing::debug!(pid, ?operation, duration_ms, error, "runner answered")
            }
            _ => tracing::info!(pid, ?operation, duration_ms, error, "runner answered"),
        }
    }

    /// Writes a call into its slot and puts it into the queue; gives the slot back when that fails.
    fn submit(&self, slot: u32, id: u64, request: &Request, attachment: Option<&OwnedFd>) -> Result<(), RunnerError> {
        let written = self.write(slot, id, request, attachment, 0);
        let mut calls = self.calls();
        match written {
            Ok(()) => self.segment.control().push_calls(&mut calls.tail, &[slot]),
            Err(_) => calls.give_back(slot),
        }
        drop(calls);
        self.submitted.notify_one();
        written
    }

    /// Writes a call into its slot; whoever takes it serves the next `followers` calls of the queue after it.
    pub(super) fn write(
        &self,
        slot: u32,
        id: u64,
        request: &Request,
        attachment: Option<&OwnedFd>,
        followers: u32,
    ) -> Result<(), RunnerError> {
        let head = Head::call(id, request.operation.code(), request.model).followed_by(followers);
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

    /// Asks the runner to stop a call, and kills it when it has not after the grace.
    pub(super) fn cancel(self: &Arc<Self>, id: u64) {
        self.command(Packet { kind: packet::CANCEL, id, ..Packet::default() }, None).ok();
        let process = Arc::clone(self);
        tokio::spawn(async move {
            sleep(process.grace).await;
            if process.calls().is_waiting(id) {
                process.kill(Verdict::Hung);
            }
        });
    }

    /// Wakes the runner once per turn of the event loop instead of once per call. While calls are under way it also looks from time to
    /// time whether there are answers: the runner keeps a few short ones until the next, which may take longer than it expected.
    pub(super) async fn wake_once_per_turn(self: Arc<Self>) {
        while self.is_alive() {
            let submitted = self.submitted.notified();
            if self.under_way() == 0 {
                submitted.await;
            } else if timeout(LOOK_AFTER, submitted).await.is_err() {
                ring(self.bell.as_fd());
                continue;
            }
            tokio::task::yield_now().await;
            self.segment.control().wake_runner();
        }
    }

    pub(super) async fn read_answers(self: Arc<Self>, bell: AsyncFd<OwnedFd>) {
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
            let ahead = control.done_tail.0.load(Ordering::SeqCst).wrapping_sub(*head);
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
        let parts: Vec<OwnedPart> = records.iter().map(|record| unsafe { record.copy_out(at) }).collect();
        let reply = if status == Status::Done { Ok(parts) } else { Err(error_of(status, &words_of(&parts))) };
        self.calls().finish(slot, reply);
        Ok(())
    }
}

/// What a runner says of a failure.
fn words_of(parts: &[OwnedPart]) -> String {
    let words = parts.iter().find(|part| part.kind == PartKind::Words);
    words.map(|part| String::from_utf8_lossy(&part.bytes).into_owned()).unwrap_or_default()
}

/// Copying many bytes would hold up the event loop.
async fn seal(bytes: Bytes) -> Result<OwnedFd, RunnerError> {
    let sealed = tokio::task::spawn_blocking(move || sealed_file(&bytes)).await;
    sealed.map_err(io::Error::other).flatten().map_err(|error| RunnerError::Spawn(error.to_string()))
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
