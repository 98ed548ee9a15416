//! What a caller may ask of tiling, with the reference program's defaults.

use ortolan_domain::config::{MatchMetric, Merge};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::grid::MAX_TILES;
use crate::options::MAX_DETECTIONS;

/// How a picture is cut into tiles and how their boxes are merged.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TilingOptions {
    /// Height of a tile in pixels, at least 1.
    pub slice_height: u32,
    /// Width of a tile in pixels, at least 1.
    pub slice_width: u32,
    /// Share of a tile that its neighbour covers too, from 0 to less than 1; cut to whole pixels.
    pub overlap_ratio: f64,
    /// How boxes that match become one.
    pub postprocess: Merge,
    /// How it is measured whether two boxes match.
    pub match_metric: MatchMetric,
    /// Boxes match from this overlap on, 0..=1.
    pub match_threshold: f64,
    /// Whether boxes of different classes may match.
    pub class_agnostic: bool,
    /// Whether the whole picture is looked at once more.
    pub full_image: bool,
    /// Most detections after merging, best first, 1..=[`MAX_DETECTIONS`].
    pub max_detections: usize,
}

impl Default for TilingOptions {
    fn default() -> Self {
        Self {
            slice_height: 512,
            slice_width: 512,
            overlap_ratio: 0.25,
            postprocess: Merge::default(),
            match_metric: MatchMetric::default(),
            match_threshold: 0.5,
            class_agnostic: false,
            full_image: false,
            max_detections: MAX_DETECTIONS,
        }
    }
}

/// Says why a picture cannot be looked at in tiles.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum TilingError {
    /// A tile has no pixels.
    #[error("slice_height and slice_width must be at least 1")]
    Slice,
    /// A share is none.
    #[error("{field} must be a number from 0 to {most}, not {value}")]
    Share {
        /// The option's name.
        field: &'static str,
        /// The end of its range.
        most: &'static str,
        /// What was given.
        value: f64,
    },
    /// The number of detections is out of range.
    #[error("max_detections must be from 1 to {MAX_DETECTIONS}, not {value}")]
    MaxDetections {
        /// What was given.
        value: usize,
    },
    /// The settings make too many tiles of the picture.
    #[error(
        "the picture of {width} x {height} pixels makes {tiles} tiles, at most {MAX_TILES} are looked at: choose larger slices or less overlap"
    )]
    TooMany {
        /// The picture's width.
        width: u32,
        /// The picture's height.
        height: u32,
        /// How many it would be.
        tiles: usize,
    },
    /// The model finds no boxes that could be merged.
    #[error("tiles need a model that finds boxes; this one finds masks or classes")]
    Model,
}

impl TilingOptions {
    /// Checks what can be checked without knowing the picture.
    pub fn check(&self) -> Result<(), TilingError> {
        if self.slice_height == 0 || self.slice_width == 0 {
            return Err(TilingError::Slice);
        }
        if !(0.0..1.0).contains(&self.overlap_ratio) {
            return Err(TilingError::Share { field: "overlap_ratio", most: "less than 1", value: self.overlap_ratio });
        }
        if !(0.0..=1.0).contains(&self.match_threshold) {
            return Err(TilingError::Share { field: "match_threshold", most: "1", value: self.match_threshold });
        }
        if !(1..=MAX_DETECTIONS).contains(&self.max_detections) {
            return Err(TilingError::MaxDetections { value: self.max_detections });
        }
        Ok(())
    }
}
