//! What a model file says about itself: its input, its output layout, its classes.

mod classes;
mod input;
mod layout;
mod literal;
mod metadata;

use std::{collections::BTreeMap, fmt};

use crate::{
    error::{InterpretError, OptionsError, ProfileError},
    geometry::Framing,
    interpret,
    options::VisionOptions,
    output::VisionOutput,
    picture::{PictureView, RgbImage},
    prepare,
    tensor::{InputTensor, OutputView, Prepared, TensorFacts},
};

pub(crate) use classes::ClassNames;
pub(crate) use input::{InputElement, InputRule};
pub(crate) use layout::{BoxKind, BoxLayout, RowLayout, RowOrder, pick_classes};
use metadata::Metadata;

/// The three things a model is asked for; plain, turned and posed boxes all are `Detect`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VisionTask {
    /// Objects in boxes; the model decides among upright boxes, turned boxes and poses.
    Detect,
    /// Objects with masks.
    Segment,
    /// Probabilities of the whole picture.
    Classify,
}

impl fmt::Display for VisionTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Detect => "detect",
            Self::Segment => "segment",
            Self::Classify => "classify",
        })
    }
}

/// Everything needed to use a model: read once from the file's facts, then only consulted.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelProfile {
    task: VisionTask,
    pub(crate) input: InputRule,
    pub(crate) head: Head,
    pub(crate) names: ClassNames,
}

/// What the outputs hold.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Head {
    /// Rows of boxes, perhaps with angles, key points or mask coefficients.
    Boxes(BoxLayout),
    /// One value per class.
    Classes {
        /// How many; `None` is only known when the model runs.
        count: Option<usize>,
    },
}

impl ModelProfile {
    /// Reads what a file declares and checks that it can serve `task`.
    ///
    /// `metadata` values are Python literals as exporters write them (`names`, `imgsz`, `stride`, `task`, `end2end`,
    /// `args`, `kpt_shape`); they are parsed within bounds, never evaluated. An entry that is absent takes its usual
    /// value; one that is there and makes no sense is an error.
    pub fn read(
        task: VisionTask,
        inputs: &[TensorFacts],
        outputs: &[TensorFacts],
        metadata: &BTreeMap<String, String>,
    ) -> Result<Self, ProfileError> {
        let metadata = Metadata::new(metadata);
        let kind = metadata.box_kind(task)?;
        let mut names = metadata.class_names()?;
        let input = InputRule::read(task, inputs, outputs, &metadata)?;
        let head = match kind {
            None => Head::Classes { count: layout::read_class_count(outputs)? },
            Some(kind) => Head::Boxes(BoxLayout::read(task, kind, outputs, &metadata, names.len())?),
        };
        if let Some(count) = head.class_count() {
            names.keep(count);
        }
        Ok(Self { task, input, head, names })
    }

    /// The slot that the model was read for.
    pub fn task(&self) -> VisionTask {
        self.task
    }

    /// Checks options against the model, as [`Self::prepare`] and [`Self::interpret`] do too.
    pub fn check(&self, options: &VisionOptions) -> Result<(), OptionsError> {
        options.check_ranges()?;
        self.selected_classes(options)?;
        self.input.target(options).map(|_| ())
    }

    /// Fits a picture into the model's input.
    pub fn prepare(&self, image: &RgbImage, options: &VisionOptions) -> Result<Prepared, OptionsError> {
        let mut tensor = InputTensor::empty();
        let framing = self.prepare_into(image, options, &mut tensor)?;
        Ok(Prepared { tensor, framing })
    }

    /// As [`Self::prepare`], but writes into `tensor` and so reuses its memory.
    pub fn prepare_into(
        &self,
        image: &RgbImage,
        options: &VisionOptions,
        tensor: &mut InputTensor,
    ) -> Result<Framing, OptionsError> {
        self.prepare_batch(&[image.view()], options, tensor)
    }

    /// Fits several pictures of one size into an input `[pictures, 3, height, width]`; more than one only for a model
    /// that [takes them](Self::takes_batches). Their framing is the same.
    pub fn prepare_batch(
        &self,
        views: &[PictureView<'_>],
        options: &VisionOptions,
        tensor: &mut InputTensor,
    ) -> Result<Framing, OptionsError> {
        self.check(options)?;
        prepare::prepare_into(self, views, options, tensor)
    }

    /// Whether the file leaves the number of pictures of a run open.
    pub fn takes_batches(&self) -> bool {
        self.input.batches
    }

    /// Reads the outputs of a run, given in the order of the `outputs` that the profile was read from.
    pub fn interpret(
        &self,
        outputs: &[OutputView<'_>],
        framing: &Framing,
        options: &VisionOptions,
    ) -> Result<VisionOutput, InterpretError> {
        self.check(options)?;
        interpret::interpret(self, outputs, framing, options)
    }

    /// Reads the outputs of a run of `count` pictures that [`Self::prepare_batch`] made ready, one result for each.
    pub fn interpret_batch(
        &self,
        outputs: &[OutputView<'_>],
        count: usize,
        framing: &Framing,
        options: &VisionOptions,
    ) -> Result<Vec<VisionOutput>, InterpretError> {
        if count == 1 {
            return self.interpret(outputs, framing, options).map(|output| vec![output]);
        }
        let dims: Vec<Vec<usize>> =
            outputs.iter().map(|output| [&[1], output.dims.get(1..).unwrap_or(&[])].concat()).collect();
        let picture = |index| {
            let parts = outputs.iter().zip(&dims).map(|(output, dims)| {
                let part = output.of_picture(index, count, dims);
                part.ok_or_else(|| layout::mismatch(output.dims, &format!("{count} pictures in the first dimension")))
            });
            self.interpret(&parts.collect::<Result<Vec<_>, _>>()?, framing, options)
        };
        (0..count).map(picture).collect()
    }

    /// The numbers of the classes that the caller wants, sorted; `None` means all.
    pub(crate) fn selected_classes(&self, options: &VisionOptions) -> Result<Option<Vec<u32>>, OptionsError> {
        if options.classes.is_empty() {
            return Ok(None);
        }
        self.names.select(&options.classes, self.head.class_count()).map(Some)
    }
}

impl Head {
    fn class_count(&self) -> Option<usize> {
        match self {
            Self::Boxes(layout) => layout.declared_classes,
            Self::Classes { count } => *count,
        }
    }
}
