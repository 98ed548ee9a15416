//! The texts that a file carries about itself, cut and cleaned: nobody vouches for them.

use ortolan_domain::model::FileWords;

use super::ScanError;
use super::wire::{Fields, Value};

/// The longest text that is kept, in characters.
const MAX_CHARS: usize = 1_000;
/// Operator sets that are kept.
const MAX_OPSETS: usize = 64;

/// Takes note of one of the model's own fields, 2 to 6.
pub(super) fn note(words: &mut FileWords, number: u32, value: Value<'_>) -> Result<(), ScanError> {
    match number {
        2 => words.producer_name = text(value.bytes()?),
        3 => words.producer_version = text(value.bytes()?),
        4 => words.domain = text(value.bytes()?),
        5 => words.model_version = Some(value.int()?),
        6 => words.description = text(value.bytes()?),
        _ => {}
    }
    Ok(())
}

/// Takes note of an operator set.
pub(super) fn note_opset(words: &mut FileWords, domain: &[u8], version: i64) {
    if words.opsets.len() < MAX_OPSETS {
        words.opsets.insert(text(domain), version);
    }
}

/// The name of a graph.
pub(super) fn graph_name(graph: &[u8]) -> Result<String, ScanError> {
    let mut name = String::new();
    let mut fields = Fields::new(graph);
    while let Some((number, value)) = fields.next()? {
        if number == 2 {
            name = text(value.bytes()?);
        }
    }
    Ok(name)
}

/// The value of a metadata entry whose key is `task`.
pub(super) fn task(entry: &[u8]) -> Result<Option<&[u8]>, ScanError> {
    let (mut key, mut value) = (&b""[..], &b""[..]);
    let mut fields = Fields::new(entry);
    while let Some((number, field)) = fields.next()? {
        match number {
            1 => key = field.bytes()?,
            2 => value = field.bytes()?,
            _ => {}
        }
    }
    Ok((key == b"task").then_some(value))
}

fn text(bytes: &[u8]) -> String {
    let cut = &bytes[..bytes.len().min(4 * MAX_CHARS)];
    String::from_utf8_lossy(cut).chars().filter(|c| !c.is_control()).take(MAX_CHARS).collect()
}
