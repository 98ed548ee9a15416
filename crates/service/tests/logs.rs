//! Log lines as a collector reads them.
#![allow(clippy::unwrap_used)]

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use ortolan_service::telemetry::{LineFormat, LogLines};
use proptest::prelude::*;
use serde_json::Value;
use tracing::{error, info, info_span};
use tracing_subscriber::layer::SubscriberExt;

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What `work` logs.
fn logged(format: LineFormat, work: impl FnOnce()) -> String {
    let buffer = Buffer::default();
    let writer = buffer.clone();
    let lines = LogLines::new(format, move || writer.clone());
    tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), work);
    let bytes = buffer.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

fn one_json_line(work: impl FnOnce()) -> Value {
    let text = logged(LineFormat::Json, work);
    assert_eq!(text.matches('\n').count(), 1, "{text:?}");
    serde_json::from_str(&text).unwrap()
}

const PRETTY: LineFormat = LineFormat::Pretty { colour: false };

#[test]
fn no_line_holds_a_password_whoever_wrote_it() {
    let work = || {
        let _span = info_span!("start", url = "redis://:hunter2@cache/0").entered();
        let cause = io::Error::other("no route to postgres://ortolan:hunter2@db:5432/x");
        error!(error = &cause as &dyn std::error::Error, "amqp://u:hunter2@broker does not answer");
    };
    for text in [logged(LineFormat::Json, work), logged(PRETTY, work)] {
        assert!(!text.contains("hunter2") && text.matches("[redacted]@").count() == 3, "{text}");
    }
}

#[test]
fn a_line_holds_the_fields_of_the_spans_around_it() {
    let line = one_json_line(|| {
        let _request = info_span!("request", request_id = "r1", tenant = "acme").entered();
        let task = info_span!("task", task_id = "t1", tenant = "beta", attempt = tracing::field::Empty);
        task.record("attempt", 2);
        let _task = task.entered();
        info!(target: "ortolan_worker", duration_ms = 1.5, is_retry = false, "ran");
    });
    assert_eq!(line["message"], "ran");
    assert_eq!((&line["level"], &line["target"]), (&"info".into(), &"ortolan_worker".into()));
    assert_eq!((&line["request_id"], &line["task_id"]), (&"r1".into(), &"t1".into()));
    assert_eq!(line["tenant"], "beta", "the inner span's field goes before the outer one's");
    assert_eq!((&line["attempt"], &line["duration_ms"], &line["is_retry"]), (&2.into(), &1.5.into(), &false.into()));
    assert!(ortolan_domain::Timestamp::parse_rfc3339(line["timestamp"].as_str().unwrap()).is_some());
}

#[test]
fn a_field_cannot_take_the_place_of_the_lines_own() {
    let line = one_json_line(|| {
        let _span = info_span!("span", message = "of the span", level = "none").entered();
        info!(timestamp = "never", level = "fatal", target = "elsewhere", "of the event");
    });
    assert_eq!((&line["message"], &line["level"]), (&"of the event".into(), &"info".into()));
    assert_eq!(
        (&line["timestamp_"], &line["level_"], &line["target_"]),
        (&"never".into(), &"fatal".into(), &"elsewhere".into())
    );
}

#[test]
fn an_error_is_written_with_its_causes() {
    #[derive(Debug, thiserror::Error)]
    #[error("the task failed")]
    struct Outer(#[source] io::Error);

    let line = one_json_line(|| {
        let cause = Outer(io::Error::other("no space left"));
        error!(error = &cause as &dyn std::error::Error, "gave up");
    });
    assert_eq!(line["error"], "the task failed: no space left");
}

#[test]
fn numbers_that_json_lacks_are_texts() {
    let line = one_json_line(|| info!(ratio = f64::NAN, "odd"));
    assert_eq!(line["ratio"], "NaN");
}

#[test]
fn a_tenants_text_cannot_forge_a_line_or_steer_a_terminal() {
    let hostile = "x\n2026-01-01T00:00:00Z ERROR forged\r\u{1b}[2J\u{9b}31m\u{2028}\u{202e}\"} \u{0}";
    let log = |format| logged(format, || info!(name = hostile, "the model {hostile} was uploaded"));
    for text in [log(LineFormat::Json), log(PRETTY)] {
        let line = text.strip_suffix('\n').unwrap();
        assert!(!line.contains(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{202e}')), "{line:?}");
    }
    let line: Value = serde_json::from_str(&log(LineFormat::Json)).unwrap();
    assert_eq!(line["name"], hostile);
}

#[test]
fn a_line_for_people_reads_from_left_to_right() {
    let text = logged(PRETTY, || {
        let _span = info_span!("task", task_id = "t1").entered();
        info!(target: "ortolan_worker", count = 3, name = "a b", empty = "", "ran");
    });
    let (timestamp, rest) = text.split_once(' ').unwrap();
    assert!(timestamp.ends_with('Z'));
    assert_eq!(rest, "info  ortolan_worker: ran count=3 empty=\"\" name=\"a b\" task_id=t1\n");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_text_comes_back_from_its_line(text in any::<String>()) {
        let line = one_json_line(|| info!(text, "{text}"));
        prop_assert_eq!(line["text"].as_str(), Some(text.as_str()));
        prop_assert_eq!(line["message"].as_str(), Some(text.as_str()));
        let pretty = logged(PRETTY, || info!(text, "{text}"));
        prop_assert_eq!(pretty.chars().filter(|c| c.is_control()).count(), 1, "{:?}", pretty);
    }
}
