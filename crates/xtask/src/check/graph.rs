//! What the workspace's crates use and link, as cargo resolves it. Development dependencies are left out: they are in no binary.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// The platform whose dependencies count; what only other systems need is not shipped.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// The workspace's crates by package name.
#[derive(Debug, Default)]
pub struct Graph {
    uses: BTreeMap<String, BTreeSet<String>>,
    links: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    /// Asks cargo about the workspace in the current directory; `Cargo.lock` must be up to date.
    pub fn of_workspace() -> Result<Self> {
        let metadata = cargo(&["metadata", "--format-version", "1", "--locked", "--filter-platform", PLATFORM])?;
        let metadata: Metadata = serde_json::from_str(&metadata).context("cargo metadata answered something else")?;
        let uses = metadata.uses_of_members();
        // The metadata's features are those of all crates together. What one crate links when it is built alone, only a tree of its
        // own tells.
        let links = uses.keys().map(|member| Ok((member.clone(), linked_by(member)?))).collect::<Result<_>>()?;
        Ok(Self { uses, links })
    }

    /// Names of the workspace's own crates.
    pub fn members(&self) -> impl Iterator<Item = &str> {
        self.uses.keys().map(String::as_str)
    }

    /// Names of the packages in the member's own manifest.
    pub fn direct(&self, member: &str) -> impl Iterator<Item = &str> {
        self.uses.get(member).into_iter().flatten().map(String::as_str)
    }

    /// Names of all packages in a binary of the member's.
    pub fn linked(&self, member: &str) -> impl Iterator<Item = &str> {
        self.links.get(member).into_iter().flatten().map(String::as_str)
    }
}

#[cfg(test)]
impl Graph {
    /// A graph in which every package on the left is a member, from pairs "a uses b"; members link what they use.
    pub fn of_pairs(pairs: &[(&str, &str)]) -> Self {
        let mut graph = Self::default();
        for (user, used) in pairs {
            graph.uses.entry((*user).to_owned()).or_default().insert((*used).to_owned());
        }
        graph.links = graph.uses.clone();
        graph
    }
}

fn linked_by(member: &str) -> Result<BTreeSet<String>> {
    let arguments =
        ["tree", "--locked", "--package", member, "--edges", "normal", "--target", PLATFORM, "--prefix", "none"];
    Ok(names_in_tree(&cargo(&arguments)?))
}

/// Lines such as `serde v1.0.0 (*)`.
fn names_in_tree(tree: &str) -> BTreeSet<String> {
    tree.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

fn cargo(arguments: &[&str]) -> Result<String> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(program).args(arguments).output().context("cargo could not be started")?;
    if !output.status.success() {
        bail!("cargo {} failed: {}", arguments[0], String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).context("cargo answered something that is no text")
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: BTreeSet<String>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Deserialize)]
struct DependencyKind {
    kind: Option<String>,
}

impl Metadata {
    fn uses_of_members(self) -> BTreeMap<String, BTreeSet<String>> {
        let names: BTreeMap<_, _> = self.packages.into_iter().map(|package| (package.id, package.name)).collect();
        let name = |id: &String| names.get(id).cloned();
        let members = self.resolve.nodes.iter().filter(|node| self.workspace_members.contains(&node.id));
        let uses = |node: &Node| {
            node.deps.iter().filter(|used| used.is_for_builds()).filter_map(|used| name(&used.pkg)).collect()
        };
        members.filter_map(|node| Some((name(&node.id)?, uses(node)))).collect()
    }
}

impl Dependency {
    fn is_for_builds(&self) -> bool {
        self.dep_kinds.iter().any(|kind| kind.kind.as_deref() != Some("dev"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn development_dependencies_are_left_out() -> Result<()> {
        let metadata: Metadata = serde_json::from_str(
            r#"{"packages": [{"id": "1", "name": "api"}, {"id": "2", "name": "ort"}, {"id": "3", "name": "axum"}],
                "workspace_members": ["1"],
                "resolve": {"nodes": [{"id": "1", "deps": [{"pkg": "2", "dep_kinds": [{"kind": "dev"}]},
                                                           {"pkg": "3", "dep_kinds": [{"kind": "dev"}, {"kind": null}]}]}]}}"#,
        )?;
        let expected = BTreeMap::from([("api".to_owned(), BTreeSet::from(["axum".to_owned()]))]);
        assert_eq!(metadata.uses_of_members(), expected);
        Ok(())
    }

    #[test]
    fn a_tree_is_read_by_its_names() {
        let tree = "ortolan-worker v0.1.0 (/somewhere)\nserde v1.0.229\nserde_derive v1.0.229 (proc-macro)\nserde v1.0.229 (*)\n\n";
        assert_eq!(names_in_tree(tree), ["ortolan-worker", "serde", "serde_derive"].map(str::to_owned).into());
    }
}
