//! A loaded model.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU32;
use std::time::Instant;

use ortolan_domain::Slot;
use ortolan_engine::{Engine, Metadata, SessionOptions, Signature};
use ortolan_vision::ModelProfile;

use crate::answer::{ModelFacts, ProfileSummary};
use crate::wire::message::PartKind;
use crate::wire::protocol::{Failure, LoadOptions, SessionSettings, Status};
use crate::work::Call;
use crate::work::convert::{facts_of, task_of};
use crate::work::sessions::Sessions;

/// What metadata is shown of: entries, characters of a key, characters of a value.
const SHOWN_ENTRIES: usize = 100;
const SHOWN_KEY: usize = 100;
const SHOWN_VALUE: usize = 2_000;

/// A loaded model.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) facts: ModelFacts,
    pub(super) signature: Signature,
    /// How pictures go in and answers come out; of a model for a slot.
    pub(super) profile: Option<ModelProfile>,
    /// How a picture becomes the model's input, if that can be told.
    pub(super) pictures: Option<ModelProfile>,
    pub(super) sessions: Sessions,
    /// How long its last run took, in microseconds.
    pub(super) last_run_us: AtomicU32,
}

impl Model {
    /// Loads the attached model, as often as runs of it may go on in parallel.
    pub(super) fn load(engine: &Engine, settings: &SessionSettings, call: &Call<'_>) -> Result<Self, Failure> {
        let options = load_options(call)?;
        let bytes = call.attachment.ok_or_else(|| Failure::bad_input("no model was attached"))?;
        let session_options = SessionOptions {
            device: settings.device,
            device_memory_limit_bytes: usize::try_from(settings.gpu_memory_limit_bytes).ok(),
            tf32: settings.gpu_tf32,
            intra_threads: settings.intra_threads,
            ..SessionOptions::default()
        };
        let began = Instant::now();
        let first = engine.load(bytes, &session_options)?;
        let (signature, metadata) = (first.signature(), first.metadata());
        // A model that does not fit is refused before its other copies are made.
        let profile = options.slot.map(|slot| read_profile(slot, &signature, &metadata)).transpose();
        let profile = profile.map_err(|error| if options.is_claim { unlike_its_metadata(error) } else { error })?;
        let mut sessions = vec![first];
        for _ in 1..settings.copies.max(1) {
            sessions.push(engine.load(bytes, &session_options)?);
        }
        let load_ms = began.elapsed().as_secs_f64() * 1e3;
        let pictures = profile.clone().or_else(|| guess_profile(&signature, &metadata));
        let summary = options.slot.map(|slot| summary(slot, &metadata));
        let facts = ModelFacts {
            signature: signature.clone(),
            producer: metadata.producer.as_deref().map(|text| cut(text, SHOWN_KEY)),
            opset: metadata.opset,
            metadata: shown(&metadata.custom),
            profile: summary,
            load_ms,
        };
        Ok(Self {
            facts,
            signature,
            profile,
            pictures,
            sessions: Sessions::new(sessions),
            last_run_us: AtomicU32::new(u32::MAX),
        })
    }
}

fn load_options(call: &Call<'_>) -> Result<LoadOptions, Failure> {
    let json = call.parts.iter().find(|part| part.kind == PartKind::Json);
    let options = json.and_then(|part| serde_json::from_slice(part.bytes).ok());
    options.ok_or_else(|| Failure::bad_input("the load options cannot be read"))
}

fn read_profile(slot: Slot, signature: &Signature, metadata: &Metadata) -> Result<ModelProfile, Failure> {
    let (inputs, outputs) = (facts_of(&signature.inputs), facts_of(&signature.outputs));
    ModelProfile::read(task_of(slot), &inputs, &outputs, &metadata.custom)
        .map_err(|error| Failure::new(Status::ModelRefused, error.to_string()))
}

/// Whoever meant the file for no slot has to be told what it has to do with one.
fn unlike_its_metadata(mut refused: Failure) -> Failure {
    let remedy = "correct its metadata, or take \"task\" out of it to serve plain tensors";
    refused.words = format!("the file's metadata does not fit the model: {}; {remedy}", refused.words);
    refused
}

/// The profile of a model that was loaded for no slot, by the first slot that it fits.
fn guess_profile(signature: &Signature, metadata: &Metadata) -> Option<ModelProfile> {
    let slots = [Slot::Detect, Slot::Segment, Slot::Classify];
    slots.into_iter().find_map(|slot| read_profile(slot, signature, metadata).ok())
}

fn summary(slot: Slot, metadata: &Metadata) -> ProfileSummary {
    let task = metadata.custom.get("task").map_or_else(|| slot.to_string(), |task| cut(task, 32));
    ProfileSummary { slot, task }
}

fn shown(custom: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    custom.iter().take(SHOWN_ENTRIES).map(|(key, value)| (cut(key, SHOWN_KEY), cut(value, SHOWN_VALUE))).collect()
}

fn cut(text: &str, most: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(most).collect()
}
