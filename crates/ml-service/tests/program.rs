//! The program that is the ML service alone.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use ortolan_testkit::{Cluster, free_port};

const PROGRAM: &str = env!("CARGO_BIN_EXE_ortolan-ml-service");

#[tokio::test(flavor = "multi_thread")]
async fn each_of_two_serves_under_a_number_of_its_own_until_it_is_told_to_stop() {
    let mut cluster = Cluster::prepare(PROGRAM).unwrap();
    let first = cluster.start("", &["DATABASE_URL"]).unwrap();
    let listen = format!("127.0.0.1:{}", free_port().unwrap());
    let second = cluster.start_with("", &["DATABASE_URL"], &[("ORTOLAN_ML__LISTEN", &listen)]).unwrap();
    for base in [cluster.ml_base().to_owned(), format!("http://{listen}")] {
        cluster.at(&base);
        while cluster.status("/health/ready").await != 200 {
            assert!(cluster.ended(first).unwrap().is_none(), "{}", cluster.logs());
            assert!(cluster.ended(second).unwrap().is_none(), "{}", cluster.logs());
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }
    let logs = cluster.logs();
    for number in ["number=0", "number=1"] {
        assert_eq!(logs.matches(number).count(), 1, "{logs}");
    }
    for service in [first, second] {
        assert_eq!(cluster.stop(service).unwrap().code(), Some(0), "{}", cluster.logs());
    }
}
