//! The GPUs as they were a moment ago. The driver is asked from time to time, off the event loop, and never by a request.

use std::sync::{Arc, Mutex, PoisonError};

use ortolan_engine::{GpuFacts, Gpus};
use ortolan_service::telemetry::inference;

/// The variable that says which GPUs a process sees.
const VISIBLE: &str = "CUDA_VISIBLE_DEVICES";

/// What was last heard of the GPUs.
pub(crate) struct GpuWatch {
    source: Option<Arc<Gpus>>,
    last: Mutex<Vec<GpuFacts>>,
}

impl GpuWatch {
    pub(crate) fn new(source: Option<Gpus>) -> Self {
        Self { source: source.map(Arc::new), last: Mutex::default() }
    }

    /// Asks the driver, and tells metrics.
    pub(crate) async fn look(&self) {
        let Some(source) = self.source.clone() else { return };
        // Not set, or no text: all of them are seen.
        let visible = std::env::var(VISIBLE).ok();
        let asked = tokio::task::spawn_blocking(move || Gpus::seen(source.list(), visible.as_deref()));
        let Ok(gpus) = asked.await else { return };
        gpus.iter().for_each(tell);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = gpus;
    }

    /// What was last heard, in the order of the devices' numbers.
    pub(crate) fn now(&self) -> Vec<GpuFacts> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn tell(gpu: &GpuFacts) {
    inference::gpu(&inference::Gpu {
        uuid: &gpu.uuid,
        memory_total_bytes: gpu.memory_total_bytes,
        memory_used_bytes: gpu.memory_used_bytes,
        utilisation: gpu.utilisation,
        power_w: gpu.power_w,
        power_limit_w: gpu.power_limit_w,
        energy_j: gpu.energy_j,
    });
}
