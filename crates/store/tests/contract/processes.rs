//! Who leads, and who lives.

use std::time::Duration;

use ortolan_store::ProcessRecord;

use crate::fixture::{Fixture, at};

const LASTS: Duration = Duration::from_secs(10);

pub(crate) async fn one_leads_until_its_lease_ends(f: Fixture) {
    let processes = &f.stores.processes;
    assert!(processes.lead("r", "a", at(0), LASTS).await.unwrap());
    assert!(!processes.lead("r", "b", at(9), LASTS).await.unwrap());
    assert!(processes.lead("other", "b", at(9), LASTS).await.unwrap(), "another lease is another matter");
    assert!(processes.lead("r", "a", at(9), LASTS).await.unwrap(), "renewed");
    assert!(!processes.lead("r", "b", at(18), LASTS).await.unwrap());
    assert!(processes.lead("r", "b", at(19), LASTS).await.unwrap(), "it has ended");
    assert!(!processes.lead("r", "a", at(20), LASTS).await.unwrap());
    processes.resign("r", "a").await.unwrap();
    assert!(!processes.lead("r", "a", at(20), LASTS).await.unwrap(), "nobody gives up what another one holds");
    processes.resign("r", "b").await.unwrap();
    assert!(processes.lead("r", "a", at(20), LASTS).await.unwrap());
}

pub(crate) async fn of_many_at_once_one_leads(f: Fixture) {
    let wishes = (0..8).map(|number| {
        let processes = f.stores.processes.clone();
        tokio::spawn(async move { processes.lead("r", &number.to_string(), at(0), LASTS).await.unwrap() })
    });
    let mut leaders = 0;
    for wish in wishes.collect::<Vec<_>>() {
        leaders += usize::from(wish.await.unwrap());
    }
    assert_eq!(leaders, 1);
}

pub(crate) async fn the_register_knows_who_was_heard_of(f: Fixture) {
    let processes = &f.stores.processes;
    let record = |id: &str, running, seen| ProcessRecord {
        id: id.to_owned(),
        service: "worker".to_owned(),
        host: "here".to_owned(),
        queues: "gpu_jobs,cpu_jobs".to_owned(),
        running,
        started_at: at(1),
        seen_at: at(seen),
    };
    processes.report_process(&record("a", 0, 1)).await.unwrap();
    processes.report_process(&record("b", 3, 5)).await.unwrap();
    processes.report_process(&record("a", 7, 6)).await.unwrap();
    assert_eq!(processes.processes(at(5), 10).await.unwrap(), [record("a", 7, 6), record("b", 3, 5)]);
    assert_eq!(processes.processes(at(0), 1).await.unwrap(), [record("a", 7, 6)]);
    assert_eq!(processes.strike_silent_processes(at(6), 10).await.unwrap(), 1);
    assert_eq!(processes.processes(at(0), 10).await.unwrap(), [record("a", 7, 6)]);
    processes.strike_process("a").await.unwrap();
    assert_eq!(processes.processes(at(0), 10).await.unwrap(), []);
}
