//! Runs the tests with plain `cargo test`, shows a line per test binary and every failure in full, and closes with `N passed, N failed`
//! from what the binaries reported. A binary that died counts as a failure, and so does a test that is ignored.

mod report;

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::PathBuf;
use std::process::{Command, ExitCode, ExitStatus};

use anyhow::{Context, Result};

use report::Report;

/// Runs all tests, or those the arguments name, and prints how they went.
pub fn run(arguments: &[String]) -> Result<ExitCode> {
    let selection = Selection::parse(arguments);
    let built = selection.cargo_test().arg("--no-run").status().context("cargo could not be started")?;
    if !built.success() {
        println!("\nthe tests did not build\n\n0 passed, 1 failed");
        return Ok(ExitCode::FAILURE);
    }
    let log = log_path();
    let (report, status) = run_built(&selection, &log)?;
    let closing = report.close(status.success());
    println!("\nfull output: {}", log.display());
    println!("{closing}");
    Ok(if closing.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run_built(selection: &Selection, log: &PathBuf) -> Result<(Report, ExitStatus)> {
    let (reader, writer) = std::io::pipe()?;
    let mut child = {
        let mut command = selection.cargo_test();
        command.args(selection.binary_arguments()).stdout(writer.try_clone()?).stderr(writer);
        command.spawn().context("cargo could not be started")?
    };
    let mut log_file = BufWriter::new(File::create(log).with_context(|| format!("cannot write {}", log.display()))?);
    let mut report = Report::default();
    for line in BufReader::new(reader).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        writeln!(log_file, "{line}")?;
        if let Some(shown) = report.take(line.trim_end_matches('\r')) {
            println!("{shown}");
        }
    }
    log_file.flush()?;
    Ok((report, child.wait()?))
}

fn log_path() -> PathBuf {
    PathBuf::from(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into())).join("ortolan-test.log")
}

/// What to test: options for cargo, names to filter by, options for the test binaries.
#[derive(Debug, Default, PartialEq)]
struct Selection {
    cargo: Vec<String>,
    filters: Vec<String>,
    binary: Vec<String>,
}

impl Selection {
    /// Bare words are filters, options go to cargo, and what follows `--` goes to the test binaries.
    fn parse(arguments: &[String]) -> Self {
        const WITH_VALUE: [&str; 6] = ["-p", "--package", "--test", "--exclude", "--features", "--bin"];
        let mut selection = Self::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            if argument == "--" {
                selection.binary.extend(rest.by_ref().cloned());
            } else if argument.starts_with('-') {
                selection.cargo.push(argument.clone());
                if WITH_VALUE.contains(&argument.as_str()) {
                    selection.cargo.extend(rest.next().cloned());
                }
            } else {
                selection.filters.push(argument.clone());
            }
        }
        selection
    }

    fn cargo_test(&self) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(["test", "--no-fail-fast"]);
        if !self.names_packages() {
            command.arg("--workspace");
        }
        command.args(&self.cargo);
        command
    }

    fn names_packages(&self) -> bool {
        self.cargo.iter().any(|option| option.starts_with("-p") || option.starts_with("--package"))
    }

    fn binary_arguments(&self) -> Vec<String> {
        let separator = std::iter::once("--".to_owned());
        separator.chain(self.filters.iter().cloned()).chain(self.binary.iter().cloned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Selection;

    fn parse(line: &str) -> Selection {
        Selection::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn words_are_filters_and_an_options_value_is_not() {
        let selection = parse("-p ortolan-store lease cancel -- --test-threads 1");
        assert_eq!(selection.cargo, ["-p", "ortolan-store"]);
        assert_eq!(selection.binary_arguments(), ["--", "lease", "cancel", "--test-threads", "1"]);
        assert!(selection.names_packages());
    }

    #[test]
    fn without_a_package_the_whole_workspace_is_tested() {
        assert!(!parse("lease").names_packages());
        assert!(!parse("").names_packages());
    }
}
