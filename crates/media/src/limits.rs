//! How large a picture may be.

use crate::DecodeError;

/// Limits on one picture, checked against its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Most pixels, width times height.
    pub max_pixels: u64,
    /// Largest width and largest height.
    pub max_side: u32,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self { max_pixels: 64 << 20, max_side: 65_535 }
    }
}

impl DecodeLimits {
    /// Refuses a header's size that is over a limit.
    pub(crate) fn check(&self, width: u64, height: u64) -> Result<(), DecodeError> {
        let max_side = u64::from(self.max_side);
        if width > max_side || height > max_side || width * height > self.max_pixels {
            return Err(DecodeError::TooLarge { width, height, max_side: self.max_side, max_pixels: self.max_pixels });
        }
        Ok(())
    }
}
