//! Why a definition is no pipeline.

/// Why a definition is no pipeline; the text is for the client, who relies on how it begins.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Invalid pipeline: {0}")]
pub struct PipelineError(String);

/// Of a client's own words no more than this is repeated.
const SHOWN_CHARS: usize = 64;

impl PipelineError {
    /// The reason, without the words that every such text begins with.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }

    /// A node at `path` that is not what it should be.
    pub(super) fn at(path: &str, reason: impl std::fmt::Display) -> Self {
        Self(format!("{path} {reason}"))
    }

    /// A step that nobody knows.
    pub(super) fn unknown_step(path: &str, name: &str, known: &[&str]) -> Self {
        let name: String = name.chars().filter(|c| !c.is_control()).take(SHOWN_CHARS).collect();
        Self(format!("unknown step '{name}' at {path}; known steps: {}", known.join(", ")))
    }
}
