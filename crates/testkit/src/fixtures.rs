//! Where the fixtures lie.

use std::path::PathBuf;

/// A file below the project's `fixtures` folder.
pub fn path(relative: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(relative)
}

/// The bytes of a fixture.
///
/// # Panics
/// When there is no such file.
#[expect(clippy::panic, reason = "a test without its fixture cannot go on")]
pub fn read(relative: &str) -> Vec<u8> {
    let path = path(relative);
    std::fs::read(&path).unwrap_or_else(|error| panic!("fixture {}: {error}", path.display()))
}

/// The files of a fixture folder by name.
///
/// # Panics
/// When there is no such folder.
#[expect(clippy::panic, reason = "a test without its fixtures cannot go on")]
pub fn list(relative: &str) -> Vec<String> {
    let folder = path(relative);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("fixtures {}: {error}", folder.display()));
    let files = entries.flatten().filter(|entry| entry.path().is_file());
    let mut names: Vec<_> = files.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
