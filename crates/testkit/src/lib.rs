//! What end-to-end tests need: the fixtures, a real server in a process of its own, and tenants who talk to it over HTTP.
//!
//! Flow: [`Server::start`] runs the real binary on a free port with a data folder of its own; [`Server::tenant`] makes a
//! tenant with a key; [`Tenant`] uploads, submits, waits and reads, as a stranger's client would.
//!
//! Invariant: nothing here knows the product's insides; what it relies on is the published contract.

mod bucket;
mod cluster;
mod collector;
mod database;
pub mod fixtures;
mod operator;
mod server;
mod stores;
mod tenant;

pub use bucket::{Bucket, BucketKind, BucketRequest, KEY, REGION};
pub use cluster::Cluster;
pub use collector::{CollectedSpan, Collector};
pub use database::{OwnDatabase, query};
pub use operator::Operator;
pub use server::{Server, ServerOptions, free_port};
pub use stores::{ThrowAwayPostgres, ThrowAwayRedis};
pub use tenant::{Answer, Tenant};
