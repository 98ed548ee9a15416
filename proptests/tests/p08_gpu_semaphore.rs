//! Property 8: at most N runs hold the device, and N of them where as many want it, whoever comes, leaves early or stays;
//! and every permit comes back.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ortolan_domain::TenantSlug;
use ortolan_ml_service::FairGate;
use ortolan_proptests::{CASES, case};
use proptest::prelude::*;
use tokio::sync::Semaphore;

/// One call: whose, and for how many scheduler turns it holds its permit.
type Call = (u8, u8);

async fn turns(count: u8) {
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
}

async fn run(permits: usize, calls: Vec<Call>) -> anyhow::Result<()> {
    let gate = FairGate::new(permits, 1000);
    let (now, peak) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut tasks = tokio::task::JoinSet::new();
    for (tenant, hold) in calls {
        let (gate, now, peak) = (gate.clone(), now.clone(), peak.clone());
        let tenant = TenantSlug::parse(&format!("t{tenant}"))?;
        tasks.spawn(async move {
            let permit = gate.acquire(&tenant).await.unwrap();
            peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            turns(hold).await;
            now.fetch_sub(1, Ordering::SeqCst);
            drop(permit);
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended?;
    }
    anyhow::ensure!(
        peak.load(Ordering::SeqCst) <= permits,
        "{} of {permits} permits were out",
        peak.load(Ordering::SeqCst)
    );
    let facts = gate.facts();
    anyhow::ensure!((facts.running, facts.waiting) == (0, 0), "{facts:?}");
    Ok(())
}

/// While nobody gives a permit back, as many are out as there are, or as there are callers, and everybody else waits.
async fn fill(permits: usize, tenants: Vec<u8>) -> anyhow::Result<()> {
    let (gate, callers) = (FairGate::new(permits, 1000), tenants.len());
    let (out, door) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let mut tasks = tokio::task::JoinSet::new();
    for tenant in tenants {
        let (gate, out, door) = (gate.clone(), out.clone(), door.clone());
        let tenant = TenantSlug::parse(&format!("t{tenant}"))?;
        tasks.spawn(async move {
            let permit = gate.acquire(&tenant).await.unwrap();
            out.fetch_add(1, Ordering::SeqCst);
            // Nobody gets through before the door is closed for good.
            drop(door.acquire().await);
            drop(permit);
        });
    }
    while out.load(Ordering::SeqCst) + gate.facts().waiting < callers {
        tokio::task::yield_now().await;
    }
    let (most, reached) = (permits.min(callers), out.load(Ordering::SeqCst));
    anyhow::ensure!(reached == most, "{reached} of {permits} permits were out for {callers} callers");
    door.close();
    while let Some(ended) = tasks.join_next().await {
        ended?;
    }
    anyhow::ensure!(out.load(Ordering::SeqCst) == callers, "somebody was forgotten");
    let facts = gate.facts();
    anyhow::ensure!((facts.running, facts.peak, facts.waiting) == (0, most, 0), "{facts:?}");
    Ok(())
}

/// Waiters that leave at any moment cost nobody a permit.
async fn leave(permits: usize, held: usize, leavers: Vec<u8>) -> anyhow::Result<()> {
    let gate = FairGate::new(permits, 1000);
    let tenant = TenantSlug::parse("t")?;
    let mut permits_out = Vec::new();
    for _ in 0..held.min(permits) {
        permits_out.push(gate.acquire(&tenant).await?);
    }
    let mut waiting = Vec::new();
    for _ in &leavers {
        let (gate, tenant) = (gate.clone(), tenant.clone());
        waiting.push(tokio::spawn(async move { drop(gate.acquire(&tenant).await) }));
    }
    for (task, patience) in waiting.iter().zip(&leavers) {
        turns(*patience).await;
        task.abort();
        permits_out.pop();
    }
    for task in waiting {
        drop(task.await);
    }
    drop(permits_out);
    let facts = gate.facts();
    anyhow::ensure!((facts.running, facts.waiting) == (0, 0), "{facts:?}");
    Ok(())
}

#[test]
fn never_more_than_the_permits_and_nobody_is_forgotten() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    let calls = prop::collection::vec((0u8..4, 0u8..6), 1..40);
    proptest!(ProptestConfig::with_cases(CASES), |(permits in 1usize..5, calls in calls)| {
        case(&runtime, run(permits, calls))?;
    });
}

#[test]
fn all_permits_are_out_when_as_many_are_wanted() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    let tenants = prop::collection::vec(0u8..4, 1..20);
    proptest!(ProptestConfig::with_cases(CASES), |(permits in 1usize..9, tenants in tenants)| {
        case(&runtime, fill(permits, tenants))?;
    });
}

#[test]
fn waiters_that_leave_cost_nobody_a_permit() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    let leavers = prop::collection::vec(0u8..4, 1..20);
    proptest!(ProptestConfig::with_cases(CASES), |(permits in 1usize..4, held in 0usize..5, leavers in leavers)| {
        case(&runtime, leave(permits, held, leavers))?;
    });
}
