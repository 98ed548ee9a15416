//! The faults, and when they strike.

use std::time::{Duration, Instant};

use anyhow::Result;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};

use crate::installation::Installation;
use crate::options::Options;
use crate::recovery::Recovery;

/// How long a process that was asked to stop may take; it waits for its runs for ten seconds.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Kill(&'static str),
    Stall(&'static str),
    Roll(&'static str),
    RedisRestart,
    RedisKill,
    RedisStall,
    RedisLoss,
    PostgresRestart,
    PostgresCrash,
}

const FAULTS: [Fault; 17] = [
    Fault::Kill("api"),
    Fault::Kill("worker"),
    Fault::Kill("ml-service"),
    Fault::Kill("reconciler"),
    Fault::Stall("api"),
    Fault::Stall("worker"),
    Fault::Stall("ml-service"),
    Fault::Roll("api"),
    Fault::Roll("worker"),
    Fault::Roll("ml-service"),
    Fault::Roll("reconciler"),
    Fault::RedisRestart,
    Fault::RedisKill,
    Fault::RedisStall,
    Fault::RedisLoss,
    Fault::PostgresRestart,
    Fault::PostgresCrash,
];

impl Fault {
    fn name(self) -> &'static str {
        match self {
            Self::Kill("api") => "kill -9 of an API",
            Self::Kill("worker") => "kill -9 of a worker",
            Self::Kill("ml-service") => "kill -9 of an ML service",
            Self::Kill(_) => "kill -9 of a reconciler",
            Self::Stall("api") => "SIGSTOP of an API",
            Self::Stall("worker") => "SIGSTOP of a worker",
            Self::Stall(_) => "SIGSTOP of an ML service",
            Self::Roll("api") => "rolling restart of the APIs",
            Self::Roll("worker") => "rolling restart of the workers",
            Self::Roll("ml-service") => "rolling restart of the ML services",
            Self::Roll(_) => "rolling restart of the reconcilers",
            Self::RedisRestart => "Redis restart",
            Self::RedisKill => "kill -9 of Redis",
            Self::RedisStall => "Redis stall",
            Self::RedisLoss => "FLUSHALL",
            Self::PostgresRestart => "PostgreSQL restart",
            Self::PostgresCrash => "PostgreSQL crash",
        }
    }
}

/// Injects until the time is up, or each fault once; gives what went wrong in ways that it may not.
pub async fn inject(
    options: &Options,
    random: &mut StdRng,
    installation: &mut Installation,
    recovery: &mut Recovery,
) -> Result<Vec<String>> {
    let (began, mut violations) = (Instant::now(), Vec::new());
    let mut turn = Vec::new();
    while options.time.is_none_or(|time| began.elapsed() < time) {
        if turn.is_empty() {
            turn = FAULTS.to_vec();
            turn.shuffle(random);
        }
        let Some(fault) = turn.pop() else { break };
        let pause = if options.time.is_some() { random.random_range(1.0..6.0) } else { random.random_range(0.3..1.2) };
        tokio::time::sleep(Duration::from_secs_f64(pause)).await;
        println!("{:7.1} s  {}, {} tasks open", began.elapsed().as_secs_f64(), fault.name(), recovery.open());
        let tasks = recovery.open();
        violations.extend(strike(fault, random, installation).await?);
        recovery.healed(fault.name(), tasks);
        if options.time.is_none() && turn.is_empty() {
            break;
        }
    }
    Ok(violations)
}

/// Does the damage and heals it.
async fn strike(fault: Fault, random: &mut StdRng, installation: &mut Installation) -> Result<Vec<String>> {
    let hold = Duration::from_secs_f64(random.random_range(0.3..2.5));
    match fault {
        Fault::Kill(service) => {
            let process = one_of(service, random, installation);
            installation.cluster.kill(process)?;
            tokio::time::sleep(hold).await;
            installation.cluster.restart(process)?;
            installation.settled(service).await;
        }
        Fault::Stall(service) => {
            let process = one_of(service, random, installation);
            installation.cluster.signal(process, "STOP", true)?;
            // Longer than a lease now and then.
            tokio::time::sleep(hold * 3).await;
            installation.cluster.signal(process, "CONT", true)?;
        }
        Fault::Roll(service) => return roll(service, installation).await,
        Fault::RedisRestart | Fault::RedisKill => {
            installation.redis.end(fault == Fault::RedisRestart)?;
            tokio::time::sleep(hold).await;
            installation.redis.begin()?;
        }
        Fault::RedisStall => {
            installation.redis.stall()?;
            tokio::time::sleep(hold).await;
            installation.redis.resume()?;
        }
        Fault::RedisLoss => drop(installation.redis.command(&["FLUSHALL"])?),
        Fault::PostgresRestart | Fault::PostgresCrash => {
            installation.postgres.end(fault == Fault::PostgresRestart)?;
            tokio::time::sleep(hold).await;
            installation.postgres.begin()?;
        }
    }
    Ok(Vec::new())
}

/// Stops and starts all processes of a service, one after the other; each must end well and in time.
async fn roll(service: &'static str, installation: &mut Installation) -> Result<Vec<String>> {
    let mut violations = Vec::new();
    for process in installation.processes[service].clone() {
        installation.cluster.signal(process, "TERM", false)?;
        let began = Instant::now();
        let status = loop {
            match installation.cluster.ended(process)? {
                Some(status) => break Some(status),
                None if began.elapsed() > STOP_LIMIT => break None,
                None => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        };
        match status {
            Some(status) if status.success() => {}
            Some(status) => {
                violations.push(format!("a process of {service} that was asked to stop ended with {status}"))
            }
            None => {
                violations.push(format!("a process of {service} that was asked to stop did not"));
                installation.cluster.kill(process)?;
            }
        }
        installation.cluster.restart(process)?;
        installation.settled(service).await;
    }
    Ok(violations)
}

fn one_of(service: &str, random: &mut StdRng, installation: &Installation) -> usize {
    *installation.processes[service].choose(random).unwrap()
}
