//! The elements of a tensor's bytes, one by one.

use ortolan_domain::tensor::{Datatype, Strings};

/// Iterates over the bytes of each element; for `BYTES` without the length in front.
pub enum Elements<'a> {
    /// Of one size.
    Fixed(std::slice::ChunksExact<'a, u8>),
    /// Each with its length.
    Strings(Strings<'a>),
}

impl<'a> Elements<'a> {
    pub fn new(datatype: Datatype, data: &'a [u8]) -> Self {
        match datatype.size() {
            Some(size) => Self::Fixed(data.chunks_exact(size)),
            None => Self::Strings(Strings::new(data)),
        }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        match self {
            Self::Fixed(chunks) => chunks.next(),
            Self::Strings(strings) => strings.next(),
        }
    }
}

/// Adds one element of `BYTES`; false when it is too long to be written.
pub fn push_bytes(out: &mut Vec<u8>, element: &[u8]) -> bool {
    let Ok(length) = u32::try_from(element.len()) else { return false };
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(element);
    true
}
