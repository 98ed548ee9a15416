//! Property 13: an ML service verifies every model it must have before it takes work; when they must be there, the first
//! that fails stops its start, and otherwise its health names exactly those that failed.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use ortolan_blobs::{Blobs, ObjectPath};
use ortolan_domain::model::ModelRef;
use ortolan_domain::{Slot, SystemClock, TenantSlug};
use ortolan_ml_client::{Inference, MlHealthStatus};
use ortolan_proptests::bench::ml_service;
use ortolan_proptests::{CASES, case};
use ortolan_results::{ResultStore, Signals};
use ortolan_testkit::fixtures;
use proptest::prelude::*;
use tokio::runtime::Runtime;

/// What lies where a model should be.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Lies {
    Good,
    Nothing,
    Noise,
    CutOff,
}

fn shelf() -> impl Strategy<Value = Vec<(u8, Slot, Lies)>> {
    let lies =
        prop_oneof![4 => Just(Lies::Good), 1 => Just(Lies::Nothing), 1 => Just(Lies::Noise), 1 => Just(Lies::CutOff)];
    let places: Vec<_> = (0..2u8).flat_map(|tenant| Slot::ALL.map(|slot| (tenant, slot))).collect();
    let count = places.len();
    (prop::sample::subsequence(places, 1..=count).prop_shuffle(), prop::collection::vec(lies, count)).prop_map(
        |(places, lies)| places.into_iter().zip(lies).map(|((tenant, slot), lies)| (tenant, slot, lies)).collect(),
    )
}

fn bytes(slot: Slot, lies: Lies) -> Option<Bytes> {
    let file = match slot {
        Slot::Detect => "models/shapes_det_160.onnx",
        Slot::Segment => "models/shapes_seg_160.onnx",
        Slot::Classify => "models/shapes_cls_64.onnx",
    };
    let whole = Bytes::from(fixtures::read(file));
    match lies {
        Lies::Good => Some(whole),
        Lies::Nothing => None,
        Lies::Noise => Some(Bytes::from_static(b"this is no model")),
        Lies::CutOff => Some(whole.slice(..whole.len() / 2)),
    }
}

async fn start(shelf: Vec<(u8, Slot, Lies)>, strict: bool) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let blobs = Blobs::local(folder.path())?;
    let (mut list, mut states) = (Vec::new(), BTreeMap::new());
    for (tenant, slot, lies) in shelf {
        let tenant = TenantSlug::parse(&format!("tenant{tenant}"))?;
        if let Some(bytes) = bytes(slot, lies) {
            blobs.put(&ObjectPath::parse(&slot.object_path(&tenant))?, bytes).await?;
        }
        let model = ModelRef::new(tenant, slot);
        states.insert(model.to_string(), lies);
        list.push(model);
    }
    let results = ResultStore::in_process(SystemClock::shared());
    let service = ml_service(env!("CARGO_BIN_EXE_property-runner"), &folder, results, Signals::in_process()).await?;
    let started = service.preload(&list, strict).await;
    let health = service.health().await?;
    service.shutdown().await;
    let first_bad = list.iter().map(ToString::to_string).find(|entry| states[entry] != Lies::Good);
    if let (true, Some(first)) = (strict, first_bad) {
        let error = started.err().map(|error| error.to_string()).unwrap_or_default();
        anyhow::ensure!(error.contains(&first), "the start went on, or failed for another reason: {error:?}");
        return Ok(());
    }
    started?;
    let bad: BTreeSet<_> =
        states.iter().filter(|(_, lies)| **lies != Lies::Good).map(|(entry, _)| entry.clone()).collect();
    let failed: BTreeSet<_> = health.models_failed.keys().cloned().collect();
    anyhow::ensure!(failed == bad, "{failed:?} failed and not {bad:?}");
    anyhow::ensure!(health.models_loaded.len() == states.len() - bad.len(), "{:?} are loaded", health.models_loaded);
    let status = match (bad.is_empty(), bad.len() == states.len()) {
        (true, _) => MlHealthStatus::Healthy,
        (false, false) => MlHealthStatus::Degraded,
        (false, true) => MlHealthStatus::Unhealthy,
    };
    anyhow::ensure!(health.status == status, "{:?} with {bad:?}", health.status);
    Ok(())
}

#[test]
fn models_are_verified_before_any_work() {
    let runtime = Runtime::new().unwrap();
    proptest!(ProptestConfig::with_cases(CASES), |(shelf in shelf(), strict in any::<bool>())| {
        case(&runtime, start(shelf, strict))?;
    });
}
