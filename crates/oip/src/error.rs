//! Why a request cannot be read, or an answer not be written.

/// Why a request cannot be read, or an answer not be written, in words for the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OipError {
    /// The request is wrong.
    #[error("{0}")]
    Malformed(String),
    /// The body is larger than it may be once it is decompressed.
    #[error("the decompressed body may have at most {limit_bytes} bytes")]
    TooLarge {
        /// The most that is taken.
        limit_bytes: usize,
    },
    /// A content encoding that is not taken.
    #[error("the content encoding '{0}' is not taken: send gzip, deflate or none")]
    UnknownEncoding(String),
    /// An output that JSON cannot carry.
    #[error("{0}")]
    NeedsBinary(String),
}

impl OipError {
    pub(crate) fn malformed(reason: impl Into<String>) -> Self {
        Self::Malformed(reason.into())
    }

    /// The same with the name of what it is about in front.
    pub(crate) fn of_input(name: &str, reason: impl std::fmt::Display) -> Self {
        Self::Malformed(format!("input '{}': {reason}", shorten(name)))
    }
}

/// Quotes a client's own text in part, without control characters.
pub(crate) fn shorten(text: &str) -> String {
    const MOST: usize = 64;
    let mut short: String = text.chars().take(MOST).flat_map(char::escape_debug).collect();
    if text.chars().nth(MOST).is_some() {
        short.push('…');
    }
    short
}
