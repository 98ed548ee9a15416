//! One batch through its model.

use std::time::Duration;

use ortolan_domain::tensor::{Output, OutputValue, Tensor, concat_rows, split_rows};
use ortolan_ml_client::{BatchClose, InferAnswer};
use ortolan_runner::{CheckedInputs, Timings};
use tokio::time::Instant;

use crate::batch::Member;
use crate::batch::gather::Batch;
use crate::convert;
use crate::gate::Permit;
use crate::service::MlService;
use crate::stats::Ran;

/// The device's permit for a batch; nothing when nobody waits for the answer any more.
pub(super) async fn permit(service: &MlService, batch: &mut Batch) -> Option<Permit> {
    let tenant = batch.members.first()?.prepared.key.tenant().clone();
    let outcome = tokio::select! {
        permit = service.0.gate.acquire(&tenant) => permit,
        () = all_gone(&mut batch.members) => return None,
    };
    outcome
        .inspect_err(|full| {
            let error = convert::full(full);
            batch.members.drain(..).for_each(|member| drop(member.answer.send(Err(error.clone()))));
        })
        .ok()
}

/// Runs a batch and hands out its answers.
pub(super) async fn run(service: MlService, mut members: Vec<Member>, permit: Permit, why: BatchClose) {
    members.retain(|member| !member.answer.is_closed());
    if members.len() < 2 {
        if let Some(only) = members.pop() {
            alone(&service, only, Some(permit), why).await;
        }
        return;
    }
    let Some(together) = concat(&members) else { return each_alone(&service, members).await };
    let Some((deadline, first)) = members.iter().map(|member| member.prepared.deadline).max().zip(members.first())
    else {
        return;
    };
    let began = Instant::now();
    let mut prepared = first.prepared.with(together, deadline);
    let ran = tokio::select! {
        ran = prepared.run(&service, permit) => ran,
        () = all_gone(&mut members) => return,
    };
    let outputs_and_times = ran.ok().and_then(|answer| Some((split(answer.outputs, &members)?, answer.timings)));
    let Some((answers, timings)) = outputs_and_times else { return each_alone(&service, members).await };
    hand_out(&service, members, answers, timings, began, why);
}

/// Ends when nobody waits for an answer any more; never for nobody at all.
async fn all_gone(members: &mut [Member]) {
    for member in members {
        member.answer.closed().await;
    }
}

fn concat(members: &[Member]) -> Option<CheckedInputs> {
    let first = &members.first()?.prepared.checked;
    let column = |index: usize| {
        let tensors: Option<Vec<Tensor>> =
            members.iter().map(|member| member.prepared.checked.inputs.get(index).cloned()).collect();
        concat_rows(&tensors?)
    };
    let inputs = (0..first.inputs.len()).map(column).collect::<Option<_>>()?;
    Some(CheckedInputs { inputs, outputs: first.outputs.clone() })
}

/// Each member's rows of all outputs; nothing when an output does not have the rows of the inputs.
fn split(outputs: Vec<Output>, members: &[Member]) -> Option<Vec<Vec<Output>>> {
    let rows: Vec<_> = members.iter().map(|member| member.rows).collect();
    let mut answers: Vec<Vec<Output>> = members.iter().map(|_| Vec::new()).collect();
    for Output { name, value } in outputs {
        let OutputValue::Tensor { datatype, shape, data } = value else { return None };
        let portions = split_rows(&Tensor { name, datatype, shape, data }, &rows)?;
        for (answer, Tensor { name, datatype, shape, data }) in answers.iter_mut().zip(portions) {
            answer.push(Output { name, value: OutputValue::Tensor { datatype, shape, data } });
        }
    }
    Some(answers)
}

fn hand_out(
    service: &MlService,
    members: Vec<Member>,
    answers: Vec<Vec<Output>>,
    timings: Timings,
    began: Instant,
    why: BatchClose,
) {
    let rows: usize = members.iter().map(|member| member.rows).sum();
    let waits: Vec<Duration> = members.iter().map(|member| began - member.arrived).collect();
    if let Some(first) = members.first() {
        service.note(&first.prepared.key.model, &Ran { rows, waits: &waits, timings, closed: why });
    }
    for ((member, outputs), waited) in members.into_iter().zip(answers).zip(waits) {
        let timings = convert::timings(waited.as_secs_f64() * 1e3, timings);
        let model_sha256 = member.prepared.model_sha256().to_owned();
        let batch_size = u32::try_from(rows).unwrap_or(u32::MAX);
        // Whoever asked may be gone.
        member.answer.send(Ok(InferAnswer { outputs, model_sha256, timings, batch_size })).ok();
    }
}

/// A batch failed as a whole: the ones to blame fail again, the others do not.
async fn each_alone(service: &MlService, members: Vec<Member>) {
    for member in members {
        alone(service, member, None, BatchClose::Alone).await;
    }
}

async fn alone(service: &MlService, mut member: Member, permit: Option<Permit>, why: BatchClose) {
    let answer = tokio::select! {
        answer = member.prepared.clone().answer(service, permit, why) => answer,
        () = member.answer.closed() => return,
    };
    // Whoever asked may be gone.
    member.answer.send(answer).ok();
}
