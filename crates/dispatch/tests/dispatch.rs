//! What the dispatcher promises, over a real database and real queues.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use ortolan_dispatch::{DispatchError, DispatchLimits, Dispatcher, Enqueued};
use ortolan_domain::job::Attempt;
use ortolan_domain::route::QueueName;
use ortolan_domain::task::{NewTask, Task};
use ortolan_domain::{Clock, Origin, Priority, SystemClock, TaskId, TaskStatus, TaskType, TenantId, TenantSlug};
use ortolan_queue::{Consumer, Queues};
use ortolan_store::{SqliteSettings, Stores, TaskChange, TaskObserver, Tenant};
use tokio_util::sync::CancellationToken;

struct Nobody;

impl TaskObserver for Nobody {
    fn changed(&self, _: &[TaskChange]) {}
}

struct Bench {
    _folder: tempfile::TempDir,
    stores: Stores,
    queues: Queues,
    dispatcher: Arc<Dispatcher>,
    tenant: Tenant,
}

impl Bench {
    async fn new(queues: Queues) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = SqliteSettings::at(folder.path().join("ortolan.db"));
        let stores = Stores::sqlite(settings, Arc::new(Nobody)).await.unwrap();
        stores.migrate().await.unwrap();
        let tenant = Tenant {
            id: TenantId::generate(),
            name: TenantSlug::parse("tenant-a").unwrap(),
            display_name: None,
            disabled: false,
            created_at: SystemClock.now(),
        };
        stores.tenants.create_tenant(&tenant).await.unwrap();
        let limits = DispatchLimits { window: 3, per_tenant: 100 };
        let dispatcher = Dispatcher::new(stores.tasks.clone(), queues.clone(), SystemClock::shared(), limits);
        Self { _folder: folder, stores, queues, dispatcher: Arc::new(dispatcher), tenant }
    }

    /// One whose queues are on a Redis that is not there.
    async fn without_broker() -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self::new(Queues::redis(&format!("redis://127.0.0.1:{port}/0")).await.unwrap()).await
    }

    async fn submit(&self, queue: QueueName) -> TaskId {
        let task = NewTask {
            id: TaskId::generate(),
            tenant_id: self.tenant.id,
            tenant: self.tenant.name.clone(),
            task_type: TaskType::Noop,
            queue,
            priority: Priority::Normal,
            config: serde_json::value::to_raw_value(&serde_json::json!({"sleep_ms": 0})).unwrap(),
            config_hash: "0".repeat(64),
            input: None,
            created_at: SystemClock.now(),
            expires_at: None,
            origin: Origin::default(),
        };
        let id = task.id;
        self.stores.tasks.submit(task, None).await.unwrap();
        id
    }

    async fn task(&self, id: TaskId) -> Task {
        self.stores.tasks.get(self.tenant.id, id).await.unwrap().unwrap()
    }

    async fn depth(&self, queue: QueueName) -> u64 {
        self.queues.tasks(queue).depth().await.unwrap()
    }

    /// The next delivery of a queue.
    async fn delivery(&self, queue: QueueName) -> Attempt {
        let (sender, mut deliveries) = tokio::sync::mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        let consumer = Consumer { name: "test".to_owned(), slots: 1 };
        let handler = move |delivered| drop(sender.send(delivered));
        let consuming = self.queues.tasks(queue).consume(consumer, stop.clone(), handler);
        let first = async {
            let first = deliveries.recv().await.unwrap().job;
            stop.cancel();
            first
        };
        let both = async { tokio::join!(first, consuming) };
        tokio::time::timeout(Duration::from_secs(30), both).await.expect("nothing came").0
    }
}

#[tokio::test]
async fn no_more_than_a_window_goes_into_its_queue() {
    let bench = Bench::new(Queues::in_memory()).await;
    for _ in 0..5 {
        bench.submit(QueueName::GpuJobs).await;
    }
    let other = bench.submit(QueueName::CpuJobs).await;
    assert_eq!(bench.dispatcher.dispatch_once(QueueName::GpuJobs).await.unwrap(), 3);
    assert_eq!(bench.dispatcher.dispatch_once(QueueName::GpuJobs).await.unwrap(), 0);
    assert_eq!((bench.depth(QueueName::GpuJobs).await, bench.depth(QueueName::CpuJobs).await), (3, 0));
    assert_eq!(bench.task(other).await.status, TaskStatus::Pending);
}

#[tokio::test]
async fn a_delivery_names_the_attempt_that_is_queued() {
    let bench = Bench::new(Queues::in_memory()).await;
    let id = bench.submit(QueueName::CpuJobs).await;
    bench.dispatcher.dispatch_once(QueueName::CpuJobs).await.unwrap();
    let task = bench.task(id).await;
    assert_eq!((task.status, task.attempt), (TaskStatus::Queued, 1));
    assert_eq!(bench.delivery(QueueName::CpuJobs).await, Attempt { task_id: id, attempt: 1 });
}

#[tokio::test]
async fn the_loop_dispatches_what_it_is_told_of_and_ends_when_it_should() {
    let bench = Bench::new(Queues::in_memory()).await;
    let stop = CancellationToken::new();
    let running = tokio::spawn(Arc::clone(&bench.dispatcher).run(stop.clone()));
    for queue in QueueName::TASKS {
        let id = bench.submit(queue).await;
        bench.dispatcher.nudge(queue);
        assert_eq!(bench.delivery(queue).await.task_id, id);
        let id = bench.submit(queue).await;
        bench.dispatcher.nudge_for_room(queue);
        assert_eq!(bench.delivery(queue).await.task_id, id);
    }
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(30), running).await.expect("it did not end").unwrap();
}

#[tokio::test]
async fn a_broker_that_is_down_leaves_tasks_pending() {
    let bench = Bench::without_broker().await;
    let id = bench.submit(QueueName::GpuJobs).await;
    for _ in 0..3 {
        let failed = bench.dispatcher.dispatch_once(QueueName::GpuJobs).await.unwrap_err();
        assert!(matches!(failed, DispatchError::Unavailable(_)), "{failed:?}");
        let task = bench.task(id).await;
        assert_eq!(
            (task.status, task.attempt),
            (TaskStatus::Pending, 0),
            "what never reached the queue does not count"
        );
    }
}

#[tokio::test]
async fn a_task_can_be_enqueued_past_the_window() {
    let bench = Bench::new(Queues::in_memory()).await;
    for _ in 0..3 {
        bench.submit(QueueName::GpuJobs).await;
    }
    bench.dispatcher.dispatch_once(QueueName::GpuJobs).await.unwrap();
    let id = bench.submit(QueueName::GpuJobs).await;
    let enqueued = bench.dispatcher.enqueue_now(bench.tenant.id, id).await.unwrap();
    assert!(matches!(enqueued, Enqueued::Queued(task) if task.status == TaskStatus::Queued && task.attempt == 1));
    assert_eq!(bench.depth(QueueName::GpuJobs).await, 4);
    let again = bench.dispatcher.enqueue_now(bench.tenant.id, id).await.unwrap();
    assert!(matches!(again, Enqueued::WrongState(TaskStatus::Queued)));
    let stranger = bench.dispatcher.enqueue_now(TenantId::generate(), id).await.unwrap();
    assert!(matches!(stranger, Enqueued::NotFound));
}

#[tokio::test]
async fn a_task_that_cannot_be_enqueued_now_is_pending_again() {
    let bench = Bench::without_broker().await;
    let id = bench.submit(QueueName::CpuJobs).await;
    let failed = bench.dispatcher.enqueue_now(bench.tenant.id, id).await.unwrap_err();
    assert!(matches!(failed, DispatchError::Unavailable(_)), "{failed:?}");
    assert_eq!((bench.task(id).await.status, bench.task(id).await.attempt), (TaskStatus::Pending, 0));
}
