//! Tiled detection, as the SAHI package does it: a large picture is cut into overlapping tiles, each is looked at like a
//! picture of its own, and the boxes of all are merged.
//!
//! `grid` cuts, `merge` says which boxes belong together, `gather` collects what the passes give.

mod gather;
mod grid;
mod merge;
mod options;

pub use gather::Gatherer;
pub use grid::MAX_TILES;
pub use options::{TilingError, TilingOptions};
