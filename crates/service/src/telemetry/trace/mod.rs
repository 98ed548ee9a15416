//! Spans of traces, for whoever collects them over OTLP.
//!
//! Flow: a piece of work begins a [`Span`] under the context that came with it (a header, a row, a message), hands
//! [`Span::context`] on to what it starts, and drops the span at its end. Ended spans wait in a bounded queue until
//! [`Spans::export`] sends them, many at a time.
//!
//! Invariants: without a collector nothing is recorded, and the context that came in is handed on as it is; a collector
//! that is slow or gone costs spans, which are counted, and never makes work wait; no span holds a tenant's input or output.

mod otlp;

use std::borrow::Cow;
use std::future::Future;
use std::sync::OnceLock;
use std::time::Duration;

use metrics::counter;
use ortolan_domain::{Clock, SystemClock, Timestamp, TraceContext};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio_util::sync::CancellationToken;

pub use otlp::Resource;

const SPANS_DROPPED: &str = "ortolan_spans_dropped_total";
/// Ended spans that may wait to be sent.
const WAITING: usize = 8_192;
/// Spans of one message.
const BATCH: usize = 512;
/// How long the first span of a message waits for others.
const PAUSE: Duration = Duration::from_millis(500);

static RECORDER: OnceLock<Recorder> = OnceLock::new();

struct Recorder {
    ended: mpsc::Sender<SpanData>,
    sample_ratio: f64,
}

/// What part a span has in talking to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// Work inside of a process.
    Internal = 1,
    /// Answers a request.
    Server = 2,
    /// Waits for an answer.
    Client = 3,
    /// Left a message in a queue.
    Producer = 4,
    /// Works on a message out of a queue.
    Consumer = 5,
}

/// A span that has ended.
#[derive(Debug, Clone)]
struct SpanData {
    context: TraceContext,
    parent: Option<u64>,
    name: Cow<'static, str>,
    kind: SpanKind,
    begin: Timestamp,
    end: Option<Timestamp>,
    attributes: Vec<(&'static str, Attribute)>,
    error: Option<String>,
}

#[derive(Debug, Clone)]
enum Attribute {
    Text(String),
    Number(f64),
    Count(i64),
}

/// A span under way; it ends when this is dropped.
#[derive(Debug, Default)]
pub struct Span {
    context: Option<TraceContext>,
    data: Option<Box<SpanData>>,
}

impl Span {
    /// Begins a span under `parent`; without one it begins a trace. Records nothing where no collector is set, nor when
    /// whoever began the trace does not want it recorded.
    pub fn begin(name: impl Into<Cow<'static, str>>, kind: SpanKind, parent: Option<TraceContext>) -> Self {
        Self::since(name, kind, parent, SystemClock.now())
    }

    /// The same for what began at that instant.
    pub fn since(
        name: impl Into<Cow<'static, str>>,
        kind: SpanKind,
        parent: Option<TraceContext>,
        begin: Timestamp,
    ) -> Self {
        let Some(recorder) = RECORDER.get() else { return Self { context: parent, data: None } };
        let context = TraceContext {
            trace_id: parent.map_or_else(random_trace, |parent| parent.trace_id),
            span_id: random_span(),
            is_sampled: parent
                .map_or_else(|| rand::random::<f64>() < recorder.sample_ratio, |parent| parent.is_sampled),
        };
        if !context.is_sampled {
            return Self { context: parent.or(Some(context)), data: None };
        }
        let (name, parent) = (name.into(), parent.map(|parent| parent.span_id));
        let data = SpanData { context, parent, name, kind, begin, end: None, attributes: Vec::new(), error: None };
        Self { context: Some(context), data: Some(Box::new(data)) }
    }

    /// What is handed on to the work that this span starts.
    pub fn context(&self) -> Option<TraceContext> {
        self.context
    }

    /// Adds a text.
    pub fn text(&mut self, key: &'static str, value: impl Into<String>) {
        self.add(key, || Attribute::Text(value.into()));
    }

    /// Adds a number.
    pub fn number(&mut self, key: &'static str, value: f64) {
        self.add(key, || Attribute::Number(value));
    }

    /// Adds a count.
    pub fn count(&mut self, key: &'static str, value: i64) {
        self.add(key, || Attribute::Count(value));
    }

    /// Names it anew, once it is known what it is.
    pub fn rename(&mut self, name: impl Into<Cow<'static, str>>) {
        if let Some(data) = &mut self.data {
            data.name = name.into();
        }
    }

    /// Says that the work failed; `why` is a code and holds nothing of a tenant's.
    pub fn fail(&mut self, why: impl Into<String>) {
        if let Some(data) = &mut self.data {
            data.error = Some(why.into());
        }
    }

    /// Ends it at that instant.
    pub fn end_at(mut self, end: Timestamp) {
        if let Some(data) = &mut self.data {
            data.end = Some(end);
        }
    }

    /// A part of this span that began at that instant and took so long; gives its end.
    pub fn part(&self, name: &'static str, begin: Timestamp, took: Duration) -> Timestamp {
        let end = begin.plus(took);
        if self.data.is_some() {
            Self::since(name, SpanKind::Internal, self.context, begin).end_at(end);
        }
        end
    }

    fn add(&mut self, key: &'static str, value: impl FnOnce() -> Attribute) {
        if let Some(data) = &mut self.data {
            data.attributes.push((key, value()));
        }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        let (Some(mut data), Some(recorder)) = (self.data.take(), RECORDER.get()) else { return };
        data.end.get_or_insert_with(|| SystemClock.now());
        if let Err(TrySendError::Full(_)) = recorder.ended.try_send(*data) {
            dropped(1);
        }
    }
}

fn random_trace() -> u128 {
    rand::random::<u128>().max(1)
}

fn random_span() -> u64 {
    rand::random::<u64>().max(1)
}

fn dropped(count: u64) {
    counter!(SPANS_DROPPED).increment(count);
}

/// Ended spans on their way to a collector.
#[derive(Debug)]
pub struct Spans {
    ended: mpsc::Receiver<SpanData>,
    resource: Resource,
}

impl Spans {
    /// Begins to record, this share of the traces that begin here; `None` when something records already.
    pub fn record(resource: Resource, sample_ratio: f64) -> Option<Self> {
        let (sender, ended) = mpsc::channel(WAITING);
        RECORDER.set(Recorder { ended: sender, sample_ratio }).ok()?;
        metrics::describe_counter!(SPANS_DROPPED, "Spans that no collector took");
        Some(Self { ended, resource })
    }

    /// Sends what has ended, as OTLP in JSON, until `stop`; then what is left. `send` says why it could not.
    pub async fn export<F>(mut self, send: impl Fn(Vec<u8>) -> F, stop: CancellationToken)
    where
        F: Future<Output = Result<(), String>>,
    {
        let mut is_failing = false;
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let first = stop.run_until_cancelled(self.ended.recv()).await.flatten();
            batch.extend(first);
            if !batch.is_empty() {
                stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
            }
            while batch.len() < BATCH
                && let Ok(next) = self.ended.try_recv()
            {
                batch.push(next);
            }
            if batch.is_empty() {
                return;
            }
            let sent = send(otlp::body(&self.resource, &batch)).await;
            report(&sent, batch.len() as u64, &mut is_failing);
            batch.clear();
        }
    }
}

/// Says so once when a collector begins to fail, and counts what it did not take.
fn report(sent: &Result<(), String>, count: u64, is_failing: &mut bool) {
    let was_failing = std::mem::replace(is_failing, sent.is_err());
    let Err(error) = sent else { return };
    dropped(count);
    if !was_failing {
        tracing::warn!(error, "traces are lost until their collector takes them");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_collector_the_context_is_handed_on_and_nothing_recorded() {
        let parent = TraceContext::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        let mut span = Span::begin("work", SpanKind::Internal, parent);
        span.text("a", "b");
        assert_eq!(span.context(), parent);
        assert!(span.data.is_none() && Span::begin("work", SpanKind::Internal, None).context().is_none());
    }
}
