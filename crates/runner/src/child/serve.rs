//! The loop of a runner: workers take calls out of the segment and put answers in.

use std::collections::{HashMap, VecDeque};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::child::service;
use crate::wire::message::{self, CheckedRecord, Head, Part};
use crate::wire::packet::{self, Packet};
use crate::wire::protocol::{Failure, Operation, Status};
use crate::wire::queue::{sleep_on, wake_one};
use crate::wire::segment::{Mapped, Segment};
use crate::work::{Call, Sink, Workbench, lock};

/// Deep graphs overflow the usual 2 MiB.
const STACK_BYTES: usize = 8 << 20;
/// An answer may wait while others follow, but not for a run that is expected to take longer than this.
const SHORT_US: u32 = 20;
/// Nor for more answers than this.
const MOST_UNTOLD: u32 = 16;
/// How far a call is, is told no more often than this.
const PROGRESS_PAUSE: Duration = Duration::from_millis(100);

/// Everything the threads of a runner share.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) bench: Workbench,
    segment: Segment,
    bell: OwnedFd,
    attachments: Mutex<HashMap<u64, OwnedFd>>,
    attached: Condvar,
    calls_head: Mutex<u32>,
    done_tail: Mutex<u32>,
    asleep: AtomicU32,
}

impl Server {
    pub(super) fn new(bench: Workbench, segment: Segment, bell: OwnedFd) -> Self {
        Self {
            bench,
            segment,
            bell,
            attachments: Mutex::default(),
            attached: Condvar::new(),
            calls_head: Mutex::new(0),
            done_tail: Mutex::new(0),
            asleep: AtomicU32::new(0),
        }
    }

    /// Starts the workers.
    pub(super) fn start(self: &Arc<Self>, workers: usize) -> std::io::Result<()> {
        for _ in 0..workers.max(1) {
            let server = Arc::clone(self);
            thread::Builder::new().name("worker".to_owned()).stack_size(STACK_BYTES).spawn(move || server.work())?;
        }
        Ok(())
    }

    /// Keeps a memory file for its call, which comes through the segment.
    pub(super) fn attach(&self, id: u64, memory: OwnedFd) {
        lock(&self.attachments).insert(id, memory);
        self.attached.notify_all();
    }

    fn work(self: Arc<Self>) {
        let (mut untold, mut mine) = (0, VecDeque::new());
        loop {
            let slot = match mine.pop_front() {
                Some(slot) => slot,
                None => self.take(&mut untold, &mut mine),
            };
            let Some((head, records)) = self.read(slot) else {
                // The service writes good messages only; without a head there is nobody to answer to.
                std::process::abort();
            };
            if untold > 0 && !self.is_short(&head) {
                self.tell(&mut untold);
            }
            if Operation::from_code(head.operation) == Some(Operation::Load) {
                self.serve_aside(slot, head, records);
                continue;
            }
            self.serve(slot, head, &records);
            untold += 1;
            if untold >= MOST_UNTOLD {
                self.tell(&mut untold);
            }
        }
    }

    /// Loading can hang and must not take a worker away.
    fn serve_aside(self: &Arc<Self>, slot: u32, head: Head, records: Vec<CheckedRecord>) {
        let server = Arc::clone(self);
        let load = move || {
            server.serve(slot, head, &records);
            server.tell(&mut 0);
        };
        if thread::Builder::new().name("loader".to_owned()).stack_size(STACK_BYTES).spawn(load).is_err() {
            let failure = Failure::new(Status::OutOfMemory, "there was not enough memory");
            self.fail(slot, head, &failure);
            self.done(slot);
            self.tell(&mut 0);
        }
    }

    fn is_short(&self, head: &Head) -> bool {
        Operation::from_code(head.operation) == Some(Operation::Infer) && self.bench.last_run_us(head.model) <= SHORT_US
    }

    fn read(&self, slot: u32) -> Option<(Head, Vec<CheckedRecord>)> {
        // SAFETY: a slot has as much room, and belongs to this side until its answer is in the queue.
        unsafe { message::read(self.segment.call(slot)?, self.segment.room()) }
    }

    fn serve(&self, slot: u32, head: Head, records: &[CheckedRecord]) {
        let Some(at) = self.segment.call(slot) else { return };
        // SAFETY: the records were read from this slot, and the service does not write there until the answer is in.
        let parts: Vec<Part<'_>> = records.iter().map(|record| unsafe { record.borrow(at) }).collect();
        let mut sink = SlotSink::new(&self.segment, slot, head.answer(Status::Done.code()));
        if let Err(failure) = self.call(&head, &parts, &mut sink) {
            self.fail(slot, head, &failure);
        }
        self.done(slot);
    }

    fn call(&self, head: &Head, parts: &[Part<'_>], sink: &mut SlotSink<'_>) -> Result<(), Failure> {
        let operation = Operation::from_code(head.operation);
        let operation = operation.ok_or_else(|| Failure::bad_input("the runner does not know this operation"))?;
        let wants_file = operation == Operation::Load || (operation.takes_media() && !has_media(parts));
        let attachment = if wants_file { Some(self.attachment(head.id)?) } else { None };
        let attachment = attachment.as_ref().map(Mapped::bytes);
        self.bench.serve(
            &Call { id: head.id, operation, model: head.model, parts, attachment, limits: self.bench.limits },
            sink,
        )
    }

    /// Waits for the call's memory file; it was sent before the call was.
    fn attachment(&self, id: u64) -> Result<Mapped, Failure> {
        let mut attachments = lock(&self.attachments);
        let memory = loop {
            match attachments.remove(&id) {
                Some(memory) => break memory,
                None => attachments = self.attached.wait(attachments).unwrap_or_else(PoisonError::into_inner),
            }
        };
        drop(attachments);
        Mapped::new(memory.as_fd()).map_err(|_| Failure::new(Status::OutOfMemory, "there was not enough memory"))
    }

    fn fail(&self, slot: u32, head: Head, failure: &Failure) {
        let mut sink = SlotSink::new(&self.segment, slot, head.answer(failure.status.code()));
        if !sink.put(&[Part::words(&failure.words)]) {
            sink.put(&[]);
        }
    }

    fn done(&self, slot: u32) {
        self.segment.control().push_done(&mut lock(&self.done_tail), slot);
    }

    fn tell(&self, untold: &mut u32) {
        *untold = 0;
        self.segment.control().wake_service(self.bell.as_fd());
    }

    /// The next slot; those that follow it go into `mine`. Answers that were not told of are told before this thread sleeps.
    fn take(&self, untold: &mut u32, mine: &mut VecDeque<u32>) -> u32 {
        let control = self.segment.control();
        let tail = &control.calls_tail.0;
        loop {
            let seen = match self.try_take(mine) {
                Ok(slot) => return slot,
                Err(seen) => seen,
            };
            if *untold > 0 {
                self.tell(untold);
                continue;
            }
            self.asleep.fetch_add(1, Ordering::SeqCst);
            control.runner_idle.0.store(1, Ordering::SeqCst);
            if tail.load(Ordering::SeqCst) == seen {
                sleep_on(tail, seen);
            }
            self.asleep.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// The next slot, or the count of calls at which there was none.
    fn try_take(&self, mine: &mut VecDeque<u32>) -> Result<u32, u32> {
        let control = self.segment.control();
        let tail = &control.calls_tail.0;
        let mut head = lock(&self.calls_head);
        let seen = tail.load(Ordering::SeqCst);
        if *head == seen {
            return Err(seen);
        }
        let slot = control.call_at(*head);
        *head = head.wrapping_add(1);
        // The service puts followers in together with the call they follow.
        // SAFETY: a slot has room for a head, and belongs to this side until its answer is in the queue.
        let followers = self.segment.call(slot).map_or(0, |at| unsafe { message::followers(at) });
        let followers = followers.min(seen.wrapping_sub(*head));
        mine.extend((0..followers).map(|next| control.call_at(head.wrapping_add(next))));
        *head = head.wrapping_add(followers);
        // The service woke one worker and took the word that says so back. This call may be long: whoever still sleeps
        // must be woken for the next one, by the service, or from here when it came before the word was there again.
        if self.asleep.load(Ordering::SeqCst) > 0 {
            control.runner_idle.0.store(1, Ordering::SeqCst);
            if tail.load(Ordering::SeqCst) != *head {
                wake_one(tail);
            }
        }
        Ok(slot)
    }
}

fn has_media(parts: &[Part<'_>]) -> bool {
    parts.iter().any(|part| part.kind == message::PartKind::Media)
}

/// Writes an answer into its slot.
#[derive(Debug)]
struct SlotSink<'a> {
    segment: &'a Segment,
    slot: u32,
    head: Head,
    told_at: Option<Instant>,
}

impl<'a> SlotSink<'a> {
    fn new(segment: &'a Segment, slot: u32, head: Head) -> Self {
        Self { segment, slot, head, told_at: None }
    }
}

impl Sink for SlotSink<'_> {
    fn put(&mut self, parts: &[Part<'_>]) -> bool {
        let Some(at) = self.segment.answer(self.slot) else { return false };
        // SAFETY: a slot has as much room, and belongs to this side until its answer is in the queue.
        unsafe { message::write(at, self.segment.room(), self.head, parts) }.is_some()
    }

    fn progress(&mut self, share: f32) {
        if self.told_at.is_some_and(|at| at.elapsed() < PROGRESS_PAUSE) {
            return;
        }
        self.told_at = Some(Instant::now());
        let packet = Packet { kind: packet::PROGRESS, model: (share * 1e3) as u32, id: self.head.id };
        // When the socket is full, the next word will do.
        packet::send(service(), packet, b"", &[]).ok();
    }
}
