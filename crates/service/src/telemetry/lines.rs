//! Writing one line per event.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::Write as _;

use ortolan_domain::{Clock, SystemClock};
use serde::Serialize;
use serde_json::{Map, Value};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::escape::{Escaped, SafeJson};
use super::fields::Fields;
use super::mask::masked;
use super::metrics;

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineFormat {
    /// One JSON object: `timestamp`, `level`, `target`, `message`, then the fields.
    Json,
    /// Time, level, target, message, `name=value`.
    Pretty {
        /// Colours the level, for terminals.
        colour: bool,
    },
}

/// A layer that writes each event, with the fields of the spans around it, as one line.
#[derive(Debug)]
pub struct LogLines<W> {
    format: LineFormat,
    writer: W,
}

impl<W> LogLines<W> {
    /// Writes lines in `format` to what `writer` makes.
    pub fn new(format: LineFormat, writer: W) -> Self {
        Self { format, writer }
    }
}

impl<S, W> Layer<S> for LogLines<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let level = *event.metadata().level();
        metrics::log_event(level);
        let mut fields = Fields::default();
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(of_span) = span.extensions().get::<Fields>() {
                fields.extend(of_span);
            }
        }
        // A span may have a field of this name; the line's message is the event's.
        fields.remove("message");
        event.record(&mut fields);
        let line = Line::new(level, target(event, &mut fields), fields);
        // There is no place to report that a log line could not be written.
        let _ = self.writer.make_writer_for(event.metadata()).write_all(&line.render(self.format));
    }
}

#[derive(Serialize)]
struct Line<'a> {
    timestamp: String,
    level: &'static str,
    target: Cow<'a, str>,
    message: String,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

impl<'a> Line<'a> {
    fn new(level: Level, target: Cow<'a, str>, fields: Fields) -> Self {
        let mut fields = fields.sorted();
        for value in fields.values_mut() {
            if let Value::String(text) = value
                && let Cow::Owned(masked) = masked(text)
            {
                *text = masked;
            }
        }
        let message = match fields.remove("message") {
            Some(Value::String(text)) => text,
            Some(other) => other.to_string(),
            None => String::new(),
        };
        Self { timestamp: SystemClock.now().to_rfc3339(), level: word(level), target, message, fields }
    }

    fn render(&self, format: LineFormat) -> Vec<u8> {
        let mut bytes = match format {
            LineFormat::Json => self.json(),
            LineFormat::Pretty { colour } => self.pretty(colour).into_bytes(),
        };
        bytes.push(b'\n');
        bytes
    }

    fn json(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256);
        let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, SafeJson);
        // Text and numbers into memory: this cannot fail.
        let _ = self.serialize(&mut serializer);
        bytes
    }

    fn pretty(&self, colour: bool) -> String {
        let (begin, end) = if colour { (colour_of(self.level), "\x1b[0m") } else { ("", "") };
        let (timestamp, level, target) = (&self.timestamp, self.level, Escaped(&self.target));
        let mut line = format!("{timestamp} {begin}{level:<5}{end} {target}: {}", Escaped(&self.message));
        for (name, value) in &self.fields {
            let _ = match value {
                Value::String(text) if is_plain(text) => write!(line, " {name}={text}"),
                Value::String(text) => write!(line, " {name}=\"{}\"", Escaped(&text.replace('"', "\\\""))),
                other => write!(line, " {name}={other}"),
            };
        }
        line
    }
}

/// The event's target. What libraries write with `log` comes with its target and place as fields.
fn target<'a>(event: &Event<'a>, fields: &mut Fields) -> Cow<'a, str> {
    let place = ["log.module_path", "log.file", "log.line"];
    place.into_iter().for_each(|name| drop(fields.remove(name)));
    match fields.remove("log.target") {
        Some(Value::String(target)) => Cow::Owned(target),
        _ => Cow::Borrowed(event.metadata().target()),
    }
}

/// True for text that needs no quotes.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic() && c != '"' && c != '=')
}

const fn word(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

fn colour_of(level: &str) -> &'static str {
    match level {
        "error" => "\x1b[31m",
        "warn" => "\x1b[33m",
        "info" => "\x1b[32m",
        _ => "\x1b[2m",
    }
}
