//! Measures synchronous predictions: Ortolan in three shapes, in the same rounds a bare axum with ONNX Runtime (the floor), the model in
//! a bare loop, and servers that others wrote. Each target runs alone on the server's core, the load on another one.

mod cells;
mod measure;
mod models;
mod registry;
mod report;
mod targets;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::stores::Stores;
use super::{floors, ortolan_beside_this_program};
use cells::Cell;
use measure::{Generator, Sample};
use models::Models;
use report::Report;
use targets::{Ground, Running, Target};

const USAGE: &str = "usage: ./dev bench predict [options]
  --only NAME      measures this target beside the floor; may be repeated. Names: ortolan, ortolan-none, ortolan-production,
                   fastapi-plain, fastapi-tuned, mlserver
  --cell WORDS     measures the cells whose names begin with these words, for instance 'tiny json'; may be repeated
  --production     ortolan-production too, on a throw-away PostgreSQL and Redis
  --rounds N       rounds, each of which starts every target once (3)
  --seconds N      how long a cell is measured in a round (4)
  --quick          two rounds of one second
  --server-cores L cores of the servers, as taskset takes them (0)
  --load-cores L   cores of the load (1)";

/// What to measure, for how long, and where.
#[derive(Debug, Clone, PartialEq)]
struct Settings {
    targets: Vec<Target>,
    cells: Vec<Cell>,
    rounds: u32,
    length: Duration,
    server_cores: String,
    load_cores: String,
}

/// Runs the bench and prints its table.
pub fn run(arguments: &[String]) -> Result<ExitCode> {
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        println!("{USAGE}");
        return Ok(ExitCode::SUCCESS);
    }
    let settings = Settings::parse(arguments)?;
    let binary = ortolan_beside_this_program()?;
    let programs = binary.parent().context("the binary has no folder")?;
    let folder = tempfile::Builder::new().prefix("bench-").tempdir_in(programs)?;
    let packages = std::env::var("BENCH_MODELS_PACKAGES");
    let packages = packages.context("BENCH_MODELS_PACKAGES is not set; `./dev bench predict` sets it")?;
    let models = Models::make(folder.path().join("models"), &packages)?;
    let stores = settings.targets.contains(&Target::OrtolanProduction).then(Stores::from_environment).transpose()?;
    let ground =
        Ground { programs, folder: folder.path(), models: &models, server_cores: &settings.server_cores, stores };
    let mut report = Report::default();
    for round in 1..=settings.rounds {
        for target in &settings.targets {
            eprintln!("round {round} of {}: {}", settings.rounds, target.name());
            measure_target(*target, &settings, &ground, &mut report);
        }
        for cell in settings.cells.iter().filter(|cell| cell.is_last_of_model()) {
            report.add(*cell, "model in a loop", bare_loop(&binary, cell, &settings, &models));
        }
    }
    print!("{report}");
    Ok(ExitCode::SUCCESS)
}

/// All cells of one target, which is started for them and stopped afterwards.
fn measure_target(target: Target, settings: &Settings, ground: &Ground<'_>, report: &mut Report) {
    let generator = Generator { programs: ground.programs, cores: &settings.load_cores, folder: ground.folder };
    let running = Running::start(target, ground);
    for cell in settings.cells.iter().filter(|cell| target.has(cell)) {
        let sample = match &running {
            Ok(running) => measure::measure(cell, running, ground.models, &generator, settings.length * cell.longer),
            Err(error) => Err(anyhow::anyhow!("{error:#}")),
        };
        report.add(*cell, target.name(), sample);
    }
    // Killed, as nothing of it is wanted any more.
    drop(running);
}

fn bare_loop(binary: &Path, cell: &Cell, settings: &Settings, models: &Models) -> Result<Sample> {
    let per_s = floors::raw_runs_per_s_on(&settings.server_cores, binary, &models.file(cell.model), settings.length)?;
    Ok(Sample::of_loop(per_s))
}

impl Settings {
    fn parse(arguments: &[String]) -> Result<Self> {
        let (mut rounds, mut length) = (3, Duration::from_secs(4));
        let (mut server_cores, mut load_cores) = ("0".to_owned(), "1".to_owned());
        let (mut only, mut begins, mut production) = (Vec::new(), Vec::new(), false);
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut value = || rest.next().with_context(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--production" => production = true,
                "--quick" => (rounds, length) = (2, Duration::from_secs(1)),
                "--rounds" => rounds = number(argument, value()?)?,
                "--seconds" => length = Duration::from_secs(number(argument, value()?)?.into()),
                "--server-cores" => server_cores = value()?.clone(),
                "--load-cores" => load_cores = value()?.clone(),
                "--cell" => begins.push(value()?.clone()),
                "--only" => {
                    let name = value()?;
                    only.push(Target::parse(name).with_context(|| format!("--only {name}: no such target\n{USAGE}"))?);
                }
                other => bail!("unknown argument {other}\n{USAGE}"),
            }
        }
        let is_wanted = |target: &Target| match target {
            Target::Floor => true,
            Target::OrtolanProduction => production || only.contains(target),
            _ => only.is_empty() || only.contains(target),
        };
        let targets = Target::ALL.into_iter().filter(is_wanted).collect();
        let is_measured =
            |cell: &Cell| begins.is_empty() || begins.iter().any(|begin| cell.title().starts_with(begin.as_str()));
        let cells: Vec<_> = Cell::ALL.into_iter().filter(is_measured).collect();
        if cells.is_empty() {
            let titles = Cell::ALL.map(|cell| cell.title()).join(", ");
            bail!("--cell: no cell's name begins so; there are {titles}");
        }
        Ok(Self { targets, cells, rounds, length, server_cores, load_cores })
    }
}

fn number(argument: &str, value: &str) -> Result<u32> {
    let number = value.parse().ok().filter(|number| *number > 0);
    number.with_context(|| format!("{argument} {value}: not a number above 0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Settings> {
        Settings::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn the_floor_is_always_there_and_production_where_it_is_asked_for() -> Result<()> {
        assert_eq!(parse("--only ortolan")?.targets, [Target::Floor, Target::Ortolan]);
        assert!(!parse("")?.targets.contains(&Target::OrtolanProduction));
        assert!(parse("--production")?.targets.contains(&Target::OrtolanProduction));
        let quick = parse("--quick --cell mid --server-cores 2,3")?;
        assert_eq!((quick.rounds, quick.cells.len(), quick.server_cores.as_str()), (2, 2, "2,3"));
        Ok(())
    }

    #[test]
    fn wrong_arguments_are_refused() {
        for line in ["--rounds", "--rounds 0", "--only triton", "--cell huge", "tasks"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn each_model_has_one_last_cell() {
        let last = Cell::ALL.into_iter().filter(Cell::is_last_of_model).map(|cell| cell.model);
        assert_eq!(last.collect::<Vec<_>>(), ["tiny", "mid", "yolo_like"]);
    }
}
