//! Values out of a closed set of words.

use clap::builder::{PossibleValuesParser, TypedValueParser};

/// A parser that takes one of `values` by its word, and lists the words in help and completions.
pub fn one_of<T>(values: &'static [T], word: fn(T) -> &'static str) -> impl TypedValueParser<Value = T>
where
    T: Copy + Send + Sync + 'static,
{
    PossibleValuesParser::new(values.iter().map(|&value| word(value)))
        .try_map(move |text| values.iter().copied().find(|&value| word(value) == text).ok_or("unknown word"))
}

/// Reads a share, 0 to 1.
pub(crate) fn share(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..=1.0).contains(&value) { Ok(value) } else { Err("must be from 0 to 1".to_owned()) }
}

/// Reads a JSON object.
pub(crate) fn json_object(text: &str) -> Result<serde_json::Map<String, serde_json::Value>, String> {
    serde_json::from_str(text).map_err(|error| format!("not a JSON object: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_lies_between_0_and_1() {
        assert_eq!(share("0.25"), Ok(0.25));
        for bad in ["-0.1", "1.01", "NaN", "inf", "x", ""] {
            assert!(share(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_objects_are_objects() {
        assert!(json_object("{\"a\": 1}").is_ok_and(|map| map.len() == 1));
        assert!(json_object("[1]").is_err() && json_object("{").is_err());
    }
}
