//! What is written is read again, in JSON and in binary, for every datatype.

use bytes::Bytes;
use half::{bf16, f16};
use ortolan_domain::tensor::{Datatype, Tensor, encode_strings};
use ortolan_oip::data::{NonFiniteWords, parse};
use ortolan_oip::render::{self, Unwritable, Values};
use ortolan_oip::{Encoding, Frame, InferRequest, InferResponse, NamedOutput, compress, decompress};
use proptest::prelude::*;

/// Elements of a datatype: any bytes that are values of it; floats are finite unless `any_float`.
fn elements(datatype: Datatype, count: usize, any_float: bool) -> BoxedStrategy<Vec<u8>> {
    match datatype {
        Datatype::Bytes => prop::collection::vec(".{0,8}", count).prop_map(encode_strings).boxed(),
        Datatype::Bool => prop::collection::vec(0..2u8, count).boxed(),
        datatype => {
            let size = datatype.size().unwrap();
            let bytes = prop::collection::vec(any::<u8>(), size * count);
            bytes.prop_filter("finite", move |data| any_float || is_finite(datatype, data)).boxed()
        }
    }
}

fn is_finite(datatype: Datatype, data: &[u8]) -> bool {
    let each = |finite: fn(&[u8]) -> bool| data.chunks_exact(datatype.size().unwrap()).all(finite);
    match datatype {
        Datatype::Fp16 => each(|b| f16::from_le_bytes(b.try_into().unwrap()).is_finite()),
        Datatype::Bf16 => each(|b| bf16::from_le_bytes(b.try_into().unwrap()).is_finite()),
        Datatype::Fp32 => each(|b| f32::from_le_bytes(b.try_into().unwrap()).is_finite()),
        Datatype::Fp64 => each(|b| f64::from_le_bytes(b.try_into().unwrap()).is_finite()),
        _ => true,
    }
}

fn tensor(any_float: bool) -> impl Strategy<Value = Tensor> {
    let shape = prop::collection::vec(0..4i64, 1..4);
    (prop::sample::select(&Datatype::ALL[..]), shape, ".{0,6}").prop_flat_map(move |(datatype, shape, name)| {
        let count = usize::try_from(shape.iter().product::<i64>()).unwrap();
        elements(datatype, count, any_float).prop_map(move |data| Tensor {
            name: name.clone(),
            datatype,
            shape: shape.clone(),
            data: data.into(),
        })
    })
}

/// The answer that holds these tensors, as the request that a client would make of it.
fn as_request(tensors: &[Tensor], binary: &[bool]) -> Frame {
    let outputs: Vec<_> = tensors
        .iter()
        .zip(binary)
        .map(|(tensor, &binary)| NamedOutput {
            name: tensor.name.clone(),
            datatype: tensor.datatype,
            shape: tensor.shape.clone(),
            data: tensor.data.clone(),
            binary,
        })
        .collect();
    let response = InferResponse { model_name: "m", model_version: "1", id: Some(""), outputs: &outputs };
    let written = response.write().unwrap();
    let whole = Bytes::from(written.pieces.concat());
    let length = written.json_bytes.map(|length| length.to_string());
    let frame = Frame::split(whole, length.as_deref().map(str::as_bytes)).unwrap();
    let json = String::from_utf8(frame.json.to_vec()).unwrap();
    Frame { json: json.replacen("\"outputs\":", "\"inputs\":", 1).into(), tail: frame.tail }
}

proptest! {
    #[test]
    fn tensors_survive_json_and_binary(tensors in prop::collection::vec((tensor(false), any::<bool>()), 1..4)) {
        let binary: Vec<_> = tensors.iter().map(|(_, binary)| *binary).collect();
        let named = tensors.into_iter().enumerate().map(|(index, (tensor, _))| Tensor {
            name: format!("{index}{}", tensor.name),
            ..tensor
        });
        let tensors: Vec<_> = named.collect();
        let request = InferRequest::read(&as_request(&tensors, &binary)).unwrap();
        prop_assert_eq!(request.id.as_deref(), Some(""));
        prop_assert_eq!(request.inputs, tensors);
    }

    #[test]
    fn any_bits_survive_binary(tensor in tensor(true)) {
        let request = InferRequest::read(&as_request(std::slice::from_ref(&tensor), &[true])).unwrap();
        prop_assert_eq!(&request.inputs[0].data, &tensor.data);
    }

    #[test]
    fn nested_lists_survive(tensor in tensor(false)) {
        let mut json = Vec::new();
        let values = Values { datatype: tensor.datatype, shape: &tensor.shape, data: &tensor.data };
        render::nested(values, Unwritable::Refuse, &mut json).unwrap();
        let parsed = parse(std::str::from_utf8(&json).unwrap(), tensor.datatype, NonFiniteWords::Refused).unwrap();
        prop_assert_eq!(parsed.data, tensor.data);
        // Behind an axis of length 0 nothing can be seen.
        let seen = tensor.shape.iter().position(|&axis| axis == 0).map_or(tensor.shape.len(), |zero| zero + 1);
        prop_assert_eq!(parsed.shape, &tensor.shape[..seen]);
    }

    #[test]
    fn words_for_what_is_not_finite_survive(bits in prop::collection::vec(any::<u32>(), 1..8)) {
        let data: Vec<u8> = bits.iter().chain(&[0x7f80_0000, 0xff80_0000]).flat_map(|bits| bits.to_le_bytes()).collect();
        let shape = [i64::try_from(data.len() / 4).unwrap()];
        let mut json = Vec::new();
        let values = Values { datatype: Datatype::Fp32, shape: &shape, data: &data };
        prop_assert!(render::flat(values, Unwritable::Refuse, &mut Vec::new()).is_err());
        render::nested(values, Unwritable::Replace, &mut json).unwrap();
        let parsed = parse(std::str::from_utf8(&json).unwrap(), Datatype::Fp32, NonFiniteWords::Taken).unwrap();
        for (given, back) in data.chunks_exact(4).zip(parsed.data.chunks_exact(4)) {
            let [given, back] = [given, back].map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
            prop_assert!(given.to_bits() == back.to_bits() || given.is_nan() && back.is_nan());
        }
    }

    #[test]
    fn any_body_is_read_or_refused(json in any::<Vec<u8>>(), tail in any::<Vec<u8>>()) {
        let _ = InferRequest::read(&Frame { json: json.into(), tail: tail.into() });
    }

    #[test]
    fn any_data_is_read_or_refused(json in r#"[\[\]0-9,.eE"a\\ -]{0,40}"#, kind in prop::sample::select(&Datatype::ALL[..])) {
        let _ = parse(&json, kind, NonFiniteWords::Taken);
    }

    #[test]
    fn compression_survives(body in any::<Vec<u8>>(), cut in any::<prop::sample::Index>()) {
        for encoding in [Encoding::Gzip, Encoding::Deflate] {
            let packed = compress(&[body.clone().into()], encoding).unwrap();
            prop_assert_eq!(&decompress(packed.clone(), Some(encoding), body.len()).unwrap(), &body);
            let short = packed.slice(..cut.index(packed.len()));
            prop_assert!(decompress(short, Some(encoding), body.len()).is_err());
        }
    }
}
