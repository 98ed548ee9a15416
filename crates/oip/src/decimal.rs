//! Short decimal numbers, as pixels and measurements are written, read faster than by the general rules and exactly like them.
//!
//! A decimal is its digits over a power of ten. Where both are exact as floating point, one division rounds correctly (W. D. Clinger,
//! "How to read floating point numbers accurately", PLDI 1990). Everything else is left to the general rules.

/// Powers of ten that 64 bits of floating point hold exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];
/// Whole numbers below this are exact in 64 bits of floating point.
const EXACT: u64 = 1 << 53;
/// The bits that 64 have beyond 32, and what they are half-way between two numbers of 32 bits.
const BEYOND: u64 = (1 << 29) - 1;
const HALF_WAY: u64 = 1 << 28;

/// The number of 32 bits at the front of well-formed JSON, and its length; nothing where the general rules are needed.
pub fn read_f32(text: &[u8]) -> Option<(f32, usize)> {
    let is_negative = text.first() == Some(&b'-');
    let mut at = usize::from(is_negative);
    let (mut digits, mut count, mut behind_point) = (0u64, 0, None);
    loop {
        match text.get(at) {
            Some(digit @ b'0'..=b'9') => {
                digits = digits * 10 + u64::from(digit - b'0');
                count += 1;
            }
            Some(b'.') if behind_point.is_none() => behind_point = Some(count),
            _ => break,
        }
        // More than 19 digits may not fit.
        if count > 19 {
            return None;
        }
        at += 1;
    }
    let is_whole = matches!(text.get(at), None | Some(b',' | b']' | b' ' | b'\t' | b'\n' | b'\r'));
    let places = behind_point.map_or(0, |before| count - before);
    if !is_whole || count == 0 || behind_point == Some(count) || digits >= EXACT {
        return None;
    }
    let value = digits as f64 / POWERS.get(places)?;
    // Rounding twice can go wrong only where the first result lies half-way.
    if value.to_bits() & BEYOND == HALF_WAY {
        return None;
    }
    let value = value as f32;
    Some((if is_negative { -value } else { value }, at))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_read_is_what_the_general_rules_read() {
        let (mut seed, mut read) = (1u64, 0);
        for round in 0..200_000 {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let digits = (seed >> 11) % 10u64.pow(1 + (seed >> 5) as u32 % 17);
            let places = (round % 20) as usize;
            let mut text = format!("{digits:0width$}", width = places + 1);
            if places > 0 {
                text.insert(text.len() - places, '.');
            }
            let text = if seed & 1 == 0 { format!("-{text}") } else { text };
            if let Some((value, length)) = read_f32(text.as_bytes()) {
                assert_eq!((value.to_bits(), length), (text.parse::<f32>().unwrap().to_bits(), text.len()), "{text}");
                read += 1;
            }
        }
        assert!(read > 150_000, "most are short enough: {read}");
    }

    #[test]
    fn where_one_rounding_is_not_enough_the_general_rules_decide() {
        // Half-way between two numbers of 32 bits.
        assert_eq!(read_f32(b"16777217"), None);
        for other in ["1e3", "1.", "-", "", ".5x", "123456789012345678901", "1.2.3", "1x"] {
            assert_eq!(read_f32(other.as_bytes()), None, "{other}");
        }
        assert_eq!(read_f32(b"-0.0,1").unwrap().0.to_bits(), (-0.0f32).to_bits());
        assert_eq!(read_f32(b"0.25]"), Some((0.25, 4)));
    }
}
