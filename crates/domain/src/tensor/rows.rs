//! Putting the rows of several tensors into one, and taking them apart again. A row is an element of the first axis.

use bytes::{Bytes, BytesMut};

use super::{Datatype, Strings, Tensor, element_count};

/// How many rows a shape has; nothing for a scalar.
pub fn row_count(shape: &[i64]) -> Option<usize> {
    usize::try_from(*shape.first()?).ok()
}

/// One tensor with the rows of all, in order; nothing unless all have the same name, type and shape but for the rows.
pub fn concat_rows(tensors: &[Tensor]) -> Option<Tensor> {
    let first = tensors.first()?;
    let inner = first.shape.get(1..)?;
    let is_alike = |other: &Tensor| {
        other.name == first.name && other.datatype == first.datatype && other.shape.get(1..) == Some(inner)
    };
    if !tensors.iter().all(is_alike) {
        return None;
    }
    let rows = tensors.iter().try_fold(0usize, |rows, tensor| rows.checked_add(row_count(&tensor.shape)?))?;
    let mut data = BytesMut::with_capacity(tensors.iter().map(|tensor| tensor.data.len()).sum());
    tensors.iter().for_each(|tensor| data.extend_from_slice(&tensor.data));
    let shape = std::iter::once(i64::try_from(rows).ok()?).chain(inner.iter().copied()).collect();
    Some(Tensor { name: first.name.clone(), datatype: first.datatype, shape, data: data.freeze() })
}

/// A tensor's rows in portions, each as long as `rows` says, without a copy; nothing unless they are all of its rows.
pub fn split_rows(tensor: &Tensor, rows: &[usize]) -> Option<Vec<Tensor>> {
    let inner = tensor.shape.get(1..)?;
    let total = rows.iter().try_fold(0usize, |total, rows| total.checked_add(*rows))?;
    if row_count(&tensor.shape)? != total {
        return None;
    }
    let elements = element_count(inner)?;
    let mut rest = tensor.data.clone();
    let mut portion = |rows: usize| {
        let size = portion_bytes(tensor.datatype, &rest, rows.checked_mul(elements)?)?;
        let data = if size <= rest.len() { rest.split_to(size) } else { return None };
        let shape = std::iter::once(i64::try_from(rows).ok()?).chain(inner.iter().copied()).collect();
        Some(Tensor { name: tensor.name.clone(), datatype: tensor.datatype, shape, data })
    };
    rows.iter().map(|rows| portion(*rows)).collect()
}

/// Bytes of the next `count` elements.
fn portion_bytes(datatype: Datatype, rest: &Bytes, count: usize) -> Option<usize> {
    match datatype.size() {
        Some(size) => count.checked_mul(size),
        None => {
            let mut strings = Strings::new(rest);
            let taken = strings.by_ref().take(count).count();
            (taken == count).then(|| rest.len() - strings.rest().len())
        }
    }
}
