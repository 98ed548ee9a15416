//! A version's two labels: the name that all its kin bear, and the version itself, with the order of versions.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest name, in characters.
pub const MAX_NAME_CHARS: usize = 255;
/// The longest version, in characters.
pub const MAX_VERSION_CHARS: usize = 50;

/// Why a text is no label.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// Too short or too long.
    #[error("must have 1 to {most} characters, has {given}")]
    Length {
        /// How many there may be.
        most: usize,
        /// How many there are.
        given: usize,
    },
    /// A character that would not survive in a path or a log line.
    #[error("may not contain control characters or '/', '\\', '?', '#', '%'; {0:?} is one of them")]
    Character(char),
    /// White space at an end, or a name that means a folder.
    #[error("may not begin or end with white space, nor be '.' or '..'")]
    Shape,
}

macro_rules! labels {
    ($($(#[$doc:meta])* $name:ident, $most:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Checks a text.
            pub fn parse(text: &str) -> Result<Self, LabelError> {
                check(text, $most).map(|()| Self(text.to_owned()))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
            }
        }
    )*};
}

labels! {
    /// A name in the registry, shared by the versions of one model: 1 to 255 characters that can stand in a URL's path.
    RegistryName, MAX_NAME_CHARS;
    /// A version's own label: 1 to 50 characters, in best case a semantic version.
    VersionLabel, MAX_VERSION_CHARS;
}

impl Default for VersionLabel {
    fn default() -> Self {
        Self("1.0.0".to_owned())
    }
}

impl VersionLabel {
    /// Bytes that sort as versions do (semver.org, 2.0.0, section 11): `2.0.0 > 1.10.0 > 1.9.0`, a release above its
    /// pre-releases, whatever is no semantic version below all that are. Labels that only differ in build metadata are equal.
    pub fn precedence(&self) -> Vec<u8> {
        Semver::parse(&self.0).map_or_else(|| [&[0], self.0.as_bytes()].concat(), |version| version.precedence())
    }
}

fn check(text: &str, most: usize) -> Result<(), LabelError> {
    let given = text.chars().count();
    if given == 0 || given > most {
        return Err(LabelError::Length { most, given });
    }
    let bad = |c: &char| c.is_control() || matches!(c, '/' | '\\' | '?' | '#' | '%');
    if let Some(c) = text.chars().find(bad) {
        return Err(LabelError::Character(c));
    }
    if text.trim() != text || matches!(text, "." | "..") { Err(LabelError::Shape) } else { Ok(()) }
}

/// A semantic version, without its build metadata.
struct Semver<'t> {
    core: [&'t str; 3],
    /// Identifiers of the pre-release; none for a release.
    pre: Vec<&'t str>,
}

impl<'t> Semver<'t> {
    fn parse(text: &'t str) -> Option<Self> {
        let (text, build) = text.split_once('+').map_or((text, None), |(text, build)| (text, Some(build)));
        let (core, pre) = text.split_once('-').map_or((text, None), |(core, pre)| (core, Some(pre)));
        let core: [&str; 3] = core.split('.').collect::<Vec<_>>().try_into().ok()?;
        let pre: Vec<&str> = pre.map_or_else(Vec::new, |pre| pre.split('.').collect());
        let fits = core.iter().all(|part| is_number(part))
            && pre.iter().all(|part| is_identifier(part) && (is_number(part) || !is_digits(part)))
            && build.is_none_or(|build| build.split('.').all(is_identifier));
        fits.then_some(Self { core, pre })
    }

    fn precedence(&self) -> Vec<u8> {
        const SEMVER: u8 = 1;
        const END: u8 = 0;
        const NUMBER: u8 = 1;
        const WORD: u8 = 2;
        const PRE_RELEASE: u8 = 0;
        const RELEASE: u8 = 1;
        let mut bytes = vec![SEMVER];
        self.core.iter().for_each(|number| push_number(&mut bytes, number));
        bytes.push(if self.pre.is_empty() { RELEASE } else { PRE_RELEASE });
        for part in &self.pre {
            if is_digits(part) {
                bytes.push(NUMBER);
                push_number(&mut bytes, part);
            } else {
                bytes.push(WORD);
                bytes.extend_from_slice(part.as_bytes());
                bytes.push(END);
            }
        }
        bytes.push(END);
        bytes
    }
}

/// A number of any size: how many digits, then the digits. No version has more than 50.
fn push_number(bytes: &mut Vec<u8>, digits: &str) {
    bytes.push(u8::try_from(digits.len()).unwrap_or(u8::MAX));
    bytes.extend_from_slice(digits.as_bytes());
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_number(text: &str) -> bool {
    is_digits(text) && (text == "0" || !text.starts_with('0'))
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn precedence(text: &str) -> Vec<u8> {
        VersionLabel::parse(text).unwrap().precedence()
    }

    #[test]
    fn versions_sort_as_semver_says() {
        let rising = [
            "latest",
            "v2.0.0",
            "1.0.0-1",
            "1.0.0-2",
            "1.0.0-10",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-alpha-2",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.2",
            "1.0.0-rc.10",
            "1.0.0",
            "1.9.0",
            "1.10.0",
            "2.0.0",
            "10.0.0",
            "99999999999999999999999.0.0",
        ];
        for pair in rising.windows(2) {
            assert!(precedence(pair[0]) < precedence(pair[1]), "{} < {}", pair[0], pair[1]);
        }
        assert_eq!(precedence("1.0.0+a"), precedence("1.0.0+b.7"));
    }

    #[test]
    fn what_is_almost_a_semantic_version_is_none() {
        for text in ["1", "1.0", "1.0.0.0", "01.0.0", "1.0.0-", "1.0.0-01", "1.0.0-a..b", "1.0.0-ä", "1.0.0+", "1.-1.0"]
        {
            assert_eq!(precedence(text)[0], 0, "{text}");
        }
    }

    #[test]
    fn labels_can_stand_in_a_path() {
        for bad in ["", " a", "a\n", "a/b", "a\\b", "..", "a?b", "a#b", "a%2f", &"x".repeat(256)] {
            assert!(RegistryName::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(RegistryName::parse(&"ü".repeat(255)).unwrap().as_str().chars().count(), 255);
        assert!(VersionLabel::parse(&"1".repeat(51)).is_err());
        assert_eq!(VersionLabel::default().as_str(), "1.0.0");
    }
}
