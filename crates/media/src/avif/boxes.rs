//! The boxes that an AVIF file is made of (ISO/IEC 14496-12): a length, a name, a body.

/// A file whose boxes or fields do not fit into each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken;

/// A box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IsoBox<'a> {
    pub(super) name: [u8; 4],
    pub(super) body: &'a [u8],
}

/// The boxes that lie in these bytes one after the other. What is cut or shorter than its own head ends the list with an
/// error, so that a walk takes at most one step for every eight bytes.
pub(super) fn boxes(bytes: &[u8]) -> impl Iterator<Item = Result<IsoBox<'_>, Broken>> {
    let mut rest = Fields(bytes);
    std::iter::from_fn(move || {
        if rest.0.is_empty() {
            return None;
        }
        let next = rest.next_box();
        if next.is_err() {
            rest = Fields(&[]);
        }
        Some(next)
    })
}

/// The first box of a name; `None` when there is none among those before the list's end.
pub(super) fn find<'a>(bytes: &'a [u8], name: &[u8; 4]) -> Option<&'a [u8]> {
    boxes(bytes).map_while(Result::ok).find(|one| one.name == *name).map(|one| one.body)
}

/// Fields of fixed size, read from the front, most significant byte first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], Broken> {
        let (front, rest) = self.0.split_at_checked(count).ok_or(Broken)?;
        self.0 = rest;
        Ok(front)
    }

    /// A number of 0 to 8 bytes.
    pub(super) fn number(&mut self, bytes: usize) -> Result<u64, Broken> {
        Ok(self.bytes(bytes)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    pub(super) fn u8(&mut self) -> Result<u8, Broken> {
        Ok(self.bytes(1)?[0])
    }

    pub(super) fn u16(&mut self) -> Result<u16, Broken> {
        Ok(self.number(2)? as u16)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Broken> {
        Ok(self.number(4)? as u32)
    }

    /// Version and flags, which many boxes begin with.
    pub(super) fn version(&mut self) -> Result<(u8, u32), Broken> {
        let word = self.u32()?;
        Ok(((word >> 24) as u8, word & 0x00ff_ffff))
    }

    fn next_box(&mut self) -> Result<IsoBox<'a>, Broken> {
        let (length, name) = (self.u32()?, self.bytes(4)?);
        let body = match length {
            // To the end of what holds it.
            0 => self.0.len(),
            1 => usize::try_from(self.number(8)?).ok().and_then(|length| length.checked_sub(16)).ok_or(Broken)?,
            length => (length as usize).checked_sub(8).ok_or(Broken)?,
        };
        Ok(IsoBox { name: name.try_into().map_err(|_| Broken)?, body: self.bytes(body)? })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lengths_of_all_kinds_are_read() {
        let bytes = b"\0\0\0\x0aabcdxy\0\0\0\x01long\0\0\0\0\0\0\0\x11z\0\0\0\0restqqq";
        let all: Vec<_> = boxes(bytes).map(Result::unwrap).collect();
        let shown: Vec<_> = all.iter().map(|one| (&one.name, one.body)).collect();
        assert_eq!(shown, [(b"abcd", &b"xy"[..]), (b"long", b"z"), (b"rest", b"qqq")]);
        assert_eq!(find(bytes, b"long"), Some(&b"z"[..]));
    }

    #[test]
    fn a_length_that_cannot_be_ends_the_walk() {
        for bad in [
            &b"\0\0\0\x09abcd"[..],
            b"\0\0\0\x07abcd",
            b"\0\0\0",
            b"\0\0\0\x01abcd\0\0\0\0\0\0\0\x0f",
            b"\0\0\0\x01abcd\xff\xff\xff\xff\xff\xff\xff\xff",
        ] {
            assert_eq!(boxes(bad).collect::<Vec<_>>(), [Err(Broken)], "{bad:?}");
        }
    }
}
