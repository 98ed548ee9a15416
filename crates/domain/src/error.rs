//! The one table of error codes: code, HTTP status, title, whether another try may help; and the problem document.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $status:literal, $title:literal, $retryable:literal;)*) => {
        /// What went wrong, as a word that programs can rely on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum ErrorCode {
            $($(#[$doc])* #[serde(rename = $word)] $name,)*
        }

        impl ErrorCode {
            /// All codes.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The word.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// The HTTP status of an answer with this code.
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// A short title that does not change from case to case.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// True when the same request, or the same task, may succeed later without a change.
            pub const fn is_retryable(self) -> bool {
                match self { $(Self::$name => $retryable,)* }
            }
        }
    };
}

codes! {
    /// The request cannot be read.
    MalformedRequest = "malformed_request", 400, "The request cannot be read", false;
    /// The tenant has no model in the slot that the task needs.
    ModelNotFound = "model_not_found", 400, "The model does not exist", false;
    /// The definition is no pipeline, or names a step that nobody knows.
    InvalidPipeline = "invalid_pipeline", 400, "The pipeline cannot be run", false;
    /// No key, or one that is not valid.
    Unauthenticated = "unauthenticated", 401, "An API key is needed", false;
    /// The key lacks the scope.
    Forbidden = "forbidden", 403, "The key may not do this", false;
    /// Unknown, or another tenant's.
    NotFound = "not_found", 404, "There is no such thing here", false;
    /// The path exists, the method does not.
    MethodNotAllowed = "method_not_allowed", 405, "The method is not offered here", false;
    /// The thing is in a state that does not allow this.
    WrongState = "wrong_state", 409, "The state does not allow this", false;
    /// There is one already.
    Duplicate = "duplicate", 409, "There is one already", false;
    /// The same idempotency key came with another body.
    IdempotencyConflict = "idempotency_conflict", 409, "The idempotency key was used for another request", false;
    /// More bytes or pixels than allowed.
    TooLarge = "too_large", 413, "Too large", false;
    /// A kind of content that is not taken.
    UnsupportedMedia = "unsupported_media_type", 415, "This kind of content is not taken", false;
    /// The bytes asked for are not there.
    RangeNotSatisfiable = "range_not_satisfiable", 416, "There are no such bytes", false;
    /// A field is missing, unknown or out of range.
    Invalid = "invalid_field", 422, "A field is not valid", false;
    /// The bytes are of a known kind but broken.
    CorruptMedia = "corrupt_media", 422, "The media cannot be decoded", false;
    /// The file is no model, or none for its purpose.
    InvalidModel = "invalid_model", 422, "The model cannot be used", false;
    /// Two crashes too many: this input and this model are not run together again.
    Quarantined = "quarantined", 422, "This input crashed the model's process too often", false;
    /// The tenant has used up what it may use now.
    QuotaExceeded = "quota_exceeded", 429, "The quota is used up", true;
    /// Too many requests, or a full queue.
    RateLimited = "rate_limited", 429, "Too many requests", true;
    /// Something went wrong on our side.
    Internal = "internal_error", 500, "Something went wrong here", true;
    /// A result that does not keep to its schema.
    InvalidResult = "invalid_result", 500, "The result does not keep to its schema", false;
    /// The model failed while it ran.
    RunFailed = "run_failed", 422, "The model failed on this input", false;
    /// The model's process ended in the middle of a run.
    Crashed = "crashed", 500, "The model's process crashed", true;
    /// The model needed more memory than it may have.
    OutOfMemory = "out_of_memory", 422, "The model needs more memory than it may have", false;
    /// The result was lost before it was stored.
    ResultExpired = "result_expired", 500, "The result expired", true;
    /// The worker was lost too often.
    Poison = "poison", 500, "The task crashed its worker too often", false;
    /// All tries are used up.
    MaxRetries = "max_retries_exceeded", 500, "All tries are used up", false;
    /// It was not started in time.
    Expired = "expired", 504, "It was not started in time", false;
    /// It was cancelled.
    Cancelled = "cancelled", 409, "It was cancelled", false;
    /// The service, or one that it depends on, cannot answer now.
    Unavailable = "unavailable", 503, "A service is not available", true;
    /// All places are taken.
    Overloaded = "overloaded", 503, "Too busy", true;
    /// The deadline passed.
    DeadlineExceeded = "deadline_exceeded", 504, "The deadline passed", false;
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl ErrorCode {
    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text)
    }
}

/// One field that is not valid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct FieldError {
    /// The field's path, for instance `config.iou_threshold`.
    pub field: String,
    /// What is wrong with it, what was given and what would be right.
    pub reason: String,
}

impl FieldError {
    /// A field and what is wrong with it.
    pub fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { field: field.into(), reason: reason.into() }
    }
}

/// The body of an error answer, `application/problem+json` (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// A stable reference for the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The code's title.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened in this case, in our words.
    pub detail: String,
    /// The code.
    pub code: ErrorCode,
    /// The request, for whoever looks into the log.
    pub request_id: String,
    /// The fields that are not valid.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

impl Problem {
    /// The document for `code`.
    pub fn new(code: ErrorCode, detail: impl Into<String>, request_id: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:ortolan:error:{code}"),
            title: code.title().to_owned(),
            status: code.status(),
            detail: detail.into(),
            code,
            request_id: request_id.into(),
            errors: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn words_are_unique_and_survive_json() {
        let words: HashSet<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(words.len(), ErrorCode::ALL.len());
        for &code in ErrorCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
            assert_eq!(ErrorCode::parse(code.as_str()), Some(code));
            assert!((400..600).contains(&code.status()));
        }
    }
}
