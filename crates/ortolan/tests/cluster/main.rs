//! The production profile: the same product as separate processes, on a real PostgreSQL and Redis.

#![allow(clippy::unwrap_used)]

mod broker;
mod buckets;
mod caches;
mod connections;
mod forged;
mod observed;
mod processes;
mod reconcilers;
mod registry;
mod sockets;
mod start;
mod support;
mod tls;
