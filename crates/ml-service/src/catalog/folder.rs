//! A private folder for local copies of models, and clearing away those of processes that died.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use tempfile::TempDir;

/// How private folders begin.
const PREFIX: &str = "mlworker_models_";
/// Held by the process that a private folder belongs to, for as long as it lives.
const OWNER: &str = ".owner";
/// Held while folders are made or cleared away, so that none is taken for abandoned before it has an owner.
const GATE: &str = ".mlworker_models.lock";

/// A folder of this process alone; removed when dropped, or by the next process that starts here.
pub(crate) struct PrivateFolder {
    folder: TempDir,
    _owner: File,
}

impl PrivateFolder {
    /// Makes a folder in `parent`, which is made as well, and removes what dead processes left there.
    pub(crate) fn make_in(parent: &Path) -> io::Result<Self> {
        fs::create_dir_all(parent)?;
        let gate = File::create(parent.join(GATE))?;
        gate.lock()?;
        clear_abandoned(parent);
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
        let owner = File::create(folder.path().join(OWNER))?;
        owner.lock()?;
        Ok(Self { folder, _owner: owner })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Removes folders whose owner is dead. What cannot be looked at or removed stays: it does no harm.
fn clear_abandoned(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(PREFIX) && is_abandoned(&entry.path()) {
            let removed = fs::remove_dir_all(entry.path()).is_ok();
            tracing::info!(removed, "models that a dead process had fetched are cleared away");
        }
    }
}

/// True when nobody holds the folder's lock. A folder without one is not ours.
fn is_abandoned(folder: &Path) -> bool {
    File::open(folder.join(OWNER)).is_ok_and(|owner| owner.try_lock().is_ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_dead_owners_folder_goes_and_a_living_ones_stays() {
        let parent = tempfile::tempdir().unwrap();
        let living = PrivateFolder::make_in(parent.path()).unwrap();
        let dead = parent.path().join(format!("{PREFIX}dead"));
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join(OWNER), "").unwrap();
        fs::write(dead.join("a_detect.onnx"), "model").unwrap();
        let strange = parent.path().join(format!("{PREFIX}strange"));
        fs::create_dir(&strange).unwrap();

        let next = PrivateFolder::make_in(parent.path()).unwrap();
        assert!(living.path().is_dir() && next.path().is_dir() && strange.is_dir());
        assert!(!dead.exists());
        let gone = living.path().to_owned();
        drop(living);
        assert!(!gone.exists());
    }
}
