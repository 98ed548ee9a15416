//! Where annotated pictures go.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::Failure;

/// A picture, and where its annotated copy goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Job {
    pub picture: PathBuf,
    pub out: Option<PathBuf>,
}

/// Gives each picture its place: `out` itself for one picture, a file in the folder `out` for several. The folder is made.
pub(super) fn plan(pictures: Vec<PathBuf>, out: Option<PathBuf>) -> Result<Vec<Job>, Failure> {
    let Some(out) = out else {
        return Ok(pictures.into_iter().map(|picture| Job { picture, out: None }).collect());
    };
    if let ([picture], false) = (&pictures[..], out.is_dir()) {
        return Ok(vec![Job { picture: picture.clone(), out: Some(out) }]);
    }
    std::fs::create_dir_all(&out).map_err(|error| Failure::file("make the folder", &out, error))?;
    let names = names(&pictures);
    Ok(pictures.into_iter().zip(names).map(|(picture, name)| Job { picture, out: Some(out.join(name)) }).collect())
}

/// A name for each picture; pictures of the same name from different folders get different ones.
fn names(pictures: &[PathBuf]) -> Vec<String> {
    let mut taken = HashSet::new();
    let stem = |picture: &Path| {
        picture.file_stem().map_or_else(|| "picture".into(), |stem| stem.to_string_lossy().into_owned())
    };
    let mut name = |picture: &PathBuf| {
        let stem = stem(picture);
        let numbered = (2..).map(|number| format!("{stem}-{number}.png"));
        let free = std::iter::once(format!("{stem}.png")).chain(numbered).find(|name| !taken.contains(name));
        let free = free.unwrap_or_default();
        taken.insert(free.clone());
        free
    };
    pictures.iter().map(&mut name).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn outs(pictures: &[&str], out: &Path) -> Vec<PathBuf> {
        let jobs = plan(pictures.iter().map(PathBuf::from).collect(), Some(out.to_owned())).unwrap();
        jobs.into_iter().map(|job| job.out.unwrap()).collect()
    }

    #[test]
    fn one_picture_goes_to_the_file_and_several_into_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("boxes.png");
        assert_eq!(outs(&["a.jpg"], &file), std::slice::from_ref(&file));
        assert_eq!(outs(&["a.jpg"], folder.path()), [folder.path().join("a.png")]);
        let made = folder.path().join("x/y");
        let several = outs(&["a.jpg", "b/a.png", "a-2.gif", "c.jpg"], &made);
        assert_eq!(several, ["a.png", "a-2.png", "a-2-2.png", "c.png"].map(|name| made.join(name)));
        assert!(made.is_dir());
        std::fs::write(&file, b"").unwrap();
        assert!(plan(vec!["a".into(), "b".into()], Some(file)).is_err());
    }
}
