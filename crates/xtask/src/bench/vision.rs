//! Photographs of 1920 x 1080 pixels through detection tasks, beside the bare ONNX Runtime and beside a pipeline of OpenCV and
//! ONNX Runtime in Python, on the same cores, or with so many runs at once on the same GPU, in the same rounds.

mod report;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::client::Tenant;
use super::load::closed_loop;
use super::server::{Launch, Server, on_cores};
use super::{Settings, floors, ortolan_beside_this_program};
use report::Report;

const PYTHON: &str = "crates/xtask/python/vision";
const PHOTOGRAPH: &str = "fixtures/images/photo_coffee.jpg";
const TINY: &str = "fixtures/models/shapes_det_160.onnx";
/// Enough that the next pictures are decoded while the device is busy.
const UNDER_WAY: usize = 8;
/// The same where all cores decode for a GPU.
const UNDER_WAY_FOR_GPU: usize = 64;
/// Runs at once on a GPU that are measured.
const RUNS_ON_GPU: [usize; 3] = [1, 2, 4];

/// A model that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Model {
    /// 640 x 640, with the shape and about the cost of a nano YOLO; made for the bench.
    Usual,
    /// 160 x 160, which costs less than the picture's decoding: shows what lies around the model.
    Tiny,
}

/// What works on the pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// ONNX Runtime in a loop, with a tensor that is there already; as many loops as cores, or as runs at once on a GPU.
    Raw,
    /// OpenCV and ONNX Runtime in Python, a process for each core, beside a GPU for all the cores of the machine.
    Python,
    /// Tasks of the whole service.
    Tasks,
}

/// Where something is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    /// How many cores it has, or runs at once on a GPU.
    pub lanes: usize,
    /// Through which model.
    pub model: Model,
    /// By what.
    pub way: Way,
}

/// The files that are measured with.
struct Inputs {
    binary: PathBuf,
    /// Where models run; on the processor when `None`.
    device: Option<String>,
    usual: PathBuf,
    picture: PathBuf,
    packages: String,
}

/// Measures and prints a table.
pub fn run(settings: &Settings) -> Result<ExitCode> {
    let binary = ortolan_beside_this_program()?;
    let folder =
        tempfile::Builder::new().prefix("bench-").tempdir_in(binary.parent().context("the binary has no folder")?)?;
    let inputs = Inputs::make(binary, settings.device.clone(), folder.path())?;
    let mut report = Report::new(settings.device.clone());
    let lanes = match settings.device {
        Some(_) => RUNS_ON_GPU.to_vec(),
        None => (1..=cores().min(2)).collect(),
    };
    for round in 1..=settings.rounds {
        for &lanes in &lanes {
            eprintln!("round {round} of {}: {lanes} {}", settings.rounds, report.lanes());
            inputs.measure(lanes, settings.cell, folder.path(), &mut report)?;
        }
    }
    print!("{report}");
    Ok(ExitCode::SUCCESS)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

impl Inputs {
    fn make(binary: PathBuf, device: Option<String>, folder: &Path) -> Result<Self> {
        let packages = std::env::var("BENCH_VISION_PACKAGES")
            .context("BENCH_VISION_PACKAGES is not set; `./dev bench vision` sets it")?;
        let script = Path::new(PYTHON).join("inputs.py");
        let made =
            Command::new("python3").arg(script).arg(PHOTOGRAPH).arg(folder).env("PYTHONPATH", &packages).output()?;
        if !made.status.success() {
            bail!("the model and the picture were not made: {}", String::from_utf8_lossy(&made.stderr).trim());
        }
        Ok(Self {
            binary,
            device,
            usual: folder.join("detector_640.onnx"),
            picture: folder.join("picture.jpg"),
            packages,
        })
    }

    fn model(&self, model: Model) -> &Path {
        match model {
            Model::Usual => &self.usual,
            Model::Tiny => Path::new(TINY),
        }
    }

    /// All ways and models with so many cores or runs at once, each once.
    fn measure(&self, lanes: usize, length: Duration, folder: &Path, report: &mut Report) -> Result<()> {
        let data = folder.join(format!("server-{lanes}"));
        std::fs::create_dir_all(&data)?;
        for model in [Model::Usual, Model::Tiny] {
            for way in [Way::Raw, Way::Python, Way::Tasks] {
                let per_s = match way {
                    Way::Raw => self.raw(model, lanes, length),
                    Way::Python => self.python(model, lanes, length),
                    Way::Tasks => self.tasks(model, lanes, &data, length),
                };
                report.add(Cell { lanes, model, way }, per_s?);
            }
        }
        Ok(())
    }

    fn raw(&self, model: Model, lanes: usize, length: Duration) -> Result<f64> {
        match &self.device {
            Some(device) => floors::raw_runs_per_s_at(device, &self.binary, self.model(model), lanes, length),
            None => floors::raw_runs_per_s(&self.binary, self.model(model), lanes, length, true),
        }
    }

    fn python(&self, model: Model, lanes: usize, length: Duration) -> Result<f64> {
        let one = |core: usize| {
            let mut command = on_cores(&core.to_string(), Path::new("python3"));
            command.arg(Path::new(PYTHON).join("pipeline.py")).arg(self.model(model)).arg(&self.picture);
            command.arg(length.as_secs_f64().to_string()).arg(self.device.as_deref().unwrap_or("cpu"));
            command.env("PYTHONPATH", &self.packages);
            floors::figure(command, "images_per_s")
        };
        floors::at_once(if self.device.is_some() { cores() } else { lanes }, one)
    }

    /// Tasks on one picture, submitted so that their answer comes at their end, by a load that has the other core where there is
    /// one to spare.
    fn tasks(&self, model: Model, lanes: usize, folder: &Path, length: Duration) -> Result<f64> {
        let folder = tempfile::tempdir_in(folder)?;
        let (launch, runs) = (Launch::new(&self.binary, folder.path()), lanes.to_string());
        let server = Server::launch(match (&self.device, lanes) {
            (Some(_), _) => launch.with_env("GPU_CONCURRENCY", &runs).with_env("REQUIRE_GPU", "true"),
            (None, 1) => launch.pinned_to("0"),
            (None, _) => launch.pinned_to("0,1"),
        })?;
        let tenant = Tenant::create(server.address, "bench")?;
        tenant.put_slot("detect", &std::fs::read(self.model(model))?)?;
        let media_id = tenant.upload("image/jpeg", &std::fs::read(&self.picture)?)?;
        let config = json!({"confidence_threshold": 0.25});
        let task = json!({"task_type": "object_detection", "media_id": media_id, "config": config}).to_string();
        tenant.client().task_by_waiting(task.as_bytes())?;
        let make = || {
            let (mut client, task) = (tenant.client(), task.as_bytes());
            move || client.task_by_waiting(task)
        };
        let under_way = if self.device.is_some() { UNDER_WAY_FOR_GPU } else { UNDER_WAY };
        let count = closed_loop(under_way, length, make, || {}, || {});
        server.stop()?;
        if let Some(error) = count.first_error {
            bail!("{} tasks went wrong, the first: {error}", count.errors);
        }
        Ok(count.latencies_s.len() as f64 / length.as_secs_f64())
    }
}
