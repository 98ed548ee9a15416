//! The model's input: its type, its size or the rule that finds one.

use ortolan_domain::config::ImageSize;

use super::{VisionTask, layout, metadata::MAX_SIDE, metadata::Metadata};
use crate::{
    error::{OptionsError, ProfileError},
    geometry::Size,
    options::VisionOptions,
    tensor::{ElementType, TensorFacts},
};

/// Side of a detector's input when neither its shape nor its metadata says one.
const USUAL_SIDE: u32 = 640;
/// Side of a classifier's input, likewise.
const USUAL_CLASSIFIER_SIDE: u32 = 224;
/// Most pixels of an input.
const MAX_PIXELS: u64 = 16 << 20;

/// The element types an input may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InputElement {
    F32,
    F16,
}

/// How large the input is and what it is made of.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct InputRule {
    pub(crate) element: InputElement,
    /// Sides that the file fixes.
    height: Option<u32>,
    width: Option<u32>,
    /// The file's own size for sides that it leaves open.
    usual: Size,
    /// Multiple that open sides are rounded up to.
    stride: u32,
    /// Whether padding may shrink to the stride.
    shrinks: bool,
    /// Whether several pictures may be run at once.
    pub(crate) batches: bool,
}

impl InputRule {
    pub(super) fn read(
        task: VisionTask,
        inputs: &[TensorFacts],
        outputs: &[TensorFacts],
        metadata: &Metadata<'_>,
    ) -> Result<Self, ProfileError> {
        let refuse = || ProfileError::Input { slot: task, found: layout::describe_all(inputs) };
        let [input] = inputs else { return Err(refuse()) };
        let (element, [height, width]) = element_of(input).zip(open_sides(input)).ok_or_else(refuse)?;
        let classifies = task == VisionTask::Classify;
        let usual_side = if classifies { USUAL_CLASSIFIER_SIDE } else { USUAL_SIDE };
        let (usual_height, usual_width) = metadata.image_size()?.unwrap_or((usual_side, usual_side));
        let open = height.is_none() && width.is_none();
        // Exporters that free the size free the batch too; a fixed batch tells of a file made for full squares.
        let open_batch = outputs.first().is_some_and(|output| output.dims.first() == Some(&None));
        let rule = Self {
            element,
            height,
            width,
            usual: Size { width: usual_width, height: usual_height },
            stride: if classifies { 1 } else { metadata.stride()? },
            shrinks: open && open_batch && !classifies,
            batches: [input].into_iter().chain(outputs).all(|tensor| tensor.dims.first() == Some(&None)),
        };
        let pixels = |size: Size| u64::from(size.width) * u64::from(size.height);
        rule.sized(rule.usual).filter(|&size| pixels(size) <= MAX_PIXELS).map(|_| rule).ok_or_else(refuse)
    }

    /// The size to fit a picture into, and the stride that its padding may shrink to.
    pub(crate) fn target(&self, options: &VisionOptions) -> Result<(Size, Option<u32>), OptionsError> {
        let wanted = match options.image_size {
            None => self.usual,
            Some(ImageSize::Square(side)) => Size { width: side, height: side },
            Some(ImageSize::HeightWidth([height, width])) => Size { width, height },
        };
        let size = self.sized(wanted).filter(|size| u64::from(size.width) * u64::from(size.height) <= MAX_PIXELS);
        let size = size.ok_or_else(|| OptionsError::ImageSize {
            problem: format!(
                "{} x {} is outside 1 to {MAX_SIDE} pixels a side and {MAX_PIXELS} pixels in all",
                wanted.height, wanted.width
            ),
        })?;
        Ok((size, (self.shrinks && options.rectangular).then_some(self.stride)))
    }

    /// The file's fixed sides, and `wanted` rounded up to the stride for the open ones.
    fn sized(&self, wanted: Size) -> Option<Size> {
        let side = |fixed: Option<u32>, wanted: u32| match fixed {
            Some(side) => Some(side),
            None if (1..=MAX_SIDE).contains(&wanted) => Some(wanted.next_multiple_of(self.stride)),
            None => None,
        };
        Some(Size { width: side(self.width, wanted.width)?, height: side(self.height, wanted.height)? })
    }
}

fn element_of(input: &TensorFacts) -> Option<InputElement> {
    match input.element {
        ElementType::F32 => Some(InputElement::F32),
        ElementType::F16 => Some(InputElement::F16),
        ElementType::Other => None,
    }
}

/// Height and width of a `[1, 3, height, width]` input whose batch and channels may be open.
fn open_sides(input: &TensorFacts) -> Option<[Option<u32>; 2]> {
    let [None | Some(1), None | Some(3), height, width] = input.dims[..] else { return None };
    let side = |side: Option<u64>| match side {
        None => Some(None),
        Some(side) => u32::try_from(side).ok().filter(|side| (1..=MAX_SIDE).contains(side)).map(Some),
    };
    Some([side(height)?, side(width)?])
}
