//! What ends a command early, and the exit code that says so.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::json;
use thiserror::Error;

use crate::client::ClientError;
use crate::terminal::printable;

/// Exit codes, as `ortolan --help` lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// A task or a part of the work failed.
    Failed = 1,
    /// The command line is not valid.
    Usage = 2,
    /// The server cannot be reached, or cannot answer now.
    Unreachable = 3,
    /// No key, or one that may not do this.
    Refused = 4,
    /// There is no such thing.
    NotFound = 5,
    /// The input is not valid, or its state does not allow this.
    Invalid = 6,
    /// Something went wrong inside.
    Internal = 70,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug, Error)]
pub enum Failure {
    /// The command line asks for something that cannot be.
    #[error("{0}")]
    Usage(String),
    /// The server refused, or there was none.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The server refused, and there is more to say about it.
    #[error("{message}")]
    Refused {
        /// What to do, or what stands in the way.
        message: String,
        /// What the server said.
        #[source]
        source: ClientError,
    },
    /// There is none of that name.
    #[error("{0}")]
    NotFound(String),
    /// A task ended without a result, or a part of the work did.
    #[error("{0}")]
    Failed(String),
    /// A file of the user's cannot be used.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// Standard output is gone or full.
    #[error("cannot write the output")]
    Output(#[from] io::Error),
    /// Our fault.
    #[error("{context}")]
    Internal {
        /// What was being done.
        context: String,
        /// What came of it.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl Failure {
    /// A file that cannot be used.
    pub fn file(action: &'static str, path: &Path, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::File { action, path: path.to_owned(), source: source.into() }
    }

    /// A fault of ours.
    pub fn internal(context: impl Into<String>, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Internal { context: context.into(), source: source.into() }
    }

    /// True when whoever read standard output has seen enough.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The exit code.
    pub fn exit_code(&self) -> Exit {
        match self {
            Self::Output(_) if self.is_closed_pipe() => Exit::Done,
            Self::Usage(_) => Exit::Usage,
            Self::Client(error) | Self::Refused { source: error, .. } => error.exit_code(),
            Self::NotFound(_) => Exit::NotFound,
            Self::Failed(_) => Exit::Failed,
            Self::File { .. } => Exit::Invalid,
            Self::Output(_) | Self::Internal { .. } => Exit::Internal,
        }
    }

    /// For people: what happened, its causes, the fields that are wrong, what to do.
    pub fn to_text(&self) -> String {
        let mut lines = vec![format!("error: {}", printable(&self.to_string()))];
        let causes = self.causes();
        // Of a connection that failed, only the last cause says something to people.
        let first = if self.is_unreachable() { causes.len().saturating_sub(1) } else { 0 };
        lines.extend(causes.iter().skip(first).map(|cause| format!("  because {}", printable(cause))));
        if let Self::Client(error) = self {
            let fields = error.fields().iter().map(|field| format!("  {}", printable(&field.to_string())));
            // One field's reason may be all that the message says.
            let told = lines[0].clone();
            lines.extend(fields.filter(|field| !told.contains(field.trim_start())));
            lines.extend(error.request_id().map(|id| format!("  request {}", printable(id))));
            lines.extend(error.hint().map(|hint| format!("hint: {hint}")));
        }
        lines.join("\n")
    }

    /// For scripts: one JSON object in one line.
    pub fn to_json(&self) -> String {
        let client = if let Self::Client(error) = self { Some(error) } else { None };
        json!({"error": {
            "message": self.to_string(),
            "causes": self.causes(),
            "exit_code": self.exit_code() as u8,
            "code": client.and_then(ClientError::code),
            "fields": client.map(ClientError::fields).unwrap_or_default(),
            "request_id": client.and_then(ClientError::request_id),
        }})
        .to_string()
    }

    fn is_unreachable(&self) -> bool {
        matches!(self, Self::Client(ClientError::Unreachable { .. }))
    }

    fn causes(&self) -> Vec<String> {
        let mut causes: Vec<String> = Vec::new();
        let mut next = self.source();
        while let Some(cause) = next {
            let text = cause.to_string();
            // Some libraries repeat the cause in their own message.
            if causes.last().is_none_or(|last| !last.contains(&text)) {
                causes.push(text);
            }
            next = cause.source();
        }
        causes
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_closed_pipe_is_no_fault_but_a_full_disk_is() {
        let closed = Failure::Output(io::ErrorKind::BrokenPipe.into());
        assert!(closed.is_closed_pipe());
        assert_eq!(closed.exit_code(), Exit::Done);
        assert_eq!(Failure::Output(io::ErrorKind::StorageFull.into()).exit_code(), Exit::Internal);
    }

    #[test]
    fn causes_are_told_and_control_characters_are_not() {
        let failure = Failure::file("read", Path::new("a\x1b[2J.png"), io::Error::other("disk on fire"));
        assert_eq!(failure.to_text(), "error: cannot read a\\u{1b}[2J.png\n  because disk on fire");
        assert_eq!(failure.exit_code(), Exit::Invalid);
        let json: serde_json::Value = serde_json::from_str(&failure.to_json()).unwrap();
        assert_eq!(json["error"]["causes"][0], "disk on fire");
        assert_eq!(json["error"]["exit_code"], 6);
    }
}
