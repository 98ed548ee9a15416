//! A closed loop over HTTP/1.1: each connection sends the request, reads the whole answer, notes the time and begins again.
//!
//! Everything runs on one thread, and the request is a ready text, so that the generator stays cheaper than what it measures. It
//! tells its own share of its core: near 1 the figure is the generator's limit.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::LocalSet;

use crate::answers::Answers;

/// An answer that has not come by then is an error.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pause after an error, lest a server that refuses is drowned.
const PAUSE: Duration = Duration::from_millis(20);

/// What to send, to whom and for how long.
pub struct Plan {
    /// Where the server listens.
    pub address: SocketAddr,
    /// The whole request.
    pub request: Vec<u8>,
    /// Connections, each with one request under way.
    pub connections: usize,
    /// How long it is measured.
    pub measured: Duration,
    /// How long requests are sent before that.
    pub warm_up: Duration,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Good answers a second.
    per_s: f64,
    /// Good answers.
    answers: usize,
    /// Half of the good answers took at most so long.
    p50_ms: f64,
    /// 99 of 100 took at most so long.
    p99_ms: f64,
    /// Answers with another status than 200 or 201, and broken connections.
    errors: u64,
    /// The first of them.
    first_error: Option<String>,
    /// Processor seconds of this program a second.
    load_cores: f64,
}

#[derive(Default)]
struct Count {
    latencies_us: Vec<u32>,
    errors: u64,
    first_error: Option<String>,
}

/// Runs the plan to its end.
pub fn run(runtime: &Runtime, plan: Plan) -> Result<Report> {
    LocalSet::new().block_on(runtime, measure(plan))
}

async fn measure(plan: Plan) -> Result<Report> {
    let from = Instant::now() + plan.warm_up;
    let until = from + plan.measured;
    let (plan, count) = (Rc::new(plan), Rc::new(RefCell::new(Count::default())));
    let converse = |_| tokio::task::spawn_local(converse(Rc::clone(&plan), Rc::clone(&count), from, until));
    let conversations: Vec<_> = (0..plan.connections).map(converse).collect();
    tokio::time::sleep_until(from.into()).await;
    let before = processor_time()?;
    tokio::time::sleep_until(until.into()).await;
    let used = processor_time()? - before;
    for conversation in conversations {
        conversation.await?;
    }
    Ok(count.take().report(plan.measured, used))
}

/// One connection until the end, opened again whenever it broke.
async fn converse(plan: Rc<Plan>, count: Rc<RefCell<Count>>, from: Instant, until: Instant) {
    let (mut stream, mut answers) = (None, Answers::new());
    loop {
        let began = Instant::now();
        if began >= until {
            return;
        }
        let answer = tokio::time::timeout(PATIENCE, exchange(&plan, &mut stream, &mut answers)).await;
        let ended = Instant::now();
        let outcome = match answer {
            Ok(Ok(200 | 201)) => Ok(()),
            Ok(Ok(status)) => Err(format!("status {status}")),
            Ok(Err(error)) => Err(format!("{error:#}")),
            Err(_) => Err(format!("no answer within {PATIENCE:?}")),
        };
        match outcome {
            Ok(()) if (from..until).contains(&ended) => count.borrow_mut().good(ended - began),
            Ok(()) => {}
            Err(reason) => {
                stream = None;
                count.borrow_mut().bad(reason);
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn exchange(plan: &Plan, kept: &mut Option<TcpStream>, answers: &mut Answers) -> Result<u16> {
    let mut stream = match kept.take() {
        Some(stream) => stream,
        None => {
            let stream = TcpStream::connect(plan.address).await.context("cannot connect")?;
            stream.set_nodelay(true)?;
            stream
        }
    };
    stream.write_all(&plan.request).await.context("cannot send")?;
    let status = answers.next(&mut stream).await?;
    *kept = Some(stream);
    Ok(status)
}

impl Count {
    fn good(&mut self, took: Duration) {
        self.latencies_us.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
    }

    fn bad(&mut self, reason: String) {
        self.errors += 1;
        self.first_error.get_or_insert(reason);
    }

    fn report(mut self, measured: Duration, used: Duration) -> Report {
        self.latencies_us.sort_unstable();
        let last = self.latencies_us.len().saturating_sub(1);
        let ms_at = |share: f64| {
            let at = (last as f64 * share).round() as usize;
            self.latencies_us.get(at).map_or(0.0, |us| f64::from(*us) / 1e3)
        };
        Report {
            per_s: self.latencies_us.len() as f64 / measured.as_secs_f64(),
            answers: self.latencies_us.len(),
            p50_ms: ms_at(0.5),
            p99_ms: ms_at(0.99),
            errors: self.errors,
            load_cores: used.as_secs_f64() / measured.as_secs_f64(),
            first_error: self.first_error,
        }
    }
}

/// Processor time of this process so far, as the kernel's scheduler counts it.
fn processor_time() -> Result<Duration> {
    let stat = std::fs::read_to_string("/proc/self/schedstat")?;
    let ns = stat.split(' ').next().and_then(|ns| ns.parse().ok()).context("/proc/self/schedstat")?;
    Ok(Duration::from_nanos(ns))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn good_answers_are_timed_and_others_are_errors() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut room = [0; 64];
            for status in [200, 201, 503] {
                assert_eq!(stream.read(&mut room).unwrap(), 4);
                write!(stream, "HTTP/1.1 {status} x\r\ncontent-length: 2\r\n\r\n{{}}").unwrap();
            }
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let plan = Plan {
            address,
            request: b"GET?".to_vec(),
            connections: 1,
            measured: Duration::from_millis(200),
            warm_up: Duration::ZERO,
        };
        let report = run(&runtime, plan).unwrap();
        assert_eq!((report.answers, report.first_error.as_deref()), (2, Some("status 503")));
        assert!(report.errors >= 1);
    }
}
