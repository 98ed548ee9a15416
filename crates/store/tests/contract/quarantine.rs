//! Pairs of model and input that crash.

use ortolan_domain::Slot;
use ortolan_store::CrashPair;
use uuid::Uuid;

use crate::fixture::{Fixture, at};
use crate::slots::uploaded;

fn pair(model: &str, input: &str) -> CrashPair {
    CrashPair { model_sha256: model.to_owned(), input_hash: input.to_owned() }
}

pub(crate) async fn three_crashes_of_a_pair_and_of_a_tenant(f: Fixture) {
    let (store, tenant, beta) = (&f.stores.quarantine, f.tenant.id, f.another_tenant("beta").await.id);
    for second in 1..=3 {
        assert!(store.quarantined(tenant, &pair("m", "i")).await.unwrap().is_none());
        let record = store.record_crash(tenant, &pair("m", "i"), "detect", at(second)).await.unwrap();
        assert_eq!((record.crashes, record.is_quarantined()), (second, second == 3));
        store.record_crash(beta, &pair("m", &format!("i{second}")), "detect", at(second)).await.unwrap();
    }
    let record = store.quarantined(tenant, &pair("m", "i")).await.unwrap().unwrap();
    assert_eq!((record.first_at, record.last_at, record.model.as_str()), (at(1), at(3), "detect"));
    for other in [pair("m2", "i"), pair("m", "i2")] {
        assert!(store.quarantined(tenant, &other).await.unwrap().is_none());
    }
    let in_slot = async |tenant| store.quarantined_in_slot(tenant, Slot::Detect, "i").await.unwrap();
    assert!(in_slot(tenant).await.is_none(), "the slot is empty");
    f.stores.slots.record_slot(tenant, uploaded("m", 5), at(4)).await.unwrap();
    assert_eq!(in_slot(tenant).await, Some(record));
    assert!(store.has_quarantined(tenant, "m").await.unwrap());
    assert!(!store.has_quarantined(tenant, "m2").await.unwrap());
    assert!(!store.has_quarantined(beta, "m").await.unwrap(), "three inputs that crashed once each");
    let again = store.record_run_crash(tenant, &pair("m", "i"), "detect", at(5)).await.unwrap();
    assert_eq!((again.crashes, again.last_at), (4, at(5)));
    let at_once = store.record_run_crash(tenant, &pair("m", "i"), "detect", at(5)).await.unwrap();
    assert_eq!(at_once.crashes, 4, "one death of the process ended both runs");
    f.stores.slots.record_slot(tenant, uploaded("m2", 5), at(6)).await.unwrap();
    assert!(in_slot(tenant).await.is_none(), "another model");
    assert!(in_slot(beta).await.is_none());
    assert!(store.quarantined(beta, &pair("m", "i")).await.unwrap().is_none(), "another tenant's crashes are its own");
    assert_eq!(store.quarantine(beta, 10, 0).await.unwrap().total, 0);
}

pub(crate) async fn it_is_lifted_one_by_one_or_all_at_once_and_forgotten(f: Fixture) {
    let (store, tenant, beta) = (&f.stores.quarantine, f.tenant.id, f.another_tenant("beta").await.id);
    for input in ["a", "b", "c"] {
        for _ in 0..3 {
            store.record_crash(tenant, &pair("m", input), "x", at(1)).await.unwrap();
        }
    }
    store.record_crash(tenant, &pair("m", "once"), "x", at(9)).await.unwrap();
    let all = store.quarantine(tenant, 2, 0).await.unwrap();
    assert_eq!((all.items.len(), all.total), (2, 3));
    let id = all.items[0].id;
    assert!(!store.lift_quarantine(beta, id).await.unwrap(), "not its own");
    assert!(!store.lift_quarantine(tenant, Uuid::now_v7()).await.unwrap());
    assert!(store.lift_quarantine(tenant, id).await.unwrap());
    assert!(store.quarantined(tenant, &all.items[0].pair).await.unwrap().is_none());
    assert_eq!(store.forget_crashes(at(5), 1).await.unwrap(), 1, "no more than asked for");
    assert_eq!(store.lift_all_quarantine(tenant).await.unwrap(), 1);
    assert_eq!(store.record_crash(tenant, &pair("m", "once"), "x", at(10)).await.unwrap().crashes, 2, "still counted");
}
