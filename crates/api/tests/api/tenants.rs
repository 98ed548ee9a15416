//! Tenants.

use serde_json::json;

use crate::support::{PICTURE, TestApp, ready_for_detection};

#[tokio::test]
async fn tenants_are_created_changed_and_listed() {
    let app = TestApp::new().await;
    let operator = app.operator();
    let made = operator.post("/tenants", json!({ "name": "tenant-001", "display_name": "One" })).await.is(201);
    let id = made.json["id"].as_str().unwrap();
    let right = json!({ "id": id, "name": "tenant-001", "display_name": "One", "disabled": false, "created_at": "2026-01-02T03:04:05Z" });
    assert_eq!((&made.json, made.header("location")), (&right, &*format!("/api/v1/tenants/{id}")));
    assert_eq!(operator.get(&format!("/tenants/{id}")).await.is(200).json, right);
    operator.post("/tenants", json!({ "name": "tenant-001" })).await.refuses(409, "duplicate");
    operator.post("/tenants", json!({ "name": "another" })).await.is(201);
    let list = operator.get("/tenants").await.is(200).json;
    assert_eq!((&list["total"], &list["items"][1]), (&json!(2), &right));
    let changed = operator.patch(&format!("/tenants/{id}"), json!({ "display_name": "Eins" })).await.is(200).json;
    assert_eq!((&changed["display_name"], &changed["disabled"]), (&json!("Eins"), &json!(false)));
    operator
        .patch(&format!("/tenants/{id}"), json!({ "name": "x" }))
        .await
        .refuses(422, "invalid_field")
        .naming("name");
}

#[tokio::test]
async fn an_idempotency_key_makes_one_tenant() {
    let app = TestApp::new().await;
    let operator = app.operator().with("idempotency-key", "first");
    let wish = json!({ "name": "acme", "display_name": "Acme" });
    let made = operator.post("/tenants", wish.clone()).await.is(201);
    let again = operator.post("/tenants", wish.clone()).await.is(201);
    assert_eq!((&again.json, again.header("location")), (&made.json, made.header("location")));
    operator.post("/tenants", json!({ "name": "other" })).await.refuses(409, "idempotency_conflict");
    app.operator().with("idempotency-key", "second").post("/tenants", wish).await.refuses(409, "duplicate");
    assert_eq!(app.operator().get("/tenants").await.is(200).json["total"], 1);
}

#[tokio::test]
async fn names_that_could_leave_their_folder_are_refused() {
    let app = TestApp::new().await;
    let long = "x".repeat(101);
    for bad in ["", "..", "a/b", "a\\b", "A", "a b", "ü", "models", &long] {
        let refused = app.operator().post("/tenants", json!({ "name": bad })).await;
        refused.refuses(422, "invalid_field").naming("name");
    }
    for bad in ["", " ", "a\u{7}b", &long] {
        let refused = app.operator().post("/tenants", json!({ "name": "a", "display_name": bad })).await;
        refused.refuses(422, "invalid_field").naming("display_name");
    }
}

#[tokio::test]
async fn a_disabled_tenant_is_refused_until_it_is_enabled() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let id = tenant.get("/me").await.is(200).json["tenant"]["id"].as_str().unwrap().to_owned();
    let path = format!("/tenants/{id}");
    app.operator().patch(&path, json!({ "disabled": true })).await.is(200);
    tenant.get("/me").await.refuses(403, "forbidden");
    app.operator().with("x-tenant-id", "a").get("/tasks").await.refuses(403, "forbidden");
    app.operator().patch(&path, json!({ "disabled": false })).await.is(200);
    tenant.get("/me").await.is(200);
}

#[tokio::test]
async fn a_deleted_tenant_leaves_nothing_to_the_next_of_its_name() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let neighbour = app.tenant("ab").await;
    let media = ready_for_detection(&tenant).await;
    let kept = neighbour.upload(PICTURE).await;
    tenant.post("/tasks", json!({ "task_type": "object_detection", "media_id": media })).await.is(201);
    let id = tenant.get("/me").await.json["tenant"]["id"].as_str().unwrap().to_owned();
    assert_eq!(app.operator().delete(&format!("/tenants/{id}")).await.status, 204);
    assert_eq!(app.objects(), [format!("ab/media/{kept}")]);
    assert_eq!(app.ml.asked().last().unwrap(), "clear Some(\"a\")");
    tenant.get("/me").await.refuses(401, "unauthenticated");
    app.operator().get(&format!("/tenants/{id}")).await.refuses(404, "not_found");
    app.operator().delete(&format!("/tenants/{id}")).await.refuses(404, "not_found");
    let next = app.tenant("a").await;
    assert_eq!(next.get("/media").await.json["total"], 0);
    assert_eq!(next.get("/tasks").await.json["total"], 0);
    assert_eq!(next.get("/slots").await.json["total"], 0);
}
