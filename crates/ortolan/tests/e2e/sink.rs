//! A receiver of callbacks on this machine.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request that a sink received.
#[derive(Debug, Clone)]
pub struct Received {
    pub method: String,
    pub path: String,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Received {
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A receiver on this machine.
pub struct Sink {
    port: u16,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Sink {
    /// One that answers each request with the next of these statuses, 0 for never, and with 200 after them.
    pub async fn answering(statuses: &[u16]) -> Self {
        Self::new(statuses.to_vec(), String::new()).await
    }

    /// One that sends its first `count` requests elsewhere.
    pub async fn redirecting(count: usize, to: &str) -> Self {
        Self::new(vec![307; count], format!("location: {to}\r\n")).await
    }

    /// One that has no time for its first request, and says when it will have.
    pub async fn busy_for(seconds: u32) -> Self {
        Self::new(vec![503], format!("retry-after: {seconds}\r\n")).await
    }

    async fn new(statuses: Vec<u16>, header: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let received: Arc<Mutex<Vec<Received>>> = Arc::default();
        let (seen, mut statuses) = (received.clone(), statuses.into_iter());
        tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let (seen, status, header) = (seen.clone(), statuses.next().unwrap_or(200), header.clone());
                tokio::spawn(async move {
                    let Some(request) = read(&mut socket).await else { return };
                    seen.lock().unwrap().push(request);
                    if status == 0 {
                        std::future::pending::<()>().await;
                    }
                    let answer =
                        format!("HTTP/1.1 {status} x\r\n{header}content-length: 0\r\nconnection: close\r\n\r\n");
                    socket.write_all(answer.as_bytes()).await.unwrap();
                });
            }
        });
        Self { port, received }
    }

    /// The address of a path here.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Waits until so many requests have come.
    pub async fn received(&self, count: usize) -> Vec<Received> {
        for _ in 0..3000 {
            let received = self.received.lock().unwrap().clone();
            if received.len() >= count {
                return received;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{count} requests never came: {:?}", self.received.lock().unwrap())
    }

    /// How many requests have come so far.
    pub fn count(&self) -> usize {
        self.received.lock().unwrap().len()
    }
}

async fn read(socket: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    let end = loop {
        let mut some = [0; 4096];
        let count = socket.read(&mut some).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&some[..count]);
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines();
    let mut words = lines.next()?.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut request = Received { method, path, headers, body: bytes[end..].to_vec() };
    let length: usize = request.header("content-length").parse().unwrap_or(0);
    while request.body.len() < length {
        let mut some = [0; 65536];
        let count = socket.read(&mut some).await.ok().filter(|count| *count > 0)?;
        request.body.extend_from_slice(&some[..count]);
    }
    Some(request)
}

/// Verifies a signature with another implementation of HMAC than the sender's.
pub fn verify(secret: &str, request: &Received) -> bool {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &key);
    let mut message = format!("{}.{}.", request.header("webhook-id"), request.header("webhook-timestamp")).into_bytes();
    message.extend_from_slice(&request.body);
    request.header("webhook-signature").split(' ').any(|signature| {
        let signature = STANDARD.decode(signature.strip_prefix("v1,").unwrap()).unwrap();
        ring::hmac::verify(&key, &message, &signature).is_ok()
    })
}
