//! The wire format of protocol buffers, read in place. Nothing is allocated, and no length is believed before it is
//! compared with the bytes that are there.

use super::ScanError;

/// One field's value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'a> {
    /// A number of variable length.
    Varint(u64),
    /// Eight bytes.
    Fixed64,
    /// Four bytes.
    Fixed32,
    /// A text, some bytes, a message, or packed numbers.
    Bytes(&'a [u8]),
}

/// Reads a message field by field.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next field's number and value, or nothing at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u32, Value<'a>)>, ScanError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = varint(&mut self.rest)?;
        let number = u32::try_from(tag >> 3).ok().filter(|number| *number != 0).ok_or(ScanError::NotAModel)?;
        let value = match tag & 7 {
            0 => Value::Varint(varint(&mut self.rest)?),
            1 => self.take(8).map(|_| Value::Fixed64)?,
            2 => {
                let length = varint(&mut self.rest)?;
                Value::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Value::Fixed32)?,
            // Groups are no longer in use, and their nesting has no length to bound it.
            _ => return Err(ScanError::NotAModel),
        };
        Ok(Some((number, value)))
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], ScanError> {
        let length = usize::try_from(length).map_err(|_| ScanError::NotAModel)?;
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(ScanError::NotAModel)?;
        self.rest = rest;
        Ok(taken)
    }
}

/// Takes a number of variable length off the bytes.
pub(super) fn varint(bytes: &mut &[u8]) -> Result<u64, ScanError> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or(ScanError::NotAModel)?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(ScanError::NotAModel)
}

impl<'a> Value<'a> {
    /// The bytes of a text or a message.
    pub(super) fn bytes(self) -> Result<&'a [u8], ScanError> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(ScanError::NotAModel),
        }
    }

    /// A signed number.
    pub(super) fn int(self) -> Result<i64, ScanError> {
        match self {
            Self::Varint(number) => Ok(number.cast_signed()),
            _ => Err(ScanError::NotAModel),
        }
    }

    /// Hands every number of a repeated field to `each`, packed or not.
    pub(super) fn ints(self, mut each: impl FnMut(i64) -> Result<(), ScanError>) -> Result<(), ScanError> {
        match self {
            Self::Varint(number) => each(number.cast_signed()),
            Self::Bytes(mut packed) => {
                while !packed.is_empty() {
                    each(varint(&mut packed)?.cast_signed())?;
                }
                Ok(())
            }
            _ => Err(ScanError::NotAModel),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn all(bytes: &[u8]) -> Result<Vec<(u32, Value<'_>)>, ScanError> {
        let mut fields = Fields::new(bytes);
        std::iter::from_fn(|| fields.next().transpose()).collect()
    }

    #[test]
    fn fields_are_read_in_order() {
        let bytes = [0x08, 0x96, 0x01, 0x12, 2, b'h', b'i', 0x1d, 0, 0, 0, 0];
        assert_eq!(all(&bytes).unwrap(), [(1, Value::Varint(150)), (2, Value::Bytes(b"hi")), (3, Value::Fixed32)]);
    }

    #[test]
    fn lengths_that_lie_and_endless_numbers_are_refused() {
        let long_number = [0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01];
        let huge_length = [0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0];
        for bad in [&[0x12, 3, 0][..], &huge_length, &long_number, &[0x0b], &[0x00, 1], &[0x08]] {
            assert!(matches!(all(bad), Err(ScanError::NotAModel)), "{bad:?}");
        }
    }
}
