//! A service that is killed leaves no runner behind, even while one is stuck in a kernel.
//!
//! This file has a `main` of its own: it starts itself again as the service that is to be killed.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod support;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ortolan_runner::CallContext;
use support::*;

const AS_SERVICE: &str = "ORTOLAN_TEST_SERVICE";

fn main() {
    if std::env::var_os(AS_SERVICE).is_some() {
        return tokio::runtime::Runtime::new().unwrap().block_on(serve_until_killed());
    }
    let began = Instant::now();
    let mut service =
        Command::new(std::env::current_exe().unwrap()).env(AS_SERVICE, "1").stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(service.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let runner = Path::new("/proc").join(line.trim());
    assert!(runner.exists(), "the service said {line:?}");
    service.kill().unwrap();
    service.wait().unwrap();
    let deadline = Instant::now() + LONG;
    while runner.exists() {
        assert!(Instant::now() < deadline, "the runner {line:?} outlives its service");
        std::thread::sleep(Duration::from_millis(5));
    }
    println!("test a_service_that_is_killed_leaves_no_runner_behind ... ok");
    // The form in which test programs close, so that this one is counted like the others.
    let took_s = began.elapsed().as_secs_f64();
    println!("test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in {took_s:.2}s");
}

/// Says which process its runner is once that is stuck, and waits.
async fn serve_until_killed() {
    let pool = pool().await;
    let stuck = tokio::spawn({
        let pool = pool.clone();
        async move {
            let x = f32s("x", &[1, 1], &[0.5]);
            infer(&pool, "a", "hostile/models/matmul_12k.onnx", vec![x], CallContext::default()).await
        }
    });
    loop {
        let info = pool.cache_info();
        match info.runners.first() {
            Some(runner) if runner.calls == 1 && !info.models.is_empty() => {
                println!("{}", runner.pid);
                break;
            }
            _ => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
    stuck.await.unwrap().unwrap();
}
