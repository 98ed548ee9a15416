//! Lists and counts.

use ortolan_domain::route::QueueName;
use ortolan_domain::{TaskId, TaskStatus, TaskType, VideoId};
use ortolan_store::{Order, QueueDepth, SortBy, TaskFilter};

use crate::fixture::{Fixture, WIDE, at, claim, completion, fence};

async fn ids(f: &Fixture, filter: TaskFilter) -> Vec<TaskId> {
    let page = f.stores.tasks.list(f.tenant.id, &filter, at(100)).await.unwrap();
    page.items.into_iter().map(|task| task.spec.id).collect()
}

fn filter() -> TaskFilter {
    TaskFilter { limit: 100, ..TaskFilter::default() }
}

pub(crate) async fn filters_and_pages(f: Fixture) {
    let mut all = Vec::new();
    for n in 0..7 {
        let mut task = f.new_task();
        task.created_at = at(n);
        task.task_type = if n == 3 { TaskType::Classification } else { TaskType::Noop };
        all.push(f.submit(task).await);
    }
    f.stores.tasks.cancel(f.tenant.id, all[5], at(8)).await.unwrap();
    all.reverse();

    assert_eq!(ids(&f, filter()).await, all, "the newest first");
    let page = TaskFilter { limit: 3, offset: 2, ..filter() };
    assert_eq!(ids(&f, page.clone()).await, all[2..5]);
    assert_eq!(f.stores.tasks.list(f.tenant.id, &page, at(9)).await.unwrap().total, 7, "of all pages");
    let beyond = f.stores.tasks.list(f.tenant.id, &TaskFilter { offset: 99, ..filter() }, at(9)).await.unwrap();
    assert_eq!((beyond.items.len(), beyond.total), (0, 7));

    let classified = TaskFilter { task_type: Some(TaskType::Classification), ..filter() };
    assert_eq!(ids(&f, classified.clone()).await, [all[3]]);
    let cancelled = TaskFilter { statuses: vec![TaskStatus::Cancelled, TaskStatus::Failed], ..filter() };
    assert_eq!(ids(&f, cancelled).await, [all[1]]);
    let both = TaskFilter { statuses: vec![TaskStatus::Cancelled], ..classified };
    assert_eq!(ids(&f, both).await, []);
    let of_video = TaskFilter { video_id: Some(VideoId::generate()), ..filter() };
    assert_eq!(ids(&f, of_video).await, []);
    all.reverse();
    assert_eq!(ids(&f, TaskFilter { order: Order::Ascending, ..filter() }).await, all);
}

pub(crate) async fn sorts_put_those_that_never_ran_last(f: Fixture) {
    let mut tasks = Vec::new();
    for _ in 0..3 {
        f.submit(f.new_task()).await;
    }
    // Started at 10 and 20; the first ran for 5 s, the second runs for 80 s at second 100; the third never ran.
    for (attempt, started) in f.dispatch(WIDE).await.into_iter().zip([10, 20, 0]) {
        tasks.push(attempt.task_id);
        if started > 0 {
            let task = f.stores.tasks.claim(claim(&fence(attempt), started)).await.unwrap().unwrap();
            if started == 10 {
                assert!(f.stores.tasks.complete(completion(&fence(attempt), &task, 15, 0)).await.unwrap());
            }
        }
    }
    let [short, long, never] = tasks[..] else { panic!("three tasks") };
    for sort_by in [SortBy::StartedAt, SortBy::RunningTime] {
        let sorted = |order| ids(&f, TaskFilter { sort_by, order, ..filter() });
        assert_eq!(sorted(Order::Ascending).await, [short, long, never], "{sort_by:?}");
        assert_eq!(sorted(Order::Descending).await, [long, short, never], "{sort_by:?}");
    }
}

pub(crate) async fn depths_and_open_tasks_count_what_has_not_ended(f: Fixture) {
    let mut gpu = f.new_task();
    gpu.queue = QueueName::GpuJobs;
    f.submit(gpu).await;
    for status in TaskStatus::ALL.into_iter().rev() {
        f.task_in(status).await;
    }
    let mut depths = f.stores.tasks.depths().await.unwrap();
    depths.sort_by_key(|depth| (depth.queue, depth.status));
    let depth = |queue, status, count| {
        let oldest_at = Some(at(if status == TaskStatus::Running { 1 } else { 0 }));
        QueueDepth { queue, status, count, oldest_at }
    };
    let (cpu, gpu) = (QueueName::CpuJobs, QueueName::GpuJobs);
    let expected = [
        depth(gpu, TaskStatus::Pending, 1),
        depth(cpu, TaskStatus::Pending, 1),
        depth(cpu, TaskStatus::Queued, 1),
        depth(cpu, TaskStatus::Running, 1),
    ];
    assert_eq!(depths, expected);
    assert_eq!(f.stores.tasks.open_tasks(f.tenant.id).await.unwrap(), 4);
    f.stores.tasks.ping().await.unwrap();
}
