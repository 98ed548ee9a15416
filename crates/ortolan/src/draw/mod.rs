//! Draws what was found into the picture that it was found in.
//!
//! Flow: [`Finding::read`] understands an artifact's payload; [`annotate`] draws findings into a [`Canvas`];
//! [`write_png`] writes it. All but the last is pure.
//!
//! Invariants: nothing that a server answers makes drawing fail or reach outside of the picture; sizes of lines and text
//! follow the picture's size; labels stay inside of the picture.

mod annotate;
mod canvas;
mod caption;
mod file;
mod finding;
mod font;
mod label;
mod mask;
mod style;

pub use annotate::annotate;
pub use canvas::{Canvas, Rgb};
pub use file::{read_picture, write_png};
pub use finding::{ClassScore, Finding, Mask, Rect};
