//! What one setting of a step may be: its check and its JSON Schema out of the same description.

use serde_json::{Value, json};

use crate::config::{ConfidenceDefaults, IMAGE_SIZE_PX};

/// A setting of a step.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Its name in `kwargs` and in a request's `settings`.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub about: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// What it is when nobody says.
    pub fallback: Fallback,
}

/// What a setting may be.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A number between two bounds, both included.
    Number(f64, f64),
    /// A whole number between two bounds, both included.
    Integer(u64, u64),
    /// True or false.
    Flag,
    /// One of some words.
    Word(&'static [&'static str]),
    /// A text of 1 to so many characters.
    Text(usize),
    /// A list of 1 to so many texts of 1 to so many characters.
    Texts(usize, usize),
    /// A list of 1 to so many whole numbers between two bounds.
    Integers(usize, u64, u64),
    /// A list of 1 to so many classes by number or name.
    Classes(usize),
    /// A model's input size: one edge, or height and width.
    ImageSize,
    /// Folder names joined by `/`.
    Prefix,
}

/// What a setting is when nobody says.
#[derive(Debug, Clone, Copy)]
pub enum Fallback {
    /// Left out.
    None,
    /// It must be given.
    Required,
    /// This JSON.
    Json(&'static str),
    /// The installation's threshold for detection.
    DetectConfidence,
    /// The installation's threshold for segmentation.
    SegmentConfidence,
}

const MAX_TEXT_CHARS: usize = 200;
/// Most characters of a folder's path.
const MAX_PREFIX_CHARS: usize = 100;

impl Setting {
    /// The value when nobody gives one.
    pub(super) fn default_value(&self, defaults: ConfidenceDefaults) -> Option<Value> {
        match self.fallback {
            Fallback::None | Fallback::Required => None,
            Fallback::Json(text) => serde_json::from_str(text).ok(),
            Fallback::DetectConfidence => Some(json!(defaults.detect)),
            Fallback::SegmentConfidence => Some(json!(defaults.segment)),
        }
    }

    /// The JSON Schema of the value.
    pub(super) fn schema(&self, defaults: ConfidenceDefaults) -> Value {
        let mut schema = self.kind.schema();
        schema["description"] = json!(self.about);
        if let Some(default) = self.default_value(defaults) {
            schema["default"] = default;
        }
        schema
    }
}

impl Kind {
    /// Checks a value; the reason says what would be right.
    pub(super) fn check(self, value: &Value) -> Result<(), String> {
        let fits = match self {
            Self::Number(least, most) => value.as_f64().is_some_and(|number| (least..=most).contains(&number)),
            Self::Integer(least, most) => value.as_u64().is_some_and(|number| (least..=most).contains(&number)),
            Self::Flag => value.is_boolean(),
            Self::Word(words) => value.as_str().is_some_and(|word| words.contains(&word)),
            Self::Text(most) => is_text(value, most),
            Self::Texts(most, chars) => is_list(value, most, |item| is_text(item, chars)),
            Self::Integers(most, least, largest) => {
                is_list(value, most, |item| item.as_u64().is_some_and(|number| (least..=largest).contains(&number)))
            }
            Self::Classes(most) => is_list(value, most, |item| {
                item.as_u64().is_some_and(|number| u32::try_from(number).is_ok()) || is_text(item, MAX_TEXT_CHARS)
            }),
            Self::ImageSize => {
                is_edge(value) || value.as_array().is_some_and(|edges| edges.len() == 2 && edges.iter().all(is_edge))
            }
            Self::Prefix => value.as_str().is_some_and(is_prefix),
        };
        if fits { Ok(()) } else { Err(format!("must be {}, was {}", self.expected(), shown(value))) }
    }

    fn expected(self) -> String {
        match self {
            Self::Number(least, most) => format!("a number from {least} to {most}"),
            Self::Integer(least, most) => format!("a whole number from {least} to {most}"),
            Self::Flag => "true or false".to_owned(),
            Self::Word(words) => format!("one of {}", words.join(", ")),
            Self::Text(most) => format!("a text of 1 to {most} characters"),
            Self::Texts(most, chars) => format!("a list of 1 to {most} texts of 1 to {chars} characters"),
            Self::Integers(most, least, largest) => {
                format!("a list of 1 to {most} whole numbers from {least} to {largest}")
            }
            Self::Classes(most) => format!("a list of 1 to {most} classes, each a number or a name"),
            Self::ImageSize => {
                let (least, most) = (IMAGE_SIZE_PX.start(), IMAGE_SIZE_PX.end());
                format!("a number of pixels from {least} to {most}, or a list of height and width")
            }
            Self::Prefix => {
                format!("names of a-z, A-Z, 0-9, '-', '_' and '.' joined by '/', at most {MAX_PREFIX_CHARS} characters")
            }
        }
    }

    fn schema(self) -> Value {
        match self {
            Self::Number(least, most) => json!({"type": "number", "minimum": least, "maximum": most}),
            Self::Integer(least, most) => json!({"type": "integer", "minimum": least, "maximum": most}),
            Self::Flag => json!({"type": "boolean"}),
            Self::Word(words) => json!({"type": "string", "enum": words}),
            Self::Text(most) => json!({"type": "string", "minLength": 1, "maxLength": most}),
            Self::Texts(most, chars) => list_schema(most, Self::Text(chars).schema()),
            Self::Integers(most, least, largest) => list_schema(most, Self::Integer(least, largest).schema()),
            Self::Classes(most) => {
                let number = Self::Integer(0, u64::from(u32::MAX)).schema();
                list_schema(most, json!({"anyOf": [number, Self::Text(MAX_TEXT_CHARS).schema()]}))
            }
            Self::ImageSize => {
                let edge = Self::Integer((*IMAGE_SIZE_PX.start()).into(), (*IMAGE_SIZE_PX.end()).into()).schema();
                json!({"anyOf": [edge, {"type": "array", "minItems": 2, "maxItems": 2, "items": edge}]})
            }
            Self::Prefix => {
                json!({"type": "string", "minLength": 1, "maxLength": MAX_PREFIX_CHARS, "pattern": "^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$"})
            }
        }
    }
}

fn list_schema(most: usize, items: Value) -> Value {
    json!({"type": "array", "minItems": 1, "maxItems": most, "items": items})
}

fn is_list(value: &Value, most: usize, fits: impl Fn(&Value) -> bool) -> bool {
    value.as_array().is_some_and(|items| (1..=most).contains(&items.len()) && items.iter().all(fits))
}

fn is_text(value: &Value, most: usize) -> bool {
    value.as_str().is_some_and(|text| (1..=most).contains(&text.chars().count()) && !text.chars().any(char::is_control))
}

fn is_edge(value: &Value) -> bool {
    value.as_u64().is_some_and(|edge| u32::try_from(edge).is_ok_and(|edge| IMAGE_SIZE_PX.contains(&edge)))
}

/// No name may begin with a dot, so that none leads elsewhere or hides.
fn is_prefix(text: &str) -> bool {
    let is_name = |name: &str| {
        !name.is_empty()
            && !name.starts_with('.')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    text.len() <= MAX_PREFIX_CHARS && text.split('/').all(is_name)
}

/// A value in short, for a message.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn values_within_the_range_pass_and_others_are_told_it() {
        for (kind, good, bad) in [
            (Kind::Number(0.0, 1.0), json!(1), json!(1.01)),
            (Kind::Integer(1, 9), json!(9), json!(9.5)),
            (Kind::Flag, json!(false), json!("no")),
            (Kind::Word(&["a", "b"]), json!("b"), json!("c")),
            (Kind::Texts(2, 3), json!(["abc"]), json!(["abcd"])),
            (Kind::Integers(2, 16, 64), json!([16, 64]), json!([16, 15])),
            (Kind::Classes(2), json!([1, "x"]), json!([-1])),
            (Kind::ImageSize, json!([64, 128]), json!([64])),
            (Kind::Prefix, json!("a/b-1.2"), json!("a/../b")),
        ] {
            kind.check(&good).unwrap();
            let reason = kind.check(&bad).unwrap_err();
            assert!(reason.starts_with("must be ") && reason.contains("was "), "{reason}");
        }
        for bad in ["", "/a", "a/", "a//b", ".a", "a\\b", "a b"] {
            assert!(Kind::Prefix.check(&json!(bad)).is_err(), "{bad}");
        }
    }
}
