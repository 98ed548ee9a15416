//! Strings as a tensor carries them: each as 4 bytes of length, little endian, and as many bytes.

/// Reads strings one after the other; borrows them.
#[derive(Debug, Clone, Copy)]
pub struct Strings<'a> {
    rest: &'a [u8],
}

impl<'a> Strings<'a> {
    /// The strings of a tensor's data.
    pub fn new(data: &'a [u8]) -> Self {
        Self { rest: data }
    }

    /// How many strings there are; nothing when the last one is cut short.
    pub fn count_all(mut self) -> Option<usize> {
        let count = self.by_ref().count();
        self.rest.is_empty().then_some(count)
    }
}

/// Ends at the end of the data, or before a string that is cut short.
impl<'a> Iterator for Strings<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (string, rest) = rest.split_at_checked(length)?;
        self.rest = rest;
        Some(string)
    }
}

/// Writes strings as a tensor carries them. Longer ones than 4 GiB, which no request can hold, are cut.
pub fn encode_strings<S: AsRef<[u8]>>(strings: impl IntoIterator<Item = S>) -> Vec<u8> {
    let mut data = Vec::new();
    for string in strings {
        let bytes = string.as_ref();
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        data.extend_from_slice(&length.to_le_bytes());
        data.extend_from_slice(&bytes[..bytes.len().min(length as usize)]);
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_come_back() {
        let strings: [&[u8]; 4] = [b"a", b"", b"\0\xff", "\u{e9}".as_bytes()];
        let data = encode_strings(strings);
        assert_eq!(Strings::new(&data).collect::<Vec<_>>(), strings);
        assert_eq!(Strings::new(&data).count_all(), Some(4));
        assert_eq!(Strings::new(&data[..data.len() - 1]).count_all(), None);
        assert_eq!(Strings::new(&[1, 0, 0]).count_all(), None);
        assert_eq!(Strings::new(&[255, 255, 255, 255, 0]).count_all(), None);
    }
}
