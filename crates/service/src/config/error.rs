//! Why a configuration is refused. No message holds the value of a secret.

use super::origin::Setting;

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The configuration file cannot be read.
    #[error("the configuration file {name} cannot be read")]
    Unreadable {
        /// The file.
        name: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The configuration file is no TOML.
    #[error("{name}, line {line}: {reason}")]
    Syntax {
        /// The file.
        name: String,
        /// The line, counted from 1.
        line: usize,
        /// What the parser expected.
        reason: String,
    },
    /// A key of the file or of the command line that no setting has.
    #[error("{place} has no setting `{key}`; did you mean `{nearest}`?")]
    UnknownKey {
        /// The file or the command line.
        place: String,
        /// The dotted path that was found.
        key: String,
        /// The known path nearest to it.
        nearest: String,
    },
    /// A variable with our prefix that no setting has.
    #[error("there is no variable {name}; did you mean {nearest}?")]
    UnknownVariable {
        /// The variable.
        name: String,
        /// The known variable nearest to it.
        nearest: String,
    },
    /// A variable that is not UTF-8.
    #[error("the variable {name} is not valid UTF-8")]
    NotUnicode {
        /// The variable.
        name: String,
    },
    /// The file that a variable names cannot be read.
    #[error("the file {path:?}, which the variable {variable} names, cannot be read")]
    SecretFile {
        /// The variable.
        variable: String,
        /// The file.
        path: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A variable that names a file, and the one that holds the value itself.
    #[error("{variable} and {file_variable} are both set; unset one of them")]
    ValueAndFile {
        /// The one with the value.
        variable: String,
        /// The one with the file's name.
        file_variable: String,
    },
    /// A value of another kind than the setting's.
    #[error("{setting} must be {expected}, was {found}")]
    WrongKind {
        /// The setting.
        setting: Setting,
        /// The kind it has.
        expected: &'static str,
        /// The kind of the value.
        found: &'static str,
    },
    /// A worker number below 0.
    #[error("{setting}: worker_id must be non-negative, was {found}")]
    NegativeWorkerId {
        /// The setting.
        setting: Setting,
        /// The number found.
        found: f64,
    },
    /// A number outside of its range.
    #[error("{setting} must be from {least} to {most}, was {found}")]
    OutOfRange {
        /// The setting.
        setting: Setting,
        /// The least number allowed.
        least: f64,
        /// The greatest number allowed.
        most: f64,
        /// The number found.
        found: f64,
    },
    /// A value of the right kind that means nothing.
    #[error("{setting} cannot be used: {reason}")]
    Invalid {
        /// The setting.
        setting: Setting,
        /// Why not, and what would be right.
        reason: String,
    },
    /// A setting that is needed here and has no default.
    #[error("{path} is not set: {remedy}")]
    Missing {
        /// Its dotted path.
        path: &'static str,
        /// What to set, and why.
        remedy: &'static str,
    },
    /// The compiled-in defaults do not fit the program: a mistake in the program itself.
    #[error("the compiled-in defaults are inconsistent: {0}")]
    Defaults(String),
}
