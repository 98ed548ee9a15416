//! What calls ask and answer, beyond plain tensors.

use std::collections::BTreeMap;

use ortolan_domain::Slot;
use ortolan_domain::model::FileWords;
use ortolan_domain::tensor::Output;
use ortolan_engine::Signature;
use ortolan_vision::{PixelRegion, TilingOptions, VisionOptions, VisionOutput};
use serde::{Deserialize, Serialize};

/// What a model is, as the runner that loaded it says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFacts {
    /// Inputs and outputs.
    pub signature: Signature,
    /// The program that wrote the file.
    pub producer: Option<String>,
    /// The version of ONNX's operators.
    pub opset: Option<u32>,
    /// Keys and values of the exporter's choice, cut to a bounded size.
    pub metadata: BTreeMap<String, String>,
    /// What the model is for, when it was loaded for a slot.
    pub profile: Option<ProfileSummary>,
    /// Milliseconds that loading took.
    pub load_ms: f64,
}

/// A vision model in short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileSummary {
    /// The slot it was checked for.
    pub slot: Slot,
    /// What the file calls its task (`detect`, `obb`, `pose` ...), else the slot.
    pub task: String,
}

/// One picture for one vision model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VisionRequest {
    /// The slot whose rules apply.
    pub slot: Slot,
    /// What the caller asks.
    pub options: VisionOptions,
    /// Where to look.
    #[serde(default)]
    pub area: Area,
}

/// Where in a picture a model looks.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Area {
    /// At all of it at once.
    #[default]
    Whole,
    /// At one tile after the other; boxes that several tiles give are merged.
    Tiles(TilingOptions),
    /// At these parts alone, each like a picture of its own; boxes come in pixels of the whole picture, part by part.
    Crops(Vec<PixelRegion>),
}

/// Most parts of one picture that a call may look at.
pub const MAX_CROPS: usize = 3_000;
/// Most detections that all parts of one picture may give together.
pub(crate) const MAX_IN_CROPS: usize = 30_000;

/// What a vision model answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VisionAnswer {
    /// Boxes, masks or classes.
    pub output: VisionOutput,
    /// For each item of the output the part of [`Area::Crops`] it was found in; otherwise empty.
    #[serde(default)]
    pub crop_of: Vec<u32>,
    /// Width of the upright picture in pixels.
    pub width: u32,
    /// Height of the upright picture in pixels.
    pub height: u32,
    /// Where the time went.
    pub timings: Timings,
}

/// What a held picture is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HeldFacts {
    /// Width of the upright picture in pixels.
    pub(crate) width: u32,
    /// Height of the upright picture in pixels.
    pub(crate) height: u32,
}

/// Where a call's time went, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timings {
    /// Decoding the media.
    pub decode_us: u64,
    /// Resizing and packing.
    pub prepare_us: u64,
    /// Waiting for a session of the model.
    pub wait_us: u64,
    /// Running the model.
    pub run_us: u64,
    /// Reading the outputs.
    pub interpret_us: u64,
}

impl Timings {
    /// Bytes of the numbers in a row.
    pub(crate) const BYTES: usize = 40;

    /// The numbers in a row, cheaper than JSON.
    pub(crate) fn to_bytes(self) -> [u8; Self::BYTES] {
        let Self { decode_us, prepare_us, wait_us, run_us, interpret_us } = self;
        let mut bytes = [0; Self::BYTES];
        for (place, time) in bytes.chunks_exact_mut(8).zip([decode_us, prepare_us, wait_us, run_us, interpret_us]) {
            place.copy_from_slice(&time.to_ne_bytes());
        }
        bytes
    }

    /// Reads the numbers; nothing when there are more or less bytes.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (numbers, []) = bytes.as_chunks::<8>() else { return None };
        let times = <[[u8; 8]; 5]>::try_from(numbers).ok()?.map(u64::from_ne_bytes);
        let [decode_us, prepare_us, wait_us, run_us, interpret_us] = times;
        Some(Self { decode_us, prepare_us, wait_us, run_us, interpret_us })
    }
}

/// What a model gave for tensors.
#[derive(Debug, Clone, PartialEq)]
pub struct InferAnswer {
    /// The outputs that were wanted.
    pub outputs: Vec<Output>,
    /// Where the time went.
    pub timings: Timings,
}

/// What trying an uploaded model showed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelReport {
    /// What the model is.
    pub facts: ModelFacts,
    /// SHA-256 of the file in hexadecimal.
    pub sha256: String,
    /// Size of the file.
    pub size_bytes: u64,
    /// What the file says of itself.
    pub words: FileWords,
    /// The trial run, unless it failed or no input could be made up.
    pub trial: Option<Trial>,
    /// Why the trial run failed; only of a model that is not for a slot, as others are refused then.
    pub trial_failure: Option<String>,
    /// Memory that the runner took at most beyond an empty one.
    pub memory_bytes: u64,
}

/// A trial run on a made-up input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// Milliseconds the run took.
    pub run_ms: f64,
    /// What the model answered for a grey picture: how many items; for a slot only.
    pub items: Option<usize>,
}
