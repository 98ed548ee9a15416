//! Tenants, keys and media.

use ortolan_domain::media::{Media, MediaFacts, MediaKind, object_path};
use ortolan_domain::{KeyId, MediaId, Scope, TenantId};
use ortolan_store::{NewKey, NewKeyOutcome, NewMediaOutcome, NewTenantOutcome, StoreError, Tenant};

use crate::fixture::{Fixture, at, key, new_tenant};
use crate::models::new_model;
use crate::slots::uploaded;

fn new_key(tenant: Option<TenantId>, hash: &str) -> NewKey {
    let (id, scopes) = (KeyId::generate(), [Scope::Read, Scope::Write].into_iter().collect());
    NewKey { id, tenant_id: tenant, name: "laptop".to_owned(), scopes, hash: hash.to_owned(), created_at: at(1) }
}

fn new_media(tenant: &Tenant) -> Media {
    let id = MediaId::generate();
    let facts = MediaFacts {
        kind: MediaKind::Image,
        content_type: "image/png".to_owned(),
        width: Some(640),
        height: Some(480),
        duration_ms: None,
    };
    let path = object_path(&tenant.name, id);
    let sha256 = "5".repeat(64);
    let file_name = Some("Ünïcode.png".to_owned());
    Media { id, tenant_id: tenant.id, facts, file_name, size_bytes: 77, sha256, object_path: path, created_at: at(2) }
}

pub(crate) async fn a_name_is_taken_once_and_changes_are_kept(f: Fixture) {
    let tenants = &f.stores.tenants;
    assert!(matches!(tenants.create_tenant(&new_tenant("alpha")).await, Err(StoreError::Duplicate)));
    assert_eq!(tenants.tenant(f.tenant.id).await.unwrap(), Some(f.tenant.clone()));
    assert_eq!(tenants.tenant_by_name(&f.tenant.name).await.unwrap(), Some(f.tenant.clone()));
    assert_eq!(tenants.tenant(TenantId::generate()).await.unwrap(), None);

    let named = tenants.update_tenant(f.tenant.id, Some("Alpha & Co"), None).await.unwrap().unwrap();
    assert_eq!((named.display_name.as_deref(), named.disabled), (Some("Alpha & Co"), false));
    let disabled = tenants.update_tenant(f.tenant.id, None, Some(true)).await.unwrap().unwrap();
    assert_eq!((disabled.display_name.as_deref(), disabled.disabled), (Some("Alpha & Co"), true));
    assert_eq!(tenants.update_tenant(TenantId::generate(), None, Some(true)).await.unwrap(), None);

    f.another_tenant("zeta").await;
    f.another_tenant("beta").await;
    let page = tenants.tenants(2, 1).await.unwrap();
    assert_eq!(page.items.iter().map(|tenant| tenant.name.as_str()).collect::<Vec<_>>(), ["beta", "zeta"]);
    assert_eq!(page.total, 3);
}

pub(crate) async fn a_deleted_tenant_takes_its_rows_along(f: Fixture) {
    let (tenant, stores) = (f.tenant.id, &f.stores);
    let task = f.task_in(ortolan_domain::TaskStatus::Completed).await.attempt.task_id;
    f.submit_with(f.new_task(), key("k", "one", 60)).await;
    let media = new_media(&f.tenant);
    stores.media.create_media(&media, Some(key("m", "one", 60))).await.unwrap();
    stores.slots.record_slot(tenant, uploaded("aa", 5), at(1)).await.unwrap();
    let model = new_model(&f.tenant, "m", "1.0.0");
    stores.models.create_model(&model, None).await.unwrap();
    stores.tenants.create_key(&new_key(Some(tenant), "hash")).await.unwrap();

    assert!(stores.tenants.delete_tenant(tenant).await.unwrap());
    assert!(!stores.tenants.delete_tenant(tenant).await.unwrap());
    assert!(stores.tasks.get(tenant, task).await.unwrap().is_none());
    assert!(stores.tasks.depths().await.unwrap().is_empty());
    assert!(stores.media.media(tenant, media.id).await.unwrap().is_none());
    assert!(stores.slots.slots(tenant).await.unwrap().is_empty());
    assert!(stores.tenants.key_by_hash("hash").await.unwrap().is_none());
    assert!(matches!(stores.tasks.submit(f.new_task(), None).await, Err(StoreError::NoParent)));
    assert!(stores.models.model(tenant, model.id).await.unwrap().is_none());
    assert!(matches!(stores.models.create_model(&model, None).await, Err(StoreError::NoParent)));
    let slot = stores.slots.record_slot(tenant, uploaded("aa", 5), at(1)).await;
    assert!(matches!(slot, Err(StoreError::NoParent)));
    assert!(matches!(stores.tenants.create_key(&new_key(Some(tenant), "h")).await, Err(StoreError::NoParent)));
    assert!(matches!(stores.media.create_media(&media, None).await, Err(StoreError::NoParent)));
}

pub(crate) async fn keys_are_found_by_hash_and_revoked_once(f: Fixture) {
    let (tenants, beta) = (&f.stores.tenants, f.another_tenant("beta").await);
    let new = new_key(Some(f.tenant.id), "hash-1");
    tenants.create_key(&new).await.unwrap();
    assert!(matches!(tenants.create_key(&new_key(Some(beta.id), "hash-1")).await, Err(StoreError::Duplicate)));
    let found = tenants.key_by_hash("hash-1").await.unwrap().unwrap();
    assert_eq!((found.id, found.tenant.as_ref(), found.revoked_at), (new.id, Some(&f.tenant), None));
    assert!(found.scopes.allows(Scope::Write) && !found.scopes.allows(Scope::Admin));
    assert!(tenants.key_by_hash("hash-2").await.unwrap().is_none());

    assert!(!tenants.revoke_key(Some(beta.id), new.id, at(5)).await.unwrap(), "not its key");
    assert!(!tenants.revoke_key(None, new.id, at(5)).await.unwrap(), "nor an operator's");
    assert!(tenants.revoke_key(Some(f.tenant.id), new.id, at(5)).await.unwrap());
    assert!(!tenants.revoke_key(Some(f.tenant.id), new.id, at(6)).await.unwrap(), "once");
    assert_eq!(tenants.key_by_hash("hash-1").await.unwrap().unwrap().revoked_at, Some(at(5)));
    assert_eq!(tenants.keys(Some(f.tenant.id), 10, 0).await.unwrap().total, 1);
    assert_eq!(tenants.keys(Some(beta.id), 10, 0).await.unwrap().total, 0);
}

pub(crate) async fn operators_keys_belong_to_no_tenant(f: Fixture) {
    let tenants = &f.stores.tenants;
    let (first, mut second) = (new_key(None, "op-1"), new_key(None, "op-2"));
    second.created_at = at(9);
    tenants.create_key(&first).await.unwrap();
    tenants.create_key(&second).await.unwrap();
    tenants.create_key(&new_key(Some(f.tenant.id), "hash")).await.unwrap();
    let page = tenants.keys(None, 10, 0).await.unwrap();
    assert_eq!(page.items.iter().map(|key| key.id).collect::<Vec<_>>(), [second.id, first.id], "the newest first");
    assert!(page.items.iter().all(|key| key.tenant.is_none()));
    assert!(tenants.revoke_key(None, first.id, at(5)).await.unwrap());
}

pub(crate) async fn tenants_and_keys_are_made_once_for_an_idempotency_key(f: Fixture) {
    let tenants = &f.stores.tenants;
    let made = new_tenant("once");
    let make = async |tenant: &Tenant, hash| tenants.create_tenant_once(tenant, key("k", hash, 60)).await;
    assert_eq!(make(&made, "one").await.unwrap(), NewTenantOutcome::Created);
    let again = make(&new_tenant("once"), "one").await.unwrap();
    assert_eq!(again, NewTenantOutcome::Replayed(Box::new(made.clone())));
    assert_eq!(make(&new_tenant("twice"), "two").await.unwrap(), NewTenantOutcome::Conflict);
    assert_eq!(tenants.tenant_by_name(&new_tenant("twice").name).await.unwrap(), None);
    let other_key = tenants.create_tenant_once(&new_tenant("once"), key("k2", "one", 60)).await;
    assert!(matches!(other_key, Err(StoreError::Duplicate)), "{other_key:?}");
    let late = Tenant { created_at: at(3_600), ..new_tenant("late") };
    assert_eq!(make(&late, "three").await.unwrap(), NewTenantOutcome::Created, "the key was forgotten");

    let first = new_key(Some(made.id), "hash-1");
    let make = async |new: &NewKey, hash| tenants.create_key_once(new, key("k", hash, 60)).await.unwrap();
    assert_eq!(make(&first, "one").await, NewKeyOutcome::Created);
    let NewKeyOutcome::Replayed(before) = make(&new_key(Some(made.id), "hash-2"), "one").await else {
        panic!("not replayed")
    };
    assert_eq!((before.id, before.name), (first.id, first.name));
    assert!(tenants.key_by_hash("hash-2").await.unwrap().is_none());
    assert_eq!(make(&new_key(Some(made.id), "hash-3"), "two").await, NewKeyOutcome::Conflict);
    assert_eq!(make(&new_key(Some(f.tenant.id), "hash-4"), "two").await, NewKeyOutcome::Created, "another tenant's");
    let nobodys = tenants.create_key_once(&new_key(Some(TenantId::generate()), "h"), key("n", "one", 60)).await;
    assert!(matches!(nobodys, Err(StoreError::NoParent)), "{nobodys:?}");
}

pub(crate) async fn media_are_stored_once_listed_and_deleted(f: Fixture) {
    let (store, beta) = (&f.stores.media, f.another_tenant("beta").await);
    let mut all: Vec<Media> = (0..3).map(|_| new_media(&f.tenant)).collect();
    for media in &all {
        assert_eq!(store.create_media(media, None).await.unwrap(), NewMediaOutcome::Created);
    }
    assert!(matches!(store.create_media(&all[0], None).await, Err(StoreError::Duplicate)));
    assert_eq!(store.media(f.tenant.id, all[1].id).await.unwrap().as_ref(), Some(&all[1]), "every field");
    assert_eq!(store.media(beta.id, all[1].id).await.unwrap(), None);
    all.reverse();
    let page = store.list_media(f.tenant.id, 2, 1).await.unwrap();
    assert_eq!((page.items.as_slice(), page.total), (&all[1..], 3));

    let mut paths: Vec<String> = (0..100).map(|n| format!("alpha/media/{n}")).collect();
    paths.insert(70, all[2].object_path.clone());
    assert_eq!(store.known_object_paths(&paths).await.unwrap(), [all[2].object_path.clone()]);
    assert_eq!(store.known_object_paths(&[]).await.unwrap(), Vec::<String>::new());

    assert_eq!(store.delete_media(beta.id, all[0].id).await.unwrap(), None);
    assert_eq!(store.delete_media(f.tenant.id, all[0].id).await.unwrap().as_ref(), Some(&all[0]));
    assert_eq!(store.delete_media(f.tenant.id, all[0].id).await.unwrap(), None);
}

pub(crate) async fn media_keys_replay(f: Fixture) {
    let store = &f.stores.media;
    let first = new_media(&f.tenant);
    assert_eq!(store.create_media(&first, Some(key("k", "one", 60))).await.unwrap(), NewMediaOutcome::Created);
    let again = store.create_media(&new_media(&f.tenant), Some(key("k", "one", 60))).await.unwrap();
    assert_eq!(again, NewMediaOutcome::Replayed(Box::new(first.clone())));
    let other = store.create_media(&new_media(&f.tenant), Some(key("k", "two", 60))).await.unwrap();
    assert_eq!(other, NewMediaOutcome::Conflict);
    // A task may have the same key: what a key makes belongs to it.
    let submission = f.submit_with(f.new_task(), key("k", "three", 60)).await;
    assert!(matches!(submission, ortolan_store::Submission::Created(_)));
    store.delete_media(f.tenant.id, first.id).await.unwrap();
    let fresh = store.create_media(&new_media(&f.tenant), Some(key("k", "two", 60))).await.unwrap();
    assert_eq!(fresh, NewMediaOutcome::Created, "what the key made is gone");
}
