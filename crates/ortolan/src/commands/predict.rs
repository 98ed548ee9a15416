//! `ortolan predict`.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::value::RawValue;

use super::Session;
use super::models::Which;
use crate::Failure;
use crate::client::{Prediction, Question};
use crate::progress::milliseconds;

/// The most that is read as one question: what the server takes by default.
const MOST_BYTES: u64 = 16 << 20;

const HELP: &str = "\
The inputs are a JSON object: {\"name of an input\": [[1, 2.5], [3, 4]]}.

Examples:
  ortolan predict iris inputs.json
  echo '{\"x\": [[5.1, 3.5, 1.4, 0.2]]}' | ortolan predict iris@1.2.0
  ortolan predict iris inputs.json --json | jq .output_data";

/// What is asked of which model.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct PredictArgs {
    /// The version's id, its name, or its name and version as NAME@VERSION
    model: Which,
    /// File of the inputs as JSON; '-' or none is standard input
    file: Option<PathBuf>,
    /// Run the model even if the answer is known
    #[arg(long)]
    skip_cache: bool,
    /// Give up after so many milliseconds
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    timeout_ms: Option<u64>,
}

pub(super) async fn run(args: PredictArgs, session: &Session) -> Result<(), Failure> {
    let PredictArgs { model, file, skip_cache, timeout_ms } = args;
    let input_data = read(file.as_deref().filter(|file| *file != Path::new("-")))?;
    let id = model.id(&session.client).await?;
    let answer = session.client.predict(id, &Question { input_data, skip_cache, timeout_ms }).await?;
    if session.terminal.is_json() {
        return session.terminal.json(&answer);
    }
    session.terminal.json(&answer.output_data)?;
    session.terminal.note(&remark(&answer));
    Ok(())
}

fn remark(answer: &Prediction) -> String {
    match answer.cached {
        true => "known from the cache".to_owned(),
        false => format!("the model took {}", milliseconds(answer.inference_time_ms)),
    }
}

/// The inputs out of a file or standard input, exactly as they are written there.
fn read(file: Option<&Path>) -> Result<Box<RawValue>, Failure> {
    let name = file.unwrap_or(Path::new("standard input"));
    let failed = |error| Failure::file("read", name, error);
    let mut text = String::new();
    match file {
        Some(path) => std::fs::File::open(path).and_then(|file| file.take(MOST_BYTES + 1).read_to_string(&mut text)),
        None => std::io::stdin().lock().take(MOST_BYTES + 1).read_to_string(&mut text),
    }
    .map_err(failed)?;
    if text.len() as u64 > MOST_BYTES {
        return Err(Failure::file("use", name, format!("it has more than {} MiB", MOST_BYTES >> 20)));
    }
    let unfit = |error| Failure::file("use", name, format!("it is no JSON: {error}"));
    let inputs: Box<RawValue> = serde_json::from_str(&text).map_err(unfit)?;
    if !inputs.get().starts_with('{') {
        return Err(Failure::file("use", name, "it is no JSON object of inputs by their names"));
    }
    Ok(inputs)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn inputs_are_sent_as_they_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("inputs.json");
        std::fs::write(&path, " {\"x\": [9007199254740993, 1e400]} \n").unwrap();
        assert_eq!(read(Some(&path)).unwrap().get(), "{\"x\": [9007199254740993, 1e400]}");
        for bad in ["", "[1]", "{\"x\": }", "{} {}"] {
            std::fs::write(&path, bad).unwrap();
            let failure = read(Some(&path)).unwrap_err();
            assert_eq!(failure.exit_code(), crate::failure::Exit::Invalid, "{bad}");
            assert!(failure.to_text().contains("inputs.json"), "{failure}");
        }
    }
}
