//! Keys.

use serde_json::{Value, json};

use crate::support::TestApp;

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_key_is_shown_once_and_listed_without_itself() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let tenant_id = text(&tenant.get("/me").await.json["tenant"]["id"]);
    let path = format!("/tenants/{tenant_id}/keys");
    let made = tenant.post(&path, json!({ "name": "ci", "scopes": ["write", "read"] })).await.is(201);
    assert_eq!(made.header("cache-control"), "no-store");
    let key = text(&made.json["key"]);
    assert!(key.len() >= 40);
    assert_eq!((&made.json["name"], &made.json["scopes"]), (&json!("ci"), &json!(["read", "write"])));
    let list = tenant.get(&path).await.is(200);
    assert_eq!(list.json["total"], 2);
    assert_eq!(list.json["items"][0]["revoked_at"], Value::Null);
    assert!(!String::from_utf8_lossy(&list.bytes).contains(&key));
    for client in [
        app.nobody().with_key(&key),
        app.nobody().with("x-api-key", &key),
        app.nobody().with("authorization", &format!("bearer  {key}")),
    ] {
        let me = client.get("/me").await.is(200).json;
        assert_eq!(
            (&me["key"]["name"], &me["tenant"]["name"], &me["scopes"]),
            (&json!("ci"), &json!("a"), &json!(["read", "write"]))
        );
    }
}

#[tokio::test]
async fn an_idempotency_key_makes_one_key_which_only_the_first_answer_shows() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let path = format!("/tenants/{}/keys", text(&tenant.get("/me").await.json["tenant"]["id"]));
    let wish = json!({ "name": "ci", "scopes": ["read"] });
    let once = tenant.with("idempotency-key", "first");
    let made = once.post(&path, wish.clone()).await.is(201).json;
    let again = once.post(&path, wish.clone()).await.is(201).json;
    assert_eq!((&again["id"], &again["name"], &again["scopes"]), (&made["id"], &made["name"], &made["scopes"]));
    assert_eq!(again["key"], Value::Null);
    app.nobody().with_key(&text(&made["key"])).get("/me").await.is(200);
    once.post(&path, json!({ "name": "ci", "scopes": ["write"] })).await.refuses(409, "idempotency_conflict");
    let other = tenant.with("idempotency-key", "second").post(&path, wish).await.is(201).json;
    assert_ne!(other["id"], made["id"]);
    assert_eq!(tenant.get(&path).await.is(200).json["total"], 3);
}

#[tokio::test]
async fn nobody_grants_more_than_they_may() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let path = format!("/tenants/{}/keys", text(&tenant.get("/me").await.json["tenant"]["id"]));
    tenant.post(&path, json!({ "name": "x", "scopes": ["operator"] })).await.refuses(403, "forbidden");
    app.operator()
        .post(&path, json!({ "name": "x", "scopes": ["operator"] }))
        .await
        .refuses(422, "invalid_field")
        .naming("scopes");
    for (body, field) in [
        (json!({ "name": "x", "scopes": [] }), "scopes"),
        (json!({ "name": "x", "scopes": ["root"] }), "scopes[0]"),
        (json!({ "name": "", "scopes": ["read"] }), "name"),
        (json!({ "name": "x", "scopes": ["read"], "key": "mine" }), "key"),
    ] {
        tenant.post(&path, body).await.refuses(422, "invalid_field").naming(field);
    }
}

#[tokio::test]
async fn a_revoked_key_is_refused_at_once_in_every_process() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let me = tenant.get("/me").await.json;
    let victim = app.key(&text(&me["tenant"]["id"]), &["read"]).await;
    let elsewhere = victim.at(app.beside());
    let id = text(&victim.get("/me").await.is(200).json["key"]["id"]);
    elsewhere.get("/me").await.is(200);
    assert_eq!(tenant.delete(&format!("/keys/{id}")).await.status, 204);
    // The clock stands still: nothing here is forgotten for its age.
    victim.get("/me").await.refuses(401, "unauthenticated");
    elsewhere.get("/me").await.refuses(401, "unauthenticated");
    tenant.get("/me").await.is(200);
    tenant.delete(&format!("/keys/{id}")).await.refuses(404, "not_found");
    let listed = tenant.get(&format!("/tenants/{}/keys", text(&me["tenant"]["id"]))).await.json;
    let revoked = listed["items"].as_array().unwrap().iter().filter(|key| !key["revoked_at"].is_null()).count();
    assert_eq!(revoked, 1);
}

#[tokio::test]
async fn an_operator_revokes_any_key_and_a_tenant_none_but_its_own() {
    let app = TestApp::new().await;
    let (tenant, other) = (app.tenant("a").await, app.tenant("b").await);
    let key = async |client: &crate::support::Client| text(&client.get("/me").await.json["key"]["id"]);
    let (mine, theirs, operators) = (key(&tenant).await, key(&other).await, key(&app.operator()).await);
    tenant.delete(&format!("/keys/{theirs}")).await.refuses(404, "not_found");
    tenant.delete(&format!("/keys/{operators}")).await.refuses(404, "not_found");
    app.operator().with("x-tenant-id", "a").delete(&format!("/keys/{theirs}")).await.refuses(404, "not_found");
    assert_eq!(app.operator().delete(&format!("/keys/{theirs}")).await.status, 204);
    other.get("/me").await.refuses(401, "unauthenticated");
    assert_eq!(app.operator().with("x-tenant-id", "a").delete(&format!("/keys/{mine}")).await.status, 204);
    tenant.get("/me").await.refuses(401, "unauthenticated");
    assert_eq!(app.operator().delete(&format!("/keys/{operators}")).await.status, 204);
    app.operator().get("/me").await.refuses(401, "unauthenticated");
}
