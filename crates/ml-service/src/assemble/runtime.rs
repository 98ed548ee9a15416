//! Where the ONNX Runtime library is.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// The library's name, without the version that may follow.
const NAME: &str = "libonnxruntime.so";

/// The configured library, or the first one found beside the program, in the user's cache and in the usual folders.
pub fn library(configured: Option<&Path>) -> Result<PathBuf> {
    if let Some(path) = configured {
        return match path.canonicalize() {
            Ok(path) if path.is_file() => Ok(path),
            _ => bail!(
                "ORT_DYLIB_PATH (ml.onnxruntime_path) names {}, where there is no file; `./dev setup` fetches the library and prints where it is",
                path.display()
            ),
        };
    }
    match folders().iter().find_map(|folder| in_folder(folder)) {
        Some(path) => Ok(path),
        None => bail!(
            "the ONNX Runtime library was not found; set ORT_DYLIB_PATH to {NAME}, or run `./dev setup`, which fetches it"
        ),
    }
}

fn folders() -> Vec<PathBuf> {
    let mut folders = Vec::new();
    if let Some(beside) = std::env::current_exe().ok().and_then(|program| program.parent().map(Path::to_owned)) {
        folders.push(beside);
    }
    let cache = std::env::var_os("ORTOLAN_CACHE").map(PathBuf::from).or_else(|| {
        let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let base = base.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
        base.map(|base| base.join("ortolan"))
    });
    if let Some(versions) = cache.and_then(|cache| std::fs::read_dir(cache.join("onnxruntime")).ok()) {
        let mut versions: Vec<_> = versions.flatten().map(|entry| entry.path()).collect();
        versions.sort();
        folders.extend(versions.into_iter().rev());
    }
    folders.extend(["/opt/onnxruntime", "/usr/local/lib", "/usr/lib"].map(PathBuf::from));
    folders
}

fn in_folder(folder: &Path) -> Option<PathBuf> {
    let mut found: Vec<_> = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).collect();
    found
        .retain(|path| path.is_file() && path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(NAME)));
    found.sort();
    found.pop()?.canonicalize().ok()
}

/// The version in the library's file name, for health and provenance.
pub fn version(library: &Path) -> String {
    let name = library.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    name.strip_prefix(NAME).map_or("unknown", |rest| rest.trim_start_matches('.')).to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_newest_library_of_a_folder_is_taken_and_its_version_read() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(in_folder(folder.path()), None);
        for name in ["libonnxruntime.so.1.30.0", "libonnxruntime.so.1.31.1", "libonnxruntime_providers_shared.so"] {
            std::fs::write(folder.path().join(name), b"").unwrap();
        }
        let found = in_folder(folder.path()).unwrap();
        assert_eq!(version(&found), "1.31.1");
        assert!(library(Some(&folder.path().join("nothing.so"))).is_err());
    }
}
