//! Slots and the ledger of what they served.

use ortolan_domain::model::{RegistryName, VersionLabel};
use ortolan_domain::{ModelId, Slot};
use ortolan_store::{SlotAction, SlotChange, SlotFile, SlotSource};

use crate::fixture::{Fixture, at};

pub(crate) fn uploaded(sha256: &str, size_bytes: u64) -> SlotChange {
    let file = SlotFile { sha256: sha256.to_owned(), size_bytes, source: None };
    SlotChange { slot: Slot::Detect, action: SlotAction::Upload, file, actor: "key laptop".to_owned() }
}

pub(crate) async fn generations_count_on_and_the_ledger_tells_all(f: Fixture) {
    let (store, tenant, beta) = (&f.stores.slots, f.tenant.id, f.another_tenant("beta").await.id);
    let first = store.record_slot(tenant, uploaded("aa", 5), at(1)).await.unwrap();
    assert_eq!((first.generation, first.sha256.as_str(), first.size_bytes), (1, "aa", 5));
    let source = SlotSource {
        model_id: ModelId::generate(),
        name: RegistryName::parse("boxes").unwrap(),
        version: VersionLabel::parse("1.2.0").unwrap(),
    };
    let mut promoted = uploaded("bb", 6);
    promoted.action = SlotAction::Promote;
    promoted.file.source = Some(source.clone());
    let second = store.record_slot(tenant, promoted, at(2)).await.unwrap();
    assert_eq!((second.generation, second.sha256.as_str(), second.updated_at), (2, "bb", at(2)));
    store.record_slot(tenant, SlotChange { slot: Slot::Classify, ..uploaded("cc", 7) }, at(3)).await.unwrap();
    let slots: Vec<Slot> = store.slots(tenant).await.unwrap().into_iter().map(|record| record.slot).collect();
    assert_eq!(slots, [Slot::Classify, Slot::Detect]);
    assert!(store.slots(beta).await.unwrap().is_empty());

    assert!(!store.forget_slot(beta, Slot::Detect, "x", at(4)).await.unwrap());
    assert!(store.forget_slot(tenant, Slot::Detect, "x", at(4)).await.unwrap());
    assert!(!store.forget_slot(tenant, Slot::Detect, "x", at(4)).await.unwrap());
    assert_eq!(store.record_slot(tenant, uploaded("dd", 8), at(5)).await.unwrap().generation, 3, "counts on");

    let history = store.slot_history(tenant, Slot::Detect, 10, 0).await.unwrap();
    let lines: Vec<_> = history.items.iter().map(|line| (line.entry, line.action, line.generation, line.at)).collect();
    let expected = [
        (4, SlotAction::Upload, Some(3), at(5)),
        (3, SlotAction::Empty, None, at(4)),
        (2, SlotAction::Promote, Some(2), at(2)),
        (1, SlotAction::Upload, Some(1), at(1)),
    ];
    assert_eq!((lines.as_slice(), history.total), (&expected[..], 4));
    assert_eq!(history.items[2].file.as_ref().unwrap().source, Some(source));
    assert_eq!(history.items[3].actor, "key laptop");
    assert_eq!(store.slot_history(tenant, Slot::Detect, 1, 2).await.unwrap().items, history.items[2..3]);
    assert_eq!(store.slot_history(beta, Slot::Detect, 10, 0).await.unwrap().total, 0);
}
