//! The production profile: the same product as separate processes, on a real PostgreSQL and Redis.

#![allow(clippy::unwrap_used)]

mod broker;
mod buckets;
mod caches;
mod callbacks;
mod connections;
mod deliveries;
mod forged;
mod log_lines;
mod observed;
mod processes;
mod reconcilers;
mod registry;
mod results;
mod second_signal;
#[path = "../e2e/sink.rs"]
#[allow(dead_code, reason = "the other folder of tests uses the rest")]
mod sink;
mod sockets;
mod start;
mod support;
mod tls;
mod without_redis;
