//! The program that is the API alone.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use ortolan_testkit::Cluster;
use serde_json::json;

const PROGRAM: &str = env!("CARGO_BIN_EXE_ortolan-api");

#[tokio::test(flavor = "multi_thread")]
async fn it_serves_until_it_is_told_to_stop() {
    let mut cluster = Cluster::prepare(PROGRAM).unwrap();
    let api = cluster.start("", &[]).unwrap();
    while cluster.status("/health/ready").await != 200 {
        assert!(cluster.ended(api).unwrap().is_none(), "{}", cluster.logs());
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    let tenant = cluster.operator().tenant("acme").await.unwrap();
    let task = tenant.submit("noop", None, json!({"sleep_ms": 1})).await.unwrap();
    let stranger = cluster.operator().tenant("other").await.unwrap();
    stranger.get(&format!("/tasks/{task}")).await.unwrap().expect(404).unwrap();
    tenant.get(&format!("/tasks/{task}")).await.unwrap().expect(200).unwrap();
    assert_eq!(cluster.stop(api).unwrap().code(), Some(0), "{}", cluster.logs());
}
