//! What scripts read of commands that run on this machine.

use std::process::Command;

use serde_json::Value;

/// Runs the program in a folder of its own until it ends; gives the JSON documents on its standard output.
fn documents(folder: &std::path::Path, args: &[&str]) -> Vec<Value> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ortolan"));
    command.args(args).env("ORTOLAN_DATA_DIR", folder).current_dir(folder);
    // What the tests are told of their surroundings are no settings.
    let variables = std::env::vars().map(|(name, _)| name).filter(|name| name.starts_with("ORTOLAN_"));
    variables.filter(|name| name != "ORTOLAN_DATA_DIR").for_each(|name| {
        command.env_remove(name);
    });
    let ended = command.output().unwrap();
    let (out, err) = (String::from_utf8(ended.stdout).unwrap(), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "{args:?}: {err}");
    let documents = serde_json::Deserializer::from_str(&out).into_iter();
    documents.map(|document| document.unwrap_or_else(|error| panic!("{error}: {out}"))).collect()
}

#[test]
fn the_demo_tells_a_script_where_it_listens_and_what_it_found() {
    let folder = tempfile::tempdir().unwrap();
    let up = ["--json", "--quiet", "up", "--once", "--listen", "127.0.0.1:0", "--out", "boxes.png"];
    let told = documents(folder.path(), &up);
    let [start, demo] = &told[..] else { panic!("{told:?}") };
    assert!(start["url"].as_str().unwrap().starts_with("http://127.0.0.1:"), "{start}");
    assert!(start["new_operator_key"].as_str().unwrap().starts_with("ort_"), "{start}");
    assert_eq!(demo["demo"]["found"], demo["artifacts"].as_array().unwrap().len(), "{demo}");
    assert_eq!(demo["artifacts"][0]["artifact_type"], "object.detection");
    assert!(folder.path().join("boxes.png").exists());
    let again = documents(folder.path(), &["--json", "--quiet", "up", "--once", "--listen", "127.0.0.1:0"]);
    assert_eq!(again[0]["new_operator_key"], Value::Null, "it is shown once");
}

#[test]
fn a_migration_says_so() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        assert_eq!(documents(folder.path(), &["--json", "migrate"]), [serde_json::json!({ "schema": "up to date" })]);
    }
}
