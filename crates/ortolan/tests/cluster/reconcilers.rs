//! Of several reconcilers one leads.

use ortolan_testkit::{Cluster, query};

use crate::support::{PROGRAM, until};

/// The number of the process that leads, which is part of its name.
fn leader(cluster: &Cluster, processes: [usize; 2]) -> Option<usize> {
    // Before the first migration there is no such table.
    let rows = query(cluster.database_url(), "SELECT holder FROM leader_leases").ok()?;
    let holder = rows.first()?[0].clone();
    processes.into_iter().find(|&process| holder.contains(&format!("-{}-", cluster.pid(process))))
}

#[tokio::test(flavor = "multi_thread")]
async fn another_reconciler_takes_over_and_sighup_asks_for_a_pass() {
    let mut cluster = Cluster::prepare(PROGRAM).unwrap();
    let both = [cluster.start("reconciler", &[]).unwrap(), cluster.start("reconciler", &[]).unwrap()];
    until("one leads", async || leader(&cluster, both).is_some()).await;
    let first = leader(&cluster, both).unwrap();
    let second = both.into_iter().find(|&process| process != first).unwrap();
    cluster.kill(first).unwrap();
    until("the other one leads", async || leader(&cluster, both) == Some(second)).await;

    let orphan = "ml_result:0190c7a0-0000-7000-8000-000000000000:1";
    cluster.redis().command(&["SET", orphan, "of no task"]).unwrap();
    cluster.signal(second, "HUP", false).unwrap();
    until("the whole pass was made", async || cluster.redis().command(&["EXISTS", orphan]).unwrap() == "0").await;
    assert!(cluster.ended(second).unwrap().is_none(), "{}", cluster.logs());
    assert!(cluster.stop(second).unwrap().success());
    let left = query(cluster.database_url(), "SELECT holder FROM leader_leases").unwrap();
    assert!(left.is_empty(), "it gave the lease up: {left:?}");
}
