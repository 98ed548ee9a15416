//! Any channels to red, green, blue.

/// Turns interleaved 8-bit grey, grey + alpha, RGB or RGBA into RGB: grey is copied, alpha dropped.
pub(crate) fn to_rgb(mut pixels: Vec<u8>, channels: usize) -> Vec<u8> {
    match channels {
        1 | 2 => pixels.chunks_exact(channels).flat_map(|pixel| [pixel[0]; 3]).collect(),
        4 => {
            // In place: pixel i moves from byte 4 i to byte 3 i, which was read before.
            let count = pixels.len() / 4;
            for i in 0..count {
                pixels.copy_within(4 * i..4 * i + 3, 3 * i);
            }
            pixels.truncate(3 * count);
            pixels
        }
        _ => pixels,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grey_is_copied_and_alpha_dropped() {
        assert_eq!(to_rgb(vec![7, 9], 1), [7, 7, 7, 9, 9, 9]);
        assert_eq!(to_rgb(vec![7, 0, 9, 255], 2), [7, 7, 7, 9, 9, 9]);
        assert_eq!(to_rgb(vec![1, 2, 3], 3), [1, 2, 3]);
        assert_eq!(to_rgb(vec![1, 2, 3, 0, 4, 5, 6, 255], 4), [1, 2, 3, 4, 5, 6]);
    }
}
