//! The registry of models.

use std::time::Duration;

use ortolan_domain::config::{InferenceConfig, TaskConfig, Written};
use ortolan_domain::model::{
    FileWords, Model, ModelFacts, ModelFile, ModelStatus, PortFacts, PortKind, RegistryName, VersionLabel,
};
use ortolan_domain::task::NewTask;
use ortolan_domain::{ModelId, TaskType, TenantId};
use ortolan_store::{
    ModelChanges, ModelFilter, ModelMoved, ModelSort, NewModelOutcome, Order, StoreError, Tenant, Verdict,
};
use serde_json::json;
use serde_json::value::RawValue;

use crate::fixture::{Fixture, at, key};

pub(crate) fn new_model(tenant: &Tenant, name: &str, version: &str) -> Model {
    Model {
        id: ModelId::generate(),
        tenant_id: tenant.id,
        name: self::name(name),
        version: self::version(version),
        description: Some("Ünïcode".to_owned()),
        metadata: json!({"team": ["a", 1.5, null]}).as_object().unwrap().clone(),
        status: ModelStatus::Pending,
        file: None,
        facts: None,
        error: None,
        revision: 1,
        validating_until: None,
        created_at: at(1),
        updated_at: at(1),
    }
}

fn name(text: &str) -> RegistryName {
    RegistryName::parse(text).unwrap()
}

fn version(text: &str) -> VersionLabel {
    VersionLabel::parse(text).unwrap()
}

fn file(digit: &str) -> ModelFile {
    ModelFile { sha256: digit.repeat(64), size_bytes: 1234 }
}

fn facts() -> Box<ModelFacts> {
    let port = |kind, shape| PortFacts { name: "x".to_owned(), kind, dtype: "FP32".to_owned(), shape };
    Box::new(ModelFacts {
        inputs: vec![port(PortKind::Tensor, vec![None, Some(3)])],
        outputs: vec![port(PortKind::Map, Vec::new())],
        words: FileWords { opsets: [("ai.onnx".to_owned(), 17)].into(), ..FileWords::default() },
        trial_run_ms: Some(0.25),
        ..ModelFacts::default()
    })
}

async fn create(f: &Fixture, name: &str, version: &str) -> Model {
    let model = new_model(&f.tenant, name, version);
    assert_eq!(f.stores.models.create_model(&model, None).await.unwrap(), NewModelOutcome::Created);
    model
}

async fn uploaded(f: &Fixture, model: &Model, second: i64) -> Model {
    moved(f.stores.models.record_model_file(f.tenant.id, model.id, file("a"), at(second)).await.unwrap())
}

async fn validating(f: &Fixture, model: &Model, second: i64) -> Model {
    let until = at(second).plus(Duration::from_secs(60));
    moved(f.stores.models.begin_validation(f.tenant.id, model.id, until, at(second)).await.unwrap())
}

async fn ready(f: &Fixture, model: &Model) -> Model {
    uploaded(f, model, 2).await;
    let begun = validating(f, model, 3).await;
    let verdict = Verdict::Accepted(facts());
    f.stores.models.end_validation(f.tenant.id, model.id, begun.revision, verdict, at(4)).await.unwrap().unwrap()
}

fn moved(outcome: ModelMoved) -> Model {
    match outcome {
        ModelMoved::Moved(model) => *model,
        other => panic!("not moved: {other:?}"),
    }
}

fn refused(outcome: ModelMoved) -> ModelStatus {
    match outcome {
        ModelMoved::Refused(model) => model.status,
        other => panic!("not refused: {other:?}"),
    }
}

fn versions<'m>(models: impl IntoIterator<Item = &'m Model>) -> Vec<&'m str> {
    models.into_iter().map(|model| model.version.as_str()).collect()
}

pub(crate) async fn a_version_reads_back_whole_by_id_and_by_name(f: Fixture) {
    let (store, tenant, beta) = (&f.stores.models, f.tenant.id, f.another_tenant("beta").await.id);
    let model = create(&f, "add", "1.0.0").await;
    assert_eq!(store.model(tenant, model.id).await.unwrap().as_ref(), Some(&model), "every field");
    assert_eq!(store.model(beta, model.id).await.unwrap(), None);
    let by_version = |tenant| store.model_by_version(tenant, &model.name, &model.version);
    assert_eq!(by_version(tenant).await.unwrap().as_ref(), Some(&model));
    assert_eq!(by_version(beta).await.unwrap(), None);

    let ready = ready(&f, &model).await;
    assert_eq!(
        (ready.status, ready.file.clone(), ready.facts.clone()),
        (ModelStatus::Ready, Some(file("a")), Some(facts()))
    );
    assert_eq!(store.model(tenant, model.id).await.unwrap(), Some(ready.clone()));

    let mut ids: Vec<ModelId> = (0..100).map(|_| ModelId::generate()).collect();
    ids.insert(70, model.id);
    assert_eq!(store.models_by_ids(tenant, &ids).await.unwrap(), [ready]);
    assert_eq!(store.models_by_ids(beta, &ids).await.unwrap(), []);
    assert_eq!(store.models_by_ids(tenant, &[]).await.unwrap(), []);

    assert!(store.delete_model(beta, model.id).await.unwrap().is_none());
    assert_eq!(store.delete_model(tenant, model.id).await.unwrap().map(|model| model.id), Some(model.id));
    assert!(store.delete_model(tenant, model.id).await.unwrap().is_none());
}

pub(crate) async fn name_and_version_are_taken_once_by_tenant(f: Fixture) {
    let (store, beta) = (&f.stores.models, f.another_tenant("beta").await);
    let first = create(&f, "add", "1.0.0").await;
    let second = create(&f, "add", "1.0.1").await;
    let again = store.create_model(&new_model(&f.tenant, "add", "1.0.0"), None).await;
    assert!(matches!(again, Err(StoreError::Duplicate)));
    let elsewhere = store.create_model(&new_model(&beta, "add", "1.0.0"), None).await.unwrap();
    assert_eq!(elsewhere, NewModelOutcome::Created);
    let nobody = Tenant { id: TenantId::generate(), ..beta.clone() };
    let orphan = store.create_model(&new_model(&nobody, "add", "1.0.0"), None).await;
    assert!(matches!(orphan, Err(StoreError::NoParent)));

    let rename = ModelChanges { version: Some(version("1.0.0")), ..ModelChanges::default() };
    let taken = store.update_model(f.tenant.id, second.id, rename, at(5)).await;
    assert!(matches!(taken, Err(StoreError::Duplicate)));
    let rename = ModelChanges { version: Some(version("0.9.0")), ..ModelChanges::default() };
    let renamed = moved(store.update_model(f.tenant.id, second.id, rename, at(5)).await.unwrap());
    assert_eq!((renamed.version, renamed.name, renamed.updated_at), (version("0.9.0"), name("add"), at(5)));
    let latest = store.latest_model(f.tenant.id, &name("add"), false).await.unwrap().unwrap();
    assert_eq!(latest.id, first.id, "the order follows the new version");
}

pub(crate) async fn versions_sort_by_precedence_however_they_came(f: Fixture) {
    let falling = ["2.0.0", "1.10.0", "1.9.0", "1.0.0", "1.0.0-rc.10", "1.0.0-rc.2", "1.0.0-beta", "nightly", "latest"];
    let mut shuffled = falling;
    shuffled.rotate_left(4);
    shuffled.swap(0, 6);
    for version in shuffled {
        create(&f, "net", version).await;
    }
    create(&f, "other", "9.0.0").await;
    let found = f.stores.models.model_versions(f.tenant.id, &name("net")).await.unwrap();
    assert_eq!((versions(&found.items).as_slice(), found.total), (&falling[..], 9));
    assert_eq!(f.stores.models.model_versions(f.tenant.id, &name("nobody")).await.unwrap().total, 0);
    let latest = f.stores.models.latest_model(f.tenant.id, &name("net"), false).await.unwrap().unwrap();
    assert_eq!(latest.version, version("2.0.0"));
}

pub(crate) async fn the_latest_ready_version_of_many_names(f: Fixture) {
    let (store, tenant, beta) = (&f.stores.models, f.tenant.id, f.another_tenant("beta").await.id);
    for name in ["a", "b"] {
        let older = create(&f, name, "1.9.0").await;
        ready(&f, &create(&f, name, "1.10.0").await).await;
        ready(&f, &older).await;
        create(&f, name, "2.0.0").await;
    }
    create(&f, "c", "1.0.0").await;
    let latest = store.latest_model(tenant, &name("a"), true).await.unwrap().unwrap();
    assert_eq!(latest.version, version("1.10.0"));
    assert!(store.latest_model(tenant, &name("c"), true).await.unwrap().is_none());
    assert!(store.latest_model(beta, &name("a"), true).await.unwrap().is_none());

    let names: Vec<RegistryName> = ["a", "b", "c", "d"].map(name).to_vec();
    let mut found = store.latest_ready_models(tenant, &names).await.unwrap();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(
        found.iter().map(|m| (m.name.as_str(), m.version.as_str())).collect::<Vec<_>>(),
        [("a", "1.10.0"), ("b", "1.10.0")]
    );
    assert_eq!(store.latest_ready_models(beta, &names).await.unwrap(), []);
}

pub(crate) async fn lists_are_filtered_sorted_and_paged(f: Fixture) {
    let tenant = f.tenant.id;
    for (n, (name, version)) in
        [("b", "1.9.0"), ("a", "1.0.0"), ("b", "1.10.0"), ("c", "3.0.0")].into_iter().enumerate()
    {
        let mut model = new_model(&f.tenant, name, version);
        model.created_at = at(n as i64);
        f.stores.models.create_model(&model, None).await.unwrap();
        if name == "a" {
            uploaded(&f, &model, 50).await;
        }
    }
    let list = async |filter: ModelFilter| f.stores.models.list_models(tenant, &filter).await.unwrap();
    let all = || ModelFilter { limit: 100, ..ModelFilter::default() };
    assert_eq!(versions(&list(all()).await.items), ["3.0.0", "1.10.0", "1.0.0", "1.9.0"], "the newest first");
    let page = list(ModelFilter { limit: 2, offset: 1, ..all() }).await;
    assert_eq!((versions(&page.items), page.total), (vec!["1.10.0", "1.0.0"], 4));
    let by_name = ModelFilter { sort_by: ModelSort::Name, order: Order::Ascending, ..all() };
    assert_eq!(versions(&list(by_name).await.items), ["1.0.0", "1.9.0", "1.10.0", "3.0.0"]);
    let by_change = ModelFilter { sort_by: ModelSort::UpdatedAt, limit: 1, ..all() };
    assert_eq!(versions(&list(by_change).await.items), ["1.0.0"]);
    for order in [Order::Ascending, Order::Descending] {
        let by_size = ModelFilter { sort_by: ModelSort::SizeBytes, order, limit: 1, ..all() };
        assert_eq!(versions(&list(by_size).await.items), ["1.0.0"], "those without a file come last");
    }
    let named = ModelFilter { name: Some(name("b")), ..all() };
    assert_eq!(versions(&list(named.clone()).await.items), ["1.10.0", "1.9.0"]);
    let statuses = vec![ModelStatus::Uploaded, ModelStatus::Ready];
    assert_eq!(versions(&list(ModelFilter { statuses: statuses.clone(), ..all() }).await.items), ["1.0.0"]);
    assert_eq!(list(ModelFilter { statuses, ..named }).await.total, 0);
    let beta = f.another_tenant("beta").await.id;
    assert_eq!(f.stores.models.list_models(beta, &all()).await.unwrap().total, 0);
}

pub(crate) async fn a_life_from_upload_to_the_archive_and_back(f: Fixture) {
    let (store, tenant) = (&f.stores.models, f.tenant.id);
    let model = create(&f, "add", "1.0.0").await;
    let archive = |archived| ModelChanges { archived: Some(archived), ..ModelChanges::default() };
    let to_and_fro = async |stands: ModelStatus| {
        let aside = moved(store.update_model(tenant, model.id, archive(true), at(8)).await.unwrap());
        assert_eq!((aside.status, aside.unarchived_status()), (ModelStatus::Archived, stands));
        let back = moved(store.update_model(tenant, model.id, archive(false), at(9)).await.unwrap());
        assert_eq!(back.status, stands);
    };
    to_and_fro(ModelStatus::Pending).await;
    assert_eq!(uploaded(&f, &model, 2).await.status, ModelStatus::Uploaded);
    to_and_fro(ModelStatus::Uploaded).await;
    let begun = validating(&f, &model, 3).await;
    let verdict = Verdict::Rejected("the file is no ONNX model".to_owned());
    let ended = store.end_validation(tenant, model.id, begun.revision, verdict, at(4)).await.unwrap().unwrap();
    assert_eq!((ended.status, ended.error.as_deref()), (ModelStatus::Error, Some("the file is no ONNX model")));
    to_and_fro(ModelStatus::Error).await;
    let again = uploaded(&f, &model, 5).await;
    assert_eq!((again.status, again.error.clone()), (ModelStatus::Uploaded, None), "a fresh file, a fresh start");
    assert_eq!(ready(&f, &model).await.status, ModelStatus::Ready);
    to_and_fro(ModelStatus::Ready).await;
    let last = store.model(tenant, model.id).await.unwrap().unwrap();
    assert_eq!(last.facts, Some(facts()));
    assert!(last.revision > again.revision);
}

pub(crate) async fn what_a_status_forbids_changes_nothing(f: Fixture) {
    let (store, tenant) = (&f.stores.models, f.tenant.id);
    let model = create(&f, "add", "1.0.0").await;
    let begin = || store.begin_validation(tenant, model.id, at(99), at(10));
    let upload = || store.record_model_file(tenant, model.id, file("b"), at(10));
    let change = |archived| {
        let renamed = Some(name("renamed"));
        store.update_model(
            tenant,
            model.id,
            ModelChanges { archived: Some(archived), name: renamed, ..ModelChanges::default() },
            at(10),
        )
    };
    assert_eq!(refused(begin().await.unwrap()), ModelStatus::Pending, "there is no file");
    assert_eq!(refused(change(false).await.unwrap()), ModelStatus::Pending);
    ready(&f, &model).await;
    assert_eq!(refused(begin().await.unwrap()), ModelStatus::Ready);
    assert_eq!(refused(upload().await.unwrap()), ModelStatus::Ready);
    moved(
        store
            .update_model(tenant, model.id, ModelChanges { archived: Some(true), ..ModelChanges::default() }, at(10))
            .await
            .unwrap(),
    );
    assert_eq!(refused(begin().await.unwrap()), ModelStatus::Archived);
    assert_eq!(refused(upload().await.unwrap()), ModelStatus::Archived);
    assert_eq!(refused(change(true).await.unwrap()), ModelStatus::Archived);
    let stands = store.model(tenant, model.id).await.unwrap().unwrap();
    assert_eq!((stands.name, stands.file), (name("add"), Some(file("a"))));
    let nobody = ModelId::generate();
    assert_eq!(store.begin_validation(tenant, nobody, at(99), at(10)).await.unwrap(), ModelMoved::Missing);
    assert_eq!(store.update_model(tenant, nobody, ModelChanges::default(), at(10)).await.unwrap(), ModelMoved::Missing);
}

pub(crate) async fn a_validation_that_was_overtaken_says_nothing(f: Fixture) {
    let (store, tenant) = (&f.stores.models, f.tenant.id);
    let model = create(&f, "add", "1.0.0").await;
    uploaded(&f, &model, 2).await;
    let begun = validating(&f, &model, 3).await;
    assert_eq!(
        refused(store.begin_validation(tenant, model.id, at(99), at(4)).await.unwrap()),
        ModelStatus::Validating
    );
    assert_eq!(
        refused(store.record_model_file(tenant, model.id, file("b"), at(4)).await.unwrap()),
        ModelStatus::Validating
    );
    let archive = ModelChanges { archived: Some(true), ..ModelChanges::default() };
    assert_eq!(refused(store.update_model(tenant, model.id, archive, at(4)).await.unwrap()), ModelStatus::Validating);
    let verdict = || Verdict::Accepted(facts());
    assert!(store.end_validation(tenant, model.id, begun.revision - 1, verdict(), at(5)).await.unwrap().is_none());
    let given_up =
        store.end_validation(tenant, model.id, begun.revision, Verdict::GivenUp, at(5)).await.unwrap().unwrap();
    assert_eq!(given_up.status, ModelStatus::Uploaded);
    assert!(store.end_validation(tenant, model.id, begun.revision, verdict(), at(5)).await.unwrap().is_none());
}

pub(crate) async fn a_lapsed_validation_stands_in_nobodys_way(f: Fixture) {
    let (store, tenant) = (&f.stores.models, f.tenant.id);
    let model = create(&f, "add", "1.0.0").await;
    uploaded(&f, &model, 2).await;
    let lost = validating(&f, &model, 3).await;
    assert_eq!(lost.effective_status(at(62)), ModelStatus::Validating);
    assert_eq!(lost.effective_status(at(63)), ModelStatus::Uploaded);
    let second = validating(&f, &model, 63).await;
    assert!(store.end_validation(tenant, model.id, lost.revision, Verdict::GivenUp, at(64)).await.unwrap().is_none());
    let fresh = moved(store.record_model_file(tenant, model.id, file("b"), at(200)).await.unwrap());
    assert_eq!((fresh.status, fresh.file, fresh.validating_until), (ModelStatus::Uploaded, Some(file("b")), None));
    assert!(
        store.end_validation(tenant, model.id, second.revision, Verdict::GivenUp, at(201)).await.unwrap().is_none()
    );
}

pub(crate) async fn a_file_that_did_not_arrive_is_taken_back(f: Fixture) {
    let (store, tenant) = (&f.stores.models, f.tenant.id);
    let model = create(&f, "add", "1.0.0").await;
    let recorded = uploaded(&f, &model, 2).await;
    assert!(!store.forget_model_file(tenant, model.id, recorded.revision - 1, at(3)).await.unwrap());
    assert!(store.forget_model_file(tenant, model.id, recorded.revision, at(3)).await.unwrap());
    let stands = store.model(tenant, model.id).await.unwrap().unwrap();
    assert_eq!((stands.status, stands.file), (ModelStatus::Pending, None));
}

pub(crate) async fn keys_replay_the_version(f: Fixture) {
    let store = &f.stores.models;
    let first = new_model(&f.tenant, "add", "1.0.0");
    assert_eq!(store.create_model(&first, Some(key("k", "one", 60))).await.unwrap(), NewModelOutcome::Created);
    let again = store.create_model(&new_model(&f.tenant, "add", "1.0.0"), Some(key("k", "one", 60))).await.unwrap();
    assert_eq!(again, NewModelOutcome::Replayed(Box::new(first.clone())));
    let other = store.create_model(&new_model(&f.tenant, "sub", "1.0.0"), Some(key("k", "two", 60))).await.unwrap();
    assert_eq!(other, NewModelOutcome::Conflict);
    let refused = store.create_model(&new_model(&f.tenant, "add", "1.0.0"), Some(key("k2", "three", 60))).await;
    assert!(matches!(refused, Err(StoreError::Duplicate)));
    let free = store.create_model(&new_model(&f.tenant, "sub", "1.0.0"), Some(key("k2", "four", 60))).await.unwrap();
    assert_eq!(free, NewModelOutcome::Created, "a refused request does not take its key");
    store.delete_model(f.tenant.id, first.id).await.unwrap();
    let fresh = store.create_model(&new_model(&f.tenant, "add", "1.0.0"), Some(key("k", "five", 60))).await.unwrap();
    assert_eq!(fresh, NewModelOutcome::Created, "what the key made is gone");
}

pub(crate) async fn two_validations_at_once_have_one_winner(f: Fixture) {
    let model = create(&f, "add", "1.0.0").await;
    uploaded(&f, &model, 2).await;
    let begin = || f.stores.models.begin_validation(f.tenant.id, model.id, at(60), at(3));
    let outcomes = tokio::join!(begin(), begin(), begin(), begin());
    let outcomes = [outcomes.0, outcomes.1, outcomes.2, outcomes.3].map(Result::unwrap);
    let begun = outcomes.iter().filter(|outcome| matches!(outcome, ModelMoved::Moved(_))).count();
    assert_eq!(begun, 1);
}

pub(crate) async fn a_deleted_version_takes_its_jobs_along(f: Fixture) {
    let (models, tasks) = (&f.stores.models, &f.stores.tasks);
    let (asked, other) = (new_model(&f.tenant, "asked", "1.0.0"), new_model(&f.tenant, "other", "1.0.0"));
    for model in [&asked, &other] {
        models.create_model(model, None).await.unwrap();
    }
    let mut jobs = Vec::new();
    for model in [&asked, &asked, &other] {
        let config = InferenceConfig {
            model_id: model.id,
            input_data: Written(RawValue::from_string(r#"{"x": [1]}"#.to_owned()).unwrap()),
        };
        let checked = TaskConfig::Inference(config).checked(TaskType::Inference, Default::default()).unwrap();
        let task = NewTask { task_type: TaskType::Inference, config: checked.json, ..f.new_task() };
        jobs.push(f.submit(task).await);
    }
    jobs.push(f.submit(f.new_task()).await);
    assert!(models.delete_model(f.tenant.id, asked.id).await.unwrap().is_some());
    let mut left = Vec::new();
    for job in &jobs {
        left.push(tasks.get(f.tenant.id, *job).await.unwrap().is_some());
    }
    assert_eq!(left, [false, false, true, true]);
}
