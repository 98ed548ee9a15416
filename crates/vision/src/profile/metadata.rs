//! The entries of a file's metadata that matter here, read strictly.

use std::collections::BTreeMap;

use super::{
    VisionTask,
    classes::{ClassNames, displayable},
    layout::BoxKind,
    literal::Literal,
};
use crate::error::ProfileError;

/// Highest class number plus one that a file may name.
const MAX_CLASSES: i64 = 65_536;
/// Largest side of an input, in pixels.
pub(super) const MAX_SIDE: u32 = 8192;
/// Largest stride, in pixels.
const MAX_STRIDE: i64 = 1024;
/// Stride of a file that states none.
const USUAL_STRIDE: u32 = 32;
/// Most key points per object.
const MAX_KEYPOINTS: i64 = 4096;

/// A file's metadata, with typed readers.
pub(super) struct Metadata<'a> {
    entries: &'a BTreeMap<String, String>,
}

impl<'a> Metadata<'a> {
    pub(super) fn new(entries: &'a BTreeMap<String, String>) -> Self {
        Self { entries }
    }

    /// Whether the file states its task; files from the YOLOv5 exporter do not.
    pub(super) fn states_task(&self) -> bool {
        self.text("task").is_some()
    }

    /// What the box rows hold for a slot, `None` for a classifier; an error when the file's task is another one.
    pub(super) fn box_kind(&self, slot: VisionTask) -> Result<Option<BoxKind>, ProfileError> {
        let wanted = match slot {
            VisionTask::Detect => "detect, obb or pose",
            VisionTask::Segment => "segment",
            VisionTask::Classify => "classify",
        };
        match (slot, self.text("task")) {
            (VisionTask::Classify, None | Some("classify")) => Ok(None),
            (VisionTask::Segment, None | Some("segment")) => Ok(Some(BoxKind::Masks)),
            (VisionTask::Detect, None | Some("detect")) => Ok(Some(BoxKind::Upright)),
            (VisionTask::Detect, Some("obb")) => Ok(Some(BoxKind::Oriented)),
            (VisionTask::Detect, Some("pose")) => self.keypoint_shape().map(Some),
            (_, found) => Err(ProfileError::Task { slot, wanted, found: displayable(found.unwrap_or_default()) }),
        }
    }

    /// `names`: a dictionary from number to name, or a list of names.
    pub(super) fn class_names(&self) -> Result<ClassNames, ProfileError> {
        let error = || bad("names", "is not a dictionary of class numbers from 0 to 65535 and names");
        let pairs = match self.literal("names", error)? {
            None => return Ok(ClassNames::default()),
            Some(Literal::Dict(pairs)) => pairs,
            Some(Literal::List(names)) => (0..).map(Literal::Int).zip(names).collect(),
            Some(_) => return Err(error()),
        };
        let names = pairs.into_iter().map(numbered_name).collect::<Option<Vec<_>>>().ok_or_else(error)?;
        Ok(ClassNames::new(names))
    }

    /// `imgsz`: `[height, width]` or one number for both.
    pub(super) fn image_size(&self) -> Result<Option<(u32, u32)>, ProfileError> {
        let error = || bad("imgsz", &format!("is not one or two sizes from 1 to {MAX_SIDE}"));
        let side =
            |value: &Literal| value.as_int().and_then(|v| u32::try_from(v).ok()).filter(|v| (1..=MAX_SIDE).contains(v));
        let size = match self.literal("imgsz", error)? {
            None => return Ok(None),
            Some(Literal::List(sides)) => match sides.as_slice() {
                [height, width] => side(height).zip(side(width)),
                [both] => side(both).map(|side| (side, side)),
                _ => None,
            },
            Some(both) => side(&both).map(|side| (side, side)),
        };
        size.map(Some).ok_or_else(error)
    }

    /// `stride`: the multiple that the sides of an open input must have.
    pub(super) fn stride(&self) -> Result<u32, ProfileError> {
        let error = || bad("stride", &format!("is not a number from 1 to {MAX_STRIDE}"));
        let Some(stride) = self.literal("stride", error)? else { return Ok(USUAL_STRIDE) };
        let stride = stride.as_int().filter(|stride| (1..=MAX_STRIDE).contains(stride));
        stride.and_then(|stride| u32::try_from(stride).ok()).ok_or_else(error)
    }

    /// `end2end`, or `nms` among `args`: the output rows are final detections. `None` where the file does not say.
    pub(super) fn says_final_rows(&self) -> Result<Option<bool>, ProfileError> {
        let end2end = match self.literal("end2end", || bad("end2end", "is neither True nor False"))? {
            None => None,
            Some(Literal::Bool(value)) => Some(value),
            Some(_) => return Err(bad("end2end", "is neither True nor False")),
        };
        Ok(if self.has_nms_argument() { Some(true) } else { end2end })
    }

    /// `args` is the exporter's own note and may hold things that are no literals; then it says nothing.
    fn has_nms_argument(&self) -> bool {
        match self.text("args").and_then(Literal::parse) {
            Some(Literal::Dict(pairs)) => pairs.contains(&(Literal::Text("nms".to_owned()), Literal::Bool(true))),
            _ => false,
        }
    }

    fn keypoint_shape(&self) -> Result<BoxKind, ProfileError> {
        let error = || bad("kpt_shape", &format!("is not [points, 2 or 3] with 1 to {MAX_KEYPOINTS} points"));
        let Some(Literal::List(shape)) = self.literal("kpt_shape", error)? else { return Err(error()) };
        match shape.iter().map(Literal::as_int).collect::<Vec<_>>()[..] {
            [Some(points @ 1..=MAX_KEYPOINTS), Some(values @ 2..=3)] => {
                Ok(BoxKind::Pose { points: points as usize, with_visibility: values == 3 })
            }
            _ => Err(error()),
        }
    }

    fn literal(&self, key: &str, error: impl Fn() -> ProfileError) -> Result<Option<Literal>, ProfileError> {
        self.text(key).map(|text| Literal::parse(text).ok_or_else(error)).transpose()
    }

    fn text(&self, key: &str) -> Option<&'a str> {
        self.entries.get(key).map(String::as_str)
    }
}

fn bad(key: &'static str, problem: &str) -> ProfileError {
    ProfileError::Metadata { key, problem: problem.to_owned() }
}

/// Keys are numbers; exporters that go through JSON write them as text.
fn numbered_name((key, name): (Literal, Literal)) -> Option<(u32, String)> {
    let id = match key {
        Literal::Int(id) => id,
        Literal::Text(digits) => digits.parse().ok()?,
        _ => return None,
    };
    match name {
        Literal::Text(name) if (0..MAX_CLASSES).contains(&id) => Some((u32::try_from(id).ok()?, name)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn with<T>(key: &str, value: &str, read: impl Fn(Metadata<'_>) -> T) -> T {
        read(Metadata::new(&BTreeMap::from([(key.to_owned(), value.to_owned())])))
    }

    #[test]
    fn names_come_as_dictionary_or_list_and_nothing_else() {
        for text in ["{0: 'a', 1: 'b'}", "['a', 'b']", "{\"0\": \"a\", \"1\": \"b\"}"] {
            assert_eq!(with("names", text, |m| m.class_names().unwrap().label(1)), "b", "{text}");
        }
        for text in ["{0: 'a'", "__import__('os').system('id')", "{-1: 'a'}", "{99999999999: 'a'}", "{0: 1}", "7"] {
            assert!(with("names", text, |m| m.class_names().is_err()), "{text}");
        }
        assert_eq!(Metadata::new(&BTreeMap::new()).class_names().unwrap().len(), 0);
    }

    #[test]
    fn sizes_and_strides_have_limits() {
        assert_eq!(with("imgsz", "[160, 320]", |m| m.image_size().unwrap()), Some((160, 320)));
        assert_eq!(with("imgsz", "64", |m| m.image_size().unwrap()), Some((64, 64)));
        for text in ["[0, 0]", "[-160, -160]", "[1000000, 1000000]", "[160, 16", "[]", "'x'", "[1, 2, 3]"] {
            assert!(with("imgsz", text, |m| m.image_size().is_err()), "{text}");
        }
        assert_eq!(with("stride", "16", |m| m.stride().unwrap()), 16);
        for text in ["0", "-1", "2147483648", "1.5", "", "[8]"] {
            assert!(with("stride", text, |m| m.stride().is_err()), "{text}");
        }
    }

    #[test]
    fn final_rows_are_declared_in_two_ways() {
        assert_eq!(with("end2end", "True", |m| m.says_final_rows().unwrap()), Some(true));
        assert_eq!(with("end2end", "False", |m| m.says_final_rows().unwrap()), Some(false));
        assert_eq!(with("args", "{'nms': True}", |m| m.says_final_rows().unwrap()), Some(true));
        assert_eq!(with("args", "{'nms': False, 'p': PosixPath('x')}", |m| m.says_final_rows().unwrap()), None);
        assert!(with("end2end", "maybe", |m| m.says_final_rows().is_err()));
    }

    #[test]
    fn a_slot_refuses_other_tasks_in_clean_words() {
        let refusal = with("task", "launch\u{1b}[0m\n", |m| m.box_kind(VisionTask::Detect).unwrap_err().to_string());
        assert_eq!(
            refusal,
            "the detect slot needs a model for detect, obb or pose, the file says its task is \"launch[0m\""
        );
        assert!(with("task", "detect", |m| m.box_kind(VisionTask::Segment).is_err()));
        assert!(with("task", "pose", |m| m.box_kind(VisionTask::Detect).is_err()), "no kpt_shape");
    }
}
