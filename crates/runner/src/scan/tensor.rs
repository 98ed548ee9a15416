//! Tensors inside of a file: weights, constants, sparse weights.

use super::wire::{Fields, Value};
use super::{MAX_DENSE_BYTES, MAX_RANK, ScanError};

/// Checks a `TensorProto`: its data must be in the file, and as much as its shape says.
pub(super) fn check(bytes: &[u8]) -> Result<(), ScanError> {
    let mut shape = Shape::default();
    let (mut element, mut raw, mut typed) = (0, None, 0u64);
    let mut fields = Fields::new(bytes);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => value.ints(|dim| shape.push(dim))?,
            2 => element = value.int()?,
            4..=7 | 10 | 11 => typed = typed.saturating_add(held(value)),
            9 => raw = Some(value.bytes()?.len() as u64),
            13 => return Err(external()),
            14 if value.int()? != 0 => return Err(external()),
            _ => {}
        }
    }
    let bits = element_bits(element)
        .ok_or_else(|| ScanError::refused("a tensor of the model has an element type that does not exist"))?;
    let enough = match raw {
        Some(raw) => shape.bytes(bits) == Some(raw),
        // A packed number takes at least a byte, and may hold two elements of four bits.
        None => shape.elements.is_some_and(|elements| elements <= typed.saturating_mul(2)),
    };
    if enough { Ok(()) } else { Err(ScanError::refused("a tensor of the model does not hold what its shape says")) }
}

/// Checks a `SparseTensorProto`: it must not grow beyond bounds when it is unpacked.
pub(super) fn check_sparse(bytes: &[u8]) -> Result<(), ScanError> {
    let mut shape = Shape::default();
    let mut fields = Fields::new(bytes);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 | 2 => check(value.bytes()?)?,
            3 => value.ints(|dim| shape.push(dim))?,
            _ => {}
        }
    }
    // Whatever its elements are, 8 bytes each is the most.
    if shape.bytes(64).is_some_and(|dense| dense <= MAX_DENSE_BYTES) {
        return Ok(());
    }
    Err(ScanError::refused("a sparse tensor of the model is too large when unpacked"))
}

fn external() -> ScanError {
    ScanError::refused("the model keeps weights in another file; export it as a single file")
}

/// Bytes that a field with elements holds, at least.
fn held(value: Value<'_>) -> u64 {
    match value {
        Value::Bytes(bytes) => bytes.len().max(1) as u64,
        Value::Varint(_) | Value::Fixed32 | Value::Fixed64 => 1,
    }
}

struct Shape {
    rank: usize,
    elements: Option<u64>,
}

impl Default for Shape {
    fn default() -> Self {
        Self { rank: 0, elements: Some(1) }
    }
}

impl Shape {
    fn push(&mut self, dim: i64) -> Result<(), ScanError> {
        self.rank += 1;
        if self.rank > MAX_RANK {
            return Err(ScanError::refused(format!("a tensor of the model has more than {MAX_RANK} axes")));
        }
        let dim = u64::try_from(dim).map_err(|_| ScanError::refused("a tensor of the model has a negative size"))?;
        self.elements = self.elements.and_then(|elements| elements.checked_mul(dim));
        Ok(())
    }

    fn bytes(&self, bits: u64) -> Option<u64> {
        Some(self.elements?.checked_mul(bits)?.div_ceil(8))
    }
}

/// Bits of an element by ONNX's number of its type; text counts as nothing, since its data is never raw.
fn element_bits(code: i64) -> Option<u64> {
    Some(match code {
        8 => 0,
        2 | 3 | 9 | 17..=20 | 24 => 8,
        4 | 5 | 10 | 16 => 16,
        1 | 6 | 12 => 32,
        7 | 11 | 13 | 14 => 64,
        15 => 128,
        21..=23 => 4,
        25 | 26 => 2,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tensor of `dims` 32-bit floats with `raw` bytes of data.
    fn tensor(dims: &[i64], raw: usize) -> Vec<u8> {
        let mut bytes = vec![];
        for dim in dims {
            bytes.push(0x08);
            let mut rest = dim.cast_unsigned();
            while rest >= 0x80 {
                bytes.push(rest as u8 | 0x80);
                rest >>= 7;
            }
            bytes.push(rest as u8);
        }
        bytes.extend([0x10, 1, 0x4a, raw as u8]);
        bytes.resize(bytes.len() + raw, 0);
        bytes
    }

    #[test]
    fn data_must_be_as_much_as_the_shape_says() {
        assert_eq!(check(&tensor(&[2, 3], 24)), Ok(()));
        assert_eq!(check(&tensor(&[], 4)), Ok(()), "a scalar");
        assert_eq!(check(&tensor(&[0, 9], 0)), Ok(()), "an empty tensor");
        for (dims, raw) in [(&[100_000, 100_000][..], 4), (&[1 << 32, 1 << 32], 0), (&[-1], 4), (&[2; 17], 4)] {
            assert!(matches!(check(&tensor(dims, raw)), Err(ScanError::Refused(_))), "{dims:?}");
        }
    }

    #[test]
    fn data_in_another_file_is_refused() {
        let mut at_another_place = tensor(&[1], 4);
        at_another_place.extend([0x70, 1]);
        assert_eq!(check(&at_another_place), Err(external()));
    }
}
