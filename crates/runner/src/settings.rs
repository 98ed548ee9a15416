//! What an operator can set.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use ortolan_engine::Device;
use serde::{Deserialize, Serialize};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// How tenants' work is kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// One sandboxed process per tenant and device.
    #[default]
    Tenant,
    /// One sandboxed process per device, for all tenants: a death fails everyone's calls.
    Shared,
    /// No process: a model can kill or hang the service. Only for models one trusts.
    None,
}

impl fmt::Display for Isolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tenant => "tenant",
            Self::Shared => "shared",
            Self::None => "none",
        })
    }
}

/// Which devices are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DevicePolicy {
    /// GPUs when there are any, else the processor.
    #[default]
    Auto,
    /// The processor, whatever else there is.
    Cpu,
    /// GPUs; without one the pool does not start.
    Gpu,
}

/// Settings of a [`RunnerPool`](crate::RunnerPool).
#[derive(Debug, Clone)]
pub struct RunnerSettings {
    /// Absolute path of the ONNX Runtime shared library.
    pub runtime_library: PathBuf,
    /// The program that is started as a runner; this program itself when absent.
    pub program: Option<PathBuf>,
    /// What comes first on its command line, so that it calls [`child::main`](crate::child::main).
    pub arguments: Vec<String>,
    /// How tenants' work is kept apart.
    pub isolation: Isolation,
    /// Goes on when the kernel has no landlock or no seccomp; otherwise that is an error.
    pub allow_degraded_sandbox: bool,
    /// Which devices are used.
    pub devices: DevicePolicy,
    /// Most address space of a runner on the processor, beside the segment it shares with the service.
    pub memory_limit_bytes: u64,
    /// Most device memory of one session on a GPU; the rest of such a runner has no limit, as CUDA reserves far more
    /// address space than it uses.
    pub gpu_memory_limit_bytes: u64,
    /// How long a cancelled call may go on before its runner is killed.
    pub grace: Duration,
    /// Calls that may be under way in one runner; one more is refused as overloaded. At most 64. [`SLOTS_FOR_RIDERS`] of them are for
    /// calls that share a permit.
    pub slots: u32,
    /// Most bytes of a call or an answer in shared memory; larger media travel in a memory file of their own.
    pub room_bytes: usize,
    /// Most bytes of one media object.
    pub media_limit_bytes: usize,
    /// Most pixels of one picture, width times height, judged by its header before anything is decoded.
    pub picture_limit_px: u64,
    /// Sessions per model, which is how many runs of one model go on in parallel: one per device permit.
    pub sessions_per_model: usize,
    /// Threads that serve calls; more than the sessions, so that decoding overlaps running.
    pub workers: usize,
    /// Pictures that are decoded and packed before it is their turn on the device, on threads of their own. When absent, as many as
    /// there are processor cores beside a GPU, and two for each run at once on the processor.
    pub pictures_ahead: Option<usize>,
    /// Lets GPUs round to TF32.
    pub gpu_tf32: bool,
    /// Threads that share the work of one operator.
    pub intra_threads: usize,
    /// How long a load may take before its runner is killed.
    pub load_timeout: Duration,
    /// Most loaded models; past it those longest unused are unloaded, but never one in use. No limit when absent.
    pub cache_max_models: Option<usize>,
    /// Most measured bytes of loaded models; likewise.
    pub cache_max_bytes: Option<u64>,
    /// A runner that served nothing for so long is ended; never when absent.
    pub idle_timeout: Option<Duration>,
    /// How uploaded models are tried.
    pub validation: ValidationSettings,
}

/// Limits for trying an uploaded model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValidationSettings {
    /// Address space every trial gets, before the file's size is added three times.
    pub base_memory_bytes: u64,
    /// Most address space of a trial, however large the file.
    pub memory_cap_bytes: u64,
    /// How long loading may take before the runner is killed.
    pub load_timeout: Duration,
    /// How long the trial run may take before it is stopped.
    pub run_timeout: Duration,
    /// Trials that may go on at the same time.
    pub concurrency: usize,
}

/// Most slots that a runner has.
const MOST_SLOTS: usize = 64;

/// Slots that calls which share permits may take together, in the default settings.
pub const SLOTS_FOR_RIDERS: usize = 32;

impl RunnerSettings {
    /// The defaults, for a runtime at `runtime_library`.
    pub fn new(runtime_library: PathBuf) -> Self {
        Self {
            runtime_library,
            program: None,
            arguments: vec!["runner".to_owned()],
            isolation: Isolation::Tenant,
            allow_degraded_sandbox: false,
            devices: DevicePolicy::Auto,
            memory_limit_bytes: 4 * GIB,
            gpu_memory_limit_bytes: 4 * GIB,
            grace: Duration::from_millis(500),
            slots: 48,
            room_bytes: (4 * MIB) as usize,
            media_limit_bytes: (256 * MIB) as usize,
            picture_limit_px: 64 * MIB,
            sessions_per_model: 2,
            workers: 4,
            pictures_ahead: None,
            gpu_tf32: false,
            intra_threads: 1,
            load_timeout: Duration::from_secs(60),
            cache_max_models: None,
            cache_max_bytes: None,
            idle_timeout: None,
            validation: ValidationSettings::default(),
        }
    }
}

impl RunnerSettings {
    /// How many pictures are made ready ahead on a device. Together with runs and riders they have to find slots.
    pub(crate) fn pictures_ahead_on(&self, device: Device) -> usize {
        let wanted = self.pictures_ahead.unwrap_or_else(|| match device {
            // Enough that a core never waits for the next picture to come from the service; more would only take turns.
            Device::Cpu => 2 * self.sessions_per_model,
            Device::Cuda(_) => std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
        });
        let taken = SLOTS_FOR_RIDERS + 2 * self.sessions_per_model;
        wanted.min(MOST_SLOTS.saturating_sub(taken))
    }

    /// Slots of a runner on a device.
    pub(crate) fn slots_on(&self, device: Device) -> u32 {
        let ahead = u32::try_from(self.pictures_ahead_on(device)).unwrap_or(u32::MAX);
        self.slots.saturating_add(ahead).min(self.slots.max(MOST_SLOTS as u32))
    }
}

impl Default for ValidationSettings {
    fn default() -> Self {
        Self {
            base_memory_bytes: 256 * MIB,
            memory_cap_bytes: 8 * GIB,
            load_timeout: Duration::from_secs(10),
            run_timeout: Duration::from_secs(5),
            concurrency: 2,
        }
    }
}
