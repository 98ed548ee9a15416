//! Receiving files: from the wire straight into the object store, and nothing left behind when it does not end well.

mod form;
mod pending;
mod source;
mod staged;

pub use form::Form;
pub use pending::PendingObject;
pub use source::{UploadError, bytes_of, unfetched};
pub use staged::StagedModel;

use ortolan_blobs::BlobError;
use ortolan_domain::ErrorCode;

use crate::error::ApiError;

impl From<BlobError> for ApiError {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::TooLarge { max_bytes } => {
                Self::new(ErrorCode::TooLarge, format!("the file may have at most {max_bytes} bytes"))
            }
            BlobError::Source(cause) => match cause.downcast::<UploadError>() {
                Ok(cause) => (*cause).into(),
                Err(cause) => Self::internal(cause.as_ref()),
            },
            BlobError::NotFound(_) => Self::new(ErrorCode::NotFound, "the bytes are gone"),
            error => Self::unavailable("the object store", &error),
        }
    }
}
