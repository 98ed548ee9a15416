//! The cells: one kind of work each, measured once in every round.

use std::cell::Cell as Slot;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::client::{Client, Tenant};
use super::load::{Count, closed_loop};
use super::server::Server;
use super::stores::Stores;
use super::{Settings, cpu, floors, peers};

const MODEL: &str = "fixtures/models/shapes_det_160.onnx";
const PICTURE: &str = "fixtures/images/shapes_b.jpg";
/// Enough to keep every device permit busy and the next pictures decoded.
const DETECTIONS_UNDER_WAY: usize = 16;
/// How many ended tasks the table holds for the cell among many others.
const ENDED: u32 = 1_000_000;
/// How many waiting ones.
const WAITING: u32 = 100_000;
/// The default of `ml.gpu_concurrency`.
const PERMITS: usize = 2;

/// A kind of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cell {
    /// Requests that do nothing.
    Http,
    /// A page written and synced.
    Disk,
    /// A task's three commits in a bare PostgreSQL table; in the production profile alone.
    Table,
    /// No-op jobs through procrastinate; in the production profile alone.
    Procrastinate,
    /// No-op tasks of FastAPI and Celery, whose state is asked for; in the production profile alone.
    Celery,
    /// No-op tasks whose submission is answered at their end.
    NoopWaiting,
    /// No-op tasks again, when the table holds many others; in the production profile alone.
    NoopAmongMany,
    /// No-op tasks whose state is asked for.
    NoopPolling,
    /// No-op tasks, one at a time, in an idle server.
    NoopIdle,
    /// ONNX Runtime without a server, on one thread.
    RawLoop,
    /// As many of those as the device has permits.
    RawLoops,
    /// Detection tasks on one picture.
    Detection,
}

/// What one measurement of a cell gave.
#[derive(Debug, Default)]
pub struct Sample {
    /// Good ones a second.
    pub per_s: f64,
    /// How long each took, in seconds; empty for floors that are loops.
    pub latencies_s: Vec<f64>,
    /// Processor seconds a second of the server with its runners.
    pub server_cores: f64,
    /// Processor seconds a second of the load generator.
    pub load_cores: f64,
    /// Processor seconds a second of everything on the machine.
    pub machine_cores: f64,
    /// How many went wrong.
    pub errors: u64,
    /// What was wrong with the first of them.
    pub first_error: Option<String>,
}

impl Cell {
    /// In the order of measuring: each beside its floor. Those among many others come after all rounds.
    pub const IN_ROUNDS: [Self; 11] = [
        Self::Http,
        Self::Disk,
        Self::Table,
        Self::Procrastinate,
        Self::Celery,
        Self::NoopWaiting,
        Self::NoopPolling,
        Self::NoopIdle,
        Self::RawLoop,
        Self::RawLoops,
        Self::Detection,
    ];

    /// What the table calls it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Http => "HTTP alone",
            Self::Disk => "disk sync",
            Self::Table => "bare table (pg)",
            Self::Procrastinate => "procrastinate (pg)",
            Self::Celery => "FastAPI + Celery",
            Self::NoopWaiting => "no-op tasks, waiting",
            Self::NoopAmongMany => "no-op tasks, 1.1 M others",
            Self::NoopPolling => "no-op tasks, polling",
            Self::NoopIdle => "no-op tasks, one at a time",
            Self::RawLoop => "raw loop",
            Self::RawLoops => "raw loops, 2 at once",
            Self::Detection => "detection tasks",
        }
    }

    /// The cells whose figures are its limits, the nearest first.
    pub fn floors(self) -> &'static [Self] {
        match self {
            Self::NoopWaiting | Self::NoopPolling => {
                &[Self::Http, Self::Table, Self::Disk, Self::Procrastinate, Self::Celery]
            }
            Self::NoopAmongMany => &[Self::NoopWaiting],
            Self::Detection => &[Self::RawLoops, Self::RawLoop],
            Self::Http | Self::Disk | Self::Table | Self::NoopIdle | Self::RawLoop | Self::RawLoops => &[],
            Self::Procrastinate | Self::Celery => &[],
        }
    }

    /// True where the servers that it needs are there.
    pub fn is_possible(self, production: bool) -> bool {
        match self {
            Self::Table => production,
            Self::Procrastinate | Self::Celery => production && peers::are_there(),
            _ => true,
        }
    }
}

/// A started server with a tenant that is ready for every cell.
#[derive(Debug)]
pub struct Bench {
    binary: PathBuf,
    folder: PathBuf,
    settings: Settings,
    stores: Option<Stores>,
    server: Server,
    tenant: Tenant,
    noop: Vec<u8>,
    detection: Vec<u8>,
}

impl Bench {
    /// Starts the server in the folder, makes the tenant and gives it its model and its picture.
    pub fn start(binary: &Path, folder: &Path, settings: Settings, stores: Option<Stores>) -> Result<Self> {
        let server = Server::start(binary, folder, stores.as_ref(), None)?;
        let tenant = Tenant::create(server.address, "bench")?;
        tenant.put_slot("detect", &std::fs::read(MODEL).context(MODEL)?)?;
        let media_id = tenant.upload("image/jpeg", &std::fs::read(PICTURE).context(PICTURE)?)?;
        let noop = json!({"task_type": "noop", "config": {}}).to_string().into_bytes();
        let detection =
            json!({"task_type": "object_detection", "media_id": media_id, "config": {}}).to_string().into_bytes();
        // The first of each kind loads the model, and shows whether there is anything to measure.
        tenant.client().task_by_waiting(&noop)?;
        tenant.client().task_by_waiting(&detection)?;
        Ok(Self {
            binary: binary.to_owned(),
            folder: folder.to_owned(),
            settings,
            stores,
            server,
            tenant,
            noop,
            detection,
        })
    }

    /// Measures the cell once.
    pub fn measure(&self, cell: Cell) -> Result<Sample> {
        match cell {
            Cell::Http => Ok(self.load(self.settings.under_way, Client::get_health)),
            Cell::Disk => floors::disk_syncs_per_s(&self.folder, Duration::from_secs(1)).map(Sample::of_loop),
            Cell::Table => self.stores()?.table_cycles_per_s(self.settings.cell).map(Sample::of_loop),
            Cell::Procrastinate => {
                peers::procrastinate_per_s(self.stores()?, self.settings.under_way, self.settings.cell)
                    .map(Sample::of_loop)
            }
            Cell::Celery => self.celery(),
            Cell::NoopWaiting | Cell::NoopAmongMany => {
                Ok(self.load(self.settings.under_way, |client| client.task_by_waiting(&self.noop)))
            }
            Cell::NoopPolling => Ok(self.load(self.settings.under_way, |client| client.task_by_polling(&self.noop))),
            Cell::NoopIdle => self.one_at_a_time(),
            Cell::RawLoop => self.raw_loops(1),
            Cell::RawLoops => self.raw_loops(PERMITS),
            Cell::Detection => Ok(self.load(DETECTIONS_UNDER_WAY, |client| client.task_by_waiting(&self.detection))),
        }
    }

    /// Fills the table with tasks that have ended and tasks that wait for a later time.
    pub fn add_many_others(&self) -> Result<()> {
        self.stores()?.add_tasks(ENDED, WAITING)
    }

    fn stores(&self) -> Result<&Stores> {
        self.stores.as_ref().context("only the production profile has servers of data")
    }

    /// Stops the server.
    pub fn stop(self) -> Result<()> {
        self.server.stop()
    }

    fn load(&self, threads: usize, work: impl Fn(&mut Client) -> Result<()> + Sync) -> Sample {
        self.load_on(&self.server, &self.tenant, threads, work)
    }

    /// Starts FastAPI and Celery for the length of the cell.
    fn celery(&self) -> Result<Sample> {
        let server = peers::celery(self.stores()?, &self.folder)?;
        let everybody = Tenant::of_anybody(server.address);
        let sample =
            self.load_on(&server, &everybody, self.settings.under_way, |client| client.task_by_polling(&self.noop));
        server.stop()?;
        Ok(sample)
    }

    fn load_on(
        &self,
        server: &Server,
        tenant: &Tenant,
        threads: usize,
        work: impl Fn(&mut Client) -> Result<()> + Sync,
    ) -> Sample {
        let make = || {
            let mut client = tenant.client();
            let work = &work;
            move || work(&mut client)
        };
        let [before, after] = [const { Slot::new([0.0; 3]) }; 2];
        let now = || [server.processor_s(), cpu::own_s(), cpu::machine_s()];
        let count = closed_loop(threads, self.settings.cell, make, || before.set(now()), || after.set(now()));
        let length_s = self.settings.cell.as_secs_f64();
        let cores = |which: usize| (after.get()[which] - before.get()[which]) / length_s;
        Sample {
            per_s: count.latencies_s.len() as f64 / length_s,
            server_cores: cores(0),
            load_cores: cores(1),
            machine_cores: cores(2),
            ..Sample::from(count)
        }
    }

    fn raw_loops(&self, at_once: usize) -> Result<Sample> {
        let (model, length) = (Path::new(MODEL), self.settings.cell);
        let per_s = match &self.settings.device {
            Some(device) => floors::raw_runs_per_s_at(device, &self.binary, model, at_once, length),
            None => floors::raw_runs_per_s(&self.binary, model, at_once, length, false),
        };
        per_s.map(Sample::of_loop)
    }

    /// One task after the other with pauses of no fixed rhythm, lest they fall in step with a timer of the server's.
    fn one_at_a_time(&self) -> Result<Sample> {
        let mut client = self.tenant.client();
        let mut latencies_s = Vec::new();
        let start = Instant::now();
        while start.elapsed() < self.settings.cell || latencies_s.is_empty() {
            std::thread::sleep(Duration::from_micros(3_000 + (latencies_s.len() as u64 * 7_919) % 9_000));
            let submitted = Instant::now();
            client.task_by_waiting(&self.noop)?;
            latencies_s.push(submitted.elapsed().as_secs_f64());
        }
        if latencies_s.len() < 10 {
            bail!("only {} tasks ended", latencies_s.len());
        }
        Ok(Sample { latencies_s, ..Sample::default() })
    }
}

impl Sample {
    fn of_loop(per_s: f64) -> Self {
        Self { per_s, ..Self::default() }
    }
}

impl From<Count> for Sample {
    fn from(count: Count) -> Self {
        Self { latencies_s: count.latencies_s, errors: count.errors, first_error: count.first_error, ..Self::default() }
    }
}
