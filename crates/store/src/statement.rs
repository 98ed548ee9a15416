//! Statements over many rows: the text of each size is made once and never changes, so that databases prepare it once.

use std::fmt::Write;
use std::sync::{Arc, OnceLock};

/// How many rows a statement is written for; what lies between is filled up with copies of the last row.
const SIZES: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];
/// The most rows of one statement.
pub(crate) const MAX_ROWS: usize = SIZES[SIZES.len() - 1];

/// How a dialect writes the place of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Places {
    /// `$1`, `$2`, ...
    Numbered,
    /// `?`, in order: SQLite looks numbered places up by name, one after the other, which is slow when there are many.
    Plain,
}

/// A statement whose `{rows}` stands for `($1, $2), ($3, $4), ...`, and which has no other values.
pub(crate) struct ManyRows {
    template: &'static str,
    columns: usize,
    texts: [OnceLock<Arc<str>>; SIZES.len()],
}

impl ManyRows {
    /// A statement over rows of `columns` values.
    pub(crate) const fn new(columns: usize, template: &'static str) -> Self {
        Self { template, columns, texts: [const { OnceLock::new() }; SIZES.len()] }
    }

    /// The text for `rows` rows, 1 to [`MAX_ROWS`], and how many rows it really has room for.
    pub(crate) fn text(&self, rows: usize, places: Places) -> (Arc<str>, usize) {
        let at = SIZES.iter().position(|&size| size >= rows).unwrap_or(SIZES.len() - 1);
        let text = self.texts[at].get_or_init(|| self.template.replace("{rows}", &self.rows(SIZES[at], places)).into());
        (text.clone(), SIZES[at])
    }

    fn rows(&self, rows: usize, places: Places) -> String {
        let mut text = String::new();
        for row in 0..rows {
            for column in 0..self.columns {
                let before = match (row, column) {
                    (0, 0) => "(",
                    (_, 0) => "), (",
                    _ => ", ",
                };
                // Writing into a string cannot fail.
                let _ = match places {
                    Places::Numbered => write!(text, "{before}${}", row * self.columns + column + 1),
                    Places::Plain => write!(text, "{before}?"),
                };
            }
        }
        text.push(')');
        text
    }
}

/// Sorts requests into rounds of at most [`MAX_ROWS`], none of which has a key twice: a statement meets each row once, and
/// of two requests for the same row the later one sees what the earlier one did. Within a round the indices are in the
/// order of the keys, so that transactions lock rows in the same order.
pub(crate) fn rounds<K: Ord + Copy>(keys: impl Iterator<Item = K>) -> Vec<Vec<usize>> {
    let mut sorted: Vec<(K, usize)> = keys.enumerate().map(|(index, key)| (key, index)).collect();
    sorted.sort_unstable();
    let mut rounds: Vec<Vec<usize>> = Vec::new();
    let mut round = 0;
    for at in 0..sorted.len() {
        round = if at > 0 && sorted[at - 1].0 == sorted[at].0 { round + 1 } else { 0 };
        if rounds.len() == round {
            rounds.push(Vec::new());
        }
        rounds[round].push(sorted[at].1);
    }
    rounds.iter().flat_map(|round| round.chunks(MAX_ROWS).map(<[usize]>::to_vec)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_padded_to_a_few_sizes() {
        let statement = ManyRows::new(2, "VALUES {rows}");
        let text = |rows| statement.text(rows, Places::Numbered);
        assert_eq!(text(1), ("VALUES ($1, $2)".into(), 1));
        assert_eq!(text(3), text(4));
        assert!(text(3).0.ends_with("($7, $8)"));
        assert_eq!(text(MAX_ROWS).1, MAX_ROWS);
        let plain = ManyRows::new(2, "VALUES {rows}");
        assert_eq!(plain.text(2, Places::Plain), ("VALUES (?, ?), (?, ?)".into(), 2));
    }

    #[test]
    fn no_round_has_a_key_twice_and_none_is_lost() {
        let keys: Vec<u32> = (0..300).map(|n| n * 7 % 100).collect();
        let rounds = rounds(keys.iter().copied());
        let mut seen: Vec<usize> = rounds.concat();
        seen.sort_unstable();
        assert_eq!(seen, (0..300).collect::<Vec<_>>());
        for round in rounds {
            assert!(round.len() <= MAX_ROWS);
            assert!(round.is_sorted_by_key(|&index| keys[index]));
            assert!(round.windows(2).all(|pair| keys[pair[0]] != keys[pair[1]]));
        }
    }

    #[test]
    fn of_two_equal_keys_the_first_comes_first() {
        assert_eq!(rounds([5, 1, 5].into_iter()), [vec![1, 0], vec![2]]);
    }
}
