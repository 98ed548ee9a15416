//! Redis behind TLS and a password.

use std::path::Path;
use std::process::Command;

use ortolan_testkit::{Cluster, ThrowAwayPostgres, ThrowAwayRedis};

use crate::support::{PROGRAM, completes, noop, start_all};

fn openssl(folder: &Path, words: &str) {
    let output = Command::new("openssl").args(words.split(' ')).current_dir(folder).output();
    let output = output.expect("openssl cannot be started; `./dev test` installs it");
    assert!(output.status.success(), "openssl {words}: {}", String::from_utf8_lossy(&output.stderr));
}

/// An authority and a certificate of its for this machine.
fn certificates(folder: &Path) {
    std::fs::write(folder.join("san"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n").unwrap();
    openssl(folder, "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 2 -subj /CN=authority");
    openssl(folder, "req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=localhost");
    openssl(
        folder,
        "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out server.crt -days 2 -extfile san",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn queues_and_results_go_through_tls_with_a_password() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let file = |name: &str| folder.path().join(name);
    let redis = ThrowAwayRedis::with_tls(&file("server.crt"), &file("server.key"), "open-sesame").unwrap();
    let postgres = ThrowAwayPostgres::start().unwrap();
    let mut cluster = Cluster::on(PROGRAM, &postgres.url("postgres"), redis.url()).unwrap();
    cluster.env("SSL_CERT_FILE", &file("ca.crt").display().to_string());
    start_all(&mut cluster, &["api", "worker", "ml-service", "reconciler"]).await;
    let tenant = cluster.operator().tenant("acme").await.unwrap();
    let task = noop(&tenant, 10).await;
    completes(&tenant, &task, &cluster).await;
    assert!(!cluster.logs().contains("open-sesame"), "the password is in a log");
}
