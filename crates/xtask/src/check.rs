//! Holds the workspace to its own map: which crate may use which, who owns the heavy libraries, and a few house rules.

mod graph;
mod house;
mod layers;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;

use graph::Graph;

/// Runs all checks in the current directory, prints the tables and every finding.
pub fn run() -> Result<ExitCode> {
    let graph = Graph::of_workspace()?;
    print!("{}", layers::tables(&graph));
    let mut findings = layers::findings(&graph);
    findings.extend(house::findings(Path::new("."))?);
    for finding in &findings {
        eprintln!("error: {finding}");
    }
    println!("layering and house rules: {} findings", findings.len());
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
