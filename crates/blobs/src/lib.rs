//! Bytes of media and models, by path, over `object_store`: in a local folder, in S3, or in Google Cloud Storage.
//!
//! Flow: the API streams an upload in, which is counted, limited and hashed on the way; the ML service reads objects by
//! the paths that jobs name.
//!
//! Invariants: a path is checked before it is used, and a tenant's before it is looked at as one; an object is there whole
//! or not at all; what goes wrong while it is put leaves nothing behind and leaves the previous object alone.

mod blobs;
mod bucket;
mod error;
mod path;
mod probe;
mod upload;
mod url;

pub use blobs::{Blobs, ObjectFacts};
pub use bucket::{GcsCredentials, GcsSettings, Patience, S3Key, S3Settings};
pub use error::BlobError;
pub use path::{ObjectPath, ObjectPathError};
pub use probe::ProbeError;
pub use upload::Stored;
pub use url::{ObjectUrl, ObjectUrlError};
