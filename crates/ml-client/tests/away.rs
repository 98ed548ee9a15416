//! What the client makes of an ML service that is away, closes connections, is slow or talks nonsense.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ortolan_domain::model::ModelRef;
use ortolan_domain::tensor::{Datatype, Tensor};
use ortolan_domain::{ErrorCode, Slot, TenantSlug};
use ortolan_ml_client::{HttpInference, InferRequest, Inference};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How a stranger in the service's place treats one connection.
#[derive(Clone, Copy)]
enum Does {
    /// Reads and closes.
    Close,
    /// Reads and never answers.
    Nothing,
    /// Answers with this status and body.
    Answer(u16, &'static str),
}

/// A server that treats connection by connection as it was told, the last way from then on.
struct Stranger {
    url: String,
    asked: Arc<AtomicUsize>,
}

impl Stranger {
    async fn that(ways: &'static [Does]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        tokio::spawn(async move {
            loop {
                let (connection, _) = listener.accept().await.unwrap();
                let turn = count.fetch_add(1, Ordering::SeqCst).min(ways.len() - 1);
                tokio::spawn(treat(connection, ways[turn]));
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn client(&self, timeout: Duration) -> HttpInference {
        client(&self.url, timeout)
    }
}

fn client(url: &str, timeout: Duration) -> HttpInference {
    // A process installs its provider once; the tests of this file share one.
    drop(rustls::crypto::ring::default_provider().install_default());
    HttpInference::new(url, timeout).unwrap()
}

async fn treat(mut connection: TcpStream, way: Does) {
    let mut request = vec![0; 64 * 1024];
    let read = connection.read(&mut request).await.unwrap();
    assert!(read > 0, "a question");
    match way {
        Does::Close => {}
        Does::Nothing => std::future::pending().await,
        Does::Answer(status, body) => {
            let length = body.len();
            let head = format!("HTTP/1.1 {status} x\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
            connection.write_all((head + body).as_bytes()).await.unwrap();
        }
    }
}

const LONG: Duration = Duration::from_secs(60);

fn model() -> ModelRef {
    ModelRef::new(TenantSlug::parse("a").unwrap(), Slot::Detect)
}

fn tensors() -> InferRequest {
    let input = Tensor { name: "x".to_owned(), datatype: Datatype::Fp32, shape: vec![1], data: vec![0; 4].into() };
    InferRequest {
        model: model(),
        sha256: None,
        inputs: vec![input],
        outputs: Vec::new(),
        timeout: LONG,
        batching: None,
        request_id: "r".to_owned(),
        trace: None,
    }
}

#[tokio::test]
async fn a_connection_that_breaks_is_tried_again() {
    let service = Stranger::that(&[Does::Close, Does::Close, Does::Answer(200, "null")]).await;
    service.client(LONG).forget_model(model()).await.unwrap();
    assert_eq!(service.asked(), 3);
}

#[tokio::test]
async fn so_is_one_with_tensors() {
    const REFUSED: &str = r#"{"code":"invalid_field","detail":"inputs: no"}"#;
    let service = Stranger::that(&[Does::Close, Does::Answer(422, REFUSED)]).await;
    let error = service.client(LONG).infer(tensors()).await.unwrap_err();
    assert_eq!((error.code, service.asked()), (ErrorCode::Invalid, 2));
}

#[tokio::test]
async fn nobody_is_asked_for_ever() {
    let service = Stranger::that(&[Does::Close]).await;
    let error = service.client(LONG).forget_model(model()).await.unwrap_err();
    assert_eq!((error.code, service.asked()), (ErrorCode::Unavailable, 3));
}

#[tokio::test]
async fn an_answer_is_an_answer_even_when_it_is_nonsense() {
    let service = Stranger::that(&[Does::Answer(500, "<html>oops</html>")]).await;
    let error = service.client(LONG).forget_model(model()).await.unwrap_err();
    assert_eq!((error.code, service.asked()), (ErrorCode::Unavailable, 1));
    assert_eq!(error.detail, "the ML service does not answer");
}

#[tokio::test]
async fn a_slow_service_is_given_up_after_the_timeout_and_not_asked_again() {
    let service = Stranger::that(&[Does::Nothing]).await;
    let error = service.client(Duration::from_millis(200)).forget_model(model()).await.unwrap_err();
    assert_eq!((error.code, service.asked()), (ErrorCode::Unavailable, 1));
}

#[tokio::test]
async fn a_service_that_comes_late_is_found() {
    let place = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = place.local_addr().unwrap();
    drop(place);
    let client = client(&format!("http://{address}"), LONG);
    let asking = tokio::spawn(async move { client.forget_model(model()).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let listener = TcpListener::bind(address).await.unwrap();
    let (connection, _) = listener.accept().await.unwrap();
    treat(connection, Does::Answer(200, "null")).await;
    asking.await.unwrap().unwrap();
}

#[tokio::test]
async fn health_is_asked_once() {
    let service = Stranger::that(&[Does::Close]).await;
    assert_eq!(service.client(LONG).health().await.unwrap_err().code, ErrorCode::Unavailable);
    assert_eq!(service.asked(), 1);
}
