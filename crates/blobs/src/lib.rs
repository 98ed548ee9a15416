//! Bytes of media and models, by path, over `object_store`.
//!
//! Flow: the API streams an upload in, which is counted, limited and hashed on the way; the ML service reads objects by
//! the paths that jobs name.
//!
//! Invariants: a path is checked before it is used, and a tenant's before it is looked at as one; an object is there whole
//! or not at all; what goes wrong while it is put leaves nothing behind and leaves the previous object alone.

mod blobs;
mod error;
mod path;
mod upload;

pub use blobs::{Blobs, ObjectFacts};
pub use error::BlobError;
pub use path::{ObjectPath, ObjectPathError};
pub use upload::Stored;
