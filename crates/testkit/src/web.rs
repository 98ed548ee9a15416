//! A web server with a certificate of its own.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tempfile::NamedTempFile;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// The longest head of a request that is read.
const MAX_HEAD_BYTES: u64 = 16 << 10;

/// What a path answers with.
#[derive(Debug, Clone)]
pub enum Page {
    /// These bytes.
    Bytes(Vec<u8>),
    /// So many zeros, of which nothing is announced.
    Zeros(usize),
    /// Go elsewhere.
    Redirect(String),
}

/// A web server on 127.0.0.1 that speaks TLS.
pub struct Web {
    port: u16,
    certificate: NamedTempFile,
}

impl Web {
    /// Serves these pages by their paths, and 404 for every other.
    pub async fn serving(pages: BTreeMap<&'static str, Page>) -> Result<Self> {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["127.0.0.1".to_owned()])?;
        let mut certificate = NamedTempFile::new()?;
        certificate.write_all(cert.pem().as_bytes())?;
        let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key.into())?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        tokio::spawn(serve(listener, TlsAcceptor::from(Arc::new(config)), Arc::new(pages)));
        Ok(Self { port, certificate })
    }

    /// The address of a path here.
    pub fn url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}{path}", self.port)
    }

    /// The file of the certificate that a client has to trust.
    pub fn certificate(&self) -> &Path {
        self.certificate.path()
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, pages: Arc<BTreeMap<&'static str, Page>>) {
    while let Ok((socket, _)) = listener.accept().await {
        let (acceptor, pages) = (acceptor.clone(), pages.clone());
        tokio::spawn(async move {
            // A client that goes away in the middle is what some tests are about.
            if let Ok(stream) = acceptor.accept(socket).await {
                drop(answer(stream, &pages).await);
            }
        });
    }
}

async fn answer<S>(mut stream: S, pages: &BTreeMap<&'static str, Page>) -> Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut limited = (&mut stream).take(MAX_HEAD_BYTES - head.len() as u64);
        if limited.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let path = text.split(' ').nth(1).context("a request without a path")?;
    let (status, header, body) = match pages.get(path) {
        Some(Page::Bytes(bytes)) => ("200 OK", format!("content-length: {}\r\n", bytes.len()), bytes.clone()),
        Some(Page::Zeros(count)) => ("200 OK", String::new(), vec![0; *count]),
        Some(Page::Redirect(to)) => ("302 Found", format!("location: {to}\r\ncontent-length: 0\r\n"), Vec::new()),
        None => ("404 Not Found", "content-length: 0\r\n".to_owned(), Vec::new()),
    };
    stream.write_all(format!("HTTP/1.1 {status}\r\n{header}connection: close\r\n\r\n").as_bytes()).await?;
    stream.write_all(&body).await?;
    Ok(stream.shutdown().await?)
}
