use serde::{Deserialize, Serialize};

/// Logs.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// Least level, or directives per target.
    pub level: String,
    /// How a line looks.
    pub format: LogFormat,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Decided when the configuration is loaded: JSON in environment production, else pretty.
    Auto,
    /// One JSON object a line.
    Json,
    /// For people.
    Pretty,
}
