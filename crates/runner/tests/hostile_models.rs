//! Every hostile model gets a refusal or a report within its limits, and no other tenant notices.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use ortolan_domain::Slot;
use ortolan_runner::{CallContext, ModelReport, RunnerError, RunnerPool, RunnerSettings, ValidationSettings};
use support::*;
use tokio_util::sync::CancellationToken;

/// What trying a model that is not for a slot shows.
#[derive(Debug, PartialEq)]
enum Shown {
    /// It is refused, with words that hold this.
    Refused(&'static str),
    /// It loads and runs.
    Runs,
    /// It loads; no input can be made up for it.
    Loads,
    /// It loads; its trial run fails with words that hold this.
    Fails(&'static str),
}

use Shown::{Fails, Loads, Refused, Runs};

const NOT_A_MODEL: Shown = Refused("not an ONNX model");
const EXTERNAL: Shown = Refused("another file");
const MEMORY: Shown = Fails("more memory");
const NEVER_FITS: Shown = Refused("more memory");
const UNLIKE_ITS_METADATA: Shown = Refused("metadata does not fit the model");
const CRASHES: Shown = Fails("crashed its process");
const NEVER_ENDS: Shown = Fails("took longer");
const CRASHES_AT_LOAD: Shown = Refused("loading the model crashed its process");

const TABLE: &[(&str, Shown)] = &[
    ("abort_gathernd_batch", CRASHES),
    ("abort_random_normal", CRASHES),
    ("bomb_constantofshape_load", NEVER_FITS),
    ("bomb_constantofshape_run", MEMORY),
    ("bomb_expand_load", NEVER_FITS),
    ("bomb_expand_run", MEMORY),
    ("bomb_fold_4gb", MEMORY),
    ("bomb_resize_load", NEVER_FITS),
    ("bomb_resize_run", MEMORY),
    ("bomb_tile_load", Refused("do not fit")),
    ("bomb_tile_run", Fails("do not fit")),
    ("chain_5k", Runs),
    ("cyclic", Refused("has a cycle")),
    ("dangling", Refused("reads a value that nothing gives")),
    ("dead_input", Refused("not valid")),
    ("det_all_pass", Runs),
    ("det_channels_4", UNLIKE_ITS_METADATA),
    ("det_classes_long", Runs),
    ("det_classes_short", Runs),
    ("det_huge", Runs),
    ("det_inf", Runs),
    ("det_nan", Runs),
    ("det_rank0", UNLIKE_ITS_METADATA),
    ("det_rank2", UNLIKE_ITS_METADATA),
    ("det_zero_anchors", Runs),
    ("div_int32", Fails("failed while it ran")),
    ("dup_graph_output", Runs),
    ("dup_initializer", Refused("types in its graph")),
    ("dup_input_name", Refused("defined twice")),
    ("dup_node_name", Refused("two of its nodes")),
    ("dup_output_name", Refused("defined twice")),
    ("empty", NOT_A_MODEL),
    ("ext_absolute", EXTERNAL),
    ("ext_dev_zero", EXTERNAL),
    ("ext_dotdot", EXTERNAL),
    ("ext_empty_location", EXTERNAL),
    ("ext_huge", EXTERNAL),
    ("ext_length_negative", EXTERNAL),
    ("ext_memory_address", EXTERNAL),
    ("ext_missing", EXTERNAL),
    ("ext_offset_overflow", EXTERNAL),
    ("ext_proc_environ", EXTERNAL),
    ("ext_self", EXTERNAL),
    ("ext_symlink", EXTERNAL),
    ("ext_url", EXTERNAL),
    ("fpe_attention_heads0", CRASHES_AT_LOAD),
    ("fpe_convtranspose_group0", CRASHES_AT_LOAD),
    ("fpe_div_intmin", CRASHES),
    ("fpe_div_intmin_load", CRASHES_AT_LOAD),
    ("fpe_splittosequence0", CRASHES_AT_LOAD),
    ("function_mutual", Refused("in a circle")),
    ("function_recursive", Refused("in a circle")),
    ("functions_billion", Refused("grow to more than")),
    ("imgsz_malformed", UNLIKE_ITS_METADATA),
    ("imgsz_million", UNLIKE_ITS_METADATA),
    ("imgsz_negative", UNLIKE_ITS_METADATA),
    ("imgsz_zero", UNLIKE_ITS_METADATA),
    ("init_bad_elem_type", Refused("element type")),
    ("init_dim_negative", Refused("negative size")),
    ("init_dims_overflow", Refused("what its shape says")),
    ("init_shape_lie", Refused("what its shape says")),
    ("input_10gb", Loads),
    ("input_dim_huge", Loads),
    ("input_dim_negative", Refused("negative size")),
    ("input_dims_wrap", Loads),
    ("input_name_50k", Refused("more than 512 bytes")),
    ("input_name_ansi", Refused("control characters")),
    ("input_name_bad_utf8", Refused("not UTF-8")),
    ("input_name_empty", Refused("no name")),
    ("input_name_markup", Runs),
    ("input_name_newline", Refused("control characters")),
    ("input_name_nul", Refused("control characters")),
    ("input_name_path", Runs),
    ("input_name_rtl", Refused("control characters")),
    ("input_rank_5000", Refused("more than 16 axes")),
    ("inputs_10000", Refused("10000 inputs")),
    ("ir_0", Refused("format version 0")),
    ("ir_99", Refused("format version 99")),
    ("ir_negative", Refused("format version -1")),
    ("loop_1e12", NEVER_ENDS),
    ("loop_concat_double", MEMORY),
    ("loop_constant_folded", Refused("took longer")),
    ("loop_forever", NEVER_ENDS),
    ("loop_nested", NEVER_ENDS),
    ("loop_scan_grow", MEMORY),
    ("matmul_12k", MEMORY),
    ("meta_dup", UNLIKE_ITS_METADATA),
    ("meta_many", Refused("too much metadata")),
    ("names_bad_utf8", Runs),
    ("names_control", UNLIKE_ITS_METADATA),
    ("names_csv", Runs),
    ("names_eval", UNLIKE_ITS_METADATA),
    ("names_huge", Runs),
    ("names_index", UNLIKE_ITS_METADATA),
    ("names_malformed", UNLIKE_ITS_METADATA),
    ("names_many", Runs),
    ("names_markup", Runs),
    ("names_path", Runs),
    ("names_rtl", Runs),
    ("nested_if_100", Refused("nested deeper")),
    ("nested_if_20", Runs),
    ("nested_if_30", Runs),
    ("nested_if_500", Refused("nested deeper")),
    ("no_inputs", Runs),
    ("no_nodes", Runs),
    ("no_outputs", Refused("no outputs")),
    ("opaque_input", Loads),
    ("opset_0", Refused("operator set 0")),
    ("opset_1", Refused("operator Relu")),
    ("opset_99", Refused("operator set 99")),
    ("opset_none", Refused("no operator set")),
    ("outputs_2500", Refused("2500 outputs")),
    ("panic_expand_negative", Refused("a shape in it")),
    ("pickle", NOT_A_MODEL),
    ("proto_groups", NOT_A_MODEL),
    ("proto_len_2g", NOT_A_MODEL),
    ("proto_len_64bit", NOT_A_MODEL),
    ("proto_packed_dims", Refused("more than 16 axes")),
    ("python_op", Refused("com.microsoft:PyOp")),
    ("random_bytes", NOT_A_MODEL),
    ("range_2e9", MEMORY),
    ("segv_layernorm_f16_load", CRASHES_AT_LOAD),
    ("segv_sum_empty_name", CRASHES),
    ("self_loop", Refused("has a cycle")),
    ("seq_of_seq_input", Refused("types in its graph")),
    ("slow_lppool", NEVER_ENDS),
    ("sparse_init_bomb", Refused("too large when unpacked")),
    ("sparse_input", Refused("type that is not supported")),
    ("stack_function_chain", Refused("functions")),
    ("stack_tree_deep", Refused("deeper than")),
    ("stride_huge", UNLIKE_ITS_METADATA),
    ("stride_zero", UNLIKE_ITS_METADATA),
    ("string_bad_utf8", Runs),
    ("task_unknown", Runs),
    ("text", NOT_A_MODEL),
    ("trailing_garbage", NOT_A_MODEL),
    ("tree_cycle", Refused("branches of a decision tree")),
    ("truncated", NOT_A_MODEL),
    ("typeless_input", Refused("has no type")),
    ("unknown_domain", Refused("com.evil:Custom")),
    ("unknown_op", Refused("LaunchMissiles")),
    ("zip_bomb", NOT_A_MODEL),
];

/// Those that may go into the slot `detect`; all others are refused there.
const FIT_FOR_DETECTION: &[&str] = &[
    "det_all_pass",
    "det_classes_long",
    "det_classes_short",
    "det_huge",
    "det_inf",
    "det_nan",
    "det_zero_anchors",
    "names_bad_utf8",
    "names_csv",
    "names_huge",
    "names_many",
    "names_markup",
    "names_path",
    "names_rtl",
];

/// The usual limits, with less patience.
async fn strict_pool() -> RunnerPool {
    let validation = ValidationSettings { run_timeout: Duration::from_millis(500), ..ValidationSettings::default() };
    start(RunnerSettings { validation, grace: Duration::from_millis(100), ..settings() }).await
}

async fn validate(pool: &RunnerPool, name: &str, slot: Option<Slot>) -> Result<ModelReport, RunnerError> {
    let model = fixture(&format!("hostile/models/{name}.onnx"));
    let call = pool.validate_model(model, slot, CallContext::default());
    tokio::time::timeout(LONG, call).await.unwrap_or_else(|_| panic!("{name} hangs"))
}

fn check(name: &str, outcome: &Result<ModelReport, RunnerError>, shown: &Shown) {
    let fits = match (shown, outcome) {
        (Refused(words), Err(RunnerError::ModelRefused { reason })) => reason.contains(words) && is_presentable(reason),
        (Runs, Ok(report)) => report.trial.is_some(),
        (Loads, Ok(report)) => report.trial.is_none() && report.trial_failure.is_none(),
        (Fails(words), Ok(report)) => {
            report.trial_failure.as_ref().is_some_and(|why| why.contains(words) && is_presentable(why))
        }
        _ => false,
    };
    assert!(fits, "{name}: expected {shown:?}, not {outcome:?}");
    if let Ok(report) = outcome {
        assert!((1..400 << 20).contains(&report.memory_bytes), "{name}: {} bytes of memory", report.memory_bytes);
    }
}

/// No path, no source line, no control character.
fn is_presentable(words: &str) -> bool {
    let source = words.contains(".cc") || words.contains(".rs") || words.contains("ONNXRuntimeError");
    words.len() <= 500 && !words.contains('/') && !source && !words.chars().any(char::is_control)
}

#[test]
fn the_table_names_every_file() {
    let entries = std::fs::read_dir(fixtures().join("hostile/models")).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    let mut named: Vec<_> = TABLE.iter().map(|(name, _)| format!("{name}.onnx")).collect();
    named.sort();
    assert_eq!(named, files);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_is_refused_or_reported_and_another_tenant_is_served_meanwhile() {
    let pool = strict_pool().await;
    for (name, shown) in TABLE {
        let (outcome, served) = tokio::join!(validate(&pool, name, None), add(&pool, "honest"));
        check(name, &outcome, shown);
        assert_eq!(served.unwrap(), [11.0, 22.0], "beside {name}");
    }
    assert_eq!(pool.cache_info().runners.len(), 1, "only the honest tenant's runner is left");
    assert_eq!(pool.deaths(), [], "a trial's death is nobody's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_takes_only_what_fits_and_runs() {
    let pool = strict_pool().await;
    for (name, _) in TABLE {
        match validate(&pool, name, Some(Slot::Detect)).await {
            Ok(report) => {
                assert!(FIT_FOR_DETECTION.contains(name), "{name} was taken: {report:?}");
                assert!(report.trial.is_some_and(|trial| trial.items.is_some()), "{name}");
            }
            Err(RunnerError::ModelRefused { reason }) => {
                assert!(!FIT_FOR_DETECTION.contains(name), "{name} was refused: {reason}");
                assert!(reason.len() <= 500 && !reason.chars().any(char::is_control), "{name}: {reason}");
            }
            Err(other) => panic!("{name}: {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn honest_models_fit_their_own_slots_and_no_other() {
    let pool = pool().await;
    let models =
        [("shapes_det_dyn", Slot::Detect), ("shapes_seg_160", Slot::Segment), ("shapes_cls_64", Slot::Classify)];
    for (name, own) in models {
        for slot in Slot::ALL {
            let model = fixture(&format!("models/{name}.onnx"));
            let outcome = pool.validate_model(model.clone(), Some(slot), CallContext::default()).await;
            assert_eq!(outcome.is_ok(), slot == own, "{name} in {slot}: {outcome:?}");
            let Ok(report) = outcome else { continue };
            assert_eq!(report.size_bytes, model.len() as u64);
            assert_eq!(report.facts.profile.as_ref().map(|profile| profile.slot), Some(own));
            assert!(report.memory_bytes > 1 << 20 && report.facts.producer.is_some(), "{report:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_can_be_cancelled() {
    let pool = pool().await;
    let cancel = CancellationToken::new();
    let trial =
        pool.validate_model(fixture("hostile/models/loop_1e12.onnx"), None, CallContext::cancelled_by(cancel.clone()));
    let (outcome, ()) = tokio::join!(trial, async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        cancel.cancel();
    });
    assert_eq!(outcome.unwrap_err(), RunnerError::Cancelled);
}
