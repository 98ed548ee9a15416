//! One request, one answer.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Response, redirect};
use serde::de::DeserializeOwned;

use super::{ClientError, Target, error::Refusal};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longer than any silence of a healthy server: a slot's upload is answered after the model was tried.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(300);

/// A client of one server with one key. Clones share their connections.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    target: Target,
}

impl Client {
    /// A client for this target; nothing is sent yet.
    pub fn new(target: Target) -> Result<Self, ClientError> {
        // An error means that there is a provider already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("ortolan/", env!("CARGO_PKG_VERSION")))
            .default_headers(identity(&target)?)
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(SILENCE_TIMEOUT)
            .tcp_nodelay(true);
        if target.url.scheme() == "http" {
            // Without TLS the system's certificates are not needed, and a bare machine has none.
            builder = builder.tls_certs_only([]);
        }
        if target.is_loopback() {
            builder = builder.no_proxy();
        }
        Ok(Self { http: builder.build().map_err(ClientError::Setup)?, target })
    }

    /// The server and the key.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// A request for a path of `/api/v1`.
    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}/api/v1{path}", self.target.url()))
    }

    /// Sends a request; an answer with an error status is an error.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let answer = request.send().await.map_err(|source| self.unreachable(source))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status().as_u16();
        let retry_after_s = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let body = answer.bytes().await.unwrap_or_default();
        Err(ClientError::Refused(Box::new(Refusal::read(status, &body, retry_after_s))))
    }

    /// Sends a request and reads the JSON of the answer.
    pub(super) async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ClientError> {
        let answer = self.send(request).await?;
        let body = answer.bytes().await.map_err(|source| self.unreachable(source))?;
        serde_json::from_slice(&body)
            .map_err(|source| ClientError::Unreadable { url: self.target.url().to_owned(), source: source.into() })
    }

    /// Sends a request and reads the bytes of the answer.
    pub(super) async fn bytes(&self, request: RequestBuilder) -> Result<Vec<u8>, ClientError> {
        let answer = self.send(request).await?;
        answer.bytes().await.map(Vec::from).map_err(|source| self.unreachable(source))
    }

    /// Reads the health document, whatever its status says.
    pub async fn health(&self) -> Result<serde_json::Value, ClientError> {
        let request = self.http.get(format!("{}/health", self.target.url()));
        let answer = request.send().await.map_err(|source| self.unreachable(source))?;
        answer
            .json()
            .await
            .map_err(|source| ClientError::Unreadable { url: self.target.url().to_owned(), source: source.into() })
    }

    fn unreachable(&self, source: reqwest::Error) -> ClientError {
        ClientError::Unreachable { url: self.target.url().to_owned(), source: source.without_url() }
    }
}

fn identity(target: &Target) -> Result<HeaderMap, ClientError> {
    let mut headers = HeaderMap::new();
    if let Some(key) = &target.key {
        let mut value = HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| ClientError::BadHeader("key"))?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    if let Some(tenant) = &target.tenant {
        headers.insert("x-tenant-id", HeaderValue::from_str(tenant).map_err(|_| ClientError::BadHeader("tenant"))?);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::failure::Exit;

    #[test]
    fn a_key_that_no_header_can_hold_is_refused() {
        let target = Target::new("http://127.0.0.1:1", Some("a\nb".to_owned()), None).unwrap();
        assert_eq!(Client::new(target).err().unwrap().exit_code(), Exit::Usage);
    }

    #[tokio::test]
    async fn nobody_listening_is_told_as_such() {
        // The port is free again once the listener is dropped.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let client = Client::new(Target::new(&format!("http://127.0.0.1:{port}"), None, None).unwrap()).unwrap();
        let error = client.health().await.unwrap_err();
        assert_eq!(error.exit_code(), Exit::Unreachable);
        assert!(error.hint().unwrap().contains("ortolan up"));
    }
}
