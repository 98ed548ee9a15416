//! What happens to every request before and after its handler.
//!
//! [`Around`] does it all. From the outside in: [`edge`] gives the request its id, times it, logs it and writes refusals out as
//! problem documents; [`cors`] answers browsers; [`guard`] bounds how much is under way and turns a panic into a refusal.
//! [`drain`] lets a client finish sending before it is refused.

mod around;
mod cors;
mod drain;
mod edge;
mod guard;
mod origin;
mod request_id;

pub use around::Around;
pub use origin::{origin, trace};
pub use request_id::RequestId;
