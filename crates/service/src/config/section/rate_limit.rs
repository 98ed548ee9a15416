use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Requests that a tenant may send in a time.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimitConfig {
    /// Of any kind; unlimited when absent.
    #[serde(with = "optional_rate")]
    pub default: Option<Rate>,
    /// Predictions; unlimited when absent.
    #[serde(with = "optional_rate")]
    pub predictions: Option<Rate>,
    /// Where they are counted.
    pub store: RateLimitStore,
}

/// Where requests are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RateLimitStore {
    /// In Redis in the production profile, else in the process.
    Auto,
    /// In each process by itself.
    Memory,
    /// In Redis.
    Redis,
}

/// So many in a window of time, written `60/minute`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In which time: a second, a minute, an hour or a day.
    pub window: Duration,
}

/// The text is no rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a rate such as `60/minute` (second, minute, hour or day), or an empty text for no limit")]
pub struct BadRate;

const WINDOWS: [(&str, Duration); 4] = [
    ("second", Duration::from_secs(1)),
    ("minute", Duration::from_secs(60)),
    ("hour", Duration::from_secs(3_600)),
    ("day", Duration::from_secs(86_400)),
];

impl FromStr for Rate {
    type Err = BadRate;

    fn from_str(text: &str) -> Result<Self, BadRate> {
        let (count, word) = text.split_once('/').ok_or(BadRate)?;
        let count = count.trim().parse().ok().filter(|count| *count > 0).ok_or(BadRate)?;
        let (_, window) = WINDOWS.into_iter().find(|(name, _)| *name == word.trim()).ok_or(BadRate)?;
        Ok(Self { count, window })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = WINDOWS.iter().find(|(_, window)| *window == self.window).map_or("second", |(name, _)| name);
        write!(f, "{}/{word}", self.count)
    }
}

mod optional_rate {
    use super::*;

    pub(super) fn serialize<S: Serializer>(value: &Option<Rate>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&value.map(|rate| rate.to_string()).unwrap_or_default())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Rate>, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(serde::de::Error::custom) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_count_and_a_window() {
        assert_eq!("60/minute".parse(), Ok(Rate { count: 60, window: Duration::from_secs(60) }));
        assert_eq!("10 / day".parse::<Rate>().map(|rate| rate.to_string()), Ok("10/day".to_owned()));
        for bad in ["60", "0/minute", "-1/minute", "60/fortnight", "/minute", "60/"] {
            assert_eq!(bad.parse::<Rate>(), Err(BadRate), "{bad:?}");
        }
    }
}
