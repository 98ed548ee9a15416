//! The HTTP server against clients that are slow, greedy or gone, and while it stops.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use ortolan_service::Shutdown;
use ortolan_service::serve::{ServeLimits, serve};
use ortolan_service::shutdown::Drained;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

const LIMITS: ServeLimits =
    ServeLimits { max_connections: 8, header_timeout: Duration::from_secs(60), drain_timeout: Duration::from_secs(60) };

struct Server {
    address: SocketAddr,
    shutdown: Shutdown,
    started: Arc<Notify>,
    go_on: Arc<Notify>,
    running: JoinHandle<Drained>,
}

/// Serves `/peer`, and `/slow`, which answers when it is told to.
async fn start(limits: ServeLimits) -> Server {
    let (started, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (says, waits) = (started.clone(), go_on.clone());
    let slow = async move || {
        says.notify_one();
        waits.notified().await;
        "done"
    };
    let peer = async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.ip().to_string();
    let routes = Router::new().route("/peer", get(peer)).route("/slow", get(slow));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, shutdown) = (listener.local_addr().unwrap(), Shutdown::new());
    let stop = shutdown.clone();
    let running = tokio::spawn(async move { serve(listener, routes, limits, &stop).await });
    Server { address, shutdown, started, go_on, running }
}

async fn send(address: SocketAddr, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

async fn rest(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    // A reset after the answer is an end, too.
    let _ = stream.read_to_end(&mut text).await;
    String::from_utf8(text).unwrap()
}

fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")
}

#[tokio::test]
async fn a_handler_knows_its_peer() {
    let server = start(LIMITS).await;
    let stream = send(server.address, "GET /peer HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(rest(stream).await.ends_with("\r\n\r\n127.0.0.1"));
}

#[tokio::test]
async fn a_request_under_way_is_answered_and_an_idle_connection_closed_while_stopping() {
    let server = start(LIMITS).await;
    let mut idle = send(server.address, &request("/peer")).await;
    let mut first = [0; 1];
    idle.read_exact(&mut first).await.unwrap();
    let busy = send(server.address, &request("/slow")).await;
    server.started.notified().await;
    server.shutdown.begin();
    assert!(rest(idle).await.ends_with("127.0.0.1"), "the idle connection is closed");
    server.go_on.notify_one();
    assert!(rest(busy).await.ends_with("done"));
    assert_eq!(server.running.await.unwrap(), Drained::Completely);
    assert!(TcpStream::connect(server.address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn what_does_not_end_in_time_is_cut_off() {
    let server = start(ServeLimits { drain_timeout: Duration::from_millis(20), ..LIMITS }).await;
    let hanging = send(server.address, &request("/slow")).await;
    server.started.notified().await;
    server.shutdown.begin();
    assert_eq!(server.running.await.unwrap(), Drained::Left(1));
    assert_eq!(rest(hanging).await, "");
}

#[tokio::test]
async fn a_head_that_never_ends_closes_the_connection() {
    let server = start(ServeLimits { header_timeout: Duration::from_millis(20), ..LIMITS }).await;
    let stalled = send(server.address, "GET /peer HTTP/1.1\r\nhost: x\r\n").await;
    assert!(!rest(stalled).await.contains("127.0.0.1"));
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused() {
    let server = start(LIMITS).await;
    let long = format!("GET /peer HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(40_000));
    assert!(rest(send(server.address, &long).await).await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test]
async fn a_connection_too_many_waits_for_a_place() {
    let server = start(ServeLimits { max_connections: 1, ..LIMITS }).await;
    let mut first = send(server.address, &request("/slow")).await;
    server.started.notified().await;
    let second = tokio::spawn(rest(send(server.address, &request("/slow")).await));
    let is_served = tokio::time::timeout(Duration::from_millis(50), server.started.notified()).await.is_ok();
    assert!(!is_served, "there is one place, and it is taken");
    server.go_on.notify_one();
    // The first client leaves its connection only after the answer.
    let mut answer = [0; 12];
    first.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    drop(first);
    server.started.notified().await;
    server.shutdown.begin();
    server.go_on.notify_one();
    assert!(second.await.unwrap().ends_with("done"));
}
