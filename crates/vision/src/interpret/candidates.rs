//! Rows of an output that score above the threshold.

use crate::profile::{BoxKind, RowLayout, RowOrder};

/// Class numbers that a final row may carry are below this.
const MAX_CLASS: f32 = 65_536.0;

/// The numbers of one run with the way they are laid out.
pub(super) struct Table<'a> {
    pub(super) layout: RowLayout,
    pub(super) kind: BoxKind,
    pub(super) values: &'a [f32],
}

/// One row that scores above the threshold. Its numbers are finite, only corners may have overflowed to infinity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Candidate {
    /// Its row in the table.
    pub(super) row: usize,
    pub(super) class_id: u32,
    pub(super) score: f32,
    /// Where it is in input pixels: corners for upright boxes, centre and size for turned ones.
    pub(super) place: [f32; 4],
}

/// Sorts by falling score; equal ones stay in order.
pub(super) fn sort(candidates: &mut [Candidate]) {
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
}

impl Table<'_> {
    /// The rows of a wanted class (all when `None`; sorted otherwise) that score above `threshold`, in row order.
    ///
    /// Upright boxes are given by their corners. Rows with numbers that are not finite are left out.
    pub(super) fn candidates(&self, threshold: f32, wanted: Option<&[u32]>) -> Vec<Candidate> {
        let mut candidates = match self.layout.order {
            RowOrder::ColumnsFirst { classes } => self.column_candidates(classes, threshold),
            RowOrder::Objectness { classes } => self.objectness_candidates(classes, threshold),
            RowOrder::Final => self.final_candidates(threshold),
        };
        candidates.retain(|candidate| {
            wanted.is_none_or(|wanted| wanted.binary_search(&candidate.class_id).is_ok())
                && candidate.score.is_finite()
                && (0..4).all(|column| self.value(candidate.row, column).is_finite())
        });
        candidates
    }

    /// The columns of a row after the box, its score and its class.
    pub(super) fn extras(&self, row: usize) -> impl Iterator<Item = f32> + '_ {
        let first = match self.layout.order {
            RowOrder::ColumnsFirst { classes } => 4 + classes,
            RowOrder::Objectness { classes } => 5 + classes,
            RowOrder::Final => 6,
        };
        (first..self.layout.columns).map(move |column| self.value(row, column))
    }

    fn value(&self, row: usize, column: usize) -> f32 {
        match self.layout.order {
            RowOrder::ColumnsFirst { .. } => self.values[column * self.layout.rows + row],
            RowOrder::Objectness { .. } | RowOrder::Final => self.values[row * self.layout.columns + column],
        }
    }

    fn place(&self, row: usize) -> [f32; 4] {
        let numbers = [0, 1, 2, 3].map(|column| self.value(row, column));
        if self.kind == BoxKind::Oriented || self.layout.order == RowOrder::Final {
            return numbers;
        }
        let [x, y, width, height] = numbers;
        [x - width / 2.0, y - height / 2.0, x + width / 2.0, y + height / 2.0]
    }

    /// Finds every row's best score column by column, as the numbers lie in memory, and then the classes of the few that pass.
    fn column_candidates(&self, classes: usize, threshold: f32) -> Vec<Candidate> {
        let rows = self.layout.rows;
        let mut best = vec![f32::NEG_INFINITY; rows];
        for class in 0..classes {
            for (best, &score) in best.iter_mut().zip(&self.values[(4 + class) * rows..][..rows]) {
                // Not `f32::max`, which the compiler does not make whole vectors of; a NaN loses as well.
                *best = if score > *best { score } else { *best };
            }
        }
        let passing = best.into_iter().enumerate().filter(|(_, score)| *score > threshold);
        let candidate = |(row, score)| {
            let class = (0..classes).find(|class| self.value(row, 4 + class) == score).unwrap_or_default();
            Candidate { row, class_id: class as u32, score, place: self.place(row) }
        };
        passing.map(candidate).collect()
    }

    fn objectness_candidates(&self, classes: usize, threshold: f32) -> Vec<Candidate> {
        let passing = (0..self.layout.rows).filter(|&row| self.value(row, 4) > threshold);
        let best = passing.map(|row| {
            let objectness = self.value(row, 4);
            let mut best = Candidate { row, class_id: 0, score: f32::NEG_INFINITY, place: self.place(row) };
            for class in 0..classes {
                let score = objectness * self.value(row, 5 + class);
                if score > best.score {
                    (best.score, best.class_id) = (score, class as u32);
                }
            }
            best
        });
        best.filter(|best| best.score > threshold).collect()
    }

    fn final_candidates(&self, threshold: f32) -> Vec<Candidate> {
        let rows = (0..self.layout.rows).filter(|&row| self.value(row, 4) > threshold);
        let classed = rows.filter(|&row| (0.0..MAX_CLASS).contains(&self.value(row, 5)));
        let candidate = |row| Candidate {
            row,
            class_id: self.value(row, 5) as u32,
            score: self.value(row, 4),
            place: self.place(row),
        };
        classed.map(candidate).collect()
    }
}
