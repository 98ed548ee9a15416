//! Putting requests together and taking the answer apart changes nothing: `split(concat(x)) == x`, for every element
//! type, any shapes and any portions, and whatever cannot be put together or taken apart is refused.

use ortolan_domain::tensor::{Datatype, Tensor, concat_rows, encode_strings, row_count, split_rows};
use ortolan_proptests::CASES;
use proptest::collection::vec;
use proptest::prelude::*;

/// Tensors that differ in nothing but their rows.
fn alike() -> impl Strategy<Value = Vec<Tensor>> {
    let datatype = proptest::sample::select(Datatype::ALL.to_vec());
    (datatype, vec(0..4i64, 0..3), vec(0..5usize, 1..6)).prop_flat_map(|(datatype, inner, rows)| {
        let tensors: Vec<_> = rows.into_iter().map(|rows| tensor(datatype, inner.clone(), rows)).collect();
        tensors
    })
}

fn tensor(datatype: Datatype, inner: Vec<i64>, rows: usize) -> impl Strategy<Value = Tensor> {
    let elements = rows * inner.iter().map(|axis| *axis as usize).product::<usize>();
    let data = match datatype.size() {
        Some(size) => vec(any::<u8>(), elements * size).boxed(),
        None => vec(vec(any::<u8>(), 0..5), elements).prop_map(encode_strings).boxed(),
    };
    data.prop_map(move |data| {
        let shape = std::iter::once(rows as i64).chain(inner.iter().copied()).collect();
        Tensor { name: "x".to_owned(), datatype, shape, data: data.into() }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn split_undoes_concat(tensors in alike()) {
        let together = concat_rows(&tensors);
        prop_assert!(together.as_ref().is_some_and(|together| together.check().is_ok()));
        let rows: Vec<_> = tensors.iter().filter_map(|tensor| row_count(&tensor.shape)).collect();
        prop_assert_eq!(together.and_then(|together| split_rows(&together, &rows)), Some(tensors));
    }

    #[test]
    fn portions_that_are_not_all_rows_are_refused(tensors in alike(), more in 1..3usize) {
        let Some(together) = concat_rows(&tensors) else { return Err(TestCaseError::fail("not put together")) };
        let mut rows: Vec<_> = tensors.iter().filter_map(|tensor| row_count(&tensor.shape)).collect();
        rows.push(more);
        prop_assert_eq!(split_rows(&together, &rows), None);
    }

    #[test]
    fn what_differs_in_more_than_rows_is_not_put_together(one in tensor(Datatype::Fp32, vec![2], 3), rows in 0..4i64) {
        let other = |change: fn(&mut Tensor)| {
            let mut other = Tensor { shape: vec![rows, 2], ..one.clone() };
            change(&mut other);
            concat_rows(&[one.clone(), other])
        };
        prop_assert_eq!(other(|tensor| tensor.name.push('y')), None);
        prop_assert_eq!(other(|tensor| tensor.datatype = Datatype::Int32), None);
        prop_assert_eq!(other(|tensor| tensor.shape.push(1)), None);
        prop_assert_eq!(other(|tensor| tensor.shape.truncate(1)), None);
    }
}
