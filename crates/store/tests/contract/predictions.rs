//! Records of predictions.

use ortolan_domain::prediction::Prediction;
use ortolan_domain::{ModelId, PredictionId, TenantId};

use crate::fixture::{Fixture, at};
use crate::models::new_model;

fn new(tenant: TenantId, model: ModelId, second: i64) -> Prediction {
    Prediction {
        id: PredictionId::generate(),
        tenant_id: tenant,
        model_id: model,
        request_id: Some("r".to_owned()),
        client_ip: None,
        cached: second % 2 == 1,
        inference_time_ms: 1.5,
        input_data: Some(r#"{"x":[1]}"#.to_owned()),
        output_data: None,
        created_at: at(second),
    }
}

async fn a_model(f: &Fixture) -> ModelId {
    let model = new_model(&f.tenant, "iris", "1.0.0");
    f.stores.models.create_model(&model, None).await.unwrap();
    model.id
}

pub(crate) async fn they_are_stored_at_once_and_listed_newest_first(f: Fixture) {
    let (store, tenant) = (&f.stores.predictions, f.tenant.id);
    let model = a_model(&f).await;
    let records: Vec<_> = (0..150).map(|second| new(tenant, model, second)).collect();
    assert_eq!(store.record_predictions(records.clone()).await.unwrap(), 150);
    assert_eq!(store.record_predictions(records[..3].to_vec()).await.unwrap(), 0, "once is enough");

    let page = store.predictions(tenant, model, 2, 1).await.unwrap();
    assert_eq!((page.items, page.total), (vec![records[148].clone(), records[147].clone()], 150));
    assert_eq!(store.prediction(tenant, records[7].id).await.unwrap().as_ref(), Some(&records[7]));

    let mut exported = Vec::new();
    loop {
        let after = exported.last().map(|last: &Prediction| (last.created_at, last.id));
        let some = store.predictions_after(tenant, model, after, 64).await.unwrap();
        if some.is_empty() {
            break;
        }
        exported.extend(some);
    }
    assert!(exported.iter().rev().eq(&records));
}

pub(crate) async fn what_belongs_to_nobody_is_left_out(f: Fixture) {
    let (store, tenant) = (&f.stores.predictions, f.tenant.id);
    let (model, beta) = (a_model(&f).await, f.another_tenant("beta").await);
    let good = new(tenant, model, 1);
    let records = vec![new(beta.id, model, 1), good.clone(), new(tenant, ModelId::generate(), 1)];
    assert_eq!(store.record_predictions(records).await.unwrap(), 1);
    assert_eq!(store.prediction(beta.id, good.id).await.unwrap(), None);
    assert_eq!(store.predictions(beta.id, model, 10, 0).await.unwrap().total, 0);
    assert!(store.predictions_after(beta.id, model, None, 10).await.unwrap().is_empty());

    f.stores.models.delete_model(tenant, model).await.unwrap();
    assert_eq!(store.prediction(tenant, good.id).await.unwrap(), None, "gone with its model");
}

pub(crate) async fn old_ones_are_deleted_in_batches(f: Fixture) {
    let (store, tenant) = (&f.stores.predictions, f.tenant.id);
    let model = a_model(&f).await;
    store.record_predictions((0..10).map(|second| new(tenant, model, second)).collect()).await.unwrap();
    for left in [4, 2, 0] {
        assert_eq!(store.delete_predictions(at(6), 4).await.unwrap(), left);
    }
    assert_eq!(store.predictions(tenant, model, 10, 0).await.unwrap().total, 4);
}
