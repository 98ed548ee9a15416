//! Uploaded pictures, sounds and videos.
//!
//! A media object can be deleted at any time, also while tasks that have not ended look at it: those tasks fail with a
//! clear error. What already began to read it may still end well.

mod content;
mod delete;
mod get;
mod list;
mod range;
mod receive;
mod upload;
mod view;

pub use receive::{Incoming, delete_media, receive, refused_by_decoder, register};

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::ApiState;

/// The routes of media objects.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list::list_media, upload::upload_media))
        .routes(routes!(get::get_media, delete::delete_one))
        .routes(routes!(content::media_content))
}
