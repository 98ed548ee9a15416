//! Memory that service and runner share: two queues of slot numbers, then the slots, each with room for a call and an
//! answer.
//!
//! It is sparse: a slot costs memory only once it is used, so slots can be large. It is sealed against shrinking,
//! because a runner that cut it short would kill the service with SIGBUS.

use std::ffi::CStr;
use std::fs::File;
use std::io::{Error, Result, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

use crate::wire::queue::Control;

/// Most slots of a segment: as many as its queues have places.
pub(crate) const MAX_SLOTS: u32 = 64;

const FRONT: usize = 4096;
const _: () = assert!(size_of::<Control>() <= FRONT);

/// The shared memory, mapped.
#[derive(Debug)]
pub(crate) struct Segment {
    base: *mut u8,
    layout: Layout,
}

/// How large a segment is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Layout {
    /// How many slots.
    pub(crate) slots: u32,
    /// Most bytes of a call, and of an answer; a multiple of the page size.
    pub(crate) room: usize,
}

impl Layout {
    /// The layout with room rounded up to whole pages and at most [`MAX_SLOTS`] slots.
    pub(crate) fn new(slots: u32, room: usize) -> Self {
        Self { slots: slots.clamp(1, MAX_SLOTS), room: room.clamp(FRONT, 1 << 30).next_multiple_of(FRONT) }
    }

    /// Bytes of address space.
    pub(crate) fn total(self) -> usize {
        FRONT + 2 * self.room * self.slots as usize
    }
}

// SAFETY: the shared words are atomics; a slot belongs to one side at a time by protocol, and within a side to one thread.
unsafe impl Send for Segment {}
// SAFETY: as above.
unsafe impl Sync for Segment {}

impl Segment {
    /// Makes a new segment, and the descriptor that lets a runner map it.
    pub(crate) fn create(layout: Layout) -> Result<(Self, OwnedFd)> {
        let memory = memory_file(c"segment")?;
        File::from(memory.try_clone()?).set_len(layout.total() as u64)?;
        seal(memory.as_fd(), 0)?;
        Ok((Self::map(memory.as_fd(), layout)?, memory))
    }

    /// Maps a segment of that layout.
    pub(crate) fn map(memory: BorrowedFd<'_>, layout: Layout) -> Result<Self> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping at a place of the kernel's choice touches nothing else.
        let base =
            unsafe { libc::mmap(ptr::null_mut(), layout.total(), access, libc::MAP_SHARED, memory.as_raw_fd(), 0) };
        if base == libc::MAP_FAILED {
            return Err(Error::last_os_error());
        }
        Ok(Self { base: base.cast(), layout })
    }

    /// Most bytes of a call, and of an answer.
    pub(crate) fn room(&self) -> usize {
        self.layout.room
    }

    /// How many slots there are.
    pub(crate) fn slots(&self) -> u32 {
        self.layout.slots
    }

    /// The queues.
    pub(crate) fn control(&self) -> &Control {
        // SAFETY: the front of the mapping is at least as large as the queues, aligned to a page, and all atomics.
        unsafe { &*self.base.cast() }
    }

    /// Where the call of a slot lies, or nothing when there is no such slot.
    pub(crate) fn call(&self, slot: u32) -> Option<*mut u8> {
        // SAFETY: the slot is one of the mapping's.
        (slot < self.layout.slots).then(|| unsafe { self.base.add(FRONT + 2 * self.layout.room * slot as usize) })
    }

    /// Where the answer of a slot lies, or nothing when there is no such slot.
    pub(crate) fn answer(&self, slot: u32) -> Option<*mut u8> {
        // SAFETY: the answer's room follows the call's.
        self.call(slot).map(|call| unsafe { call.add(self.layout.room) })
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and nothing borrows from it any more.
        unsafe { libc::munmap(self.base.cast(), self.layout.total()) };
    }
}

/// Bytes in a memory file that nobody can change any more.
pub(crate) fn sealed_file(bytes: &[u8]) -> Result<OwnedFd> {
    let memory = memory_file(c"attachment")?;
    File::from(memory.try_clone()?).write_all(bytes)?;
    seal(memory.as_fd(), libc::F_SEAL_WRITE)?;
    Ok(memory)
}

/// A whole memory file, mapped for reading.
#[derive(Debug)]
pub(crate) struct Mapped {
    base: *const u8,
    len: usize,
}

// SAFETY: the file is sealed against writing, so the bytes never change.
unsafe impl Send for Mapped {}
// SAFETY: as above.
unsafe impl Sync for Mapped {}

impl Mapped {
    /// Maps a file of [`sealed_file`].
    pub(crate) fn new(memory: BorrowedFd<'_>) -> Result<Self> {
        let len = File::from(memory.try_clone_to_owned()?).metadata()?.len();
        let len = usize::try_from(len).map_err(Error::other)?;
        if len == 0 {
            return Ok(Self { base: ptr::null(), len });
        }
        let flags = libc::MAP_SHARED | libc::MAP_POPULATE;
        // SAFETY: a new mapping at a place of the kernel's choice touches nothing else.
        let base = unsafe { libc::mmap(ptr::null_mut(), len, libc::PROT_READ, flags, memory.as_raw_fd(), 0) };
        if base == libc::MAP_FAILED {
            return Err(Error::last_os_error());
        }
        Ok(Self { base: base.cast_const().cast(), len })
    }

    /// The bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        if self.len == 0 {
            return &[];
        }
        // SAFETY: the mapping is as long, lives as long as `self`, and never changes.
        unsafe { std::slice::from_raw_parts(self.base, self.len) }
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        if self.len > 0 {
            // SAFETY: the mapping is ours and nothing borrows from it any more.
            unsafe { libc::munmap(self.base.cast_mut().cast(), self.len) };
        }
    }
}

fn memory_file(name: &CStr) -> Result<OwnedFd> {
    // SAFETY: the name ends with a NUL.
    let memory = unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING) };
    if memory < 0 {
        return Err(Error::last_os_error());
    }
    // SAFETY: the descriptor is new and ours.
    Ok(unsafe { OwnedFd::from_raw_fd(memory) })
}

fn seal(memory: BorrowedFd<'_>, more: i32) -> Result<()> {
    let seals = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL | more;
    // SAFETY: sealing only changes what may be done with the file.
    if unsafe { libc::fcntl(memory.as_raw_fd(), libc::F_ADD_SEALS, seals) } == 0 {
        return Ok(());
    }
    Err(Error::last_os_error())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn neither_segment_nor_attachment_can_be_cut_short() {
        let (segment, memory) = Segment::create(Layout::new(2, 5000)).unwrap();
        assert!(File::from(memory).set_len(0).is_err());
        assert!(segment.call(1).is_some() && segment.call(2).is_none() && segment.answer(u32::MAX).is_none());
        let file = sealed_file(b"abc").unwrap();
        assert_eq!(Mapped::new(file.as_fd()).unwrap().bytes(), b"abc");
        let mut file = File::from(file);
        assert!(file.set_len(1).is_err() && file.write_all(b"x").is_err());
    }
}
