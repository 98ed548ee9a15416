//! Reading requests: every refusal here is a problem document that names what is wrong.

mod accept;
mod body;
mod client_ip;
mod idempotency;
mod json;
mod path;
mod prefer;
mod query;
mod tag;

pub use accept::preferred;
pub use body::read_limited;
pub use client_ip::ClientIp;
pub use idempotency::{IdempotencyKey, idempotency_conflict};
pub use json::{JsonBody, parse_json, require_json, require_object};
pub use path::{IdPath, NamePath, QuarantineId, SlotPath};
pub use prefer::{PreferAsync, PreferWait};
pub use query::{PageQuery, PageWish, Query, check_page, first_page, usual_page_size};
pub use tag::is_known;
