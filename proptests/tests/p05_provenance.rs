//! Property 5: equal configurations give equal hashes however they are written, and any change gives another one.

#![allow(clippy::unwrap_used)]

use ortolan_domain::TaskType;
use ortolan_domain::config::{ConfidenceDefaults, TaskConfig};
use ortolan_proptests::CASES;
use proptest::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

/// A configuration's fields in some order.
fn fields() -> impl Strategy<Value = Vec<(String, Value)>> {
    let share = (1u32..=99).prop_map(|n| json!(f64::from(n) / 100.0));
    let all = (
        share.clone(),
        share,
        1u32..3000,
        any::<bool>(),
        1u32..100,
        prop::sample::subsequence(vec![0, 1, 2, 3, 4], 0..=5),
    );
    all.prop_flat_map(|(confidence, iou, most, agnostic, top_k, kept)| {
        let fields = [
            ("confidence_threshold", confidence),
            ("iou_threshold", iou),
            ("max_detections", json!(most)),
            ("class_agnostic", json!(agnostic)),
            ("top_k", json!(top_k)),
        ];
        let fields: Vec<_> = kept.into_iter().map(|i| (fields[i].0.to_owned(), fields[i].1.clone())).collect();
        Just(fields).prop_shuffle()
    })
}

fn text(fields: &[(String, Value)], space: &str) -> String {
    let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{space}\"{name}\":{space}{value}")).collect();
    format!("{{{}{space}}}", fields.join(","))
}

fn hash(kind: TaskType, json: String) -> String {
    let raw = RawValue::from_string(json).unwrap();
    TaskConfig::check(kind, &raw, ConfidenceDefaults::default()).unwrap().hash.to_string()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn order_and_space_do_not_matter(fields in fields()) {
        let mut sorted = fields.clone();
        sorted.sort_by(|a, b| a.0.cmp(&b.0));
        let kind = TaskType::ObjectDetection;
        prop_assert_eq!(hash(kind, text(&fields, "")), hash(kind, text(&sorted, "  ")));
    }

    #[test]
    fn any_other_value_gives_another_hash(fields in fields(), most in 1u32..3000) {
        let mut one: Map<_, _> = fields.iter().cloned().collect();
        one.insert("max_detections".to_owned(), json!(most));
        let mut other = one.clone();
        other.insert("max_detections".to_owned(), json!(most % 2999 + 1));
        let kind = TaskType::ObjectDetection;
        prop_assert_ne!(hash(kind, Value::Object(one).to_string()), hash(kind, Value::Object(other).to_string()));
    }

    #[test]
    fn the_input_hash_follows_every_bit(bytes in prop::collection::vec(any::<u8>(), 1..200), at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let mut changed = bytes.clone();
        let at = at.index(bytes.len());
        changed[at] ^= 1 << bit;
        let hash = ortolan_domain::hash::sha256_hex;
        prop_assert_eq!(hash(&bytes), hash(&bytes.clone()));
        prop_assert_ne!(hash(&bytes), hash(&changed));
    }
}
