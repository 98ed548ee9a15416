//! Which version a command means.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::Failure;
use crate::client::Client;

/// A version as people name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// By its id.
    Id(Uuid),
    /// The highest version of a name, a ready one if there is any.
    Latest(String),
    /// One version of a name.
    Version(String, String),
}

impl FromStr for Which {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        if let Ok(id) = text.parse() {
            return Ok(Self::Id(id));
        }
        Ok(match text.rsplit_once('@') {
            Some((name, version)) => Self::Version(name.to_owned(), version.to_owned()),
            None => Self::Latest(text.to_owned()),
        })
    }
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Latest(name) => f.write_str(&crate::terminal::printable(name)),
            Self::Version(name, version) => f.write_str(&crate::terminal::printable(&format!("{name}@{version}"))),
        }
    }
}

impl Which {
    /// The version's id.
    pub async fn id(&self, client: &Client) -> Result<Uuid, Failure> {
        match self {
            Self::Id(id) => Ok(*id),
            Self::Latest(name) => match client.latest_model(name, true).await {
                Err(error) if error.status() == Some(404) => Ok(client.latest_model(name, false).await?.id),
                found => Ok(found?.id),
            },
            Self::Version(name, version) => {
                let found = client.model_version(name, version).await?;
                found.ok_or_else(|| {
                    Failure::NotFound(format!(
                        "there is no version {self}; `ortolan models list --name {}` shows those that are",
                        crate::terminal::printable(name)
                    ))
                })
            }
        }
    }

    /// The id of a version that is named without a doubt, as what is done to it cannot be undone.
    pub async fn one(&self, client: &Client) -> Result<Uuid, Failure> {
        match self {
            Self::Latest(name) => {
                let name = crate::terminal::printable(name);
                Err(Failure::Usage(format!(
                    "{name} may have several versions: name one as {name}@VERSION, or by its id"
                )))
            }
            _ => self.id(client).await,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn ids_names_and_versions_are_told_apart() {
        let read = |text: &str| text.parse::<Which>().unwrap();
        assert_eq!(read("00000000-0000-0000-0000-000000000000"), Which::Id(Uuid::nil()));
        assert_eq!(read("iris"), Which::Latest("iris".to_owned()));
        assert_eq!(read("a@b@1.0.0-rc.1"), Which::Version("a@b".to_owned(), "1.0.0-rc.1".to_owned()));
    }
}
