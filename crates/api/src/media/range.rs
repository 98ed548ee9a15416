//! The `Range` header, as far as media objects answer it: one range of bytes.

use std::ops::Range;

/// What a `Range` header asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Everything: there is no range, or one that may be passed over (another unit, several ranges, nonsense).
    All,
    /// These bytes.
    Part(Range<u64>),
    /// Nothing that is there.
    Unsatisfiable,
}

/// Reads a `Range` header for an object of `size_bytes` (RFC 9110, section 14).
pub fn wanted(header: Option<&str>, size_bytes: u64) -> Wanted {
    let Some((first, last)) = header.and_then(|range| range.strip_prefix("bytes=")?.split_once('-')) else {
        return Wanted::All;
    };
    match (number(first), number(last)) {
        (Number::None, Number::Some(suffix)) => part(size_bytes.saturating_sub(suffix)..size_bytes),
        (Number::Some(first), Number::None) => part(first..size_bytes),
        (Number::Some(first), Number::Some(last)) if first <= last => {
            part(first..size_bytes.min(last.saturating_add(1)))
        }
        _ => Wanted::All,
    }
}

fn part(range: Range<u64>) -> Wanted {
    if range.is_empty() { Wanted::Unsatisfiable } else { Wanted::Part(range) }
}

enum Number {
    None,
    Some(u64),
    Bad,
}

fn number(text: &str) -> Number {
    match text.trim() {
        "" => Number::None,
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => Number::Some(digits.parse().unwrap_or(u64::MAX)),
        _ => Number::Bad,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_to_what_is_there() {
        for (header, right) in [
            ("bytes=0-0", Wanted::Part(0..1)),
            ("bytes=2-5", Wanted::Part(2..6)),
            ("bytes=2-", Wanted::Part(2..10)),
            ("bytes=-3", Wanted::Part(7..10)),
            ("bytes=-99", Wanted::Part(0..10)),
            ("bytes=8-99999999999999999999999", Wanted::Part(8..10)),
            ("bytes=10-", Wanted::Unsatisfiable),
            ("bytes=10-12", Wanted::Unsatisfiable),
            ("bytes=-0", Wanted::Unsatisfiable),
            ("bytes=5-2", Wanted::All),
            ("bytes=0-1,4-5", Wanted::All),
            ("bytes=-", Wanted::All),
            ("bytes=a-b", Wanted::All),
            ("pages=1-2", Wanted::All),
        ] {
            assert_eq!(wanted(Some(header), 10), right, "{header}");
        }
        assert_eq!(wanted(None, 10), Wanted::All);
    }
}
