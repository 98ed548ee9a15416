//! Spans as the OpenTelemetry protocol carries them over HTTP, in JSON.

use serde_json::{Value, json};

use super::{Attribute, SpanData};

/// The status code of what failed.
const FAILED: u8 = 2;

/// The process that spans come from.
#[derive(Debug, Clone)]
pub struct Resource {
    /// Its service, for instance `ortolan-worker`.
    pub service: String,
    /// A name that tells it from its like.
    pub instance: String,
}

/// The body of an `ExportTraceServiceRequest`.
pub(super) fn body(resource: &Resource, spans: &[SpanData]) -> Vec<u8> {
    let attributes = [
        ("service.name", resource.service.as_str()),
        ("service.version", env!("CARGO_PKG_VERSION")),
        ("service.instance.id", resource.instance.as_str()),
    ];
    let attributes = attributes.map(|(key, text)| json!({ "key": key, "value": { "stringValue": text } }));
    let spans: Vec<Value> = spans.iter().map(span).collect();
    let scope = json!({ "name": "ortolan", "version": env!("CARGO_PKG_VERSION") });
    let body = json!({
        "resourceSpans": [{
            "resource": { "attributes": attributes },
            "scopeSpans": [{ "scope": scope, "spans": spans }],
        }],
    });
    body.to_string().into_bytes()
}

fn span(span: &SpanData) -> Value {
    let attributes: Vec<Value> = span.attributes.iter().map(attribute).collect();
    let status = match &span.error {
        Some(why) => json!({ "code": FAILED, "message": why }),
        None => json!({}),
    };
    json!({
        "traceId": format!("{:032x}", span.context.trace_id),
        "spanId": format!("{:016x}", span.context.span_id),
        "parentSpanId": span.parent.map_or_else(String::new, |parent| format!("{parent:016x}")),
        "name": span.name,
        "kind": span.kind as u8,
        "startTimeUnixNano": nanoseconds(span.begin),
        "endTimeUnixNano": nanoseconds(span.end.unwrap_or(span.begin).max(span.begin)),
        "attributes": attributes,
        "status": status,
    })
}

fn attribute((key, value): &(&'static str, Attribute)) -> Value {
    let value = match value {
        Attribute::Text(text) => json!({ "stringValue": text }),
        Attribute::Number(number) => json!({ "doubleValue": number }),
        // 64-bit numbers are texts in this encoding.
        Attribute::Count(count) => json!({ "intValue": count.to_string() }),
    };
    json!({ "key": key, "value": value })
}

/// Nanoseconds since 1970, as text: a 64-bit number in this encoding.
fn nanoseconds(at: ortolan_domain::Timestamp) -> String {
    (i128::from(at.as_micros()) * 1_000).to_string()
}
