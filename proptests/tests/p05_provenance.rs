//! Property 5: equal configurations give equal hashes however they are written, and any change gives another one; and every
//! artifact of a run that came the whole way says which run of which program made it, of which input and configuration.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use anyhow::{Context, ensure};
use ortolan_blobs::{Blobs, ObjectPath};
use ortolan_domain::config::{ConfidenceDefaults, TaskConfig};
use ortolan_domain::hash::sha256_hex;
use ortolan_domain::job::Provenance;
use ortolan_domain::task::{NewTask, TaskInput};
use ortolan_domain::{Slot, Task, TaskId, TaskStatus, TaskType};
use ortolan_proptests::bench::{Bench, Running, ml_service, worker_settings};
use ortolan_proptests::{CASES, case};
use ortolan_testkit::fixtures;
use proptest::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

const MODEL: &str = "models/shapes_cls_64.onnx";
/// The edge of the pictures in here, in points.
const EDGE: u8 = 16;
/// The bytes of a picture's points: three colours each.
const COLOURS: usize = 3 * EDGE as usize * EDGE as usize;

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
        prop_assert_eq!(sha256_hex(&bytes), sha256_hex(&bytes.clone()));
        prop_assert_ne!(sha256_hex(&bytes), sha256_hex(&changed));
    }
}

/// A picture of these colours as a BMP file, which has nothing but a header before them.
fn picture(colours: &[u8]) -> Vec<u8> {
    let length = |bytes: usize| u32::try_from(bytes).unwrap().to_le_bytes();
    let (file, header, points) = (length(54 + colours.len()), length(54), length(colours.len()));
    let edge = u32::from(EDGE).to_le_bytes();
    let sizes = [&b"BM"[..], &file, &[0u8; 4], &header, &length(40), &edge, &edge];
    // One plane of 24 bits a point, not compressed; the rest says nothing.
    let kind = [&[1u8, 0, 24, 0][..], &[0u8; 4], &points, &[0u8; 16]];
    [sizes.concat(), kind.concat(), colours.to_vec()].concat()
}

/// A whole installation but for the API: what it would store of a submission is made here.
struct World {
    bench: Bench,
    blobs: Blobs,
    _worker: Running,
    _folder: TempDir,
}

impl World {
    async fn open() -> anyhow::Result<Self> {
        let (bench, folder) = (Bench::open().await?, tempfile::tempdir()?);
        let blobs = Blobs::local(folder.path())?;
        let model = ObjectPath::parse(&Slot::Classify.object_path(&bench.house.tenant.name))?;
        blobs.put(&model, fixtures::read(MODEL).into()).await?;
        let runner = env!("CARGO_BIN_EXE_property-runner");
        let service = ml_service(runner, &folder, bench.results.clone(), bench.signals.clone()).await?;
        let queue = bench.queues.ml.clone();
        tokio::spawn(async move { service.run(queue, CancellationToken::new()).await });
        let worker = bench.start_worker("worker", worker_settings(4));
        Ok(Self { bench, blobs, _worker: worker, _folder: folder })
    }

    /// Classifies what is stored at a place of its own, of which the task says that it is `told`; gives the task as it ended.
    async fn run(&self, stored: &[u8], told: &[u8], config: String) -> anyhow::Result<Task> {
        let (kind, raw) = (TaskType::Classification, RawValue::from_string(config)?);
        let config = TaskConfig::check(kind, &raw, ConfidenceDefaults::default())?;
        let object_path = format!("{}/media/{}", self.bench.house.tenant.name, TaskId::generate());
        self.blobs.put(&ObjectPath::parse(&object_path)?, stored.to_vec().into()).await?;
        let task = NewTask {
            task_type: kind,
            config: config.json,
            config_hash: config.hash.to_string(),
            input: Some(TaskInput { media_id: None, object_path, sha256: sha256_hex(told) }),
            ..self.bench.house.new_task()?
        };
        let id = self.bench.house.submit_task(task).await?;
        self.bench.dispatch_all().await?;
        self.bench.ended(id).await
    }

    /// What made each of the task's artifacts.
    async fn provenances(&self, task: &Task) -> anyhow::Result<Vec<Provenance>> {
        let house = &self.bench.house;
        let page = house.stores.tasks.artifacts(house.tenant.id, task.spec.id, 100, 0).await?;
        Ok(page.context("the task is gone")?.items.into_iter().map(|artifact| artifact.provenance).collect())
    }

    /// Classifies a picture, and sees that every artifact says truly and in full what made it.
    async fn made(&self, picture: &[u8], config: String) -> anyhow::Result<Provenance> {
        let task = self.run(picture, picture, config).await?;
        ensure!(task.status == TaskStatus::Completed, "{task:?}");
        let all = self.provenances(&task).await?;
        ensure!(!all.is_empty(), "nothing came of {task:?}");
        for made in &all {
            ensure!(Some(made.run_id) == task.run_id, "{made:?} is of another run");
            let truth = (task.spec.config_hash.clone(), sha256_hex(picture), Some(sha256_hex(&fixtures::read(MODEL))));
            let said = (made.config_hash.clone(), made.input_hash.clone(), made.model_sha256.clone());
            ensure!(said == truth, "{made:?} is not {truth:?}");
            let words = [&made.producer, &made.producer_version, &made.model_profile];
            ensure!(words.iter().all(|word| !word.is_empty()), "{made:?} leaves something out");
        }
        all.into_iter().next().context("nothing came of it")
    }
}

/// The same fields but for another number of detections.
fn changed(fields: &[(String, Value)]) -> String {
    let mut fields: Map<_, _> = fields.iter().cloned().collect();
    let most = fields.get("max_detections").and_then(Value::as_u64).unwrap_or(300);
    fields.insert("max_detections".to_owned(), json!(most % 2999 + 1));
    Value::Object(fields).to_string()
}

/// Of four runs the first two are asked the same, and each other one something else.
async fn tell_apart(world: &World, fields: Vec<(String, Value)>, colours: [Vec<u8>; 2]) -> anyhow::Result<()> {
    let [first, touched] = colours.map(|colours| picture(&colours));
    let mut sorted = fields.clone();
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    let one = world.made(&first, text(&fields, "")).await?;
    let same = world.made(&first, text(&sorted, "  ")).await?;
    let other_input = world.made(&touched, text(&fields, "")).await?;
    let other_config = world.made(&first, changed(&fields)).await?;
    let hashes = |made: &Provenance| (made.config_hash.clone(), made.input_hash.clone());
    ensure!(hashes(&same) == hashes(&one), "{one:?} is not {same:?}");
    let (config, input) = hashes(&one);
    ensure!(other_input.config_hash == config && other_input.input_hash != input, "{one:?} and {other_input:?}");
    ensure!(other_config.config_hash != config && other_config.input_hash == input, "{one:?} and {other_config:?}");
    let runs: BTreeSet<_> = [one, same, other_input, other_config].iter().map(|made| made.run_id).collect();
    ensure!(runs.len() == 4, "two runs have one id: {runs:?}");
    // Whoever says that it was another picture is not believed.
    let lie = world.run(&touched, &first, text(&fields, "")).await?;
    ensure!(lie.status == TaskStatus::Failed && world.provenances(&lie).await?.is_empty(), "{lie:?}");
    Ok(())
}

#[test]
fn every_artifact_says_what_made_it_and_any_change_is_seen() {
    let runtime = Runtime::new().unwrap();
    let world = runtime.block_on(World::open()).unwrap();
    let colours = prop::collection::vec(any::<u8>(), COLOURS);
    let touch = (any::<prop::sample::Index>(), 0u8..8);
    proptest!(ProptestConfig::with_cases(CASES), |(fields in fields(), colours in colours, (at, bit) in touch)| {
        let mut touched = colours.clone();
        touched[at.index(colours.len())] ^= 1 << bit;
        case(&runtime, tell_apart(&world, fields, [colours, touched]))?;
    });
}
