//! The command line's models and predictions, against a server.

use std::process::{Output, Stdio};

use ortolan_testkit::{Server, Tenant, fixtures};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::{detects, server};

struct Shell<'a> {
    server: &'a Server,
    tenant: &'a Tenant,
}

impl Shell<'_> {
    /// Runs `ortolan` with these words, and this text on its standard input.
    async fn run(&self, words: &[&str], input: &str) -> Output {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_ortolan"));
        command.args(words).env_clear().env("ORTOLAN_URL", self.server.url("")).env("ORTOLAN_KEY", &self.tenant.key);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).current_dir(self.server.folder());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A command that reads nothing may be gone already.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        child.wait_with_output().await.unwrap()
    }

    /// What a command prints that must succeed.
    async fn prints(&self, words: &[&str], input: &str) -> String {
        let output = self.run(words, input).await;
        let [text, errors] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
        assert!(output.status.success(), "{words:?}: {text}{errors}");
        text
    }

    async fn json(&self, words: &[&str], input: &str) -> Value {
        serde_json::from_str(&self.prints(&[words, &["--json"]].concat(), input).await).unwrap()
    }

    /// What a command complains of that must fail with this code.
    async fn fails(&self, words: &[&str], input: &str, code: i32) -> String {
        let output = self.run(words, input).await;
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{words:?}: {errors}");
        errors
    }
}

fn model(name: &str) -> String {
    fixtures::path(&format!("models/{name}.onnx")).display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_pushed_asked_promoted_and_deleted() {
    let server = server().await;
    let tenant = server.tenant("acme").await.unwrap();
    let shell = Shell { server: &server, tenant: &tenant };
    let identity = model("identity");
    assert_eq!(shell.json(&["models", "push", &identity], "").await["status"], "uploaded");
    let pushed = shell.json(&["models", "push", &identity, "--validate"], "").await;
    assert_eq!((&pushed["status"], &pushed["name"]), (&json!("ready"), &json!("identity")), "the same version again");
    let taken = shell.fails(&["models", "push", &identity], "", 6).await;
    assert!(taken.contains("push this one with another --version"), "{taken}");

    let x = r#"{"x": [[1, 2.5, -3, 0]]}"#;
    let outputs: Value = serde_json::from_str(&shell.prints(&["predict", "identity"], x).await).unwrap();
    assert_eq!(outputs, json!({ "y": [[1.0, 2.5, -3.0, 0.0]] }));
    let inputs = server.folder().join("inputs.json");
    std::fs::write(&inputs, x).unwrap();
    let again = shell.json(&["predict", "identity@1.0.0", "inputs.json"], "").await;
    assert_eq!((&again["cached"], &again["output_data"]), (&json!(true), &outputs));
    let log = server.log();
    assert!(log.contains("HIT"), "the line of the request says so: {log}");
    let lines = log.lines().filter(|line| line.contains("prediction completed") && line.contains("identity"));
    assert_eq!(lines.count(), 2, "each prediction has a line: {log}");
    let unfit = shell.fails(&["predict", "identity", "-"], r#"{"x": [[1]]}"#, 6).await;
    assert!(unfit.contains("input_data.x"), "{unfit}");
    shell.fails(&["predict", "identity"], "[1]", 6).await;
    shell.fails(&["predict", "nothing"], x, 5).await;
    shell.fails(&["predict", "identity@9.0.0"], x, 5).await;

    shell.prints(&["models", "push", &model("shapes_det_160"), "--name", "det", "--promote", "detect"], "").await;
    detects(&tenant).await;
    let page = shell.json(&["models", "ls", "--name", "identity"], "").await;
    assert_eq!((&page["total"], &page["items"][0]["version"]), (&json!(1), &json!("1.0.0")));
    assert!(shell.prints(&["models", "show", "identity"], "").await.contains("input    x FP32 [?, 4]"));
    shell.fails(&["models", "rm", "identity"], "", 2).await;
    shell.prints(&["models", "rm", "identity@1.0.0"], "").await;
    shell.fails(&["models", "show", "identity"], "", 5).await;

    std::fs::write(server.folder().join("page.onnx"), "<html>").unwrap();
    let refused = shell.fails(&["models", "push", "page.onnx", "--validate"], "", 1).await;
    assert!(refused.contains("cannot be served") && refused.contains("not an ONNX model"), "{refused}");
    shell.fails(&["models", "push", "absent.onnx"], "", 6).await;
}
