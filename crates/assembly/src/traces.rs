//! Sends the process's spans to a collector, where one is set.

use std::time::Duration;

use anyhow::{Context, Result};
use ortolan_service::config::Config;
use ortolan_service::telemetry::trace::{Resource, Spans};
use reqwest::Client;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::host;

/// Where a collector takes traces, below its address.
const PATH: &str = "/v1/traces";
/// How long a collector may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// How long the end of a process waits for its last spans to be sent.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// What sends spans, until it is ended.
pub struct Traces {
    stop: CancellationToken,
    sending: Option<JoinHandle<()>>,
}

impl Traces {
    /// Begins to record and to send, as that service; does nothing without a collector.
    pub fn start(config: &Config, service: &str) -> Result<Self> {
        let stop = CancellationToken::new();
        let Some(endpoint) = &config.traces.endpoint else { return Ok(Self { stop, sending: None }) };
        let url = format!("{}{PATH}", endpoint.expose().trim_end_matches('/'));
        let client = client(&url, headers(config)?)?;
        let resource = Resource { service: service.to_owned(), instance: format!("{}-{}", host(), std::process::id()) };
        let sending = Spans::record(resource, config.traces.sample_ratio).map(|spans| {
            let send = move |body| send(client.clone(), url.clone(), body);
            tokio::spawn(spans.export(send, stop.clone()))
        });
        Ok(Self { stop, sending })
    }

    /// Sends what is left, for a moment.
    pub async fn end(self) {
        self.stop.cancel();
        if let Some(sending) = self.sending {
            // What a collector does not take now is lost.
            let _ = tokio::time::timeout(LAST_WORDS, sending).await;
        }
    }
}

fn client(url: &str, headers: HeaderMap) -> Result<Client> {
    let builder = Client::builder().timeout(ANSWER_LIMIT).default_headers(headers);
    // Without TLS no certificates are needed, and a slim image has none to look for.
    let builder = if url.starts_with("http://") { builder.tls_certs_only([]) } else { builder };
    builder.build().context("the collector of traces cannot be spoken to")
}

fn headers(config: &Config) -> Result<HeaderMap> {
    let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    let given = config.secrets.otlp_headers.as_ref().map_or("", |given| given.expose());
    for pair in given.split(',').filter(|pair| !pair.trim().is_empty()) {
        let remedy = "secrets.otlp_headers (OTEL_EXPORTER_OTLP_HEADERS) takes `name=value` separated by commas";
        let (name, value) = pair.split_once('=').context(remedy)?;
        let name: HeaderName = name.trim().parse().context(remedy)?;
        let mut value: HeaderValue = value.trim().parse().context(remedy)?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

async fn send(client: Client, url: String, body: Vec<u8>) -> Result<(), String> {
    let answer = client.post(url).body(body).send().await.map_err(|error| error.without_url().to_string())?;
    match answer.status() {
        status if status.is_success() => Ok(()),
        status => Err(format!("the collector answered {status}")),
    }
}
