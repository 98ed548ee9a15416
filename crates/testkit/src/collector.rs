//! A collector of traces: takes OTLP in JSON over HTTP and keeps the spans.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

/// A collector on a free port; it ends when dropped.
pub struct Collector {
    url: String,
    spans: Arc<Mutex<Vec<CollectedSpan>>>,
    _serving: AbortOnDropHandle<()>,
}

/// A span that was collected.
#[derive(Debug, Clone)]
pub struct CollectedSpan {
    /// The service that it comes from.
    pub service: String,
    /// What it is called.
    pub name: String,
    /// Its trace.
    pub trace_id: String,
    /// Its id.
    pub span_id: String,
    /// The span that it is a part of; empty for the first of a trace.
    pub parent_id: String,
    /// Its attributes as they came.
    pub attributes: Value,
}

impl Collector {
    /// Starts to collect.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let spans = Arc::<Mutex<Vec<CollectedSpan>>>::default();
        let collected = Arc::clone(&spans);
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&collected)));
            }
        });
        Ok(Self { url, spans, _serving: AbortOnDropHandle::new(serving) })
    }

    /// Where it takes traces.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The spans of a trace, once they have all these names.
    pub async fn trace(&self, trace_id: &str, names: &[&str]) -> Result<Vec<CollectedSpan>> {
        for _ in 0..1200 {
            let spans: Vec<_> = self.all().into_iter().filter(|span| span.trace_id == trace_id).collect();
            if names.iter().all(|name| spans.iter().any(|span| span.name == *name)) {
                return Ok(spans);
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        let there: BTreeSet<_> = self.all().into_iter().map(|span| (span.trace_id, span.service, span.name)).collect();
        bail!("trace {trace_id} never had {names:?}; there are {there:#?}")
    }

    /// Everything that was collected.
    pub fn all(&self) -> Vec<CollectedSpan> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Answers the requests of one connection until it ends.
async fn serve(stream: TcpStream, spans: Arc<Mutex<Vec<CollectedSpan>>>) -> Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (line, body) = request(&mut stream).await?;
        let taken = if line.starts_with("POST /v1/traces ") { read(&body) } else { Err(anyhow::anyhow!("{line}")) };
        let status = if taken.is_ok() { "200 OK" } else { "400 Bad Request" };
        spans.lock().unwrap_or_else(PoisonError::into_inner).extend(taken.unwrap_or_default());
        let answer = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}");
        stream.write_all(answer.as_bytes()).await?;
    }
}

/// A request's first line and its body.
async fn request(stream: &mut BufReader<TcpStream>) -> Result<(String, Vec<u8>)> {
    let (mut first, mut length) = (String::new(), 0);
    stream.read_line(&mut first).await?;
    if first.is_empty() {
        bail!("the connection has ended");
    }
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let Some((name, value)) = line.split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse()?;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok((first, body))
}

/// The spans of an `ExportTraceServiceRequest`; an error names what is not as the protocol has it.
fn read(body: &[u8]) -> Result<Vec<CollectedSpan>> {
    let body: Value = serde_json::from_slice(body)?;
    let mut spans = Vec::new();
    for resource in list(&body, "resourceSpans")? {
        let attributes = list(&resource["resource"], "attributes")?;
        let service = attributes.iter().find(|attribute| attribute["key"] == "service.name");
        let service = service.context("no service.name")?["value"]["stringValue"].as_str().context("service.name")?;
        for scope in list(resource, "scopeSpans")? {
            for span in list(scope, "spans")? {
                spans.push(of_span(service, span)?);
            }
        }
    }
    Ok(spans)
}

fn of_span(service: &str, span: &Value) -> Result<CollectedSpan> {
    let text = |key: &str| span[key].as_str().map(str::to_owned).with_context(|| format!("no {key} in {span}"));
    let (trace_id, span_id) = (text("traceId")?, text("spanId")?);
    let times: [u64; 2] = [text("startTimeUnixNano")?.parse()?, text("endTimeUnixNano")?.parse()?];
    if trace_id.len() != 32 || span_id.len() != 16 || times[0] > times[1] || !span["kind"].is_u64() {
        bail!("not a span: {span}");
    }
    Ok(CollectedSpan {
        service: service.to_owned(),
        name: text("name")?,
        trace_id,
        span_id,
        parent_id: text("parentSpanId")?,
        attributes: span["attributes"].clone(),
    })
}

fn list<'a>(value: &'a Value, key: &str) -> Result<&'a Vec<Value>> {
    value[key].as_array().with_context(|| format!("no list {key} in {value}"))
}
