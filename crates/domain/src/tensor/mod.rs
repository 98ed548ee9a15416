//! Tensors as they travel between services: a name, an element type, a shape and the elements' bytes.
//!
//! Layout: row-major, little endian. Elements of type [`Datatype::Bytes`] lie one after the other, each as 4 bytes of
//! length and as many bytes, which is the binary encoding of the Open Inference Protocol.

mod datatype;
mod rows;
mod strings;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::error::FieldError;

pub use datatype::Datatype;
pub use rows::{concat_rows, row_count, split_rows};
pub use strings::{Strings, encode_strings};

/// A tensor that owns its elements. A clone shares them.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// The input or output it is for.
    pub name: String,
    /// What the elements are.
    pub datatype: Datatype,
    /// Sizes of the axes; none for a scalar.
    pub shape: Vec<i64>,
    /// The elements.
    pub data: Bytes,
}

/// One output of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub value: OutputValue,
}

/// What an output holds.
#[derive(Debug, Clone, PartialEq)]
pub enum OutputValue {
    /// A tensor.
    Tensor {
        /// What the elements are.
        datatype: Datatype,
        /// Sizes of the axes.
        shape: Vec<i64>,
        /// The elements, laid out as [`crate::tensor`] says.
        data: Bytes,
    },
    /// A map, with its keys as strings, or a sequence.
    Json(serde_json::Value),
}

impl Tensor {
    /// Checks that the elements that are there are as many as the shape says; the error names the tensor.
    pub fn check(&self) -> Result<(), FieldError> {
        check(self.datatype, &self.shape, &self.data).map_err(|reason| FieldError::new(&self.name, reason))
    }
}

/// SHA-256 of tensors, the same in whatever order they come; they are sorted by name here.
pub fn digest(tensors: &mut [Tensor]) -> [u8; 32] {
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    let mut hash = Sha256::new();
    for tensor in tensors {
        let shape = format!("{:?}", tensor.shape);
        for part in [tensor.name.as_bytes(), tensor.datatype.name().as_bytes(), shape.as_bytes(), &tensor.data] {
            // The length keeps ("ab", "c") and ("a", "bc") apart.
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    }
    hash.finalize().into()
}

/// How many elements a shape has; nothing for one with a negative axis or more elements than can be counted.
pub fn element_count(shape: &[i64]) -> Option<usize> {
    shape.iter().try_fold(1usize, |count, &axis| count.checked_mul(usize::try_from(axis).ok()?))
}

/// Checks elements against their type and shape; says what is wrong.
pub fn check(datatype: Datatype, shape: &[i64], data: &[u8]) -> Result<(), String> {
    let count = element_count(shape).ok_or_else(|| format!("{shape:?} cannot be the shape of a tensor"))?;
    let Some(size) = datatype.size() else {
        let strings = Strings::new(data).count_all();
        return match strings {
            Some(found) if found == count => Ok(()),
            Some(found) => Err(format!("shape {shape:?} needs {count} strings, but {found} are there")),
            None => Err("a string is cut short: each needs 4 bytes of length and as many bytes".to_owned()),
        };
    };
    if count.checked_mul(size) == Some(data.len()) {
        return Ok(());
    }
    Err(format!("shape {shape:?} of type {datatype} needs {count} x {size} bytes, but {} are there", data.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(datatype: Datatype, shape: &[i64], data: &[u8]) -> Tensor {
        Tensor { name: "x".to_owned(), datatype, shape: shape.to_vec(), data: Bytes::copy_from_slice(data) }
    }

    #[test]
    fn shapes_that_lie_are_refused() {
        assert_eq!(tensor(Datatype::Fp32, &[2, 2], &[0; 16]).check(), Ok(()));
        assert_eq!(tensor(Datatype::Fp32, &[], &[0; 4]).check(), Ok(()), "a scalar");
        assert_eq!(tensor(Datatype::Fp32, &[0, 7], &[]).check(), Ok(()), "an empty tensor");
        for shape in [&[2, 3][..], &[-1, -4], &[1 << 32, 1 << 32], &[i64::MAX, 4]] {
            assert!(tensor(Datatype::Fp32, shape, &[0; 16]).check().is_err(), "{shape:?}");
            assert!(tensor(Datatype::Fp32, shape, &[]).check().is_err(), "{shape:?} without data");
        }
    }

    #[test]
    fn a_digest_does_not_depend_on_the_order_and_tells_tensors_apart() {
        let named = |name: &str, data| Tensor { name: name.to_owned(), ..tensor(Datatype::Uint8, &[2], data) };
        let digest = |tensors: &[&Tensor]| digest(&mut tensors.iter().copied().cloned().collect::<Vec<_>>());
        let (a, b) = (named("a", b"xy"), named("b", b"zz"));
        assert_eq!(digest(&[&a, &b]), digest(&[&b, &a]));
        assert_ne!(digest(&[&a]), digest(&[&a, &b]));
        assert_ne!(digest(&[&a]), digest(&[&named("a", b"xz")]));
        assert_ne!(digest(&[&a]), digest(&[&Tensor { shape: vec![2, 1], ..a.clone() }]));
    }

    #[test]
    fn strings_are_counted() {
        let two = encode_strings(["a", ""]);
        assert_eq!(tensor(Datatype::Bytes, &[2], &two).check(), Ok(()));
        assert_eq!(tensor(Datatype::Bytes, &[0], &[]).check(), Ok(()));
        let counted = tensor(Datatype::Bytes, &[3], &two).check();
        assert!(counted.is_err_and(|error| error.field == "x" && error.reason.contains("needs 3 strings, but 2")));
        let cut = tensor(Datatype::Bytes, &[2], &two[..7]).check();
        assert!(cut.is_err_and(|error| error.reason.contains("cut short")));
    }
}
