//! How a call or an answer lies in memory: a head of 64 bytes, one record of 128 bytes per part, then the parts' bytes, each
//! at a multiple of 64, so that tensors can be used where they lie.
//!
//! A part is a tensor, a JSON text, a medium, or the words of a failure. Inputs and outputs of a model are known by
//! their position in its signature.

use bytemuck::{Pod, Zeroable};
use ortolan_engine::{Datatype, TensorView};

/// What parts are aligned to.
pub(crate) const LINE: usize = 64;
/// Most parts of a message: the inputs or outputs a model may have, and one more.
pub(crate) const MAX_PARTS: usize = 257;
/// Most axes of a tensor.
pub(crate) const MAX_RANK: usize = 16;

/// Bytes of an empty string in a tensor.
const SHORTEST_STRING: usize = 4;

const JSON: u32 = 0x100;
const MEDIA: u32 = 0x101;
const WORDS: u32 = 0x102;
const TIMES: u32 = 0x103;

/// The front of a message.
#[repr(C)]
#[derive(Clone, Copy, Default, Debug, Pod, Zeroable)]
pub(crate) struct Head {
    /// Which call it is or belongs to.
    pub(crate) id: u64,
    /// Bytes of the whole message.
    pub(crate) len: u64,
    /// The number the service gave to the model.
    pub(crate) model: u32,
    /// What is asked.
    pub(crate) operation: u16,
    /// How it went; of answers.
    pub(crate) status: u16,
    /// How many records follow.
    pub(crate) parts: u32,
    /// How many of the next calls in the queue are to be served after this one by whoever takes it; of calls.
    pub(crate) followers: u32,
    reserved: [u32; 8],
}

/// Where a part lies.
#[repr(C)]
#[derive(Clone, Copy, Default, Debug, Pod, Zeroable)]
pub(crate) struct Record {
    kind: u32,
    rank: u32,
    offset: u64,
    len: u64,
    reserved: [u64; 5],
    dims: [u32; MAX_RANK],
}

const HEAD: usize = size_of::<Head>();
const RECORD: usize = size_of::<Record>();

/// What a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PartKind {
    /// Elements of a tensor.
    Tensor(Datatype),
    /// A JSON text.
    Json,
    /// An encoded picture, sound or video.
    Media,
    /// A text for people.
    Words,
    /// Where the time went, as [`crate::answer::Timings::to_bytes`] writes it.
    Times,
}

impl PartKind {
    fn code(self) -> u32 {
        match self {
            Self::Tensor(element) => element.code(),
            Self::Json => JSON,
            Self::Media => MEDIA,
            Self::Words => WORDS,
            Self::Times => TIMES,
        }
    }

    fn from_code(code: u32) -> Option<Self> {
        match code {
            JSON => Some(Self::Json),
            MEDIA => Some(Self::Media),
            WORDS => Some(Self::Words),
            TIMES => Some(Self::Times),
            _ => Datatype::from_code(code).map(Self::Tensor),
        }
    }

    /// Whether so many bytes can be a part of this kind and shape. Strings are only counted once they were copied.
    fn fits(self, dims: &[u32], len: usize) -> Option<bool> {
        let Self::Tensor(datatype) = self else { return Some(dims.is_empty()) };
        let count = dims.iter().try_fold(1usize, |count, dim| count.checked_mul(*dim as usize))?;
        Some(match datatype.size() {
            Some(size) => count.checked_mul(size)? == len,
            None => count.checked_mul(SHORTEST_STRING)? <= len,
        })
    }
}

/// A part that lies somewhere else.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part<'a> {
    pub(crate) kind: PartKind,
    /// Sizes of the axes, of a tensor; empty for the others.
    pub(crate) dims: &'a [i64],
    pub(crate) bytes: &'a [u8],
}

impl<'a> Part<'a> {
    pub(crate) fn json(bytes: &'a [u8]) -> Self {
        Self { kind: PartKind::Json, dims: &[], bytes }
    }

    pub(crate) fn media(bytes: &'a [u8]) -> Self {
        Self { kind: PartKind::Media, dims: &[], bytes }
    }

    pub(crate) fn words(text: &'a str) -> Self {
        Self { kind: PartKind::Words, dims: &[], bytes: text.as_bytes() }
    }

    pub(crate) fn times(bytes: &'a [u8]) -> Self {
        Self { kind: PartKind::Times, dims: &[], bytes }
    }

    pub(crate) fn tensor(view: TensorView<'a>) -> Self {
        Self { kind: PartKind::Tensor(view.element), dims: view.dims, bytes: view.bytes }
    }

    pub(crate) fn copied(self) -> OwnedPart {
        OwnedPart { kind: self.kind, dims: self.dims.to_vec(), bytes: self.bytes.to_vec() }
    }
}

/// A part that was copied out. What a hostile process wrote is only ever looked at after such a copy.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OwnedPart {
    pub(crate) kind: PartKind,
    pub(crate) dims: Vec<i64>,
    pub(crate) bytes: Vec<u8>,
}

impl Head {
    /// The head of a call.
    pub(crate) fn call(id: u64, operation: u16, model: u32) -> Self {
        Self { id, operation, model, ..Self::default() }
    }

    /// The same head with so many followers.
    pub(crate) fn followed_by(self, followers: u32) -> Self {
        Self { followers, ..self }
    }

    /// The head of an answer to this call.
    pub(crate) fn answer(&self, status: u16) -> Self {
        Self { id: self.id, operation: self.operation, model: self.model, status, ..Self::default() }
    }
}

impl Record {
    fn of(part: &Part<'_>, offset: usize) -> Option<Self> {
        let mut record = Self {
            kind: part.kind.code(),
            rank: u32::try_from(part.dims.len()).ok()?,
            offset: offset as u64,
            len: part.bytes.len() as u64,
            ..Self::default()
        };
        for (into, from) in record.dims.get_mut(..part.dims.len())?.iter_mut().zip(part.dims) {
            *into = u32::try_from(*from).ok()?;
        }
        Some(record)
    }

    /// Checks a copy of a record: inside of the message, aligned, and with as many bytes as its shape says.
    fn check(&self, data_at: usize, end: usize) -> Option<CheckedRecord> {
        let kind = PartKind::from_code(self.kind)?;
        let (offset, len) = (usize::try_from(self.offset).ok()?, usize::try_from(self.len).ok()?);
        let inside = offset.is_multiple_of(LINE) && offset >= data_at && offset.checked_add(len)? <= end;
        let dims = self.dims.get(..usize::try_from(self.rank).ok()?)?;
        let shaped = kind.fits(dims, len)?;
        let dims = dims.iter().map(|dim| i64::from(*dim)).collect();
        (inside && shaped).then_some(CheckedRecord { kind, dims, offset, len })
    }
}

/// A record that was copied and checked.
#[derive(Debug, Clone)]
pub(crate) struct CheckedRecord {
    kind: PartKind,
    dims: Vec<i64>,
    offset: usize,
    len: usize,
}

impl CheckedRecord {
    /// The part where it lies.
    ///
    /// # Safety
    /// The record must come from [`read`] of memory at `at`, and nobody may write there while the part is in use.
    pub(crate) unsafe fn borrow<'a>(&'a self, at: *const u8) -> Part<'a> {
        // SAFETY: `read` checked that offset and length lie inside of what is valid at `at`.
        let bytes = unsafe { std::slice::from_raw_parts(at.add(self.offset), self.len) };
        Part { kind: self.kind, dims: &self.dims, bytes }
    }

    /// Copies the part, whatever another process does to it meanwhile.
    ///
    /// # Safety
    /// The record must come from [`read`] of memory at `at`.
    pub(crate) unsafe fn copy_out(&self, at: *const u8) -> OwnedPart {
        let mut bytes = Vec::<u8>::with_capacity(self.len);
        // SAFETY: the source was checked by `read`; the target has room for as many bytes, which are set by the copy.
        unsafe {
            std::ptr::copy_nonoverlapping(at.add(self.offset), bytes.as_mut_ptr(), self.len);
            bytes.set_len(self.len);
        }
        OwnedPart { kind: self.kind, dims: self.dims.clone(), bytes }
    }
}

/// Bytes that a message takes.
pub(crate) fn size(parts: &[Part<'_>]) -> usize {
    parts.iter().fold(HEAD + RECORD * parts.len(), |size, part| size + part.bytes.len().next_multiple_of(LINE))
}

/// Writes a whole message, or nothing when it does not fit.
///
/// # Safety
/// `at` must be valid for writing `room` bytes and aligned to [`LINE`].
pub(crate) unsafe fn write(at: *mut u8, room: usize, mut head: Head, parts: &[Part<'_>]) -> Option<()> {
    let total = size(parts);
    if total > room || parts.len() > MAX_PARTS {
        return None;
    }
    head.len = total as u64;
    head.parts = u32::try_from(parts.len()).ok()?;
    let mut offset = HEAD + RECORD * parts.len();
    for (index, part) in parts.iter().enumerate() {
        let record = Record::of(part, offset)?;
        // SAFETY: records and data end at `total`, which is at most `room`.
        unsafe {
            at.add(HEAD + RECORD * index).cast::<Record>().write(record);
            std::ptr::copy_nonoverlapping(part.bytes.as_ptr(), at.add(offset), part.bytes.len());
        }
        offset += part.bytes.len().next_multiple_of(LINE);
    }
    // SAFETY: the room is at least a head.
    unsafe { at.cast::<Head>().write(head) };
    Some(())
}

/// How many calls follow the one that lies here; the service writes that.
///
/// # Safety
/// `at` must be valid for reading a head and aligned to [`LINE`].
pub(crate) unsafe fn followers(at: *const u8) -> u32 {
    // SAFETY: there is room for a head; any bytes are a head.
    unsafe { std::ptr::read_volatile(at.cast::<Head>()) }.followers
}

/// Reads head and records **once** into private memory and checks that copy; what lies there may change at any time.
///
/// # Safety
/// `at` must be valid for reading `room` bytes and aligned to [`LINE`].
pub(crate) unsafe fn read(at: *const u8, room: usize) -> Option<(Head, Vec<CheckedRecord>)> {
    if room < HEAD {
        return None;
    }
    // SAFETY: there is room for a head; any bytes are a head.
    let head: Head = unsafe { std::ptr::read_volatile(at.cast()) };
    let (count, len) = (usize::try_from(head.parts).ok()?, usize::try_from(head.len).ok()?);
    let data_at = HEAD + RECORD * count.min(MAX_PARTS);
    if count > MAX_PARTS || len > room || data_at > len {
        return None;
    }
    let records = (0..count).map(|index| {
        // SAFETY: all records end at `data_at`, which is at most `room`; any bytes are a record.
        let record: Record = unsafe { std::ptr::read_volatile(at.add(HEAD + RECORD * index).cast()) };
        record.check(data_at, len)
    });
    Some((head, records.collect::<Option<Vec<_>>>()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const ROOM: usize = 1024;

    fn good() -> Vec<[u64; 8]> {
        let mut memory = vec![[0u64; 8]; ROOM / LINE];
        let data = [7u8; 24];
        let tensor = TensorView { element: Datatype::Fp32, dims: &[2, 3], bytes: &data };
        let parts = [Part::tensor(tensor), Part::json(b"{}"), Part::words("no")];
        // SAFETY: the memory has as much room as is said; its alignment is that of a line of u64, enough for the records.
        unsafe { write(memory.as_mut_ptr().cast(), ROOM, Head::call(9, 1, 2), &parts) }.unwrap();
        memory
    }

    #[test]
    fn a_message_survives_the_way() {
        let memory = good();
        let at = memory.as_ptr().cast::<u8>();
        // SAFETY: the memory has as much room as is said.
        let (head, records) = unsafe { read(at, ROOM) }.unwrap();
        assert_eq!((head.id, head.operation, head.model), (9, 1, 2));
        let parts: Vec<_> = records.iter().map(|record| unsafe { record.copy_out(at) }).collect();
        assert_eq!((parts[0].dims.as_slice(), parts[0].bytes.len()), (&[2, 3][..], 24));
        assert_eq!(parts[1], Part::json(b"{}").copied());
        assert_eq!(parts[2], Part::words("no").copied());
    }

    #[test]
    fn what_does_not_fit_is_not_written() {
        let mut memory = vec![[0u64; 8]; 4];
        let long = [0u8; 65];
        // SAFETY: the memory has 256 bytes.
        let written = unsafe { write(memory.as_mut_ptr().cast(), 256, Head::default(), &[Part::media(&long)]) };
        assert!(written.is_none());
        assert!(memory.iter().all(|line| *line == [0; 8]));
    }

    /// Whatever a runner writes: either it is refused, or the parts lie inside of the slot and their shapes fit.
    #[test]
    fn forged_messages_stay_inside() {
        let original = good();
        let (mut seed, mut accepted) = (1u64, 0);
        for _ in 0..500_000 {
            let mut forged = original.clone();
            for _ in 0..3 {
                seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let at = (seed >> 33) as usize % (HEAD + 3 * RECORD);
                let byte = if seed & 1 << 60 == 0 { (seed >> 50) as u8 } else { 0xff };
                bytemuck::cast_slice_mut::<_, u8>(&mut forged)[at] = byte;
            }
            let at = forged.as_ptr().cast::<u8>();
            // SAFETY: the memory has as much room as is said.
            let Some((head, records)) = (unsafe { read(at, ROOM) }) else { continue };
            accepted += 1;
            assert!(head.len <= ROOM as u64);
            for record in &records {
                assert!(record.offset + record.len <= ROOM);
                assert_eq!(unsafe { record.copy_out(at) }.bytes.len(), record.len);
            }
        }
        assert!(accepted > 0, "some forgeries are harmless");
    }
}
