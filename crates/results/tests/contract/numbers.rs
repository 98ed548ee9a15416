use ortolan_results::{Numbers, Redis};

use crate::{redis, within};

/// Numbers that other tests on this server do not ask for, and hosts of one's own.
struct Bench {
    redis: Redis,
    from: u32,
}

impl Bench {
    async fn new() -> Self {
        Self { redis: redis().await, from: rand::random::<u32>() / 2 }
    }

    fn numbers(&self) -> Numbers {
        Numbers::redis(&self.redis)
    }

    fn host(&self, name: &str) -> String {
        format!("{name}-{}", self.from)
    }
}

#[tokio::test]
async fn live_processes_have_different_numbers() {
    let bench = Bench::new().await;
    let holding = (0..8).map(|at| {
        let (numbers, host) = (bench.numbers(), bench.host(&format!("host-{at}")));
        tokio::spawn(async move { numbers.hold(&host, bench.from).await })
    });
    let mut held = Vec::new();
    for number in holding.collect::<Vec<_>>() {
        held.push(within(number).await.unwrap());
    }
    let mut numbers: Vec<_> = held.iter().map(|number| number.get() - bench.from).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[tokio::test]
async fn a_host_gets_its_number_again_also_after_a_crash() {
    let bench = Bench::new().await;
    let (a, b) = (bench.host("a"), bench.host("b"));
    let (first, second) = (bench.numbers().hold(&a, bench.from).await, bench.numbers().hold(&b, bench.from).await);
    let number = second.get();
    assert_eq!(number, bench.from + 1);
    second.release().await;
    first.release().await;
    let second = bench.numbers().hold(&b, bench.from).await;
    assert_eq!(second.get(), number, "the smaller one is free, too, but was another host's");
    // Nothing is released, as after a kill.
    drop(second);
    assert_eq!(within(bench.numbers().hold(&b, bench.from)).await.get(), number);
}

#[tokio::test]
async fn two_on_one_host_have_different_numbers() {
    let bench = Bench::new().await;
    let host = bench.host("both");
    let first = bench.numbers().hold(&host, bench.from).await;
    let second = within(bench.numbers().hold(&host, bench.from)).await;
    assert_eq!((first.get(), second.get()), (bench.from, bench.from + 1));
}

#[tokio::test]
async fn who_lost_its_number_takes_another() {
    use fred::interfaces::ClientLike;
    let bench = Bench::new().await;
    let number = bench.numbers().hold(&bench.host("cut-off"), bench.from).await;
    let client = fred::types::config::Config::from_url(&crate::redis_url()).unwrap();
    let client = fred::types::Builder::from_config(client).build().unwrap();
    client.init().await.unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let entry = ["ortolan:ml_numbers".to_owned(), bench.from.to_string(), format!("{now} somebody another-host")];
    let _: i64 = client.custom(fred::cmd!("HSET"), entry.to_vec()).await.unwrap();
    within(async {
        while number.get() == bench.from {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    })
    .await;
    assert_eq!(number.get(), bench.from + 1);
}

#[tokio::test]
async fn a_process_that_is_alone_has_what_it_asks_for() {
    let number = Numbers::in_process().hold("host", 3).await;
    number.release().await;
    assert_eq!(number.get(), 3);
}
