//! The first signal lets a process end what it has under way; the second one ends it at once, whichever service it is and
//! whichever of the two signals it is.

use ortolan_testkit::{Cluster, Tenant, query};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{PROGRAM, start_all, under_way, until};

/// Asks a busy process to stop, and again when it has heard that; gives the code with which it ended.
async fn strike_twice(cluster: &mut Cluster, service: &str, process: usize, second: &str) -> Option<i32> {
    cluster.signal(process, "TERM", false).unwrap();
    until("the first signal is heard", async || cluster.log(service).contains("work under way is finished")).await;
    cluster.signal(process, second, false).unwrap();
    cluster.wait(process).unwrap().code()
}

/// A request whose body the API waits for: it was told that it may come, and never does.
async fn unfinished_request(cluster: &Cluster, tenant: &Tenant) -> TcpStream {
    let mut stream = TcpStream::connect(cluster.base().trim_start_matches("http://")).await.unwrap();
    let head = format!(
        "POST /api/v1/tasks HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: 100\r\nExpect: 100-continue\r\n\r\n",
        tenant.key
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&answer), "HTTP/1.1 100");
    stream
}

/// Keeps the table of tasks to itself, so that a pass of the reconciler has to wait for it.
async fn hold_up_a_pass(cluster: &Cluster) {
    let url = cluster.database_url().to_owned();
    // Ends with the database, which ends with the cluster.
    std::thread::spawn(move || query(&url, "BEGIN; LOCK TABLE tasks IN EXCLUSIVE MODE; SELECT pg_sleep(120)"));
    let waiting = "SELECT COUNT(*) FROM pg_locks WHERE NOT granted AND relation = 'tasks'::regclass
                   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    until("the reconciler waits for the tasks", async || query(cluster.database_url(), waiting).unwrap()[0][0] != "0")
        .await;
}

async fn ends_every_service_at_once(second: &str, code: i32) {
    let mut cluster = Cluster::prepare(PROGRAM).unwrap();
    // So that none of them ends by itself while this test looks.
    cluster.env("ORTOLAN_SERVER__DRAIN_TIMEOUT_S", "60");
    let processes = start_all(&mut cluster, &["api", "worker", "ml-service", "reconciler"]).await;
    let [api, worker, ml_service, reconciler] = processes[..] else { panic!("{processes:?}") };
    let tenant = cluster.operator().tenant("acme").await.unwrap();
    under_way(&cluster, &tenant, 60_000).await;

    let request = unfinished_request(&cluster, &tenant).await;
    assert_eq!(strike_twice(&mut cluster, "api", api, second).await, Some(code));
    drop(request);
    assert_eq!(strike_twice(&mut cluster, "worker", worker, second).await, Some(code));
    // It has the run still: the lease of the worker that left it behind has not run out yet.
    assert_eq!(strike_twice(&mut cluster, "ml-service", ml_service, second).await, Some(code));
    hold_up_a_pass(&cluster).await;
    assert_eq!(strike_twice(&mut cluster, "reconciler", reconciler, second).await, Some(code));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_sigterm_ends_every_service_at_once() {
    ends_every_service_at_once("TERM", 143).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sigint_after_a_sigterm_ends_every_service_at_once() {
    ends_every_service_at_once("INT", 130).await;
}
