//! Draws what was found into the picture that it was found in.
//!
//! Flow: [`Finding::read`] understands the JSON of an artifact's payload; [`annotate`] draws findings into a [`Canvas`],
//! [`annotated`] into a picture.
//!
//! Invariants: nothing that findings say makes drawing fail or reach outside of the picture; sizes of lines and text follow
//! the picture's size; labels stay inside of the picture.

mod annotate;
mod canvas;
mod caption;
mod finding;
mod font;
mod label;
mod mask;
mod style;

pub use annotate::{annotate, annotated};
pub use canvas::{Canvas, Rgb};
pub use finding::{ClassScore, Finding, Mask, Rect};
