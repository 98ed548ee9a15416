//! The runtime: one for the life of the process.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use ort::environment::Environment;
use ort::ep;
use ort::logging::LogLevel;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};

use crate::device::Device;
use crate::error::EngineError;
use crate::session::Session;

/// How a model is loaded.
#[derive(Debug, Clone)]
pub struct SessionOptions {
    /// Where it runs.
    pub device: Device,
    /// The most bytes of device memory that the session takes; of a GPU only.
    pub device_memory_limit_bytes: Option<usize>,
    /// Lets a GPU round the factors of convolutions and matrix products to TF32's 10 bits: faster for large models, and no longer
    /// equal to the processor's answers.
    pub tf32: bool,
    /// Threads that share the work of one operator; 1 is the caller's own thread.
    pub intra_threads: usize,
    /// How much the graph is improved before it runs.
    pub optimization: Optimization,
    /// Sizes for free axes, by name.
    pub dimensions: BTreeMap<String, i64>,
}

/// How much a graph is improved before it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Optimization {
    /// Not at all: enough to look at the signature.
    None,
    /// All that the runtime knows.
    Full,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            device: Device::Cpu,
            device_memory_limit_bytes: None,
            tf32: false,
            intra_threads: 1,
            optimization: Optimization::Full,
            dimensions: BTreeMap::new(),
        }
    }
}

/// The opened runtime. Clones share it.
#[derive(Clone)]
pub struct Engine {
    environment: Environment,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Engine")
    }
}

impl Engine {
    /// Opens the runtime's shared library. A process can do this once; whoever needs it twice keeps a clone.
    ///
    /// The variable `ORT_DISABLE_TELEMETRY=1` must be set before, or Microsoft's builds write a file and phone home.
    pub fn open(library: &Path) -> Result<Self, EngineError> {
        let refused = |text: String| EngineError::Runtime(text);
        if !library.is_absolute() || !library.is_file() {
            return Err(refused(format!("{} is not the absolute path of a file", library.display())));
        }
        let builder = ort::init_from(library).map_err(|error| refused(error.to_string()))?;
        let environment = builder.with_name("ortolan").with_telemetry(false).with_logger(Arc::new(log)).build();
        let environment = environment.map_err(|error| refused(error.to_string()))?;
        environment.set_log_level(LogLevel::Error);
        Ok(Self { environment })
    }

    /// Loads a model. The bytes may be dropped afterwards.
    ///
    /// A hostile model can hang this call, overflow the stack or end the process.
    pub fn load(&self, model: &[u8], options: &SessionOptions) -> Result<Session, EngineError> {
        // Shape inference can give sizes that the binding takes for impossible; it panics then.
        let loaded = catch_unwind(AssertUnwindSafe(|| {
            let mut builder = self.builder(options)?;
            builder.commit_from_memory(model).map_err(|error| EngineError::at_load(&error))
        }));
        let session =
            loaded.unwrap_or_else(|_| Err(EngineError::InvalidModel("a shape in it cannot be".to_owned())))?;
        Ok(Session::new(session))
    }

    /// The GPUs on which sessions can be made: asks each in turn to register, as "available" only says how the library was built.
    pub fn cuda_devices(&self) -> u32 {
        const MOST: u32 = 64;
        let registers = |id: &u32| {
            let options = SessionOptions { device: Device::Cuda(*id), ..Default::default() };
            self.builder(&options).is_ok()
        };
        (0..MOST).take_while(registers).count() as u32
    }

    fn builder(&self, options: &SessionOptions) -> Result<SessionBuilder, EngineError> {
        let at_load = |error: ort::Error<SessionBuilder>| EngineError::at_load(&error);
        let level = match options.optimization {
            Optimization::None => GraphOptimizationLevel::Disable,
            Optimization::Full => GraphOptimizationLevel::All,
        };
        let mut builder =
            ort::session::Session::builder(&self.environment).map_err(|error| EngineError::at_load(&error))?;
        builder = builder.with_optimization_level(level).map_err(at_load)?;
        builder = builder.with_intra_threads(options.intra_threads.max(1)).map_err(at_load)?;
        builder = builder.with_inter_threads(1).map_err(at_load)?;
        builder = builder.with_intra_op_spinning(false).map_err(at_load)?;
        builder = builder.with_inter_op_spinning(false).map_err(at_load)?;
        for (name, size) in &options.dimensions {
            builder = builder.with_dimension_override(name, *size).map_err(at_load)?;
        }
        match options.device {
            Device::Cpu => Ok(builder),
            Device::Cuda(id) => on_cuda(builder, id, options),
        }
    }
}

/// Without `error_on_failure` the runtime would quietly use the processor.
fn on_cuda(builder: SessionBuilder, id: u32, options: &SessionOptions) -> Result<SessionBuilder, EngineError> {
    let mut provider = ep::CUDA::default()
        .with_device_id(i32::try_from(id).unwrap_or(i32::MAX))
        .with_tf32(options.tf32)
        // The default tries all algorithms at the first run of each new shape: for a nano detector on an H100 that run took 180 ms
        // instead of 25, and later ones were no faster.
        .with_conv_algorithm_search(ep::cuda::ConvAlgorithmSearch::Heuristic)
        .with_arena_extend_strategy(ep::ArenaExtendStrategy::SameAsRequested);
    if let Some(limit) = options.device_memory_limit_bytes {
        provider = provider.with_memory_limit(limit);
    }
    builder.with_execution_providers([provider.build().error_on_failure()]).map_err(|error| {
        tracing::debug!(text = error.message(), "the CUDA provider did not start");
        EngineError::DeviceUnavailable(Device::Cuda(id).to_string())
    })
}

/// Runs on the thread that made the runtime speak; a panic in here would abort the process.
fn log(level: LogLevel, category: &str, id: &str, _location: &str, text: &str) {
    let text = text.escape_debug();
    match level {
        LogLevel::Error | LogLevel::Fatal => tracing::error!(target: "onnxruntime", category, id, "{text}"),
        LogLevel::Warning => tracing::warn!(target: "onnxruntime", category, id, "{text}"),
        _ => tracing::debug!(target: "onnxruntime", category, id, "{text}"),
    }
}
