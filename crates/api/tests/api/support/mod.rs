//! A whole application in a temporary folder, and short ways to talk to it.

mod app;
mod artifacts;
mod client;
mod ml;
mod models;

pub use app::TestApp;
pub use artifacts::artifact;
pub use client::{Answer, Client, form};
pub use ml::{AUDIO, BROKEN, CRASHING, MODEL, PICTURE, SLOW, UNKNOWN};

/// A media object and a model in its slot: what a detection needs.
pub async fn ready_for_detection(client: &Client) -> String {
    client.put_bytes("/slots/detect", MODEL).await.is(200);
    client.upload(PICTURE).await
}
