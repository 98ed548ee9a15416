//! House rules that no other tool knows: migrations in pairs, files of a readable length, nothing left unfinished, no machine's paths.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A Rust file longer than this has two rooms in it.
const MOST_LINES: usize = 500;

/// Folders and files of ours; fixtures are data.
const PLACES: [&str; 11] = [
    "crates",
    "proptests",
    "migrations",
    "deploy",
    "docs",
    "dev",
    ".ci",
    "README.md",
    "CONTRIBUTING.md",
    "Cargo.toml",
    "deny.toml",
];

/// Endings of text files that are read.
const TEXT: [&str; 11] = ["rs", "toml", "md", "sh", "sql", "yml", "yaml", "json", "html", "js", "css"];

/// Every departure from the house rules under the root folder.
pub fn findings(root: &Path) -> Result<Vec<String>> {
    let mut findings = unpaired_migrations(root)?;
    for file in text_files(root)? {
        let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let name = file.strip_prefix(root).unwrap_or(&file).display().to_string();
        findings.extend(findings_in(&name, &text));
    }
    Ok(findings)
}

fn unpaired_migrations(root: &Path) -> Result<Vec<String>> {
    let folders = ["postgres", "sqlite"].map(|database| root.join("migrations").join(database));
    let [postgres, sqlite] = [names_in(&folders[0])?, names_in(&folders[1])?];
    let lone = postgres.symmetric_difference(&sqlite);
    Ok(lone.map(|name| format!("migration {name} is there for one database only")).collect())
}

fn names_in(folder: &Path) -> Result<BTreeSet<String>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

fn text_files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut waiting: Vec<PathBuf> = PLACES.iter().map(|place| root.join(place)).filter(|path| path.exists()).collect();
    let mut files = Vec::new();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            for entry in std::fs::read_dir(&path)? {
                waiting.push(entry?.path());
            }
        } else if path.extension().is_none_or(|ending| TEXT.iter().any(|known| ending == *known)) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn findings_in(name: &str, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let is_rust = name.ends_with(".rs");
    let lines = text.lines().count();
    if is_rust && lines > MOST_LINES {
        findings.push(format!("{name} has {lines} lines; more than {MOST_LINES} read better as two files"));
    }
    for (number, line) in text.lines().enumerate() {
        let unfinished = is_rust.then(|| unfinished_in(line)).flatten();
        let found = unfinished.or_else(|| machine_path_in(line));
        findings.extend(found.map(|what| format!("{name}:{}: {what}", number + 1)));
    }
    findings
}

fn unfinished_in(line: &str) -> Option<String> {
    // Spelt so that this file does not find itself.
    let marks = ["todo", "unimplemented", "dbg"].map(|name| format!("{name}!("));
    let ignored = ["#[", "ignore"].concat();
    marks
        .into_iter()
        .chain([ignored, ["FIX", "ME"].concat()])
        .find(|mark| line.contains(mark))
        .map(|mark| format!("holds `{mark}`"))
}

/// A folder that exists on somebody's machine and nowhere else.
fn machine_path_in(line: &str) -> Option<String> {
    let folders = ["home", "root", "work", "Users"].map(|name| format!("/{name}/"));
    let at_start_of_path = |folder: &String| {
        line.match_indices(folder.as_str())
            .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-$}".contains(c)))
    };
    folders.into_iter().find(at_start_of_path).map(|folder| format!("holds a machine's path (`{folder}`)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfinished_work_is_found_in_rust_only() {
        let line = format!("    {}!()", "todo");
        assert_eq!(findings_in("a.rs", &line), [format!("a.rs:1: holds `{}!(`", "todo")]);
        assert!(findings_in("a.md", &line).is_empty());
    }

    #[test]
    fn a_machines_path_is_found_and_a_route_is_not() {
        let path = format!("/{}/someone/x", "home");
        assert_eq!(findings_in("a.md", &path).len(), 1);
        assert!(findings_in("a.md", &format!("https://example.org{path}")).is_empty());
    }

    #[test]
    fn a_long_file_is_found() {
        assert!(findings_in("a.rs", &"\n".repeat(MOST_LINES)).is_empty());
        assert_eq!(findings_in("a.rs", &"\n".repeat(MOST_LINES + 1)).len(), 1);
    }

    #[test]
    fn a_migration_without_its_twin_is_found() -> Result<()> {
        let root = tempfile::tempdir()?;
        for (database, name) in
            [("postgres", "0001_tasks.sql"), ("sqlite", "0001_tasks.sql"), ("sqlite", "0002_more.sql")]
        {
            std::fs::create_dir_all(root.path().join("migrations").join(database))?;
            std::fs::write(root.path().join("migrations").join(database).join(name), "SELECT 1;")?;
        }
        assert_eq!(findings(root.path())?, ["migration 0002_more.sql is there for one database only"]);
        Ok(())
    }
}
