//! Why a request had no good answer, in words that its owner may read.

use std::error::Error;
use std::time::Duration;

use crate::resolver::{Refused, Unknown};

/// Why a request had no good answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutboundError {
    /// The text is no address that can be called.
    #[error("the address is not an http:// or https:// address of a host")]
    Address,
    /// The address belongs to a private network.
    #[error("the address leads into a private network, which is not allowed")]
    Private,
    /// The host's name has no address.
    #[error("the host's name has no address")]
    UnknownHost,
    /// Nobody took the connection, or it broke.
    #[error("the connection could not be made or broke")]
    Connection,
    /// It took too long.
    #[error("there was no answer in time")]
    Timeout,
    /// Redirects without an end, or to where they must not lead.
    #[error("the redirects do not lead anywhere")]
    Redirect,
    /// The answer was no success.
    #[error("the answer had status {0}")]
    Status(u16),
    /// The receiver has no time and says when it will have.
    #[error("the answer had status {status} and asks to wait for {} s", retry_after.as_secs())]
    Busy {
        /// 429 or 503.
        status: u16,
        /// How long to wait.
        retry_after: Duration,
    },
    /// The answer is larger than allowed.
    #[error("the answer has more than {max_bytes} bytes")]
    TooLarge {
        /// How many are allowed.
        max_bytes: u64,
    },
}

impl OutboundError {
    /// True when the same request may be answered later without a change.
    pub const fn may_pass(&self) -> bool {
        match self {
            Self::Address | Self::Private | Self::Redirect | Self::TooLarge { .. } => false,
            Self::UnknownHost | Self::Connection | Self::Timeout | Self::Busy { .. } => true,
            // A receiver that says that it will never take this; everything else may be mended there.
            Self::Status(status) => !matches!(status, 410),
        }
    }
}

impl From<reqwest::Error> for OutboundError {
    fn from(error: reqwest::Error) -> Self {
        let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
        while let Some(inner) = cause {
            if let Some(refused) = inner.downcast_ref::<Self>() {
                return refused.clone();
            }
            if inner.is::<Refused>() {
                return Self::Private;
            }
            if inner.is::<Unknown>() {
                return Self::UnknownHost;
            }
            cause = inner.source();
        }
        if error.is_timeout() {
            Self::Timeout
        } else if error.is_redirect() {
            Self::Redirect
        } else if error.is_builder() {
            Self::Address
        } else {
            Self::Connection
        }
    }
}
