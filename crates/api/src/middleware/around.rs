//! What lies around each handler, as one layer.
//!
//! The router clones a layer with all that lies within, and boxes and moves its future, for every request: three layers, each in the
//! next, cost more than all that they do.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::response::Response;
use futures::future::BoxFuture;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_http::cors::CorsLayer;

use super::cors::{concerns_browsers, cors, vary_by_origin};
use super::edge::Edge;
use super::guard::guard;
use crate::state::ApiState;

/// Lies around handlers.
#[derive(Clone)]
pub struct Around(Arc<Parts>);

struct Parts {
    state: ApiState,
    cors: CorsLayer,
    is_guarded: bool,
}

/// A handler with what lies around it.
#[derive(Clone)]
pub struct Surrounded<S> {
    around: Around,
    handler: S,
}

impl Around {
    /// For endpoints, which may be refused when too much is under way.
    pub fn endpoints(state: ApiState) -> Self {
        Self::new(state, true)
    }

    /// For what answers also when the service is busy.
    pub fn vital_signs(state: ApiState) -> Self {
        Self::new(state, false)
    }

    fn new(state: ApiState, is_guarded: bool) -> Self {
        let cors = cors(&state.settings().cors_origins);
        Self(Arc::new(Parts { state, cors, is_guarded }))
    }
}

impl<S> Layer<S> for Around {
    type Service = Surrounded<S>;

    fn layer(&self, handler: S) -> Surrounded<S> {
        Surrounded { around: self.clone(), handler }
    }
}

impl<S> Service<Request> for Surrounded<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // The handler is asked once there is a request for it.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let (around, handler) = (Arc::clone(&self.around.0), self.handler.clone());
        Box::pin(async move {
            let edge = Edge::of(&mut request, around.state.settings());
            // Lent, not given: each function that takes a future has room for it once more.
            let answer = pin!(around.answer(request, handler));
            Ok(edge.finish(answer).await)
        })
    }
}

impl Parts {
    async fn answer<S>(&self, request: Request, handler: S) -> Response
    where
        S: Service<Request, Response = Response, Error = Infallible> + Clone,
    {
        if concerns_browsers(&request) {
            let within = service_fn(move |request| self.answer_within(request, handler.clone()));
            // Seldom taken, so that it has its room elsewhere.
            return answered(Box::pin(self.cors.layer(within).oneshot(request)).await);
        }
        let mut response = answered(self.answer_within(request, handler).await);
        vary_by_origin(response.headers_mut());
        response
    }

    async fn answer_within<S>(&self, request: Request, handler: S) -> Result<Response, Infallible>
    where
        S: Service<Request, Response = Response, Error = Infallible>,
    {
        let answer = pin!(handler.oneshot(request));
        if self.is_guarded { guard(&self.state, answer).await } else { answer.await }
    }
}

fn answered(outcome: Result<Response, Infallible>) -> Response {
    match outcome {
        Ok(response) => response,
    }
}
