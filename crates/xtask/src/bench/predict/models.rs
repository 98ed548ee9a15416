//! The models of the bench, the bodies that ask for them, and what an answer must hold.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::cells::{Cell, Wire};
use crate::bench::http::Answer;

/// The script that makes them, from the root of the repository.
const SCRIPT: &str = "crates/bench/peers/models.py";

/// A folder with `NAME.onnx`, bodies and expectations.
#[derive(Debug)]
pub struct Models {
    /// Where they lie.
    pub folder: PathBuf,
}

/// What the model itself computes for the body.
#[derive(Debug, Deserialize)]
struct Expected {
    values: Vec<f64>,
    count: usize,
    head_bytes: usize,
}

impl Models {
    /// Makes the models in the folder; `packages` holds the Python packages that this needs.
    pub fn make(folder: PathBuf, packages: &str) -> Result<Self> {
        std::fs::create_dir_all(&folder)?;
        let made = Command::new("python3").env("PYTHONPATH", packages).arg(SCRIPT).arg(&folder).output()?;
        if !made.status.success() {
            bail!("{SCRIPT} ended with {}: {}", made.status, String::from_utf8_lossy(&made.stderr).trim());
        }
        Ok(Self { folder })
    }

    /// The model's file.
    pub fn file(&self, model: &str) -> PathBuf {
        self.folder.join(format!("{model}.onnx"))
    }

    /// The cell's body without what a server wraps around nested lists, and the headers that describe it.
    pub fn body(&self, cell: &Cell) -> Result<(String, Vec<u8>)> {
        let json = || "content-type: application/json\r\n".to_owned();
        let (ending, headers) = match cell.wire {
            Wire::Json => ("json", json()),
            Wire::Cached => ("lists", json()),
            Wire::Binary => {
                let head_bytes = self.expected(cell.model)?.head_bytes;
                let length = format!("inference-header-content-length: {head_bytes}\r\n");
                ("binary", format!("content-type: application/octet-stream\r\n{length}"))
            }
        };
        Ok((headers, read(&self.folder.join(format!("{}.{ending}", cell.model)))?))
    }

    /// Compares the numbers of an answer with the model's own: a wrong answer has no speed.
    pub fn check(&self, cell: &Cell, answer: &Answer) -> Result<()> {
        ensure!(matches!(answer.status, 200 | 201), "{}: {}", answer.status, shortened(&answer.body));
        let got = numbers(answer).context("the answer has no output")?;
        let Expected { values, count, .. } = self.expected(cell.model)?;
        let near = |(got, wanted): (&f64, &f64)| (got - wanted).abs() <= 1e-3 + 1e-2 * wanted.abs();
        if got.len() != count || !got.iter().zip(&values).all(near) {
            bail!("wrong answer: {} numbers, the first {:?}; expected {count}, {values:?}", got.len(), got.get(..3));
        }
        Ok(())
    }

    fn expected(&self, model: &str) -> Result<Expected> {
        serde_json::from_slice(&read(&self.folder.join(format!("{model}.expect.json")))?).context("expectations")
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
}

fn shortened(body: &[u8]) -> String {
    String::from_utf8_lossy(body).chars().take(300).collect()
}

/// The numbers of the first output, however they came.
fn numbers(answer: &Answer) -> Option<Vec<f64>> {
    if let Some(tail) = answer.binary_tail() {
        return Some(
            tail.chunks_exact(4).filter_map(|four| Some(f32::from_le_bytes(four.try_into().ok()?).into())).collect(),
        );
    }
    let answer: Value = serde_json::from_slice(&answer.body).ok()?;
    let outputs = answer.get("outputs").or_else(|| answer.get("output_data"))?;
    let first = match outputs {
        Value::Array(list) => list.first()?.get("data")?,
        by_name => by_name.as_object()?.values().next()?,
    };
    let mut all = Vec::new();
    flatten(first, &mut all);
    Some(all)
}

fn flatten(value: &Value, into: &mut Vec<f64>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| flatten(value, into)),
        other => into.extend(other.as_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &str) -> Answer {
        Answer { status: 200, head_bytes: None, body: body.as_bytes().to_vec() }
    }

    #[test]
    fn numbers_are_found_in_every_kind_of_answer() {
        for body in [
            r#"{"outputs": [{"name": "y", "data": [1.5, 2]}]}"#,
            r#"{"outputs": {"y": [[1.5, 2]]}}"#,
            r#"{"output_data": {"y": [[1.5], [2]]}}"#,
        ] {
            assert_eq!(numbers(&answer(body)), Some(vec![1.5, 2.0]), "{body}");
        }
        let tail = [b"{}".as_slice(), &1.5_f32.to_le_bytes()].concat();
        assert_eq!(numbers(&Answer { status: 200, head_bytes: Some(2), body: tail }), Some(vec![1.5]));
        assert_eq!(numbers(&answer("{}")), None);
    }
}
