//! Short runs that share a permit: each has its own answer, its own end and its own blame.

use futures::future::join_all;
use ortolan_domain::ErrorCode;
use ortolan_domain::tensor::{Datatype, OutputValue, Tensor};
use ortolan_ml_client::{InferRequest, Inference};

use crate::{Bench, bench, code, f32s, long_loop, request, values};

fn i32s(name: &str, values: &[i32]) -> Tensor {
    let data = values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>().into();
    Tensor { name: name.to_owned(), datatype: Datatype::Int32, shape: vec![values.len() as i64], data }
}

/// Runs until a run was as short as it takes to ride, which a busy machine may delay; says how many it took.
async fn warm_up(bench: &Bench, request: impl Fn() -> InferRequest) -> u64 {
    for runs in 1.. {
        if bench.service.infer(request()).await.unwrap().timings.inference_ms < 0.4 {
            return runs;
        }
    }
    0
}

pub async fn short_runs_ride_together_and_each_gets_its_own_answer() {
    // One permit, and a single request may wait for it: 40 at once are only answered if they share it.
    let bench = bench(1, 1).await;
    let add = bench.model("a", "add").await;
    let ask = |n: f32| request(&add, vec![f32s("a", &[1], &[n]), f32s("b", &[1], &[0.5])]);
    let before = warm_up(&bench, || ask(0.0)).await;
    let answers = join_all((0..40).map(|n| bench.service.infer(ask(n as f32)))).await;
    for (n, answer) in answers.into_iter().enumerate() {
        assert_eq!(values(&answer.unwrap().outputs[0]), [n as f32 + 0.5]);
    }
    bench.until((0, 0)).await;
    let stats = bench.client.model_stats(None).await.unwrap();
    let all = before + 40;
    assert_eq!((stats[0].execution_count, stats[0].success.count), (all, all), "tensors were not put together");
}

pub async fn whoever_gets_off_leaves_the_others_alone() {
    let bench = bench(1, 100).await;
    let (add, endless) = (bench.model("a", "add").await, bench.model("a", "loop_n").await);
    let ask = |n: f32| request(&add, vec![f32s("a", &[1], &[n]), f32s("b", &[1], &[0.5])]);
    warm_up(&bench, || ask(0.0)).await;
    let mut long = Box::pin(bench.service.infer(long_loop(&endless)));
    tokio::select! {
        answer = &mut long => panic!("{answer:?}"),
        () = bench.until((1, 0)) => {}
    }
    // The first of them leads the others, and leaves while all wait for the permit; so does one of those it led.
    let mut riders: Vec<_> = (0..8).map(|n| Box::pin(bench.service.infer(ask(n as f32)))).collect();
    for rider in &mut riders {
        assert!(futures::poll!(rider).is_pending());
    }
    bench.until((1, 1)).await;
    drop((riders.remove(0), riders.remove(3)));
    drop(long);
    for (n, answer) in [1, 2, 3, 5, 6, 7].into_iter().zip(join_all(riders).await) {
        assert_eq!(values(&answer.unwrap().outputs[0]), [n as f32 + 0.5]);
    }
    bench.until((0, 0)).await;
}

pub async fn nobody_is_blamed_for_the_one_that_kills_the_runner() {
    let bench = bench(1, 100).await;
    let divide = bench.model_of("a", "hostile/models/div_int32.onnx").await;
    let ask = |a: i32, b: i32| request(&divide, vec![i32s("a", &[a]), i32s("b", &[b])]);
    warm_up(&bench, || ask(1, 1)).await;
    let quotients = |killer: usize| (0..8).map(move |n| if n == killer { (i32::MIN, -1) } else { (6 * n as i32, 3) });
    for killer in [0, 3, 7] {
        let answers = join_all(quotients(killer).map(|(a, b)| bench.service.infer(ask(a, b)))).await;
        for (n, answer) in answers.into_iter().enumerate() {
            if n == killer {
                assert_eq!(code(answer), ErrorCode::Crashed);
                continue;
            }
            let OutputValue::Tensor { data, .. } = &answer.unwrap().outputs[0].value else { panic!("no tensor") };
            assert_eq!(data[..], (2 * n as i32).to_le_bytes());
        }
    }
    bench.until((0, 0)).await;
}
