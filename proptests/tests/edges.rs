//! What comes in at the edges and travels between the parts: names, paths, times, configurations and results keep what they
//! say, and nothing that was accepted leads out of its tenant.

#![allow(clippy::unwrap_used)]

use std::path::{Component, Path};

use ortolan_blobs::ObjectPath;
use ortolan_domain::config::{ConfidenceDefaults, TaskConfig};
use ortolan_domain::job::{Attempt, MlError, MlItem, MlOutcome, MlResult, Provenance, Timings};
use ortolan_domain::{ErrorCode, RunId, TaskId, TaskType, TenantSlug, Timestamp};
use ortolan_proptests::{CASES, good_item};
use proptest::prelude::*;
use serde_json::json;
use serde_json::value::RawValue;
use uuid::Uuid;

/// Texts made of what paths are attacked with.
fn hostile_path() -> impl Strategy<Value = String> {
    let pieces =
        ["a", "b", "models", "/", "/", "/", "..", ".", "\\", "%2e", "%2F", "\0", "#1", "~", " ", "ü", "\u{202e}", ":"];
    prop_oneof![
        4 => prop::collection::vec(prop::sample::select(pieces.to_vec()), 1..9).prop_map(|pieces| pieces.concat()),
        1 => any::<String>()
    ]
}

fn slug() -> impl Strategy<Value = TenantSlug> {
    prop_oneof!["[ab]", "models", "[a-z0-9_-]{1,100}"].prop_map(|text| TenantSlug::parse(&text).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES * 8))]

    #[test]
    fn an_accepted_path_stays_in_its_tenants_folders(tenant in slug(), text in hostile_path()) {
        if let Ok(path) = ObjectPath::of_tenant(&tenant, &text) {
            prop_assert_eq!(path.as_str(), &text);
            let steps: Vec<_> = Path::new(path.as_str()).components().collect();
            prop_assert!(steps.iter().all(|step| matches!(step, Component::Normal(_))), "{:?}", steps);
            let own = Path::new(path.as_str());
            prop_assert!(own.starts_with(tenant.as_str()) || own.starts_with(Path::new("models").join(tenant.as_str())));
            prop_assert!(!text.contains('\\') && !text.chars().any(char::is_control));
        }
    }

    #[test]
    fn no_path_belongs_to_two_tenants(one in slug(), other in slug(), text in hostile_path()) {
        let owners = [&one, &other].map(|tenant| ObjectPath::of_tenant(tenant, &text).is_ok());
        prop_assert!(one == other || owners != [true, true], "{} is {}'s and {}'s", text, one, other);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn a_tenants_name_is_taken_as_it_is_or_refused(text in prop_oneof!["[a-zA-Z0-9_./ -]{0,8}", any::<String>()]) {
        let is_good = (1..=100).contains(&text.len()) && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'));
        prop_assert_eq!(TenantSlug::parse(&text).is_ok(), is_good);
        prop_assert_eq!(serde_json::from_value::<TenantSlug>(json!(text)).is_ok(), is_good);
    }

    #[test]
    fn ids_sort_as_their_texts_do(one in any::<u128>(), other in any::<u128>()) {
        let ids = [one, other].map(|bits| TaskId::from_uuid(Uuid::from_u128(bits)));
        prop_assert_eq!(ids[0].to_string().parse::<TaskId>().unwrap(), ids[0]);
        prop_assert_eq!(ids[0].cmp(&ids[1]), ids[0].to_string().cmp(&ids[1].to_string()));
    }

    // From the year 0 to 9999, which is what RFC 3339 can write.
    #[test]
    fn instants_survive_their_text(micros in -62_167_219_200_000_000i64..253_402_300_800_000_000) {
        let at = Timestamp::from_micros(micros);
        prop_assert_eq!(Timestamp::parse_rfc3339(&at.to_rfc3339()), Some(at));
    }

    #[test]
    fn a_checked_configuration_checks_to_itself(confidence in 0.01f64..1.0, iou in 0.01f64..1.0, top_k in 1u32..100, kind in prop::sample::select(vec![TaskType::ObjectDetection, TaskType::Segmentation, TaskType::Classification])) {
        let given = json!({"confidence_threshold": confidence, "iou_threshold": iou, "top_k": top_k});
        let given = RawValue::from_string(given.to_string()).unwrap();
        let checked = TaskConfig::check(kind, &given, ConfidenceDefaults::default()).unwrap();
        let again = TaskConfig::check(kind, &checked.json, ConfidenceDefaults::default()).unwrap();
        prop_assert_eq!(&checked.hash, &again.hash);
        prop_assert_eq!(checked.json.get(), again.json.get());
    }

    // Models give numbers of 32 bits; those come through exactly.
    #[test]
    fn a_result_says_the_same_after_its_journey(
        numbers in prop::collection::vec(-1e9f32..1e9, 1..20),
        attempt in 1i64..1_000_000,
        label in any::<String>(),
        code in prop::sample::select(ErrorCode::ALL.to_vec())
    ) {
        let payloads = numbers.iter().map(|number| json!({"label": label, "confidence": number}));
        let items = payloads.map(|payload| MlItem { payload, ..good_item() }).collect();
        let sent = result(attempt, MlOutcome::Items(items));
        let received = journey(&sent);
        prop_assert_eq!((received.attempt, &received.provenance), (sent.attempt, &sent.provenance));
        let MlOutcome::Items(items) = received.outcome else { panic!("items became an error") };
        let came: Vec<_> = items.iter().map(|item| item.payload["confidence"].as_f64().unwrap() as f32).collect();
        prop_assert_eq!(came, numbers);
        prop_assert!(items.iter().all(|item| item.payload["label"] == label));
        let error = MlError::new(code, label);
        let MlOutcome::Error(came) = journey(&result(attempt, MlOutcome::Error(error.clone()))).outcome else { panic!("no error") };
        prop_assert_eq!(came, error);
    }
}

/// As it goes from the ML service to the worker.
fn journey(result: &MlResult) -> MlResult {
    serde_json::from_slice(&serde_json::to_vec(result).unwrap()).unwrap()
}

fn result(attempt: i64, outcome: MlOutcome) -> MlResult {
    let provenance = Provenance {
        run_id: RunId::generate(),
        config_hash: "c".repeat(64),
        input_hash: "i".repeat(64),
        producer: "property".to_owned(),
        producer_version: "1".to_owned(),
        model_profile: "fast".to_owned(),
        model_sha256: None,
        request_id: None,
    };
    MlResult {
        attempt: Attempt { task_id: TaskId::generate(), attempt },
        provenance,
        timings: Timings::default(),
        outcome,
    }
}
