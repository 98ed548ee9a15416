//! Where a version in the registry stands, and the one table of its legal moves.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a version stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelStatus {
    /// Has no file yet.
    Pending,
    /// Has a file that nobody has looked into.
    Uploaded,
    /// Its file is being tried.
    Validating,
    /// May be run.
    Ready,
    /// Its file cannot be served.
    Error,
    /// Put aside by its owner.
    Archived,
}

impl ModelStatus {
    /// All statuses in the order of a version's life.
    pub const ALL: [Self; 6] =
        [Self::Pending, Self::Uploaded, Self::Validating, Self::Ready, Self::Error, Self::Archived];

    /// The word used in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Uploaded => "uploaded",
            Self::Validating => "validating",
            Self::Ready => "ready",
            Self::Error => "error",
            Self::Archived => "archived",
        }
    }

    /// Reads the word in any case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str().eq_ignore_ascii_case(text))
    }

    /// True when [`MODEL_MOVES`] has this move from here.
    pub fn allows(self, wanted: ModelMove) -> bool {
        MODEL_MOVES.iter().any(|(from, _, why)| (*from, *why) == (self, wanted))
    }

    /// The statuses from which `wanted` is legal.
    pub fn before(wanted: ModelMove) -> impl Iterator<Item = Self> {
        MODEL_MOVES.iter().filter(move |(_, _, why)| *why == wanted).map(|(from, _, _)| *from)
    }
}

impl fmt::Display for ModelStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a version moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ModelMove {
    /// A file was stored; it replaces the one before.
    Upload,
    /// Somebody begins to try the file.
    Validate,
    /// The file can be served.
    Accept,
    /// The file cannot be served.
    Reject,
    /// It was not tried after all: the version stands as it stood with a fresh file.
    GiveUp,
    /// The owner puts it aside.
    Archive,
    /// The owner takes it back: it stands where it stood.
    Unarchive,
}

/// Every legal move of a version, and nothing else is. `ready` is only reached through validation, or from the archive by
/// a version that was ready before.
pub const MODEL_MOVES: [(ModelStatus, ModelStatus, ModelMove); 16] = {
    use ModelMove::*;
    use ModelStatus::*;
    [
        (Pending, Uploaded, Upload),
        (Uploaded, Uploaded, Upload),
        (Error, Uploaded, Upload),
        (Uploaded, Validating, Validate),
        (Error, Validating, Validate),
        (Validating, Ready, Accept),
        (Validating, Error, Reject),
        (Validating, Uploaded, GiveUp),
        (Pending, Archived, Archive),
        (Uploaded, Archived, Archive),
        (Ready, Archived, Archive),
        (Error, Archived, Archive),
        (Archived, Pending, Unarchive),
        (Archived, Uploaded, Unarchive),
        (Archived, Ready, Unarchive),
        (Archived, Error, Unarchive),
    ]
};

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn words_survive_the_round_trip() {
        for status in ModelStatus::ALL {
            assert_eq!(ModelStatus::parse(&status.as_str().to_uppercase()), Some(status));
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
    }

    #[test]
    fn only_validation_makes_a_version_ready_for_the_first_time() {
        for (from, to, why) in MODEL_MOVES {
            let back_from_the_archive = from == ModelStatus::Archived && why == ModelMove::Unarchive;
            assert!(to != ModelStatus::Ready || why == ModelMove::Accept || back_from_the_archive, "{from} -> {to}");
        }
    }

    #[test]
    fn what_is_served_or_put_aside_keeps_its_file() {
        let takes_files: Vec<_> = ModelStatus::before(ModelMove::Upload).collect();
        assert_eq!(takes_files, [ModelStatus::Pending, ModelStatus::Uploaded, ModelStatus::Error]);
        assert!(!ModelStatus::Ready.allows(ModelMove::Validate) && !ModelStatus::Validating.allows(ModelMove::Archive));
    }
}
