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

/// True for the name of an object that a run put aside.
pub fn is_name(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Where the object lies that will lie at `path`.
pub fn object(tenant: &TenantSlug, task: TaskId, run: RunId, path: &str) -> String {
    format!("{}/{}", folder(tenant, task, run), hash::sha256_hex(path.as_bytes()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn objects_lie_in_their_runs_folder_under_names_that_are_known_again() {
        let (tenant, task, run) = (TenantSlug::parse("a").unwrap(), TaskId::generate(), RunId::generate());
        let path = object(&tenant, task, run, "a/images/1.jpg");
        let name = path.strip_prefix(&format!("{}/", folder(&tenant, task, run))).unwrap();
        assert!(is_name(name) && folder(&tenant, task, run).starts_with("a/staging/"));
        assert_ne!(path, object(&tenant, task, run, "a/images/2.jpg"));
        assert!(!is_name("x.onnx") && !is_name(""));
    }
}
