//! Serving HTTP: bounded in connections, in the size of a request's head, in how long it may take, and in how long
//! stopping takes. How large a body may be is the business of each route.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::Shutdown;
use crate::config::ServerConfig;
use crate::shutdown::Drained;
use crate::telemetry::metrics;

/// Most bytes of a request's head; a longer one is answered 431.
const MAX_HEAD_BYTES: usize = 32 * 1024;
/// Pause after a connection could not be accepted, for instance because no file descriptor is free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Limits of a server.
#[derive(Debug, Clone, Copy)]
pub struct ServeLimits {
    /// Connections that may be open at once; more wait to be accepted.
    pub max_connections: usize,
    /// How long a client may take for a request's head, or stay silent between requests.
    pub header_timeout: Duration,
    /// How long requests under way may go on after stopping began.
    pub drain_timeout: Duration,
}

impl From<&ServerConfig> for ServeLimits {
    fn from(config: &ServerConfig) -> Self {
        let ServerConfig { max_connections, header_timeout, drain_timeout, .. } = *config;
        Self { max_connections, header_timeout, drain_timeout }
    }
}

/// Accepts connections at an address; an error names it.
pub async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"));
    TcpListener::bind(address).await.map_err(named)
}

/// Serves `routes` until `shutdown` drains; then answers the requests under way, for at most the drain timeout.
pub async fn serve(listener: TcpListener, routes: Router, limits: ServeLimits, shutdown: &Shutdown) -> Drained {
    let server = Server {
        routes,
        limits,
        places: Arc::new(Semaphore::new(limits.max_connections)),
        connections: TaskTracker::new(),
        draining: shutdown.token(),
        ended: CancellationToken::new(),
    };
    while let Some((connection, place)) = server.draining.run_until_cancelled(server.next(&listener)).await {
        match connection {
            Ok((stream, peer)) => server.open(stream, peer, place),
            Err(error) => server.rest_after(&error).await,
        }
    }
    drop(listener);
    server.drain().await
}

/// Routes of a process that serves before it can work: those given at first, until it opens the others.
#[derive(Clone, Default)]
pub struct LateRoutes(Arc<OnceLock<Router>>);

impl LateRoutes {
    /// What to serve: `until_then`, and once they are opened the other routes alone.
    pub fn serve_until_then(&self, until_then: Router) -> Router {
        let opened = Arc::clone(&self.0);
        Router::new().fallback(move |request: Request<Body>| {
            let routes = opened.get().unwrap_or(&until_then).clone();
            async move { routes.oneshot(request).await }
        })
    }

    /// Serves these routes from now on.
    pub fn open(&self, routes: Router) {
        // A second call would change nothing.
        drop(self.0.set(routes));
    }
}

struct Server {
    routes: Router,
    limits: ServeLimits,
    places: Arc<Semaphore>,
    connections: TaskTracker,
    draining: CancellationToken,
    ended: CancellationToken,
}

type Accepted = io::Result<(TcpStream, SocketAddr)>;

impl Server {
    /// The next connection, once there is a place for it.
    async fn next(&self, listener: &TcpListener) -> (Accepted, Option<OwnedSemaphorePermit>) {
        // The semaphore is never closed, so there is always a permit.
        let place = self.places.clone().acquire_owned().await.ok();
        (listener.accept().await, place)
    }

    fn open(&self, stream: TcpStream, peer: SocketAddr, place: Option<OwnedSemaphorePermit>) {
        let conversation = converse(stream, peer, self.routes.clone(), self.limits, self.draining.clone());
        let (ended, connections) = (self.ended.clone(), self.connections.clone());
        metrics::http_connections(connections.len() + 1);
        self.connections.spawn(async move {
            ended.run_until_cancelled(conversation).await;
            drop(place);
            metrics::http_connections(connections.len().saturating_sub(1));
        });
    }

    async fn rest_after(&self, error: &io::Error) {
        tracing::warn!(error = error as &dyn std::error::Error, "a connection could not be accepted");
        self.draining.run_until_cancelled(tokio::time::sleep(ACCEPT_PAUSE)).await;
    }

    async fn drain(self) -> Drained {
        self.connections.close();
        if tokio::time::timeout(self.limits.drain_timeout, self.connections.wait()).await.is_ok() {
            return Drained::Completely;
        }
        let left = self.connections.len();
        self.ended.cancel();
        self.connections.wait().await;
        Drained::Left(left)
    }
}

/// Answers the requests of one connection; after draining began, only the one under way.
async fn converse(
    stream: TcpStream,
    peer: SocketAddr,
    routes: Router,
    limits: ServeLimits,
    draining: CancellationToken,
) {
    // Small answers must not wait for more to send. Where it cannot be set, they are late but right.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| answer(routes.clone(), peer, request));
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.header_timeout).max_header_size(MAX_HEAD_BYTES);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = draining.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(error = &error as &dyn std::error::Error, "a connection ended early");
    }
}

fn answer(
    routes: Router,
    peer: SocketAddr,
    mut request: Request<Incoming>,
) -> impl Future<Output = Result<Response<Body>, Infallible>> {
    request.extensions_mut().insert(ConnectInfo(peer));
    routes.oneshot(request.map(Body::new))
}
