//! Faults for real: the production profile, two processes of each service, under load, while processes are killed, stalled and
//! rolled and their stores restarted, stalled and emptied, at random from a seed that is printed. Then everything is healed,
//! and what must always hold is checked in the database and over HTTP.
//!
//! `./dev chaos` runs it for minutes; as a test it runs each fault once. It has a `main` of its own, as it is both.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod audit;
mod faults;
mod installation;
mod ledger;
mod load;
mod options;
mod recovery;
mod report;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use installation::Installation;
use ledger::Ledger;
use options::Options;
use rand::SeedableRng;
use rand::rngs::StdRng;
use recovery::Recovery;

const TEST: &str = "every_fault_under_load_loses_and_doubles_nothing";
/// How long everything that was accepted may take to end once nothing is wrong any more.
const QUIESCENCE: Duration = Duration::from_secs(180);

fn main() -> ExitCode {
    let Some(options) = Options::parse(std::env::args().skip(1), TEST) else {
        println!("test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 1 filtered out; finished in 0.00s");
        return ExitCode::SUCCESS;
    };
    let began = Instant::now();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let violations = runtime.block_on(run(&options)).unwrap_or_else(|error| vec![format!("{error:#}")]);
    let (word, counts) = match violations.is_empty() {
        true => ("ok", "1 passed; 0 failed"),
        false => ("FAILED", "0 passed; 1 failed"),
    };
    println!("test {TEST} ... {word}");
    if !violations.is_empty() {
        println!("\nfailures:\n\n{}\n\nfailures:\n    {TEST}\n", report::shown(&violations));
    }
    // The form in which test programs close, so that this one is counted like the others.
    let took_s = began.elapsed().as_secs_f64();
    println!("test result: {word}. {counts}; 0 ignored; 0 measured; 0 filtered out; finished in {took_s:.2}s");
    if violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Gives what does not hold.
async fn run(options: &Options) -> Result<Vec<String>> {
    println!("seed {}: {options}", options.seed);
    let mut random = StdRng::seed_from_u64(options.seed);
    let mut installation = Installation::start().await?;
    let ledger = Ledger::new();
    let load = load::start(&installation, &ledger, options);
    let mut recovery = Recovery::watch(installation.database_url());
    let mut violations = faults::inject(options, &mut random, &mut installation, &mut recovery).await?;
    load.stop(QUIESCENCE).await.unwrap_or_else(|left| violations.push(left));
    violations.extend(installation.processes_that_ended()?);
    if !recovery.wait_until_idle(QUIESCENCE).await {
        violations.push(format!("after {} s without faults tasks are still open", QUIESCENCE.as_secs()));
    }
    let findings = audit::audit(&installation, &ledger).await?;
    println!("{}", report::table(&recovery.records(), &ledger, &findings));
    violations.extend(ledger.refusals());
    violations.extend(findings.violations);
    if !violations.is_empty() {
        println!("logs are kept in {}", installation.keep_logs()?);
    }
    Ok(violations)
}
