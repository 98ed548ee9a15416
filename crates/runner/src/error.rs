//! What can go wrong with a call, in our own words.

use ortolan_domain::ErrorCode;
use serde::{Deserialize, Serialize};

/// Why a call gave nothing. Every text may be shown to the tenant whose call it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunnerError {
    /// The caller stopped it.
    #[error("the call was cancelled")]
    Cancelled,
    /// Its deadline passed.
    #[error("the deadline passed")]
    DeadlineExceeded,
    /// The runner ended by a signal in the middle of it.
    #[error("the model's process crashed with signal {signal}")]
    Crashed {
        /// The signal's number.
        signal: i32,
    },
    /// The runner ended by itself in the middle of it.
    #[error("the model's process ended with code {code}")]
    Exited {
        /// The exit code.
        code: i32,
    },
    /// The runner was killed for the sake of another call that did not stop, or because it broke its protocol.
    #[error("the model's process was killed")]
    Killed,
    /// A limit on memory was met.
    #[error("there was not enough memory")]
    OutOfMemory,
    /// All slots are taken.
    #[error("too many calls are under way")]
    Overloaded,
    /// More bytes than a call or an answer may have.
    #[error("{0}")]
    TooLarge(String),
    /// The model cannot be used.
    #[error("{reason}")]
    ModelRefused {
        /// What is wrong with it.
        reason: String,
    },
    /// The model's bytes could not be had.
    #[error("the model could not be fetched: {0}")]
    Fetch(String),
    /// The media cannot be used.
    #[error("{reason}")]
    MediaRefused {
        /// What kind of refusal it is.
        kind: MediaRefusal,
        /// What is wrong with them.
        reason: String,
    },
    /// Options or tensors that do not fit the model.
    #[error("{0}")]
    BadInput(String),
    /// The model failed on this input.
    #[error("{0}")]
    RunFailed(String),
    /// The device is not there.
    #[error("the device {0} is not available")]
    DeviceUnavailable(String),
    /// The kernel lacks what the sandbox is made of.
    #[error("runners cannot be isolated on this machine: {0}")]
    SandboxUnavailable(String),
    /// No runner could be started.
    #[error("the model's process could not be started: {0}")]
    Spawn(String),
}

/// Why media are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaRefusal {
    /// Of a kind that is not taken.
    Unsupported,
    /// Of a known kind, but broken.
    Corrupt,
    /// More pixels or bytes than allowed.
    TooLarge,
}

impl RunnerError {
    /// True when the same call may succeed later without a change.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Crashed { .. } | Self::Exited { .. } | Self::Killed => true,
            Self::Overloaded | Self::Fetch(_) | Self::DeviceUnavailable(_) | Self::Spawn(_) => true,
            Self::Cancelled | Self::DeadlineExceeded | Self::OutOfMemory | Self::TooLarge(_) => false,
            Self::ModelRefused { .. } | Self::MediaRefused { .. } | Self::BadInput(_) | Self::RunFailed(_) => false,
            Self::SandboxUnavailable(_) => false,
        }
    }

    /// True when the runner died under this call, so that this input and this model may be to blame.
    pub fn is_crash(&self) -> bool {
        matches!(self, Self::Crashed { .. } | Self::Exited { .. })
    }

    /// The word for it in the product's table of errors.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Cancelled => ErrorCode::Cancelled,
            Self::DeadlineExceeded => ErrorCode::DeadlineExceeded,
            Self::Crashed { .. } | Self::Exited { .. } | Self::Killed => ErrorCode::Crashed,
            Self::OutOfMemory => ErrorCode::OutOfMemory,
            Self::Overloaded => ErrorCode::Overloaded,
            Self::TooLarge(_) | Self::MediaRefused { kind: MediaRefusal::TooLarge, .. } => ErrorCode::TooLarge,
            Self::ModelRefused { .. } => ErrorCode::InvalidModel,
            Self::MediaRefused { kind: MediaRefusal::Unsupported, .. } => ErrorCode::UnsupportedMedia,
            Self::MediaRefused { kind: MediaRefusal::Corrupt, .. } => ErrorCode::CorruptMedia,
            Self::BadInput(_) => ErrorCode::Invalid,
            Self::RunFailed(_) => ErrorCode::RunFailed,
            Self::Fetch(_) | Self::DeviceUnavailable(_) | Self::SandboxUnavailable(_) | Self::Spawn(_) => {
                ErrorCode::Unavailable
            }
        }
    }
}
