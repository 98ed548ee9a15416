//! The contract over HTTP and in process, with real runners: tensors in, tensors out, cancelled, late, refused, together.
//!
//! This file has a `main` of its own, because the program is its own runner.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod bursts;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ortolan_blobs::{Blobs, ObjectPath};
use ortolan_domain::artifact::ArtifactType;
use ortolan_domain::job::MlError;
use ortolan_domain::model::ModelRef;
use ortolan_domain::tensor::{Datatype, Output, OutputValue, Tensor, encode_strings};
use ortolan_domain::{ErrorCode, ModelId, Slot, SystemClock, TenantSlug, hash};
use ortolan_ml_client::{BatchClose, Batching, HttpInference, InferRequest, Inference};
use ortolan_ml_service::{BatchPolicy, MlService, MlServiceParts, MlServiceSettings, http, infer_endpoints};
use ortolan_results::{Number, ResultStore, Signals};
use ortolan_runner::{DevicePolicy, RunnerPool, RunnerSettings};
use ortolan_service::Shutdown;
use ortolan_service::serve::{ServeLimits, serve};
use serde_json::{Value, json};
use tempfile::TempDir;

use bursts::{
    nobody_is_blamed_for_the_one_that_kills_the_runner, short_runs_ride_together_and_each_gets_its_own_answer,
    whoever_gets_off_leaves_the_others_alone,
};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("runner") {
        return ortolan_runner::child::main();
    }
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let began = Instant::now();
    let mut passed = 0;
    macro_rules! tests {
        ($($name:ident)*) => {$(
            runtime.block_on(async { tokio::time::timeout(LONG, $name()).await.expect("the test hangs") });
            println!("test {} ... ok", stringify!($name));
            passed += 1;
        )*};
    }
    tests! {
        tensors_go_both_ways
        what_is_wrong_is_named
        a_call_that_is_given_up_gives_its_permit_back
        a_deadline_ends_a_run
        past_the_limit_of_waiting_the_answer_is_overloaded
        a_burst_does_not_keep_another_tenant_waiting
        another_digest_means_another_file
        requests_run_together_and_each_gets_its_rows
        requests_that_cannot_share_a_run_do_not
        short_runs_ride_together_and_each_gets_its_own_answer
        whoever_gets_off_leaves_the_others_alone
        nobody_is_blamed_for_the_one_that_kills_the_runner
        endpoints_look_at_pictures_at_once
    }
    let took_s = began.elapsed().as_secs_f64();
    println!(
        "test result: ok. {passed} passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in {took_s:.2}s"
    );
    ExitCode::SUCCESS
}

/// A service with its HTTP.
struct Bench {
    service: MlService,
    client: HttpInference,
    url: String,
    blobs: Blobs,
    _folder: TempDir,
}

async fn bench(concurrency: usize, most_jobs: usize) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::local(folder.path()).unwrap();
    let library = std::env::var_os("ORT_DYLIB_PATH").expect("set ORT_DYLIB_PATH to libonnxruntime.so; ./dev test does");
    let runners = RunnerSettings {
        devices: DevicePolicy::Cpu,
        sessions_per_model: concurrency,
        workers: concurrency + 2,
        ..RunnerSettings::new(PathBuf::from(library))
    };
    let clock = SystemClock::shared();
    let settings = MlServiceSettings {
        revalidate_models: None,
        concurrency,
        most_jobs,
        max_media_bytes: 64 << 20,
        max_model_bytes: 64 << 20,
        drain: LONG,
        question_timeout: LONG,
        batching: BatchPolicy::OFF,
        isolation: "tenant".to_owned(),
        runtime_version: String::new(),
        gpu_memory_limit_bytes: 0,
    };
    let service = MlService::new(MlServiceParts {
        pool: RunnerPool::start(runners, clock.clone()).await.unwrap(),
        blobs: blobs.clone(),
        results: ResultStore::in_process(clock.clone()),
        signals: Signals::in_process(),
        number: Number::fixed(0),
        clock,
        gpus: None,
        settings,
    })
    .unwrap();
    let inference: Arc<dyn Inference> = Arc::new(service.clone());
    let routes = http::router(inference, 64 << 20).merge(infer_endpoints(service.clone()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let limits = ServeLimits { max_connections: 100, header_timeout: LONG, drain_timeout: LONG };
    tokio::spawn(async move { serve(listener, routes, limits, &Shutdown::new()).await });
    Bench { service, client: HttpInference::new(&url).unwrap(), url, blobs, _folder: folder }
}

impl Bench {
    /// Puts a model of the fixtures into a tenant's registry.
    async fn model(&self, tenant: &str, name: &str) -> ModelRef {
        self.model_of(tenant, &format!("models/{name}.onnx")).await
    }

    /// Puts a file of the fixtures into a tenant's registry.
    async fn model_of(&self, tenant: &str, fixture: &str) -> ModelRef {
        let model = ModelRef::new(TenantSlug::parse(tenant).unwrap(), ModelId::generate());
        self.put(&model.object_path(), fixture).await;
        model
    }

    async fn put(&self, path: &str, fixture: &str) {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(fixture);
        let bytes = std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        self.blobs.put(&ObjectPath::parse(path).unwrap(), bytes.into()).await.unwrap();
    }

    async fn running(&self) -> (usize, usize) {
        let health = self.client.health().await.unwrap();
        (health.devices[0].running, health.devices[0].waiting)
    }

    /// Waits until so many runs are under way and so many calls wait.
    async fn until(&self, wanted: (usize, usize)) {
        while self.running().await != wanted {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn request(model: &ModelRef, inputs: Vec<Tensor>) -> InferRequest {
    InferRequest {
        model: model.clone(),
        sha256: None,
        inputs,
        outputs: Vec::new(),
        timeout: LONG,
        batching: None,
        request_id: "r-1".to_owned(),
        trace: None,
    }
}

fn f32s(name: &str, shape: &[i64], values: &[f32]) -> Tensor {
    let data = values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>().into();
    Tensor { name: name.to_owned(), datatype: Datatype::Fp32, shape: shape.to_vec(), data }
}

fn i64s(name: &str, shape: &[i64], values: &[i64]) -> Tensor {
    let data = values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>().into();
    Tensor { name: name.to_owned(), datatype: Datatype::Int64, shape: shape.to_vec(), data }
}

fn long_loop(model: &ModelRef) -> InferRequest {
    request(model, vec![i64s("n", &[], &[1_000_000_000_000]), f32s("y0", &[], &[0.0])])
}

fn values(output: &Output) -> Vec<f32> {
    let OutputValue::Tensor { datatype: Datatype::Fp32, data, .. } = &output.value else { panic!("{output:?}") };
    data.as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value)).collect()
}

fn code<T: std::fmt::Debug>(outcome: Result<T, MlError>) -> ErrorCode {
    outcome.unwrap_err().code
}

async fn tensors_go_both_ways() {
    let bench = bench(2, 100).await;
    let add = bench.model("a", "add").await;
    let inputs = || vec![f32s("b", &[2], &[10.0, 20.0]), f32s("a", &[2], &[1.0, 2.0])];
    let over_http = bench.client.infer(request(&add, inputs())).await.unwrap();
    let in_process = bench.service.infer(request(&add, inputs())).await.unwrap();
    assert_eq!(values(&over_http.outputs[0]), [11.0, 22.0]);
    assert_eq!((&over_http.outputs, &over_http.model_sha256), (&in_process.outputs, &in_process.model_sha256));
    let strings = bench.model("a", "string_identity").await;
    let data = encode_strings(["gr\u{fc}n", ""]).into();
    let sent = Tensor { name: "s".to_owned(), datatype: Datatype::Bytes, shape: vec![2], data };
    let answer = bench.client.infer(request(&strings, vec![sent.clone()])).await.unwrap();
    let same = OutputValue::Tensor { datatype: Datatype::Bytes, shape: vec![2], data: sent.data };
    assert_eq!(answer.outputs[0].value, same);
    let trees = bench.model("a", "lgbm_zipmap").await;
    let answer = bench.client.infer(request(&trees, vec![f32s("input", &[1, 4], &[0.0; 4])])).await.unwrap();
    let OutputValue::Json(Value::Array(maps)) = &answer.outputs[1].value else { panic!("{answer:?}") };
    assert_eq!(maps[0].as_object().unwrap().keys().collect::<Vec<_>>(), ["0", "1", "2"]);
    let described = bench.client.describe_model(add.clone(), None).await.unwrap();
    assert_eq!(described.inputs[0].shape, [-1]);
    assert_eq!(described.sha256, over_http.model_sha256);
    let stats = bench.client.model_stats(None).await.unwrap();
    let of_add = stats.iter().find(|stats| stats.model == add).unwrap();
    assert_eq!((of_add.execution_count, of_add.success.count, of_add.inference_count), (2, 2, 4));
    assert_eq!(of_add.last_batches[0].closed, BatchClose::Alone);
    assert!(bench.client.unload_model(add.clone()).await.unwrap());
    assert!(!bench.client.unload_model(add.clone()).await.unwrap(), "it is not loaded any more");
    bench.client.load_model(add, None).await.unwrap();
    assert_eq!(bench.client.model_cache(None).await.unwrap().model_count, 3);
}

async fn what_is_wrong_is_named() {
    let bench = bench(2, 100).await;
    let add = bench.model("a", "add").await;
    let error = bench.client.infer(request(&add, vec![f32s("a", &[1], &[1.0])])).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Invalid);
    assert!(error.detail.contains("the input \"b\" is missing"), "{error}");
    let elsewhere = ModelRef { tenant: TenantSlug::parse("b").unwrap(), ..add };
    assert_eq!(code(bench.client.infer(request(&elsewhere, vec![])).await), ErrorCode::ModelNotFound);
    let slot = ModelRef::new(TenantSlug::parse("b").unwrap(), Slot::Detect);
    let error = bench.client.describe_model(slot, None).await.unwrap_err();
    assert!(error.detail.contains("Model 'detect' not found for tenant 'b'"), "{error}");
    let body = post(&bench.url, "/internal/v1/infer", b"\xff\xff\xff\xffnonsense").await;
    assert!(body.starts_with("HTTP/1.1 400"), "{body}");
}

async fn a_call_that_is_given_up_gives_its_permit_back() {
    let bench = bench(1, 100).await;
    let endless = bench.model("a", "loop_n").await;
    let add = bench.model("a", "add").await;
    for over_http in [true, false] {
        let call: std::pin::Pin<Box<dyn Future<Output = _>>> = if over_http {
            Box::pin(bench.client.infer(long_loop(&endless)))
        } else {
            Box::pin(bench.service.infer(long_loop(&endless)))
        };
        tokio::select! {
            answer = call => panic!("{answer:?}"),
            () = bench.until((1, 0)) => {}
        }
        bench.until((0, 0)).await;
        let inputs = vec![f32s("a", &[1], &[1.0]), f32s("b", &[1], &[1.0])];
        assert_eq!(values(&bench.client.infer(request(&add, inputs)).await.unwrap().outputs[0]), [2.0]);
    }
    assert_eq!(bench.client.model_cache(None).await.unwrap().runners[0].deaths, 0, "it was asked to stop, and did");
}

async fn a_deadline_ends_a_run() {
    let bench = bench(1, 100).await;
    let endless = bench.model("a", "loop_n").await;
    bench.client.load_model(endless.clone(), None).await.unwrap();
    let late = InferRequest { timeout: Duration::from_millis(200), ..long_loop(&endless) };
    assert_eq!(code(bench.client.infer(late).await), ErrorCode::DeadlineExceeded);
    bench.until((0, 0)).await;
}

async fn past_the_limit_of_waiting_the_answer_is_overloaded() {
    let bench = bench(1, 1).await;
    let endless = bench.model("a", "loop_n").await;
    let running = tokio::spawn({
        let (client, request) = (bench.client.clone(), long_loop(&endless));
        async move { client.infer(request).await }
    });
    bench.until((1, 0)).await;
    let waiting = tokio::spawn({
        let (client, request) = (bench.client.clone(), long_loop(&endless));
        async move { client.infer(request).await }
    });
    bench.until((1, 1)).await;
    let refused = bench.client.infer(long_loop(&endless)).await;
    assert_eq!(code(refused), ErrorCode::QuotaExceeded, "the tenant has its share");
    let other = bench.model("b", "loop_n").await;
    assert_eq!(code(bench.client.infer(long_loop(&other)).await), ErrorCode::Overloaded);
    waiting.abort();
    running.abort();
    bench.until((0, 0)).await;
}

/// The order of service, whatever the time it takes: one tenant's burst waits first, and the other's calls come in between.
async fn a_burst_does_not_keep_another_tenant_waiting() {
    const BURST: usize = 40;
    const OTHERS: usize = 4;
    let bench = bench(1, 1000).await;
    let endless = bench.model("c", "loop_n").await;
    let models = [bench.model("a", "add").await, bench.model("b", "add").await];
    for model in &models {
        bench.client.load_model(model.clone(), None).await.unwrap();
    }
    let holder = tokio::spawn({
        let (client, request) = (bench.client.clone(), long_loop(&endless));
        async move { client.infer(request).await }
    });
    bench.until((1, 0)).await;
    let (served, mut order) = tokio::sync::mpsc::unbounded_channel();
    for (who, count) in [(0, BURST), (1, OTHERS)] {
        for _ in 0..count {
            let (client, served) = (bench.client.clone(), served.clone());
            let asked = request(&models[who], vec![f32s("a", &[1], &[1.0]), f32s("b", &[1], &[1.0])]);
            tokio::spawn(async move {
                client.infer(asked).await.unwrap();
                served.send(who).unwrap();
            });
        }
        bench.until((1, if who == 0 { BURST } else { BURST + OTHERS })).await;
    }
    holder.abort();
    drop(served);
    let mut seen = Vec::new();
    while let Some(who) = order.recv().await {
        seen.push(who);
    }
    assert_eq!(seen.len(), BURST + OTHERS);
    let last = seen.iter().rposition(|who| *who == 1).unwrap();
    // Turn by turn the last of them is the eighth; answers that are close may overtake each other on their way.
    assert!(last < 2 * OTHERS + 8, "the burst went first: {seen:?}");
}

async fn another_digest_means_another_file() {
    let bench = bench(2, 100).await;
    let model = bench.model("a", "add").await;
    let old = bench.client.describe_model(model.clone(), None).await.unwrap();
    bench.put(&model.object_path(), "models/identity.onnx").await;
    let kept = bench.client.describe_model(model.clone(), None).await.unwrap();
    assert_eq!(kept.sha256, old.sha256, "nobody said that it changed");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/models/identity.onnx");
    let named = hash::sha256_hex(&std::fs::read(file).unwrap());
    let new = bench.client.describe_model(model.clone(), Some(named.clone())).await.unwrap();
    assert_eq!((new.sha256, new.inputs[0].name.as_str()), (named, "x"));
    assert_eq!(code(bench.client.describe_model(model, Some("0".repeat(64))).await), ErrorCode::Unavailable);
}

async fn requests_run_together_and_each_gets_its_rows() {
    let bench = bench(1, 100).await;
    let models = [bench.model("a", "matmul").await, bench.model("b", "matmul").await];
    let batching = Some(Batching { max_rows: 16, max_wait_ms: 1000 });
    let one = |index: usize| {
        let rows = 1 + index % 3;
        let values: Vec<f32> = (0..rows * 4).map(|value| (index * 100 + value) as f32).collect();
        let inputs = vec![f32s("x", &[rows as i64, 4], &values)];
        (rows, InferRequest { batching, ..request(&models[index % 2], inputs) })
    };
    let calls = (0..24).map(|index| {
        let (client, (rows, request)) = (bench.client.clone(), one(index));
        tokio::spawn(async move { (rows, client.infer(request).await.unwrap()) })
    });
    let mut largest = 0;
    for (index, call) in calls.collect::<Vec<_>>().into_iter().enumerate() {
        let (rows, answer) = call.await.unwrap();
        let alone = bench.service.infer(InferRequest { batching: None, ..one(index).1 }).await.unwrap();
        assert_eq!(values(&answer.outputs[0]), values(&alone.outputs[0]), "request {index}");
        assert_eq!(values(&answer.outputs[0]).len(), rows * 3);
        largest = largest.max(answer.batch_size);
    }
    assert!((4..=16).contains(&largest), "{largest}");
    for model in &models {
        let stats = bench.client.model_stats(Some(model.tenant.clone())).await.unwrap();
        let [of_one] = &stats[..] else { panic!("{stats:?}") };
        assert_eq!(
            of_one.inference_count,
            2 * (0..24).filter(|index| models[index % 2] == *model).map(|index| 1 + index as u64 % 3).sum::<u64>()
        );
        assert!(of_one.execution_count < 24, "{of_one:?}");
        assert!(of_one.last_batches.iter().any(|batch| batch.requests > 1 && batch.closed != BatchClose::Alone));
    }
}

async fn requests_that_cannot_share_a_run_do_not() {
    let bench = bench(1, 100).await;
    let batching = Some(Batching { max_rows: 16, max_wait_ms: 50 });
    // Its label has a fixed number of rows by its own word.
    let trees = bench.model("a", "lgbm_plain").await;
    let wide = bench.model("a", "add").await;
    let calls = (0..8).map(|index| {
        let asked = if index % 2 == 0 {
            request(&trees, vec![f32s("input", &[1, 4], &[0.0; 4])])
        } else {
            let sizes = [index as f32; 8];
            let length = 1 + index / 4;
            request(
                &wide,
                vec![f32s("a", &[length as i64], &sizes[..length]), f32s("b", &[length as i64], &sizes[..length])],
            )
        };
        let client = bench.client.clone();
        tokio::spawn(async move { client.infer(InferRequest { batching, ..asked }).await.unwrap() })
    });
    for (index, call) in calls.collect::<Vec<_>>().into_iter().enumerate() {
        let answer = call.await.unwrap();
        if index % 2 == 0 {
            assert_eq!(answer.batch_size, 1);
        } else {
            assert!(values(&answer.outputs[0]).iter().all(|value| *value == 2.0 * index as f32), "{answer:?}");
        }
    }
}

async fn endpoints_look_at_pictures_at_once() {
    let bench = bench(2, 100).await;
    let tenant = TenantSlug::parse("a").unwrap();
    bench.put(&Slot::Detect.object_path(&tenant), "models/shapes_det_160.onnx").await;
    bench.put(&Slot::Classify.object_path(&tenant), "models/shapes_cls_64.onnx").await;
    bench.put("a/a.png", "images/shapes_a.png").await;
    let body = json!({"tenant": "a", "media_path": "a/a.png", "config": {"confidence_threshold": 0.25}}).to_string();
    let answer = post(&bench.url, "/infer/objects", body.as_bytes()).await;
    let answer = json_body(&answer);
    for field in ["run_id", "config_hash", "input_hash", "model_sha256", "producer", "model_profile"] {
        assert!(answer[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {answer}");
    }
    let first = &answer["detections"][0];
    assert!(first["confidence"].as_f64().unwrap() > 0.25 && first["frame_number"] == 0, "{answer}");
    assert!(first["bounding_box"]["width"].as_f64().unwrap() > 0.0);
    let body = json!({"tenant": "a", "media_path": "a/a.png"}).to_string();
    let places = json_body(&post(&bench.url, "/infer/places", body.as_bytes()).await);
    let place = &places["classifications"][0];
    assert!(place["predictions"][0]["confidence"].as_f64().is_some(), "{places}");
    assert_eq!((&place["frame_number"], &place["top_k"]), (&json!(0), &json!(5)), "{places}");
    assert_eq!(ArtifactType::PlaceClassification.check(1, place), Ok(()));
    assert_eq!(ArtifactType::ObjectDetection.check(1, first), Ok(()));
    let two = json!({"tenant": "a", "media_path": "a/a.png", "config": {"top_k": 2}, "request_id": "r-7"}).to_string();
    let places = json_body(&post(&bench.url, "/infer/places", two.as_bytes()).await);
    let place = &places["classifications"][0];
    assert_eq!((place["predictions"].as_array().unwrap().len(), &place["top_k"]), (2, &json!(2)), "{places}");
    assert_eq!(places["request_id"], "r-7", "{places}");
    for path in ["/infer/faces", "/infer/transcribe", "/infer/ocr", "/infer/scenes"] {
        let answer = json_body(&post(&bench.url, path, body.as_bytes()).await);
        assert_eq!(answer["code"], "model_not_found", "{answer}");
    }
    let other = json!({"tenant": "b", "media_path": "a/a.png"}).to_string();
    let refused = json_body(&post(&bench.url, "/infer/objects", other.as_bytes()).await);
    assert_eq!(refused["code"], "invalid_field", "another tenant's media: {refused}");
    let changed = json!({"tenant": "a", "media_path": "a/a.png", "input_hash": "0".repeat(64)}).to_string();
    let refused = json_body(&post(&bench.url, "/infer/objects", changed.as_bytes()).await);
    assert!(refused["detail"].as_str().unwrap().contains("Input hash mismatch"), "{refused}");
}

/// One request as any program may send it; gives the whole answer.
async fn post(url: &str, path: &str, body: &[u8]) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn json_body(answer: &str) -> Value {
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}
