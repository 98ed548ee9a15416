//! What a queue promises, checked over each broker.
#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

use ortolan_domain::route::QueueName;
use ortolan_queue::{Consumer, JobQueue, QueueError};
use support::{Inbox, jobs, redis_queue, within};
use tokio_util::sync::CancellationToken;

async fn every_job_is_delivered(queue: JobQueue<u32>) {
    assert_eq!(queue.push(jobs(0..100)).await.unwrap(), 100);
    assert_eq!(queue.depth().await.unwrap(), 100);
    assert_eq!(queue.peek().await.unwrap(), Some(0), "the first that came is the first that goes");
    let mut inbox = Inbox::open(&queue, 4);
    let mut seen = inbox.take(100).await;
    seen.sort_unstable();
    assert_eq!(seen, (0..100).collect::<Vec<_>>());
    assert_eq!((queue.depth().await.unwrap(), queue.peek().await.unwrap()), (0, None));
    inbox.close().await;
}

async fn an_id_that_is_queued_already_is_dropped(queue: JobQueue<u32>) {
    let twice = vec![("a".to_owned(), 1), ("b".to_owned(), 2), ("a".to_owned(), 3)];
    assert_eq!(queue.push(twice.clone()).await.unwrap(), 2);
    assert_eq!(queue.push(twice).await.unwrap(), 0);
    assert_eq!(queue.depth().await.unwrap(), 2);
    let mut inbox = Inbox::open(&queue, 1);
    let mut seen = inbox.take(2).await;
    seen.sort_unstable();
    assert_eq!(seen, [1, 2]);
    inbox.close().await;
}

async fn no_more_is_out_than_there_are_slots(queue: JobQueue<u32>) {
    let mut inbox = Inbox::open(&queue, 2);
    queue.push(jobs(0..5)).await.unwrap();
    let first = inbox.next().await;
    let second = inbox.next().await;
    assert!(inbox.is_empty_for_now().await);
    assert_eq!(queue.depth().await.unwrap(), 3, "the rest stays in the broker");
    drop(first);
    let third = inbox.next().await;
    assert!(inbox.is_empty_for_now().await);
    drop((second, third));
    inbox.take(2).await;
    inbox.close().await;
}

async fn fetching_many_at_a_time_takes_no_more_than_there_are_slots(queue: JobQueue<u32>) {
    let mut inbox = Inbox::open(&queue, 64);
    queue.push(jobs(0..200)).await.unwrap();
    let mut held = Vec::new();
    for _ in 0..60 {
        held.push(inbox.next().await);
    }
    // Whatever is not out is still in the broker, where another consumer could take it: nothing is kept in between.
    while !inbox.is_empty_for_now().await {
        held.push(inbox.next().await);
    }
    assert!((57..=64).contains(&held.len()), "{} are out", held.len());
    assert_eq!(queue.depth().await.unwrap(), 200 - held.len() as u64);
    let left = 200 - held.len();
    held.clear();
    assert_eq!(inbox.take(left).await.len(), left);
    inbox.close().await;
}

async fn jobs_pushed_one_at_a_time_all_arrive(queue: JobQueue<u32>) {
    let mut inbox = Inbox::open(&queue, 64);
    let pushes = (0..300).map(|number: u32| queue.push_one(format!("job-{number}"), number));
    for pushed in futures::future::join_all(pushes).await {
        pushed.unwrap();
    }
    let mut seen = inbox.take(300).await;
    seen.sort_unstable();
    assert_eq!(seen, (0..300).collect::<Vec<_>>());
    inbox.close().await;
}

async fn a_push_wakes_an_idle_consumer(queue: JobQueue<u32>) {
    // The poll interval of the tests is an hour, and with two slots no place that becomes free wakes the consumer: only
    // the push can have done it.
    let mut inbox = Inbox::open(&queue, 2);
    for round in 0..10 {
        assert!(inbox.is_empty_for_now().await);
        queue.push(jobs(round..round + 1)).await.unwrap();
        assert_eq!(inbox.take(1).await, [round]);
    }
    inbox.close().await;
}

async fn what_a_stopped_consumer_left_goes_to_the_next_one_of_the_same_name(queue: JobQueue<u32>) {
    queue.push(jobs(0..4)).await.unwrap();
    let mut inbox = Inbox::open(&queue, 1);
    let held = inbox.next().await;
    inbox.close().await;
    drop(held);
    let mut inbox = Inbox::open(&queue, 1);
    let mut seen = inbox.take(3).await;
    seen.sort_unstable();
    assert_eq!(seen.len(), 3);
    assert!(seen.windows(2).all(|pair| pair[0] != pair[1]));
    inbox.close().await;
}

async fn two_consumers_share_the_jobs(queue: JobQueue<u32>) {
    let (mut first, mut second) = (Inbox::open(&queue, 1), Inbox::open(&queue, 1));
    queue.push(jobs(0..2)).await.unwrap();
    // Each holds its only place, so each job must have gone to another one.
    let (a, b) = (first.next().await, second.next().await);
    assert_ne!(a.job, b.job);
    first.close().await;
    second.close().await;
}

async fn a_handler_that_panics_does_not_end_the_queue(queue: JobQueue<u32>) {
    let stop = CancellationToken::new();
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let handler = move |delivered: ortolan_queue::Delivered<u32>| {
        assert_ne!(delivered.job, 0, "made to panic");
        sender.send(delivered.job).unwrap();
    };
    queue.push(jobs(0..3)).await.unwrap();
    let consumer = Consumer { name: "clumsy".to_owned(), slots: 1 };
    let consuming = tokio::spawn({
        let (queue, stop) = (queue.clone(), stop.clone());
        async move { queue.consume(consumer, stop, handler).await }
    });
    let mut seen = vec![within(receiver.recv()).await.unwrap(), within(receiver.recv()).await.unwrap()];
    seen.sort_unstable();
    assert_eq!(seen, [1, 2]);
    stop.cancel();
    within(consuming).await.unwrap().unwrap();
}

async fn what_will_not_be_delivered_is_missing(queue: JobQueue<u32>) {
    let ids = |numbers: std::ops::Range<u32>| jobs(numbers).into_iter().map(|(id, _)| id).collect::<Vec<_>>();
    queue.push(jobs(0..2)).await.unwrap();
    assert_eq!(queue.missing(&ids(0..4)).await.unwrap(), ids(2..4));
    assert!(queue.missing(&[]).await.unwrap().is_empty());
    let mut inbox = Inbox::open(&queue, 1);
    let first = inbox.next().await;
    // Acknowledged as the next one is asked for, or as the consumer ends.
    inbox.close().await;
    assert_eq!(queue.missing(&ids(0..2)).await.unwrap(), [first.id]);
}

async fn a_consumer_without_slots_is_refused(queue: JobQueue<u32>) {
    let consumer = Consumer { name: "nobody".to_owned(), slots: 0 };
    let refused = queue.consume(consumer, CancellationToken::new(), drop).await;
    assert!(matches!(refused, Err(QueueError::NoSlots(name)) if name == "nobody"));
}

async fn a_healthy_broker_answers(queue: JobQueue<u32>) {
    queue.ping().await.unwrap();
    assert_eq!(queue.push(Vec::new()).await.unwrap(), 0);
    assert_eq!(queue.clean().await.unwrap(), 0);
    assert_eq!(queue.name(), QueueName::CpuJobs);
}

/// Makes one test per promise and broker.
macro_rules! over_each_broker {
    ($($promise:ident,)*) => {
        mod memory {
            $(#[tokio::test]
            async fn $promise() {
                super::$promise(super::JobQueue::in_memory(super::QueueName::CpuJobs)).await;
            })*
        }
        mod redis {
            $(#[tokio::test]
            async fn $promise() {
                super::$promise(super::redis_queue(stringify!($promise)).await).await;
            })*
        }
    };
}

over_each_broker! {
    every_job_is_delivered,
    an_id_that_is_queued_already_is_dropped,
    no_more_is_out_than_there_are_slots,
    fetching_many_at_a_time_takes_no_more_than_there_are_slots,
    jobs_pushed_one_at_a_time_all_arrive,
    a_push_wakes_an_idle_consumer,
    what_a_stopped_consumer_left_goes_to_the_next_one_of_the_same_name,
    two_consumers_share_the_jobs,
    a_handler_that_panics_does_not_end_the_queue,
    what_will_not_be_delivered_is_missing,
    a_consumer_without_slots_is_refused,
    a_healthy_broker_answers,
}
