//! The scan takes every honest model and survives whatever is made of one.
#![allow(clippy::unwrap_used)]

mod support;

use ortolan_runner::scan::{ScanError, scan};
use support::*;

fn honest() -> Vec<std::path::PathBuf> {
    let folders = [fixtures().join("models"), fixtures().join("models/layouts")];
    let entries = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let models =
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|end| end == "onnx"));
    models.collect()
}

#[test]
fn honest_models_pass() {
    assert!(honest().len() > 20);
    for path in honest() {
        let facts = scan(&std::fs::read(&path).unwrap()).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(facts.words.ir_version > 2 && facts.nodes > 0, "{}: {facts:?}", path.display());
    }
}

#[test]
fn a_file_that_is_cut_anywhere_is_never_taken_for_more_than_it_is() {
    let model = fixture("models/add.onnx");
    let whole = scan(&model).unwrap();
    for length in 0..model.len() {
        if let Ok(facts) = scan(&model[..length]) {
            assert!(facts.nodes <= whole.nodes, "cut at {length}");
        }
    }
    assert_eq!(scan(&[]), Err(ScanError::NotAModel));
}

#[test]
fn changed_bytes_neither_panic_nor_take_long() {
    let model = fixture("models/loop_n.onnx");
    let mut seed = 7u64;
    let mut passed = 0;
    for _ in 0..100_000 {
        let mut changed = model.to_vec();
        for _ in 0..4 {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let at = (seed >> 33) as usize % changed.len();
            changed[at] = (seed >> 24) as u8;
        }
        passed += usize::from(scan(&changed).is_ok());
    }
    assert!(passed > 0 && passed < 100_000, "{passed}");
}
