//! What is loaded, and in which runners.

use std::sync::Arc;

use ortolan_domain::model::ModelName;
use ortolan_domain::{TenantSlug, Timestamp};
use serde::Serialize;

use crate::answer::ModelFacts;

/// What is loaded, and in which runners.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CacheInfo {
    /// The loaded models by key.
    pub models: Vec<CachedModel>,
    /// The runners that are alive.
    pub runners: Vec<RunnerInfo>,
    /// How many GPUs are used.
    pub gpu_count: u32,
}

/// A loaded model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CachedModel {
    /// Its key, for instance `tenant-001_detect_worker_0`.
    pub key: String,
    /// Whose it is.
    pub tenant: TenantSlug,
    /// Which of its tenant's.
    pub model: ModelName,
    /// Where it runs.
    pub device: String,
    /// SHA-256 of its file.
    pub sha256: String,
    /// Size of its file.
    pub size_bytes: u64,
    /// Since when.
    pub loaded_at: Timestamp,
    /// What it is.
    pub facts: Arc<ModelFacts>,
}

/// A runner that is alive.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunnerInfo {
    /// Whose it is; absent when tenants share it.
    pub tenant: Option<TenantSlug>,
    /// Where it runs.
    pub device: String,
    /// Its process.
    pub pid: u32,
    /// Its resident memory.
    pub rss_bytes: u64,
    /// Calls under way.
    pub calls: usize,
}

/// Resident memory of a process: now, and at most.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Resident {
    pub(super) now_bytes: u64,
    pub(super) peak_bytes: u64,
}

/// Asks the kernel; zeros for a process that is gone.
pub(super) fn resident(pid: u32) -> Resident {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kibibytes = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()
    };
    Resident { now_bytes: kibibytes("VmRSS:").unwrap_or(0) << 10, peak_bytes: kibibytes("VmHWM:").unwrap_or(0) << 10 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_a_process_is_read_and_of_a_gone_one_zero() {
        let own = resident(std::process::id());
        assert!(own.now_bytes > 0 && own.peak_bytes >= own.now_bytes);
        assert_eq!(resident(u32::MAX), Resident::default());
    }
}
