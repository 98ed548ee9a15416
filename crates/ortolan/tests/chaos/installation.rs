//! Two processes of each service, on a PostgreSQL and a Redis of their own.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use ortolan_testkit::{Cluster, Tenant, ThrowAwayPostgres, ThrowAwayRedis, fixtures, free_port, query};

/// The services; a reconciler on standby is one of two like the others.
pub const SERVICES: [&str; 4] = ["api", "worker", "ml-service", "reconciler"];
const TENANTS: [&str; 3] = ["ada", "bob", "cyn"];

/// Notes every move of a task, so that illegal ones are found whoever makes them.
const NOTE_MOVES: &str = "
    CREATE TABLE moves (id BIGSERIAL PRIMARY KEY, task_id UUID, old TEXT, new TEXT, attempt BIGINT, version BIGINT);
    CREATE INDEX moves_of_task ON moves (task_id);
    CREATE FUNCTION note_move() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO moves (task_id, old, new, attempt, version)
        VALUES (OLD.id, OLD.status, NEW.status, NEW.attempt, NEW.version);
        RETURN NULL;
    END $$;
    CREATE TRIGGER note_move AFTER UPDATE ON tasks FOR EACH ROW
        WHEN ((OLD.status, OLD.attempt, OLD.version) <> (NEW.status, NEW.attempt, NEW.version)) EXECUTE FUNCTION note_move();";

/// A tenant with a model and a picture.
#[derive(Clone)]
pub struct Customer {
    /// The tenant, at the first API.
    pub tenant: Tenant,
    /// A picture with ten shapes.
    pub media: String,
}

/// The whole installation, and where it answers.
pub struct Installation {
    /// The processes.
    pub cluster: Cluster,
    /// The database server.
    pub postgres: ThrowAwayPostgres,
    /// The broker.
    pub redis: ThrowAwayRedis,
    /// The processes' numbers by service.
    pub processes: BTreeMap<&'static str, Vec<usize>>,
    /// Where the APIs answer.
    pub apis: Vec<String>,
    /// Where the ML services answer.
    pub ml_services: Vec<String>,
    /// The tenants.
    pub customers: Vec<Customer>,
}

impl Installation {
    /// Starts everything, makes the tenants and begins to note moves.
    pub async fn start() -> Result<Self> {
        let (postgres, redis) = (ThrowAwayPostgres::start()?, ThrowAwayRedis::start()?);
        let mut cluster = Cluster::on(env!("CARGO_BIN_EXE_ortolan"), &postgres.url("postgres"), redis.url())?;
        cluster.env("ORTOLAN_WORKER__LEASE_S", "4");
        cluster.env("ORTOLAN_RECONCILE__INTERVAL_S", "10");
        let mut started = Self {
            apis: vec![cluster.base().to_owned()],
            cluster,
            postgres,
            redis,
            processes: BTreeMap::new(),
            ml_services: Vec::new(),
            customers: Vec::new(),
        };
        started.start_processes()?;
        started.cluster.ready().await?;
        query(&started.database_url(), NOTE_MOVES)?;
        for name in TENANTS {
            let tenant = started.cluster.operator().tenant(name).await?;
            tenant.put_slot("detect", fixtures::read("models/shapes_det_160.onnx")).await?.expect(200)?;
            let media = tenant.media("b.jpg", fixtures::read("images/shapes_b.jpg")).await?;
            started.customers.push(Customer { tenant, media });
        }
        Ok(started)
    }

    /// A pair of each service; each API asks an ML service of its own.
    fn start_processes(&mut self) -> Result<()> {
        let listen = |port: u16| format!("127.0.0.1:{port}");
        let (api, ml) = ([listen(free_port()?), listen(free_port()?)], [listen(free_port()?), listen(free_port()?)]);
        self.apis = api.iter().map(|address| format!("http://{address}")).collect();
        self.ml_services = ml.iter().map(|address| format!("http://{address}")).collect();
        self.cluster.at(&self.apis[0]);
        let ml_urls = self.ml_services.clone();
        for (number, worker_id) in ["0", "1"].into_iter().enumerate() {
            let (api_env, ml_env) = (
                [("ORTOLAN_SERVER__LISTEN", api[number].as_str()), ("ML_SERVICE_URL", ml_urls[number].as_str())],
                [("ORTOLAN_ML__LISTEN", ml[number].as_str()), ("ORTOLAN_ML__WORKER_ID", worker_id)],
            );
            let gpu_mode = [("GPU_MODE", "gpu"), ("GPU_MODE", "cpu")];
            self.begin("ml-service", &["DATABASE_URL"], &ml_env)?;
            self.begin("api", &[], &api_env)?;
            self.begin("reconciler", &[], &[])?;
            for mode in gpu_mode {
                self.begin("worker", &[], &[mode])?;
            }
        }
        Ok(())
    }

    fn begin(&mut self, service: &'static str, without: &[&str], env: &[(&str, &str)]) -> Result<()> {
        let process = self.cluster.start_with(service, without, env)?;
        self.processes.entry(service).or_default().push(process);
        Ok(())
    }

    /// The address of the database.
    pub fn database_url(&self) -> String {
        self.postgres.url("postgres")
    }

    /// Processes that have ended though nobody asked them to.
    pub fn processes_that_ended(&mut self) -> Result<Vec<String>> {
        let mut ended = Vec::new();
        for (service, processes) in &self.processes {
            for &process in processes {
                if let Some(status) = self.cluster.ended(process)? {
                    ended.push(format!("a process of {service} ended by itself: {status}"));
                }
            }
        }
        Ok(ended)
    }

    /// Waits until a process accepts connections or, without a port, has had the time to start.
    pub async fn settled(&self, service: &str) {
        if service == "api" {
            for base in &self.apis {
                let port = base.rsplit(':').next().and_then(|port| port.parse::<u16>().ok()).unwrap_or_default();
                while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    /// Copies the logs to where they outlive the run.
    pub fn keep_logs(&self) -> Result<String> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("chaos-logs");
        std::fs::create_dir_all(&folder)?;
        for service in SERVICES {
            let log = self.cluster.folder().join(format!("{service}.log"));
            std::fs::copy(&log, folder.join(format!("{service}.log"))).context("a log cannot be kept")?;
        }
        Ok(folder.display().to_string())
    }
}
