//! The load: tasks of several tenants at a steady rate, some of them cancelled, some of those retried. A client that gets no
//! answer asks the other API with the same key, for as long as it takes: each order becomes exactly one task.

use std::sync::Arc;
use std::time::Duration;

use ortolan_testkit::Answer;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::installation::{Customer, Installation};
use crate::ledger::{Accepted, Kind, Ledger};
use crate::options::Options;

/// Orders that may be under way at once; past that the clients wait, as they would.
const CLIENTS: usize = 256;
/// How long a client waits for an answer before it asks the other API.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(250);

/// A load under way.
pub struct Load {
    stop: CancellationToken,
    orders: TaskTracker,
    source: JoinHandle<()>,
}

/// What the clients know.
struct World {
    apis: Vec<String>,
    customers: Vec<Customer>,
    ledger: Ledger,
    seed: u64,
}

/// One client's plan.
struct Order {
    number: u64,
    customer: usize,
    kind: Kind,
    sleep_ms: u64,
    cancel_after: Option<Duration>,
    retry: bool,
}

impl Order {
    fn draw(number: u64, random: &mut StdRng, customers: usize) -> Self {
        let kind = if random.random_bool(0.15) { Kind::Detection } else { Kind::Noop };
        let cancel_after = random.random_bool(0.12).then(|| Duration::from_millis(random.random_range(0..400)));
        Self {
            number,
            customer: random.random_range(0..customers),
            kind,
            sleep_ms: if random.random_bool(0.3) { 0 } else { random.random_range(1..600) },
            cancel_after,
            retry: random.random_bool(0.5),
        }
    }
}

/// Starts to submit.
pub fn start(installation: &Installation, ledger: &Ledger, options: &Options) -> Load {
    let world = Arc::new(World {
        apis: installation.apis.clone(),
        customers: installation.customers.clone(),
        ledger: ledger.clone(),
        seed: options.seed,
    });
    let (stop, orders) = (CancellationToken::new(), TaskTracker::new());
    let source = tokio::spawn(submit_all(world, options.clone(), stop.clone(), orders.clone()));
    Load { stop, orders, source }
}

async fn submit_all(world: Arc<World>, options: Options, stop: CancellationToken, orders: TaskTracker) {
    let mut random = StdRng::seed_from_u64(options.seed ^ 1);
    let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / options.tasks_per_second));
    let clients = Arc::new(Semaphore::new(CLIENTS));
    for number in 0.. {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => return,
        }
        let Ok(client) = clients.clone().acquire_owned().await else { return };
        let (world, order) = (world.clone(), Order::draw(number, &mut random, world.customers.len()));
        orders.spawn(async move {
            world.carry_out(order).await;
            drop(client);
        });
    }
}

impl Load {
    /// Ends the load and waits until every order was answered.
    pub async fn stop(self, limit: Duration) -> Result<(), String> {
        self.stop.cancel();
        drop(self.source.await);
        self.orders.close();
        let answered = tokio::time::timeout(limit, self.orders.wait()).await;
        answered.map_err(|_| format!("{} orders were never answered", self.orders.len()))
    }
}

impl World {
    async fn carry_out(&self, order: Order) {
        let Some(id) = self.submit(&order).await else { return };
        let accepted = Accepted { id: id.clone(), customer: order.customer, kind: order.kind };
        self.ledger.accept(accepted);
        let Some(after) = order.cancel_after else { return };
        tokio::time::sleep(after).await;
        if self.steer(&order, &id, "cancel").await {
            self.ledger.count_cancel();
            if order.retry && self.steer(&order, &id, "retry").await {
                self.ledger.count_retry();
            }
        }
    }

    /// Submits until it is acknowledged.
    async fn submit(&self, order: &Order) -> Option<String> {
        let customer = &self.customers[order.customer];
        let body = match order.kind {
            Kind::Noop => json!({"task_type": "noop", "config": {"sleep_ms": order.sleep_ms}}),
            Kind::Detection => json!({"task_type": "object_detection", "media_id": customer.media,
                "config": {"confidence_threshold": 0.25}}),
        };
        let key = format!("chaos-{}-{}", self.seed, order.number);
        let answer = self.ask(order, "/tasks", body, &key).await;
        match answer.status.as_u16() {
            201 => answer.body["task_id"].as_str().map(str::to_owned),
            status => {
                self.ledger.refuse(format!("a task was refused with {status}: {}", answer.body));
                None
            }
        }
    }

    /// Cancels or retries; false when the task's status does not allow it.
    async fn steer(&self, order: &Order, id: &str, what: &str) -> bool {
        let key = format!("chaos-{}-{}-{what}", self.seed, order.number);
        let answer = self.ask(order, &format!("/tasks/{id}/{what}"), json!({}), &key).await;
        match answer.status.as_u16() {
            200 => true,
            409 => false,
            status => {
                self.ledger.refuse(format!("{what} was answered {status}: {}", answer.body));
                false
            }
        }
    }

    /// Asks one API after the other until one gives an answer that is not about its own state.
    async fn ask(&self, order: &Order, path: &str, body: Value, key: &str) -> Answer {
        for turn in order.number.. {
            let base = &self.apis[turn as usize % self.apis.len()];
            let tenant = self.customers[order.customer].tenant.at(base);
            let request = tenant.request(Method::POST, path).header("Idempotency-Key", key).json(&body);
            match tenant.send(request.timeout(PATIENCE)).await {
                Ok(answer) if answer.status.is_server_error() || answer.status.as_u16() == 429 => {}
                Ok(answer) => return answer,
                Err(_) => {}
            }
            tokio::time::sleep(PAUSE).await;
        }
        unreachable!("there are more numbers than anybody can count")
    }
}
