//! The two queues of slot numbers in the shared segment, and how each side wakes the other.
//!
//! Each side says that it is idle, looks again, and only then sleeps; the other side takes that word back and wakes only
//! then. All of these accesses are sequentially consistent, or a wake-up could be lost.

use std::io::{Error, Result};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::wire::segment::MAX_SLOTS;

/// A word on a cache line of its own, so that the two sides do not fight over it.
#[repr(C, align(64))]
#[derive(Debug)]
pub(crate) struct Line(pub(crate) AtomicU32);

/// The front of the segment.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Control {
    /// How many calls the service has put in; the runner sleeps on it.
    pub(crate) calls_tail: Line,
    /// 1 while some worker of the runner sleeps.
    pub(crate) runner_idle: Line,
    /// How many answers the runner has put in.
    pub(crate) done_tail: Line,
    /// 1 while the service's reader sleeps.
    pub(crate) service_idle: Line,
    calls: Ring,
    done: Ring,
}

/// Slot numbers; never more under way than there are places.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Ring([AtomicU32; MAX_SLOTS as usize]);

impl Ring {
    fn place(&self, count: u32) -> &AtomicU32 {
        &self.0[(count % MAX_SLOTS) as usize]
    }
}

impl Control {
    /// Puts calls in, all of which the runner sees at once. One caller at a time; `tail` is the service's own count, which is never
    /// read back.
    pub(crate) fn push_calls(&self, tail: &mut u32, slots: &[u32]) {
        push(&self.calls, &self.calls_tail, tail, slots);
    }

    /// Puts an answer in. One caller at a time; `tail` is the runner's own count.
    pub(crate) fn push_done(&self, tail: &mut u32, slot: u32) {
        push(&self.done, &self.done_tail, tail, &[slot]);
    }

    /// The slot of call number `count`.
    pub(crate) fn call_at(&self, count: u32) -> u32 {
        self.calls.place(count).load(Ordering::Acquire)
    }

    /// The slot of answer number `count`; a runner may have written anything.
    pub(crate) fn done_at(&self, count: u32) -> u32 {
        self.done.place(count).load(Ordering::Acquire)
    }

    /// Wakes one worker of the runner, if any sleeps.
    pub(crate) fn wake_runner(&self) {
        if self.runner_idle.0.swap(0, Ordering::SeqCst) == 1 {
            wake_one(&self.calls_tail.0);
        }
    }

    /// Wakes the service's reader, if it sleeps.
    pub(crate) fn wake_service(&self, bell: BorrowedFd<'_>) {
        if self.service_idle.0.swap(0, Ordering::SeqCst) == 1 {
            ring(bell);
        }
    }

    /// Says that the service's reader sleeps; false when an answer came in between.
    pub(crate) fn service_rests(&self, head: u32) -> bool {
        self.service_idle.0.store(1, Ordering::SeqCst);
        self.done_tail.0.load(Ordering::SeqCst) == head || self.service_idle.0.swap(0, Ordering::SeqCst) == 0
    }
}

fn push(ring: &Ring, shared: &Line, tail: &mut u32, slots: &[u32]) {
    for slot in slots {
        ring.place(*tail).store(*slot, Ordering::Relaxed);
        *tail = tail.wrapping_add(1);
    }
    shared.0.store(*tail, Ordering::SeqCst);
}

/// Makes the bell: a counter that can be waited for.
pub(crate) fn bell() -> Result<OwnedFd> {
    // SAFETY: makes a new descriptor, which is ours.
    unsafe {
        let bell = libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK);
        if bell < 0 { Err(Error::last_os_error()) } else { Ok(OwnedFd::from_raw_fd(bell)) }
    }
}

/// Rings the bell.
pub(crate) fn ring(bell: BorrowedFd<'_>) {
    let one = 1u64;
    // SAFETY: writes eight bytes out of a number that is there. A full counter still counts as ringing.
    unsafe { libc::write(bell.as_raw_fd(), (&raw const one).cast(), size_of::<u64>()) };
}

/// Sleeps until `word` is woken, unless it no longer is `seen`.
pub(crate) fn sleep_on(word: &AtomicU32, seen: u32) {
    // SAFETY: the word outlives the call; no timeout is given.
    unsafe {
        libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAIT, seen, std::ptr::null::<libc::timespec>())
    };
}

/// Wakes one sleeper on `word`, in whichever process.
pub(crate) fn wake_one(word: &AtomicU32) {
    // SAFETY: the word outlives the call.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, 1) };
}
