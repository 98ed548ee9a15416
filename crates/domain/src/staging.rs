//! Where objects of a task lie that get their names only once the task has completed.

use crate::hash;
use crate::id::{RunId, TaskId};
use crate::tenant::TenantSlug;

/// The folder of all that a task's runs put aside.
pub fn task_folder(tenant: &TenantSlug, task: TaskId) -> String {
    format!("{tenant}/staging/{task}")
}

/// The folder of what one run put aside.
pub fn folder(tenant: &TenantSlug, task: TaskId, run: RunId) -> String {
    format!("{}/{run}", task_folder(tenant, task))
}

/// Where the object lies that will lie at `path`.
pub fn object(tenant: &TenantSlug, task: TaskId, run: RunId, path: &str) -> String {
    format!("{}/{}", folder(tenant, task, run), hash::sha256_hex(path.as_bytes()))
}
