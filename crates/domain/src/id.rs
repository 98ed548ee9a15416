//! One type per kind of identifier, all registered here. Each is a UUID of version 7, so that ids sort by age.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Makes a new id from the present time and random bits.
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }

            /// Takes an id that was made before, for instance from a database row.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// Gives the UUID itself, for instance to bind it in a query.
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::try_parse(text).map(Self)
            }
        }
    )*};
}

ids! {
    /// A customer, whose data no other customer sees.
    TenantId;
    /// An API key.
    KeyId;
    /// A durable unit of work.
    TaskId;
    /// One execution of a task.
    RunId;
    /// One typed, versioned result.
    ArtifactId;
    /// An uploaded picture, sound or video.
    MediaId;
    /// A video known by its path.
    VideoId;
    /// One version of a model in the registry.
    ModelId;
    /// The record of one synchronous inference.
    PredictionId;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_id_survives_text_and_json() {
        let id = TaskId::generate();
        assert_eq!(id.to_string().parse::<TaskId>().unwrap(), id);
        assert_eq!(serde_json::from_str::<TaskId>(&serde_json::to_string(&id).unwrap()).unwrap(), id);
        assert!("not-an-id".parse::<TaskId>().is_err());
    }

    #[test]
    fn ids_sort_by_age() {
        let ids: Vec<_> = (0..100).map(|_| TaskId::generate()).collect();
        assert!(ids.is_sorted());
    }
}
