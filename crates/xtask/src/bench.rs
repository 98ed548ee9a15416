//! Measures a running Ortolan over HTTP, beside floors taken in the same rounds: what bare HTTP, the disk and the bare ONNX Runtime
//! do on this machine in these minutes. Read the ratios; absolute figures change with the machine and with what else it does.

mod cells;
mod client;
mod cpu;
mod fairness;
mod floors;
mod http;
mod load;
mod peers;
mod predict;
mod report;
mod server;
mod stores;
mod vision;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use cells::{Bench, Cell};
use report::Report;
use stores::Stores;

const USAGE: &str = "usage: ./dev bench [tasks|fairness|vision] [--production] [--device NAME] [--rounds N] [--seconds N] [--under-way N] [--only WORDS] [--history] [--quick]
  tasks        no-op and detection tasks through the whole embedded profile (the default)
  fairness     what one tenant's burst of tasks and predictions costs another tenant
  vision       detection tasks on photographs of 1920 x 1080 pixels, on one core and on two, beside ONNX Runtime alone and beside a
               pipeline of OpenCV and ONNX Runtime in Python
  --production tasks through API, worker, ML service and reconciler as processes of their own, on a throw-away PostgreSQL that
               syncs its commits, and Redis; beside procrastinate and FastAPI with Celery on the same servers
  --device     where the bare ONNX Runtime runs, if not on the processor: cuda:0, the first GPU, which Ortolan uses where there is one
  --rounds     rounds, each of which takes every cell once (3)
  --seconds    how long a cell is measured in a round (5)
  --under-way  tasks under way at once in the throughput cells (64)
  --only       the cells whose title contains the words, and no others
  --history    with --production: the no-op tasks once more, beside a million ended and 100,000 waiting ones
  --quick      two rounds of two seconds
usage: ./dev bench predict ...
  predict      synchronous predictions, beside a bare server and servers of others (`./dev bench predict --help`)";

/// Which of the benches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    Tasks,
    Fairness,
    Vision,
}

/// What to measure, for how long.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    subject: Subject,
    production: bool,
    /// Where ONNX Runtime runs models; on the processor when `None`.
    device: Option<String>,
    rounds: u32,
    cell: Duration,
    under_way: usize,
    only: String,
    history: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            subject: Subject::Tasks,
            production: false,
            device: None,
            rounds: 3,
            cell: Duration::from_secs(5),
            under_way: 64,
            only: String::new(),
            history: false,
        }
    }
}

/// Runs the benches that the arguments name and prints a table.
pub fn run(arguments: &[String]) -> Result<ExitCode> {
    if let Some((word, rest)) = arguments.split_first()
        && word == "predict"
    {
        return predict::run(rest);
    }
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        println!("{USAGE}");
        return Ok(ExitCode::SUCCESS);
    }
    let settings = Settings::parse(arguments)?;
    if settings.subject == Subject::Vision {
        return vision::run(&settings);
    }
    let binary = ortolan_beside_this_program()?;
    // On the disk that holds the build, as a user's data would be: a temporary folder in memory would make syncing free.
    let folder =
        tempfile::Builder::new().prefix("bench-").tempdir_in(binary.parent().context("the binary has no folder")?)?;
    let stores = settings.production.then(Stores::from_environment).transpose()?;
    if settings.subject == Subject::Fairness {
        print!("{}", fairness::run(&binary, folder.path(), &settings, stores.as_ref())?);
        return Ok(ExitCode::SUCCESS);
    }
    let bench = Bench::start(&binary, folder.path(), settings.clone(), stores)?;
    let mut report = Report::new(settings.under_way);
    for round in 1..=settings.rounds {
        for cell in settings.cells() {
            eprintln!("round {round} of {}: {}", settings.rounds, cell.title());
            report.add(cell, bench.measure(cell));
        }
    }
    if settings.history {
        eprintln!("filling the table");
        bench.add_many_others()?;
        for round in 1..=settings.rounds {
            eprintln!("round {round} of {}: {}", settings.rounds, Cell::NoopAmongMany.title());
            report.add(Cell::NoopAmongMany, bench.measure(Cell::NoopAmongMany));
        }
    }
    bench.stop()?;
    print!("{report}");
    Ok(ExitCode::SUCCESS)
}

impl Settings {
    fn cells(&self) -> impl Iterator<Item = Cell> {
        let is_wanted = |cell: &Cell| cell.is_possible(self.production) && cell.title().contains(self.only.as_str());
        Cell::IN_ROUNDS.into_iter().filter(is_wanted)
    }

    fn parse(arguments: &[String]) -> Result<Self> {
        let mut settings = Self::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut number = || -> Result<u32> {
                let value = rest.next().with_context(|| format!("{argument} needs a number"))?;
                value
                    .parse()
                    .ok()
                    .filter(|number| *number > 0)
                    .with_context(|| format!("{argument} {value}: not a number above 0"))
            };
            match argument.as_str() {
                "tasks" => settings.subject = Subject::Tasks,
                "fairness" => settings.subject = Subject::Fairness,
                "vision" => settings.subject = Subject::Vision,
                "--device" => settings.device = Some(rest.next().context("--device needs a name")?.clone()),
                "--only" => settings.only = rest.next().context("--only needs words of a title")?.clone(),
                "--production" => settings.production = true,
                "--history" => settings.history = true,
                "--quick" => (settings.rounds, settings.cell) = (2, Duration::from_secs(2)),
                "--rounds" => settings.rounds = number()?,
                "--seconds" => settings.cell = Duration::from_secs(number()?.into()),
                "--under-way" => settings.under_way = number()? as usize,
                other => bail!("unknown argument {other}\n{USAGE}"),
            }
        }
        if settings.history && !settings.production {
            bail!("--history needs --production\n{USAGE}");
        }
        Ok(settings)
    }
}

fn ortolan_beside_this_program() -> Result<PathBuf> {
    let binary = std::env::current_exe()?.with_file_name("ortolan");
    if !Path::new(&binary).is_file() {
        bail!("there is no {}: cargo build --release -p ortolan", binary.display());
    }
    Ok(binary)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Settings> {
        Settings::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn arguments_are_read_in_order() -> Result<()> {
        assert_eq!(parse("")?, Settings::default());
        let settings = parse("tasks --production --quick --under-way 8")?;
        let right =
            Settings { production: true, rounds: 2, cell: Duration::from_secs(2), under_way: 8, ..Settings::default() };
        assert_eq!(settings, right);
        assert_eq!(parse("vision --rounds 1")?.subject, Subject::Vision);
        Ok(())
    }

    #[test]
    fn wrong_arguments_are_refused() {
        for line in ["--rounds", "--rounds 0", "--seconds x", "models", "--history", "--only"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
