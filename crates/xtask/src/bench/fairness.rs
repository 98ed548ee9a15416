//! What one tenant's burst costs another: both tenants' times alone and together, for tasks and for predictions.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::json;

use super::Settings;
use super::client::{Client, Tenant};
use super::load::{Count, closed_loop};
use super::report::quantile;
use super::server::Server;
use super::stores::Stores;

const MODEL: &str = "fixtures/models/shapes_det_160.onnx";
const PICTURE: &str = "fixtures/images/shapes_b.jpg";
/// Connections of the tenant that asks now and then.
const QUIET: usize = 2;

/// A kind of work that both tenants do.
#[derive(Clone, Copy, PartialEq)]
enum Work {
    Tasks,
    Predictions,
}

/// A tenant with its model and what it sends.
struct Party {
    tenant: Tenant,
    connections: usize,
    task: Vec<u8>,
    prediction: Prediction,
}

/// A picture for a model, as the Open Inference Protocol carries it.
struct Prediction {
    json_bytes: usize,
    body: Vec<u8>,
}

/// Starts a server with two tenants, measures and prints; the burst has as many connections as the settings say.
pub fn run(binary: &Path, folder: &Path, settings: &Settings, stores: Option<&Stores>) -> Result<String> {
    let server = Server::start(binary, folder, stores, None)?;
    let quiet = Party::new(&server, "quiet", QUIET)?;
    let busy = Party::new(&server, "busy", settings.under_way)?;
    let mut table = format!(
        "\n{QUIET} connections of one tenant, {} of the other; {} rounds of {:?}; milliseconds\n\n{:<12} {:<7} {:>10} {:>10} {:>14} {:>14} {:>7}\n",
        busy.connections,
        settings.rounds,
        settings.cell,
        "work",
        "tenant",
        "alone p50",
        "p95",
        "together p50",
        "p95",
        "errors"
    );
    for (work, word) in [(Work::Tasks, "tasks"), (Work::Predictions, "predictions")] {
        let [mut quiet_alone, mut busy_alone, mut quiet_beside, mut busy_beside] = [const { Vec::new() }; 4];
        for _ in 0..settings.rounds {
            quiet_alone.push(quiet.work(work, settings));
            busy_alone.push(busy.work(work, settings));
            let (first, second) = std::thread::scope(|scope| {
                let burst = scope.spawn(|| busy.work(work, settings));
                (quiet.work(work, settings), burst.join())
            });
            quiet_beside.push(first);
            busy_beside.extend(second);
        }
        row(&mut table, [word, "quiet"], &quiet_alone, &quiet_beside);
        row(&mut table, [word, "busy"], &busy_alone, &busy_beside);
    }
    server.stop()?;
    Ok(table)
}

fn row(table: &mut String, [work, tenant]: [&str; 2], alone: &[Count], together: &[Count]) {
    let ms = |counts: &[Count], share| {
        let all: Vec<f64> = counts.iter().flat_map(|count| count.latencies_s.iter().copied()).collect();
        quantile(&all, share).map_or("-".to_owned(), |seconds| format!("{:.1}", seconds * 1e3))
    };
    let errors: u64 = alone.iter().chain(together).map(|count| count.errors).sum();
    let (a50, a95, t50, t95) = (ms(alone, 0.5), ms(alone, 0.95), ms(together, 0.5), ms(together, 0.95));
    let _ = writeln!(table, "{work:<12} {tenant:<7} {a50:>10} {a95:>10} {t50:>14} {t95:>14} {errors:>7}");
    for error in alone.iter().chain(together).filter_map(|count| count.first_error.as_ref()).take(1) {
        let _ = writeln!(table, "  the first error: {error}");
    }
}

impl Party {
    fn new(server: &Server, name: &str, connections: usize) -> Result<Self> {
        let tenant = Tenant::create(server.address, name)?;
        tenant.put_slot("detect", &std::fs::read(MODEL).context(MODEL)?)?;
        let picture = std::fs::read(PICTURE).context(PICTURE)?;
        let media_id = tenant.upload("image/jpeg", &picture)?;
        let task =
            json!({"task_type": "object_detection", "media_id": media_id, "config": {}}).to_string().into_bytes();
        let party = Self { prediction: Prediction::of(&picture)?, tenant, connections, task };
        // The first of each loads the model, and shows whether there is anything to measure.
        let mut client = party.tenant.client();
        party.once(&mut client, Work::Tasks)?;
        party.once(&mut client, Work::Predictions)?;
        Ok(party)
    }

    fn once(&self, client: &mut Client, work: Work) -> Result<()> {
        match work {
            Work::Tasks => client.task_by_waiting(&self.task),
            Work::Predictions => client.predict("detect", self.prediction.json_bytes, &self.prediction.body),
        }
    }

    fn work(&self, work: Work, settings: &Settings) -> Count {
        let make = || {
            let mut client = self.tenant.client();
            move || self.once(&mut client, work)
        };
        closed_loop(self.connections, settings.cell, make, || {}, || {})
    }
}

impl Prediction {
    fn of(picture: &[u8]) -> Result<Self> {
        let size = u32::try_from(picture.len()).context("the picture is too large")?;
        let input = json!({
            "name": "images", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": picture.len() + 4},
        });
        let head = json!({"inputs": [input], "parameters": {"binary_data_output": true}}).to_string();
        let body = [head.as_bytes(), &size.to_le_bytes(), picture].concat();
        Ok(Self { json_bytes: head.len(), body })
    }
}
