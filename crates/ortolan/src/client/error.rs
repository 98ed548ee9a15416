//! What can go wrong between a client and a server.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::failure::Exit;

/// Why a request brought no answer, or not the hoped-for one.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The address cannot be one of a server.
    #[error("{url:?} is no address of a server: {reason}")]
    BadUrl {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The key or the tenant has characters that no header may hold.
    #[error("the {0} has characters that cannot be sent")]
    BadHeader(&'static str),
    /// No HTTP client can be made, for instance because the system has no certificates.
    #[error("cannot prepare for HTTP requests")]
    Setup(#[source] reqwest::Error),
    /// No connection, or it broke.
    #[error("cannot reach the server at {url}")]
    Unreachable {
        /// Which server.
        url: String,
        /// What the network said.
        #[source]
        source: reqwest::Error,
    },
    /// The server answered with an error.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// The answer is not what this API answers.
    #[error("the answer of {url} cannot be read; is this an Ortolan server?")]
    Unreadable {
        /// Which server.
        url: String,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The server's own words: a problem document, or what can be made of an answer that is none.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Refusal {
    /// The HTTP status.
    #[serde(skip)]
    pub status: u16,
    /// What kind of problem it is.
    pub title: String,
    /// What happened in this case.
    pub detail: String,
    /// The kind as a word for programs.
    pub code: Option<String>,
    /// The request, for whoever reads the server's log.
    pub request_id: Option<String>,
    /// The fields that are not valid.
    pub errors: Vec<FieldProblem>,
    /// After how many seconds another try makes sense.
    #[serde(skip)]
    pub retry_after_s: Option<u64>,
}

/// One field that is not valid.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct FieldProblem {
    /// Which field.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Refusal {
    /// Reads an error answer's body.
    pub fn read(status: u16, body: &[u8], retry_after_s: Option<u64>) -> Self {
        let known: Self = serde_json::from_slice(body).unwrap_or_default();
        Self { status, retry_after_s, ..known }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.title.as_str(), self.detail.as_str()) {
            ("", "") => write!(f, "the server answered with status {}", self.status),
            (title, "") => f.write_str(title),
            ("", detail) => f.write_str(detail),
            (title, detail) if detail.contains(title) => f.write_str(detail),
            (title, detail) => write!(f, "{title}: {detail}"),
        }
    }
}

impl fmt::Display for FieldProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.reason)
    }
}

impl ClientError {
    /// The HTTP status of a refusal.
    pub fn status(&self) -> Option<u16> {
        self.refusal().map(|refusal| refusal.status)
    }

    /// The refusal's word for programs.
    pub fn code(&self) -> Option<&str> {
        self.refusal()?.code.as_deref()
    }

    /// The refused request's id.
    pub fn request_id(&self) -> Option<&str> {
        self.refusal()?.request_id.as_deref()
    }

    /// The fields that the server found not valid.
    pub fn fields(&self) -> &[FieldProblem] {
        self.refusal().map(|refusal| refusal.errors.as_slice()).unwrap_or_default()
    }

    /// True when the same request may succeed a moment later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            _ => matches!(self.status(), Some(429 | 502 | 503)),
        }
    }

    /// The exit code.
    pub fn exit_code(&self) -> Exit {
        match self {
            Self::BadUrl { .. } | Self::BadHeader(_) => Exit::Usage,
            Self::Unreachable { .. } => Exit::Unreachable,
            Self::Setup(_) | Self::Unreadable { .. } => Exit::Internal,
            Self::Refused(refusal) => match refusal.status {
                401 | 403 => Exit::Refused,
                404 => Exit::NotFound,
                429 | 502 | 503 | 504 => Exit::Unreachable,
                400..=499 => Exit::Invalid,
                _ => Exit::Internal,
            },
        }
    }

    /// What the user may do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unreachable { .. } => Some("start a server with `ortolan up`, or name another with --url".to_owned()),
            Self::Refused(refusal) => match refusal.status {
                401 => Some("give a valid key with --key or ORTOLAN_KEY".to_owned()),
                403 => Some("use a key that has the scope, with --key or ORTOLAN_KEY".to_owned()),
                _ => refusal.retry_after_s.map(|seconds| format!("try again in {seconds} s")),
            },
            _ => None,
        }
    }

    fn refusal(&self) -> Option<&Refusal> {
        if let Self::Refused(refusal) = self { Some(refusal) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Failure;

    fn refused(status: u16, body: &str) -> ClientError {
        ClientError::Refused(Box::new(Refusal::read(status, body.as_bytes(), None)))
    }

    #[test]
    fn a_problem_document_becomes_a_message_with_its_fields() {
        let error = refused(
            422,
            r#"{"type": "urn:x", "title": "A field is not valid", "status": 422, "detail": "the config has an error",
                "code": "invalid_field", "request_id": "r-1", "errors": [{"field": "config.top_k", "reason": "must be 1 or more"}]}"#,
        );
        assert_eq!(error.code(), Some("invalid_field"));
        assert_eq!(
            Failure::from(error).to_text(),
            "error: A field is not valid: the config has an error\n  config.top_k: must be 1 or more\n  request r-1"
        );
    }

    #[test]
    fn an_answer_that_is_no_problem_document_is_told_by_its_status() {
        for body in ["", "<html>Bad Gateway</html>", "[]", "null"] {
            assert_eq!(refused(502, body).to_string(), "the server answered with status 502");
        }
    }

    #[test]
    fn each_status_has_its_exit_code() {
        for (status, exit) in [
            (400, Exit::Invalid),
            (401, Exit::Refused),
            (403, Exit::Refused),
            (404, Exit::NotFound),
            (409, Exit::Invalid),
            (413, Exit::Invalid),
            (422, Exit::Invalid),
            (429, Exit::Unreachable),
            (500, Exit::Internal),
            (503, Exit::Unreachable),
            (504, Exit::Unreachable),
        ] {
            assert_eq!(refused(status, "").exit_code(), exit, "{status}");
        }
        assert!(refused(401, "").hint().is_some_and(|hint| hint.contains("--key")));
    }
}
