//! The program that is a worker alone.
#![allow(clippy::unwrap_used)]

use ortolan_testkit::Cluster;

const PROGRAM: &str = env!("CARGO_BIN_EXE_ortolan-worker");

#[tokio::test(flavor = "multi_thread")]
async fn it_lives_until_it_is_told_to_stop() {
    let mut cluster = Cluster::prepare(PROGRAM).unwrap();
    let worker = cluster.start("", &[]).unwrap();
    // Each look waits for its own end, so that this is no busy loop.
    let is_well = |cluster: &mut Cluster| {
        let look = cluster.start("--check", &[]).unwrap();
        cluster.wait(look).unwrap().success()
    };
    while !is_well(&mut cluster) {
        assert!(cluster.ended(worker).unwrap().is_none(), "{}", cluster.logs());
    }
    assert_eq!(cluster.stop(worker).unwrap().code(), Some(0), "{}", cluster.logs());
    assert!(!is_well(&mut cluster), "who has stopped is not well");
}
