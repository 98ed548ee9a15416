//! Where a value came from.

use std::collections::BTreeMap;
use std::fmt;

/// Where a value came from, the weakest first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Origin {
    /// Compiled in.
    #[default]
    Default,
    /// The configuration file of this name.
    File(String),
    /// The environment variable of this name.
    Variable(String),
    /// An option of the command line.
    CommandLine,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(name) => write!(f, "file {name}"),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::CommandLine => f.write_str("command line"),
        }
    }
}

/// The origin of each setting that is not a default, by dotted path.
pub(crate) type Origins = BTreeMap<String, Origin>;

/// A setting as its author knows it: by the variable, or by the key and the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its dotted path, for instance `worker.concurrency`.
    pub path: String,
    /// Where its value came from.
    pub origin: Origin,
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Default => write!(f, "the default of `{}`", self.path),
            Origin::File(name) => write!(f, "`{}` in {name}", self.path),
            Origin::Variable(name) => write!(f, "the variable {name} (`{}`)", self.path),
            Origin::CommandLine => write!(f, "`{}` on the command line", self.path),
        }
    }
}
