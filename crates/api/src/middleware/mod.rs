//! What happens to every request before and after its handler.
//!
//! From the outside in: [`edge`] gives the request its id, times it, logs it and writes refusals out as problem documents;
//! CORS answers browsers; [`guard`] bounds how much is under way and turns a panic into a refusal. [`drain`] lets a client
//! finish sending before it is refused.

mod cors;
mod drain;
mod edge;
mod guard;
mod origin;
mod request_id;

pub use cors::cors;
pub use edge::edge;
pub use guard::guard;
pub use origin::origin;
pub use request_id::RequestId;
