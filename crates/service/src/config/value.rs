//! How settings are written: durations as whole numbers with their unit in the key, absent texts as `""`.

/// A `Duration` as a number of seconds.
pub(crate) mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(value.as_secs())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_secs)
    }
}

/// A `Duration` as a number of milliseconds.
pub(crate) mod milliseconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(value.as_millis()).unwrap_or(u64::MAX))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

/// A `Duration` as a number of hours.
pub(crate) mod hours {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(value.as_secs() / 3600)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(|hours| Duration::from_secs(hours.saturating_mul(3600)))
    }
}

/// A `Duration` as a number of days.
pub(crate) mod days {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    const DAY_S: u64 = 24 * 3600;

    pub(crate) fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(value.as_secs() / DAY_S)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(|days| Duration::from_secs(days.saturating_mul(DAY_S)))
    }
}

/// An `Option<Duration>` as a number of seconds, 0 for none.
pub(crate) mod optional_seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(value.map_or(0, |duration| duration.as_secs()))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        Ok(Some(u64::deserialize(deserializer)?).filter(|seconds| *seconds > 0).map(Duration::from_secs))
    }
}

/// An `Option` of a number, 0 for none.
pub(crate) mod optional_count {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(value.unwrap_or(0))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
        Ok(Some(u64::deserialize(deserializer)?).filter(|count| *count > 0))
    }
}

/// An `Option` of something made from text, `""` for none.
pub(crate) mod optional_text {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer, T: Serialize>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => value.serialize(serializer),
            None => serializer.serialize_str(""),
        }
    }

    pub(crate) fn deserialize<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
    where
        D: Deserializer<'de>,
        T: From<String>,
    {
        Ok(Some(String::deserialize(deserializer)?).filter(|text| !text.is_empty()).map(T::from))
    }
}

/// Slots as a list of `{tenant}/{slot}`.
pub(crate) mod slots {
    use ortolan_domain::model::ModelRef;
    use ortolan_domain::{Slot, TenantSlug};
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &[ModelRef], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(value.iter().map(ModelRef::to_string))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ModelRef>, D::Error> {
        Vec::<String>::deserialize(deserializer)?.iter().map(|text| read(text).map_err(D::Error::custom)).collect()
    }

    fn read(text: &str) -> Result<ModelRef, String> {
        let (tenant, slot) = text.split_once('/').ok_or("expected `{tenant}/{detect|segment|classify}`")?;
        let tenant = TenantSlug::parse(tenant).map_err(|error| error.to_string())?;
        let slot = Slot::parse(slot).map_err(|error| error.to_string())?;
        Ok(ModelRef::new(tenant, slot))
    }
}
