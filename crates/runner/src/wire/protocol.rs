//! What calls ask, how they end, and the JSON that goes along.

use ortolan_domain::Slot;
use ortolan_domain::media::PictureWriting;
use ortolan_engine::{Device, EngineError};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::answer::VisionRequest;
use crate::child::sandbox::Enforcement;
use crate::error::{MediaRefusal, RunnerError};
use crate::wire::message::{OwnedPart, PartKind};

/// What a call asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Load the attached model under the head's number; [`LoadOptions`] to model facts.
    Load,
    /// A picture through a loaded model; a vision request and a medium to a vision answer.
    Vision,
    /// What a medium is.
    Probe,
    /// Tensors through a loaded model, in the signature's order.
    Infer,
    /// A made-up input through a loaded model.
    Trial,
    /// Decode a medium and hold the picture under the head's number; to held facts.
    Hold,
    /// A held picture through a loaded model; [`HeldVision`] to a vision answer.
    VisionHeld,
    /// Make a picture ready for a loaded model and keep it under the head's number; [`PrepareRequest`] and a medium to held facts.
    Prepare,
    /// A picture that was made ready through a loaded model, once; [`PreparedVision`] to a vision answer.
    VisionPrepared,
    /// Draw findings into a copy of a held picture and hold that under the head's number; [`DrawRequest`] and a JSON list of
    /// payloads, which travels as a medium does, to held facts.
    Draw,
    /// Write a held picture as a file, the rest of which is kept under the head's number; to [`EncodedHead`] and its begin.
    Encode,
    /// A piece of the file under the head's number; [`ReadRequest`] to bytes.
    Read,
}

impl Operation {
    const ALL: [Self; 12] = [
        Self::Load,
        Self::Vision,
        Self::Probe,
        Self::Infer,
        Self::Trial,
        Self::Hold,
        Self::VisionHeld,
        Self::Prepare,
        Self::VisionPrepared,
        Self::Draw,
        Self::Encode,
        Self::Read,
    ];

    pub(crate) const fn code(self) -> u16 {
        self as u16 + 1
    }

    /// True when the call brings a medium, in its slot or attached.
    pub(crate) const fn takes_media(self) -> bool {
        matches!(self, Self::Vision | Self::Probe | Self::Hold | Self::Prepare | Self::Draw)
    }

    pub(crate) fn from_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.code() == code)
    }
}

/// How a call failed inside of a runner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) status: Status,
    pub(crate) words: String,
}

/// How a call ended inside of a runner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Done,
    Stopped,
    OutOfMemory,
    TooLarge,
    ModelRefused,
    MediaUnsupported,
    MediaCorrupt,
    MediaTooLarge,
    BadInput,
    RunFailed,
    DeviceUnavailable,
}

impl Status {
    const ALL: [Self; 11] = [
        Self::Done,
        Self::Stopped,
        Self::OutOfMemory,
        Self::TooLarge,
        Self::ModelRefused,
        Self::MediaUnsupported,
        Self::MediaCorrupt,
        Self::MediaTooLarge,
        Self::BadInput,
        Self::RunFailed,
        Self::DeviceUnavailable,
    ];

    pub(crate) const fn code(self) -> u16 {
        self as u16
    }

    pub(crate) fn from_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.code() == code)
    }
}

impl Failure {
    pub(crate) fn new(status: Status, words: impl Into<String>) -> Self {
        Self { status, words: words.into() }
    }

    pub(crate) fn bad_input(words: impl Into<String>) -> Self {
        Self::new(Status::BadInput, words)
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        let status = match &error {
            EngineError::OutOfMemory => Status::OutOfMemory,
            EngineError::Stopped => Status::Stopped,
            EngineError::BadInput(_) => Status::BadInput,
            EngineError::NotAModel | EngineError::InvalidModel(_) | EngineError::UnsupportedModel(_) => {
                Status::ModelRefused
            }
            EngineError::RunFailed | EngineError::UnsupportedOutput(_) => Status::RunFailed,
            EngineError::TooLarge(_) => Status::TooLarge,
            EngineError::DeviceUnavailable(device) => return Self::new(Status::DeviceUnavailable, device.clone()),
            EngineError::Runtime(_) => Status::DeviceUnavailable,
        };
        Self::new(status, error.to_string())
    }
}

/// The service's error for what a runner says; the words may be anything and are cut and cleaned.
pub(crate) fn error_of(status: Status, words: &str) -> RunnerError {
    let words = clean(words);
    let media = |kind, reason| RunnerError::MediaRefused { kind, reason };
    match status {
        Status::Stopped => RunnerError::Cancelled,
        Status::OutOfMemory => RunnerError::OutOfMemory,
        Status::TooLarge => RunnerError::TooLarge(words),
        Status::ModelRefused => RunnerError::ModelRefused { reason: words },
        Status::MediaUnsupported => media(MediaRefusal::Unsupported, words),
        Status::MediaCorrupt => media(MediaRefusal::Corrupt, words),
        Status::MediaTooLarge => media(MediaRefusal::TooLarge, words),
        Status::BadInput => RunnerError::BadInput(words),
        Status::DeviceUnavailable => RunnerError::DeviceUnavailable(words),
        Status::RunFailed | Status::Done => RunnerError::RunFailed(words),
    }
}

/// Cuts a text to what fits into an answer, without control characters.
pub(crate) fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(500).collect()
}

/// Reads the JSON part that an answer must consist of.
pub(crate) fn json_of<T: DeserializeOwned>(parts: &[OwnedPart]) -> Option<T> {
    match parts {
        [OwnedPart { kind: PartKind::Json, bytes, .. }] => serde_json::from_slice(bytes).ok(),
        _ => None,
    }
}

/// Settings of a runner, sent once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Hello {
    /// The runtime's shared library.
    pub(crate) runtime_library: String,
    /// Slots of the segment.
    pub(crate) slots: u32,
    /// Most bytes of a call or an answer.
    pub(crate) room: usize,
    /// Most address space; none on a GPU.
    pub(crate) memory_limit_bytes: Option<u64>,
    /// Threads that serve calls.
    pub(crate) workers: usize,
    /// Most pixels of a picture.
    pub(crate) picture_limit_px: u64,
    /// Looks for GPUs and says how many.
    pub(crate) detect_gpus: bool,
    /// Where sessions are placed, and how.
    pub(crate) sessions: SessionSettings,
}

/// How sessions are made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SessionSettings {
    /// Where they are placed.
    pub(crate) device: Device,
    /// Most device memory of one.
    pub(crate) gpu_memory_limit_bytes: u64,
    /// Lets GPUs round to TF32.
    pub(crate) gpu_tf32: bool,
    /// How many of a model.
    pub(crate) copies: usize,
    /// Threads that share the work of one operator.
    pub(crate) intra_threads: usize,
}

/// What a runner says once it is ready.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ready {
    /// How well files, network and signals are shut off.
    pub(crate) landlock: Enforcement,
    /// Whether system calls are filtered.
    pub(crate) seccomp: bool,
    /// GPUs found; 0 unless asked for.
    pub(crate) gpus: u32,
}

impl Ready {
    /// What is missing for a runner to be called isolated.
    pub(crate) fn missing(&self) -> Option<String> {
        let mut missing = Vec::new();
        if self.landlock == Enforcement::None {
            missing.push("landlock (Linux 5.13 or later, and enabled)");
        }
        if !self.seccomp {
            missing.push("seccomp filters");
        }
        (!missing.is_empty()).then(|| format!("the kernel does not offer {}", missing.join(" and ")))
    }
}

/// What a call with tensors asks beyond them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct InferOptions {
    /// The outputs that are wanted, by their position in the signature.
    pub(crate) outputs: Vec<usize>,
}

/// How a model is loaded.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct LoadOptions {
    /// What it must be fit for.
    pub(crate) slot: Option<Slot>,
    /// Nobody asked for that slot: the file's metadata claims to be for it.
    pub(crate) is_claim: bool,
}

impl LoadOptions {
    /// For a slot, or for none.
    pub(crate) fn of(slot: Option<Slot>) -> Self {
        Self { slot, is_claim: false }
    }
}

/// A held picture for a vision model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct HeldVision {
    /// The number that the picture is held under.
    pub(crate) picture: u32,
    /// What is asked.
    pub(crate) request: VisionRequest,
}

/// A picture that is made ready for a vision model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PrepareRequest {
    /// The model's number.
    pub(crate) model: u32,
    /// What is asked.
    pub(crate) request: VisionRequest,
}

/// A picture that was made ready, for the model that it was made ready for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PreparedVision {
    /// The number that it is kept under.
    pub(crate) picture: u32,
}

/// A held picture that is drawn into.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct DrawRequest {
    /// The number that the picture is held under.
    pub(crate) picture: u32,
}

/// A held picture that is written as a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct EncodeRequest {
    /// The number that the picture is held under.
    pub(crate) picture: u32,
    /// How.
    pub(crate) writing: PictureWriting,
}

/// The front of a written file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct EncodedHead {
    /// Bytes of the whole file.
    pub(crate) size_bytes: u64,
}

/// Which piece of a file is wanted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ReadRequest {
    /// Its first byte.
    pub(crate) offset: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_without_the_means_is_named() {
        let ready = |landlock, seccomp| Ready { landlock, seccomp, gpus: 0 };
        assert_eq!(ready(Enforcement::Full, true).missing(), None);
        assert_eq!(ready(Enforcement::Partial, true).missing(), None);
        let text = ready(Enforcement::None, false).missing();
        assert!(text.is_some_and(|text| text.contains("landlock") && text.contains("seccomp")));
    }

    #[test]
    fn words_of_a_runner_are_cut_and_cleaned() {
        let forged = format!("\u{1b}[2Jx\n{}", "y".repeat(10_000));
        let RunnerError::RunFailed(words) = error_of(Status::RunFailed, &forged) else { unreachable!() };
        assert_eq!(words.len(), 500);
        assert!(words.starts_with("[2Jxy"));
    }

    #[test]
    fn codes_lead_back() {
        for status in Status::ALL {
            assert_eq!(Status::from_code(status.code()), Some(status));
        }
        for operation in Operation::ALL {
            assert_eq!(Operation::from_code(operation.code()), Some(operation));
        }
        assert_eq!((Status::from_code(99), Operation::from_code(0)), (None, None));
    }
}
