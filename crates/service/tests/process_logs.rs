//! What a whole process writes to standard error, its panics included.
#![allow(clippy::unwrap_used)]

use std::process::Command;

use ortolan_service::config::{Config, LoadOptions, Role};
use ortolan_service::telemetry;
use serde_json::Value;

/// Set in the child process that logs.
const CHILD: &str = "PROCESS_LOGS_TEST_CHILD";

/// The program of the child; does nothing when the tests are run as usual.
#[test]
fn child() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let variables = [("LOG_JSON", "true"), ("LOG_LEVEL", "INFO")];
    let config = Config::load(LoadOptions::new(Role::Worker).with_environment(variables)).unwrap();
    telemetry::init(&config.log).unwrap();
    tracing::info!(task_id = "t1", "first");
    tracing::debug!("too little to be written");
    let ended = std::thread::spawn(|| panic!("boom\nboom")).join();
    assert!(ended.is_err());
    let again = telemetry::init(&config.log);
    tracing::warn!(is_refused = again.is_err(), "last");
}

#[test]
fn every_line_is_json() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child", "--nocapture"]).env(CHILD, "1").env("RUST_BACKTRACE", "0");
    let output = command.output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let messages: Vec<_> = lines.iter().map(|line| line["message"].as_str().unwrap()).collect();
    assert_eq!(messages, ["first", "panicked: boom\nboom", "last"]);
    assert_eq!((&lines[1]["level"], &lines[1]["target"]), (&"error".into(), &"panic".into()));
    assert!(lines[1]["location"].as_str().unwrap().contains("process_logs.rs"));
    assert_eq!(lines[2]["is_refused"], true);
}
