//! A tensor's elements out of JSON: flat or nested lists of numbers, words or texts.
//!
//! The text is walked once and elements are written straight into the tensor's bytes. Numbers are read by the rules of their own
//! type, so that 64-bit integers and floats come out exactly as written.

use std::str::FromStr;

use bytes::Bytes;
use half::{bf16, f16};
use ortolan_domain::tensor::Datatype;

use crate::MAX_RANK;
use crate::decimal::read_f32;
use crate::elements::push_bytes;
use crate::error::shorten;

/// Whole numbers up to here are exact when they are written with a point or an exponent.
const MOST_EXACT: f64 = 9_007_199_254_740_992.0;

/// What a tensor's JSON held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// The nesting as a shape; empty for a single value.
    pub shape: Vec<i64>,
    /// The elements, row-major and little endian; `BYTES` with their lengths in front.
    pub data: Bytes,
    /// How many elements there are.
    pub count: usize,
}

/// Whether `"NaN"`, `"Infinity"` and `"-Infinity"` stand for numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NonFiniteWords {
    /// They are texts like any other.
    Refused,
    /// They are numbers.
    Taken,
}

/// Reads well-formed JSON as the elements of a tensor. The error says which element does not fit and why.
pub fn parse(json: &str, datatype: Datatype, words: NonFiniteWords) -> Result<Parsed, String> {
    let mut reader = Reader::new(datatype, words);
    let mut rest = json;
    while let Some(first) = rest.bytes().next() {
        let taken = match first {
            b' ' | b'\t' | b'\n' | b'\r' | b',' => 1,
            b'[' => reader.open().map(|()| 1)?,
            b']' => reader.close().map(|()| 1)?,
            b'{' => return Err(reader.unfit("an object")),
            b'"' => {
                let token = text_token(rest);
                reader.text(token)?;
                token.len()
            }
            _ => match reader.short_decimal(rest)? {
                Some(length) => length,
                None => {
                    let token = word_token(rest);
                    reader.word(token)?;
                    token.len()
                }
            },
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
    Ok(reader.finish())
}

/// A JSON text with its quotes.
fn text_token(rest: &str) -> &str {
    let mut escaped = false;
    let end = rest.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.and_then(|end| rest.get(..end + 2)).unwrap_or(rest)
}

/// A number, `true`, `false` or `null`.
fn word_token(rest: &str) -> &str {
    let end = rest.bytes().position(|byte| matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r'));
    end.and_then(|end| rest.get(..end)).unwrap_or(rest)
}

struct Reader {
    datatype: Datatype,
    words: NonFiniteWords,
    out: Vec<u8>,
    count: usize,
    /// Things seen in each list that is open.
    open: Vec<i64>,
    /// The length of the lists of each depth, once one was closed.
    lengths: Vec<Option<i64>>,
    /// How deep the elements lie, once one was seen.
    leaf: Option<usize>,
}

impl Reader {
    fn new(datatype: Datatype, words: NonFiniteWords) -> Self {
        let (open, lengths) = (Vec::new(), Vec::new());
        Self { datatype, words, out: Vec::new(), count: 0, open, lengths, leaf: None }
    }

    fn open(&mut self) -> Result<(), String> {
        let depth = self.open.len();
        if depth == MAX_RANK {
            return Err(format!("data is nested deeper than {MAX_RANK} lists"));
        }
        if self.leaf == Some(depth) {
            return Err(ragged());
        }
        self.one_more();
        self.open.push(0);
        if self.lengths.len() == depth {
            self.lengths.push(None);
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), String> {
        let length = self.open.pop().unwrap_or_default();
        match self.lengths.get_mut(self.open.len()) {
            Some(known) if known.is_none_or(|known| known == length) => {
                *known = Some(length);
                Ok(())
            }
            _ => Err(ragged()),
        }
    }

    fn one_more(&mut self) {
        if let Some(seen) = self.open.last_mut() {
            *seen += 1;
        }
    }

    /// Takes note of an element at the present depth.
    fn element(&mut self) -> Result<(), String> {
        let depth = self.open.len();
        if *self.leaf.get_or_insert(depth) != depth || self.lengths.len() > depth {
            return Err(ragged());
        }
        self.one_more();
        self.count += 1;
        Ok(())
    }

    fn text(&mut self, token: &str) -> Result<(), String> {
        let text: String = serde_json::from_str(token).map_err(|_| self.unfit(token))?;
        if self.datatype == Datatype::Bytes {
            if !push_bytes(&mut self.out, text.as_bytes()) {
                return Err(self.unfit("a text of 4 GiB"));
            }
        } else {
            let word = (self.words == NonFiniteWords::Taken).then(|| non_finite(&text)).flatten();
            let value = word.filter(|_| is_float(self.datatype)).ok_or_else(|| self.unfit(token))?;
            push_float(&mut self.out, self.datatype, value);
        }
        self.element()
    }

    /// Takes a number in the form that most have; tells its length if it was one.
    fn short_decimal(&mut self, rest: &str) -> Result<Option<usize>, String> {
        if self.datatype != Datatype::Fp32 {
            return Ok(None);
        }
        let Some((value, length)) = read_f32(rest.as_bytes()) else { return Ok(None) };
        self.out.extend_from_slice(&value.to_le_bytes());
        self.element()?;
        Ok(Some(length))
    }

    fn word(&mut self, token: &str) -> Result<(), String> {
        let fits = match self.datatype {
            Datatype::Bool => push_bool(&mut self.out, token),
            Datatype::Uint8 => push_integer::<u8, 1>(&mut self.out, token, u8::to_le_bytes),
            Datatype::Uint16 => push_integer::<u16, 2>(&mut self.out, token, u16::to_le_bytes),
            Datatype::Uint32 => push_integer::<u32, 4>(&mut self.out, token, u32::to_le_bytes),
            Datatype::Uint64 => push_integer::<u64, 8>(&mut self.out, token, u64::to_le_bytes),
            Datatype::Int8 => push_integer::<i8, 1>(&mut self.out, token, i8::to_le_bytes),
            Datatype::Int16 => push_integer::<i16, 2>(&mut self.out, token, i16::to_le_bytes),
            Datatype::Int32 => push_integer::<i32, 4>(&mut self.out, token, i32::to_le_bytes),
            Datatype::Int64 => push_integer::<i64, 8>(&mut self.out, token, i64::to_le_bytes),
            Datatype::Fp32 => push_number::<f32, 4>(&mut self.out, token, f32::is_finite, f32::to_le_bytes),
            Datatype::Fp64 => push_number::<f64, 8>(&mut self.out, token, f64::is_finite, f64::to_le_bytes),
            Datatype::Fp16 => push_half(&mut self.out, token, |value| {
                let half = f16::from_f64(value);
                half.is_finite().then(|| half.to_le_bytes())
            }),
            Datatype::Bf16 => push_half(&mut self.out, token, |value| {
                let half = bf16::from_f64(value);
                half.is_finite().then(|| half.to_le_bytes())
            }),
            Datatype::Bytes => None,
        };
        fits.ok_or_else(|| self.unfit(token))?;
        self.element()
    }

    fn unfit(&self, token: &str) -> String {
        format!("element {} of data does not fit {}: {}", self.count, self.datatype.name(), shorten(token))
    }

    fn finish(self) -> Parsed {
        let shape = self.lengths.into_iter().map(Option::unwrap_or_default).collect();
        Parsed { shape, data: self.out.into(), count: self.count }
    }
}

fn ragged() -> String {
    "data is ragged: all lists of one depth must have the same length".to_owned()
}

fn is_float(datatype: Datatype) -> bool {
    matches!(datatype, Datatype::Fp16 | Datatype::Bf16 | Datatype::Fp32 | Datatype::Fp64)
}

fn non_finite(word: &str) -> Option<f64> {
    match word {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

fn push_float(out: &mut Vec<u8>, datatype: Datatype, value: f64) {
    match datatype {
        Datatype::Fp16 => out.extend_from_slice(&f16::from_f64(value).to_le_bytes()),
        Datatype::Bf16 => out.extend_from_slice(&bf16::from_f64(value).to_le_bytes()),
        Datatype::Fp64 => out.extend_from_slice(&value.to_le_bytes()),
        _ => out.extend_from_slice(&(value as f32).to_le_bytes()),
    }
}

fn push_bool(out: &mut Vec<u8>, token: &str) -> Option<()> {
    let value = match token {
        "true" | "1" => 1,
        "false" | "0" => 0,
        _ => return None,
    };
    out.push(value);
    Some(())
}

/// A whole number; one written with a point or an exponent counts while it is exact.
fn push_integer<T, const N: usize>(out: &mut Vec<u8>, token: &str, bytes: fn(T) -> [u8; N]) -> Option<()>
where
    T: FromStr + TryFrom<i64>,
{
    let whole = |value: &f64| value.fract() == 0.0 && value.abs() <= MOST_EXACT;
    let rounded = || number::<f64>(token).filter(whole).and_then(|value| T::try_from(value as i64).ok());
    let value = token.parse().ok().or_else(rounded)?;
    out.extend_from_slice(&bytes(value));
    Some(())
}

fn push_number<T, const N: usize>(
    out: &mut Vec<u8>,
    token: &str,
    is_finite: fn(T) -> bool,
    bytes: fn(T) -> [u8; N],
) -> Option<()>
where
    T: FromStr + Copy,
{
    let value = number(token).filter(|value: &T| is_finite(*value))?;
    out.extend_from_slice(&bytes(value));
    Some(())
}

fn push_half(out: &mut Vec<u8>, token: &str, bytes: fn(f64) -> Option<[u8; 2]>) -> Option<()> {
    out.extend_from_slice(&bytes(number(token)?)?);
    Some(())
}

/// A JSON number; `true`, `null` and what only Rust calls a number are none.
fn number<T: FromStr>(token: &str) -> Option<T> {
    let starts = token.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    let ends = token.ends_with(|last: char| last.is_ascii_digit());
    (starts && ends).then(|| token.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(json: &str, datatype: Datatype) -> Result<Parsed, String> {
        parse(json, datatype, NonFiniteWords::Refused)
    }

    #[test]
    fn nesting_becomes_the_shape() {
        for (json, shape) in [
            ("[1, 2,3]", vec![3]),
            ("[[1,2],[3,4],[5,6]]", vec![3, 2]),
            ("7", vec![]),
            ("[]", vec![0]),
            ("[[],[]]", vec![2, 0]),
            (" [ [ [1] ] ]\n", vec![1, 1, 1]),
        ] {
            assert_eq!(read(json, Datatype::Fp32).unwrap().shape, shape, "{json}");
        }
        for ragged in ["[[1,2],[3]]", "[1,[2]]", "[[1],2]", "[[],1]", "[[[1]],[2]]", "[[],[1]]"] {
            assert!(read(ragged, Datatype::Fp32).unwrap_err().contains("ragged"), "{ragged}");
        }
    }

    #[test]
    fn integers_are_exact_to_the_last_bit() {
        let data = read("[9007199254740993, -9223372036854775808, 9223372036854775807]", Datatype::Int64).unwrap().data;
        let numbers: Vec<_> = data.chunks_exact(8).map(|bytes| i64::from_le_bytes(bytes.try_into().unwrap())).collect();
        assert_eq!(numbers, [9_007_199_254_740_993, i64::MIN, i64::MAX]);
        assert_eq!(read("[18446744073709551615]", Datatype::Uint64).unwrap().data[..], [255; 8]);
        assert_eq!(read("[3.0, 1e2]", Datatype::Int8).unwrap().data[..], [3, 100]);
        for bad in ["[300]", "[-129]", "[1.5]", "[\"1\"]", "[null]", "[true]", "[1e300]"] {
            assert!(read(bad, Datatype::Int8).unwrap_err().contains("does not fit INT8"), "{bad}");
        }
        for bad in ["[-1]", "[18446744073709551616]", "[9007199254740993.0]"] {
            assert!(read(bad, Datatype::Uint64).is_err() || bad.contains("993.0"), "{bad}");
        }
    }

    #[test]
    fn floats_that_do_not_fit_are_refused() {
        for (bad, datatype) in [
            ("[1e39]", Datatype::Fp32),
            ("[1e999]", Datatype::Fp64),
            ("[65520]", Datatype::Fp16),
            ("[inf]", Datatype::Fp32),
            ("[null]", Datatype::Fp32),
            ("[\"NaN\"]", Datatype::Fp32),
            ("[{}]", Datatype::Fp32),
        ] {
            assert!(read(bad, datatype).is_err(), "{bad}");
        }
        let words = parse(r#"["NaN", "-Infinity", 1]"#, Datatype::Fp32, NonFiniteWords::Taken).unwrap();
        assert_eq!(words.data[4..8], f32::NEG_INFINITY.to_le_bytes());
        assert!(parse(r#"["NaN"]"#, Datatype::Int32, NonFiniteWords::Taken).is_err());
    }

    #[test]
    fn texts_keep_every_character() {
        let texts = read(r#"["a", "", "ü\n\"]\\", "\u0000"]"#, Datatype::Bytes).unwrap();
        let expected: Vec<&[u8]> = vec![b"a", b"", "ü\n\"]\\".as_bytes(), b"\0"];
        assert_eq!(crate::elements::Elements::new(Datatype::Bytes, &texts.data).collect::<Vec<_>>(), expected);
        assert!(read("[1]", Datatype::Bytes).is_err());
    }

    #[test]
    fn depth_is_bounded() {
        let deep = format!("{}1{}", "[".repeat(33), "]".repeat(33));
        assert!(read(&deep, Datatype::Fp32).unwrap_err().contains("deeper"));
    }
}
