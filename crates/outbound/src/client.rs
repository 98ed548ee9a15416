//! The client that is careful about where it goes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use reqwest::{Client, ClientBuilder, Response, StatusCode, Url, header, redirect};

use crate::address::AddressPolicy;
use crate::error::OutboundError;
use crate::resolver::Resolver;

/// Redirects that are followed for a picture.
const MAX_REDIRECTS: usize = 3;
/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The bytes of an answer as they come in.
pub type ByteStream = BoxStream<'static, Result<Bytes, OutboundError>>;

/// A client that is careful about where it goes. Clones share its connections.
#[derive(Debug, Clone)]
pub struct Outbound {
    /// Follows no redirects: a receiver of webhooks is where it says it is.
    poster: Client,
    getter: Client,
    policy: AddressPolicy,
}

impl Outbound {
    /// A client whose requests end after `timeout`.
    pub fn new(policy: AddressPolicy, timeout: Duration) -> Result<Self, OutboundError> {
        // A second installation in the same process is refused, and that is fine.
        drop(rustls::crypto::ring::default_provider().install_default());
        Ok(Self {
            poster: build(&policy, timeout, redirect::Policy::none)?,
            getter: build(&policy, timeout, || following(policy.clone()))?,
            policy,
        })
    }

    /// Posts a body with these headers; any answer of the 200s is good.
    pub async fn post(&self, url: &str, headers: &[(&str, String)], body: Bytes) -> Result<u16, OutboundError> {
        check_address(&self.policy, url)?;
        let request = self.poster.post(url).header("content-type", "application/json").body(body);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        match retry_after(&answer) {
            _ if answer.status().is_success() => Ok(status),
            Some(retry_after) => Err(OutboundError::Busy { status, retry_after }),
            None => Err(OutboundError::Status(status)),
        }
    }

    /// Gets an object of at most `max_bytes` bytes.
    pub async fn get(&self, url: &str, max_bytes: u64) -> Result<ByteStream, OutboundError> {
        check_address(&self.policy, url)?;
        let answer = self.getter.get(url).send().await?;
        if !answer.status().is_success() {
            return Err(OutboundError::Status(answer.status().as_u16()));
        }
        let too_large = OutboundError::TooLarge { max_bytes };
        if answer.content_length().is_some_and(|length| length > max_bytes) {
            return Err(too_large);
        }
        let mut taken = 0;
        let counted = answer.bytes_stream().map_err(OutboundError::from).map(move |chunk| {
            let chunk = chunk?;
            taken += chunk.len() as u64;
            if taken > max_bytes { Err(too_large.clone()) } else { Ok(chunk) }
        });
        Ok(counted.boxed())
    }
}

/// How long a receiver that is overloaded or away wants to be left alone (RFC 9110, 10.2.3): seconds, or a date.
fn retry_after(answer: &Response) -> Option<Duration> {
    if !matches!(answer.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        return None;
    }
    let text = answer.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    let seconds = text.parse().ok().map(Duration::from_secs);
    seconds.or_else(|| httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::now()).ok())
}

/// A few redirects, never from `https://` to `http://`; where a name leads is the resolver's to check.
fn following(policy: AddressPolicy) -> redirect::Policy {
    redirect::Policy::custom(move |attempt| {
        let was_secure = attempt.previous().last().is_some_and(|url| url.scheme() == "https");
        if attempt.previous().len() > MAX_REDIRECTS || (was_secure && attempt.url().scheme() != "https") {
            return attempt.error(OutboundError::Redirect);
        }
        match check(&policy, attempt.url()) {
            Ok(()) => attempt.follow(),
            Err(error) => attempt.error(error),
        }
    })
}

/// A machine without certificate authorities can still speak plain HTTP.
fn build(
    policy: &AddressPolicy,
    timeout: Duration,
    redirects: impl Fn() -> redirect::Policy,
) -> Result<Client, OutboundError> {
    let builder = || -> ClientBuilder {
        Client::builder()
            .no_proxy()
            .timeout(timeout)
            .connect_timeout(CONNECT_TIMEOUT)
            .dns_resolver(Resolver(policy.clone()))
            .redirect(redirects())
            .user_agent(concat!("ortolan/", env!("CARGO_PKG_VERSION")))
    };
    match builder().build() {
        Ok(client) => Ok(client),
        Err(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "no certificate authorities are known: https:// addresses cannot be called"
            );
            Ok(builder().tls_certs_only([]).build()?)
        }
    }
}

/// Checks what can be known of an address before its name is resolved.
pub fn check_address(policy: &AddressPolicy, url: &str) -> Result<(), OutboundError> {
    check(policy, &Url::parse(url).map_err(|_| OutboundError::Address)?)
}

/// A host that is an address is never resolved, so it is looked at here.
fn check(policy: &AddressPolicy, url: &Url) -> Result<(), OutboundError> {
    if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some() {
        return Err(OutboundError::Address);
    }
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or(OutboundError::Address)?;
    let literal = host.parse::<Ipv4Addr>().map(IpAddr::V4).ok();
    let literal = literal.or_else(|| {
        let inner = host.strip_prefix('[')?.strip_suffix(']')?;
        inner.parse::<Ipv6Addr>().map(IpAddr::V6).ok()
    });
    match literal {
        Some(address) if !policy.allows(address) => Err(OutboundError::Private),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    /// A server that answers each connection with the next of `answers`, and the port it listens on.
    async fn answering(answers: Vec<String>) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            for answer in answers {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut request = vec![0; 4096];
                let _ = socket.read(&mut request).await.unwrap();
                socket.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        port
    }

    fn ok(body: &str) -> String {
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
    }

    fn moved(to: &str) -> String {
        format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
    }

    #[tokio::test]
    async fn private_addresses_are_refused_however_they_are_written() {
        let outbound = Outbound::new(AddressPolicy::public_only(), LONG).unwrap();
        for url in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://127.1/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://localhost/",
            "http://169.254.169.254/latest/meta-data",
            "http://0/",
        ] {
            assert_eq!(outbound.post(url, &[], Bytes::new()).await, Err(OutboundError::Private), "{url}");
        }
        for url in ["file:///etc/passwd", "nonsense", "http://user:pass@example.org/", "gopher://example.org/"] {
            assert_eq!(outbound.post(url, &[], Bytes::new()).await, Err(OutboundError::Address), "{url}");
        }
    }

    #[tokio::test]
    async fn posts_go_out_and_redirects_of_posts_are_not_followed() {
        let outbound = Outbound::new(AddressPolicy::Anywhere, LONG).unwrap();
        let port = answering(vec![ok(""), moved("http://127.0.0.1:1/")]).await;
        let url = format!("http://127.0.0.1:{port}/hook");
        assert_eq!(outbound.post(&url, &[("x-a", "1".to_owned())], Bytes::from_static(b"{}")).await, Ok(200));
        assert_eq!(outbound.post(&url, &[], Bytes::new()).await, Err(OutboundError::Status(302)));
    }

    #[tokio::test]
    async fn a_receiver_without_time_says_when_to_come_back() {
        let outbound = Outbound::new(AddressPolicy::Anywhere, LONG).unwrap();
        let busy = |status: u16, after: &str| {
            format!("HTTP/1.1 {status} x\r\nretry-after: {after}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        };
        let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3_600));
        let answers = [busy(429, "120"), busy(503, &date), busy(503, "soon"), busy(500, "120")];
        let url = format!("http://127.0.0.1:{}/", answering(answers.to_vec()).await);
        let retry_after = Duration::from_secs(120);
        assert_eq!(outbound.post(&url, &[], Bytes::new()).await, Err(OutboundError::Busy { status: 429, retry_after }));
        match outbound.post(&url, &[], Bytes::new()).await {
            Err(OutboundError::Busy { status: 503, retry_after }) => assert!(retry_after.as_secs() > 3_500),
            other => panic!("{other:?}"),
        }
        for status in [503, 500] {
            assert_eq!(outbound.post(&url, &[], Bytes::new()).await, Err(OutboundError::Status(status)));
        }
    }

    #[tokio::test]
    async fn a_download_is_bounded_and_follows_a_few_redirects() {
        let outbound = Outbound::new(AddressPolicy::Anywhere, LONG).unwrap();
        let endless = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n0123456789".to_owned();
        let port = answering(vec![
            moved("/b"),
            ok("picture"),
            ok("0123456789"),
            endless,
            moved("/c"),
            moved("/c"),
            moved("/c"),
            moved("/c"),
            moved("/c"),
        ])
        .await;
        let url = format!("http://127.0.0.1:{port}/a");
        let whole = outbound.get(&url, 7).await.unwrap().try_collect::<Vec<_>>().await.unwrap().concat();
        assert_eq!(whole, b"picture");
        assert_eq!(outbound.get(&url, 9).await.err(), Some(OutboundError::TooLarge { max_bytes: 9 }));
        let unannounced = outbound.get(&url, 9).await.unwrap().try_collect::<Vec<_>>().await;
        assert_eq!(unannounced, Err(OutboundError::TooLarge { max_bytes: 9 }));
        assert_eq!(outbound.get(&url, 9).await.err(), Some(OutboundError::Redirect));
    }

    #[tokio::test]
    async fn a_redirect_leads_no_further_than_a_first_address_may() {
        let ours = AddressPolicy::Public(["127.0.0.1/32".parse().unwrap()].into());
        let outbound = Outbound::new(ours, LONG).unwrap();
        let port = answering(vec![
            moved("http://127.0.0.2:1/"),
            moved("http://[::1]:1/"),
            moved("ftp://127.0.0.1/"),
            ok("picture"),
        ])
        .await;
        let url = format!("http://127.0.0.1:{port}/a");
        for expected in [OutboundError::Private, OutboundError::Private] {
            assert_eq!(outbound.get(&url, 9).await.err(), Some(expected));
        }
        assert_eq!(outbound.get(&url, 9).await.err(), Some(OutboundError::Address));
        assert!(outbound.get(&url, 9).await.is_ok());
    }
}
