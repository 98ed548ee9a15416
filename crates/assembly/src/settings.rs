//! Settings that several services take out of the one configuration.

use ortolan_service::config::Config;

/// Most bytes of the inputs or of the outputs of one inference.
pub fn tensor_bytes(config: &Config) -> usize {
    usize::try_from(config.ml.max_tensor_mb << 20).unwrap_or(usize::MAX)
}

/// Crashes after which a task is poison.
pub fn max_crashes(config: &Config) -> i32 {
    i32::try_from(config.worker.max_crashes).unwrap_or(i32::MAX)
}

/// How much may be on its way.
#[cfg(feature = "truth")]
pub fn dispatch(config: &Config) -> ortolan_store::DispatchLimits {
    ortolan_store::DispatchLimits { window: config.dispatch.window, per_tenant: config.dispatch.per_tenant }
}
