//! Which output layout a detector has: decided from its metadata and shapes, checked again against every run.

use super::{VisionTask, metadata::Metadata};
use crate::{
    error::{InterpretError, ProfileError},
    tensor::{ElementType, OutputView, TensorFacts},
};

/// Columns of a row of final detections before anything extra: four for the box, score, class.
const FINAL_COLUMNS: usize = 6;

/// What a row of boxes carries besides the box, its score and its class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BoxKind {
    /// Nothing.
    Upright,
    /// An angle.
    Oriented,
    /// Key points of two or three values each.
    Pose { points: usize, with_visibility: bool },
    /// Mask coefficients, one per prototype of the other output.
    Masks,
}

/// What the file declares about its box rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BoxLayout {
    pub(crate) kind: BoxKind,
    /// The output with the rows, rank 3.
    rows_output: usize,
    /// The output with the mask prototypes, rank 4.
    prototypes_output: Option<usize>,
    clues: Clues,
    /// Number of classes where the declared shape tells.
    pub(crate) declared_classes: Option<usize>,
}

/// What the metadata adds to a shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Clues {
    final_rows: Option<bool>,
    named_classes: usize,
    states_task: bool,
}

/// How the numbers of one run are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowLayout {
    pub(crate) order: RowOrder,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

/// The known row layouts; `classes` counts class scores, extras follow them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowOrder {
    /// `[1, 4 + classes + extras, rows]`: centre, size, class scores.
    ColumnsFirst { classes: usize },
    /// `[1, rows, 5 + classes + extras]`: centre, size, objectness, class scores.
    Objectness { classes: usize },
    /// `[1, rows, 6 + extras]`: final detections, corners (or centre, size when turned), score, class.
    Final,
}

impl BoxLayout {
    pub(super) fn read(
        task: VisionTask,
        kind: BoxKind,
        outputs: &[TensorFacts],
        metadata: &Metadata<'_>,
        named_classes: usize,
    ) -> Result<Self, ProfileError> {
        let refuse = || ProfileError::Output { slot: task, wanted: kind.wanted(), found: describe_all(outputs) };
        let rows_output = position(outputs, 3).ok_or_else(refuse)?;
        let prototypes_output = position(outputs, 4).filter(|_| kind == BoxKind::Masks);
        let prototypes = prototypes_output.map(|index| outputs[index].dims[1]);
        if kind == BoxKind::Masks && prototypes.is_none() {
            return Err(refuse());
        }
        let [batch, second, third] = outputs[rows_output].dims[..] else { return Err(refuse()) };
        let clues =
            Clues { final_rows: metadata.says_final_rows()?, named_classes, states_task: metadata.states_task() };
        let extras = kind.extras(prototypes.flatten().and_then(|n| usize::try_from(n).ok()));
        let order = clues.decide(kind, extras, [second, third].map(|n| n.and_then(|n| usize::try_from(n).ok())));
        let order = order.filter(|_| matches!(batch, None | Some(1))).ok_or_else(refuse)?;
        let declared_classes = order.and_then(RowOrder::classes);
        Ok(Self { kind, rows_output, prototypes_output, clues, declared_classes })
    }

    /// Finds the rows and the prototypes among a run's outputs and how the rows are laid out.
    pub(crate) fn resolve<'a>(
        &self,
        outputs: &[OutputView<'a>],
    ) -> Result<(RowLayout, OutputView<'a>, Option<OutputView<'a>>), InterpretError> {
        let prototypes = self.prototypes_output.map(|index| pick(outputs, index, 4)).transpose()?;
        let rows = pick(outputs, self.rows_output, 3)?;
        let (second, third) = (rows.dims[1], rows.dims[2]);
        let extras = self.kind.extras(prototypes.map(|prototypes| prototypes.dims[1]));
        let order = self.clues.decide(self.kind, extras, [Some(second), Some(third)]).flatten();
        let order = order.ok_or_else(|| mismatch(rows.dims, &self.kind.wanted()))?;
        let (rows_count, columns) = match order {
            RowOrder::ColumnsFirst { .. } => (third, second),
            RowOrder::Objectness { .. } | RowOrder::Final => (second, third),
        };
        Ok((RowLayout { order, rows: rows_count, columns }, rows, prototypes))
    }
}

impl BoxKind {
    /// Extra columns; `None` while the number of mask prototypes is unknown.
    fn extras(self, prototypes: Option<usize>) -> Option<usize> {
        match self {
            Self::Upright => Some(0),
            Self::Oriented => Some(1),
            Self::Pose { points, with_visibility } => Some(points * if with_visibility { 3 } else { 2 }),
            Self::Masks => prototypes,
        }
    }

    fn wanted(self) -> String {
        let rows = "[1, 4 + classes, boxes], [1, boxes, 5 + classes] or [1, boxes, 6]";
        match self {
            Self::Upright => format!("an output of float {rows}"),
            Self::Oriented => "an output of float [1, 4 + classes + 1, boxes] or [1, boxes, 7]".to_owned(),
            Self::Pose { .. } => {
                "an output of float [1, 4 + classes + key points, boxes] or [1, boxes, 6 + key points]".to_owned()
            }
            Self::Masks => format!(
                "an output of float {rows} with as many columns more as its second output, float [1, prototypes, height, width], has prototypes"
            ),
        }
    }
}

impl RowOrder {
    pub(crate) fn classes(self) -> Option<usize> {
        match self {
            Self::ColumnsFirst { classes } | Self::Objectness { classes } => Some(classes),
            Self::Final => None,
        }
    }
}

impl Clues {
    /// Decides on a layout for a shape `[1, second, third]`.
    ///
    /// `None` when nothing fits; `Some(None)` when the shape is too open to tell yet.
    fn decide(self, kind: BoxKind, extras: Option<usize>, dims: [Option<usize>; 2]) -> Option<Option<RowOrder>> {
        let [second, third] = dims;
        let Some(extras) = extras else { return Some(None) };
        if self.has_final_rows(kind, third) {
            return match third {
                Some(columns) if columns != FINAL_COLUMNS + extras => None,
                Some(_) => Some(Some(RowOrder::Final)),
                None => Some(None),
            };
        }
        let may_have_objectness = matches!(kind, BoxKind::Upright | BoxKind::Masks);
        let rows_first = may_have_objectness && self.is_rows_first(extras, second, third);
        let (columns, box_columns) = if rows_first { (third, 5) } else { (second, 4) };
        let Some(columns) = columns else { return Some(None) };
        let classes = columns.checked_sub(box_columns + extras).filter(|&classes| classes > 0)?;
        Some(Some(if rows_first { RowOrder::Objectness { classes } } else { RowOrder::ColumnsFirst { classes } }))
    }

    /// Six columns mean final rows even when the metadata is silent, except in a file from an exporter that knows no
    /// final rows and whose only class makes six columns out of five and one.
    fn has_final_rows(self, kind: BoxKind, columns: Option<usize>) -> bool {
        let one_class_with_objectness =
            self.named_classes == 1 && (!self.states_task || self.final_rows == Some(false));
        match self.final_rows {
            Some(true) => true,
            _ => kind == BoxKind::Upright && columns == Some(FINAL_COLUMNS) && !one_class_with_objectness,
        }
    }

    /// Whether the last dimension is the columns: the one that the class names fit, else the smaller one.
    fn is_rows_first(self, extras: usize, second: Option<usize>, third: Option<usize>) -> bool {
        if self.named_classes > 0 && second == Some(4 + self.named_classes + extras) {
            return false;
        }
        if self.named_classes > 0 && third == Some(5 + self.named_classes + extras) {
            return true;
        }
        match (second, third) {
            (Some(second), Some(third)) => third != 0 && third < second,
            (None, Some(_)) => true,
            (_, None) => false,
        }
    }
}

/// Number of classes of a classifier's output `[1, classes]`.
pub(super) fn read_class_count(outputs: &[TensorFacts]) -> Result<Option<usize>, ProfileError> {
    let refuse = || ProfileError::Output {
        slot: VisionTask::Classify,
        wanted: "an output of float [1, classes]".to_owned(),
        found: describe_all(outputs),
    };
    let first = outputs.first().filter(|output| output.element != ElementType::Other).ok_or_else(refuse)?;
    match first.dims[..] {
        [None | Some(1), None] => Ok(None),
        [None | Some(1), Some(classes @ 1..)] => usize::try_from(classes).map(Some).map_err(|_| refuse()),
        _ => Err(refuse()),
    }
}

/// Finds a classifier's output in a run.
pub(crate) fn pick_classes<'a>(outputs: &[OutputView<'a>]) -> Result<OutputView<'a>, InterpretError> {
    pick(outputs, 0, 2)
}

/// A run's output of the given rank, with one batch and as many elements as its dimensions say.
fn pick<'a>(outputs: &[OutputView<'a>], index: usize, rank: usize) -> Result<OutputView<'a>, InterpretError> {
    let wanted = format!("an output {index} of rank {rank} with a batch of 1");
    let Some(output) = outputs.get(index) else {
        return Err(InterpretError::Shape { found: format!("{} outputs", outputs.len()), wanted });
    };
    let elements = output.dims.iter().try_fold(1_usize, |product, &dim| product.checked_mul(dim));
    if output.dims.len() != rank || output.dims[0] != 1 || elements != Some(output.data.len()) {
        return Err(mismatch(output.dims, &wanted));
    }
    Ok(*output)
}

pub(super) fn mismatch(dims: &[usize], wanted: &str) -> InterpretError {
    InterpretError::Shape { found: describe_dims(dims.iter().map(|&dim| Some(dim as u64))), wanted: wanted.to_owned() }
}

/// The first output of floats with the given rank.
fn position(outputs: &[TensorFacts], rank: usize) -> Option<usize> {
    outputs.iter().position(|output| output.dims.len() == rank && output.element != ElementType::Other)
}

/// Types and shapes in words, the first few of them; names stay out, they are the file's own text.
pub(super) fn describe_all(tensors: &[TensorFacts]) -> String {
    const SHOWN: usize = 4;
    if tensors.is_empty() {
        return "none".to_owned();
    }
    let mut parts: Vec<_> = tensors.iter().take(SHOWN).map(describe).collect();
    if tensors.len() > SHOWN {
        parts.push(format!("{} more", tensors.len() - SHOWN));
    }
    parts.join(" and ")
}

fn describe(tensor: &TensorFacts) -> String {
    let element = match tensor.element {
        ElementType::F32 => "float",
        ElementType::F16 => "float16",
        ElementType::Other => "another type",
    };
    format!("{element} {}", describe_dims(tensor.dims.iter().copied()))
}

fn describe_dims(dims: impl ExactSizeIterator<Item = Option<u64>>) -> String {
    const SHOWN: usize = 6;
    let more = if dims.len() > SHOWN { ", ..." } else { "" };
    let shown: Vec<_> = dims.take(SHOWN).map(|dim| dim.map_or("?".to_owned(), |dim| dim.to_string())).collect();
    format!("[{}{more}]", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::{RowOrder::*, *};

    fn clues(named_classes: usize, final_rows: Option<bool>, states_task: bool) -> Clues {
        Clues { final_rows, named_classes, states_task }
    }

    #[test]
    fn names_tell_columns_from_rows_whichever_is_larger() {
        let three = clues(3, None, true);
        assert_eq!(
            three.decide(BoxKind::Upright, Some(0), [Some(7), Some(500)]),
            Some(Some(ColumnsFirst { classes: 3 }))
        );
        assert_eq!(
            three.decide(BoxKind::Upright, Some(0), [Some(500), Some(8)]),
            Some(Some(Objectness { classes: 3 }))
        );
        assert_eq!(
            three.decide(BoxKind::Upright, Some(0), [Some(7), Some(2)]),
            Some(Some(ColumnsFirst { classes: 3 }))
        );
        assert_eq!(three.decide(BoxKind::Upright, Some(0), [Some(2), Some(8)]), Some(Some(Objectness { classes: 3 })));
    }

    #[test]
    fn without_names_the_smaller_dimension_is_the_columns() {
        let unnamed = clues(0, None, true);
        assert_eq!(
            unnamed.decide(BoxKind::Upright, Some(0), [Some(84), Some(8400)]),
            Some(Some(ColumnsFirst { classes: 80 }))
        );
        assert_eq!(
            unnamed.decide(BoxKind::Upright, Some(0), [Some(25_200), Some(85)]),
            Some(Some(Objectness { classes: 80 }))
        );
    }

    #[test]
    fn six_columns_are_final_rows_but_six_rows_are_two_classes() {
        let two = clues(2, Some(false), true);
        assert_eq!(two.decide(BoxKind::Upright, Some(0), [Some(300), Some(6)]), Some(Some(Final)));
        assert_eq!(
            two.decide(BoxKind::Upright, Some(0), [Some(6), Some(8400)]),
            Some(Some(ColumnsFirst { classes: 2 }))
        );
    }

    #[test]
    fn one_class_with_objectness_is_no_final_row() {
        let shape = [Some(25_200), Some(6)];
        let decide = |clues: Clues| clues.decide(BoxKind::Upright, Some(0), shape);
        assert_eq!(decide(clues(1, None, false)), Some(Some(Objectness { classes: 1 })));
        assert_eq!(decide(clues(1, Some(false), true)), Some(Some(Objectness { classes: 1 })));
        assert_eq!(decide(clues(1, None, true)), Some(Some(Final)));
    }

    #[test]
    fn open_dimensions_wait_for_the_run() {
        let three = clues(3, Some(false), true);
        assert_eq!(three.decide(BoxKind::Upright, Some(0), [None, None]), Some(None));
        assert_eq!(three.decide(BoxKind::Masks, None, [Some(39), Some(500)]), Some(None));
        assert_eq!(three.decide(BoxKind::Upright, Some(0), [Some(7), None]), Some(Some(ColumnsFirst { classes: 3 })));
        assert_eq!(clues(3, Some(true), true).decide(BoxKind::Oriented, Some(1), [None, None]), Some(None));
    }
}
