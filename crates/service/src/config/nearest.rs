//! The known name nearest to one that was mistyped.

/// The candidate with the fewest edits from `name`; the empty text when there are no candidates.
pub(crate) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> &'a str {
    candidates.min_by_key(|candidate| edits(name, candidate)).unwrap_or_default()
}

/// Levenshtein distance, over the bytes: settings have ASCII names.
fn edits(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.bytes().enumerate() {
            let substituted = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_insertions_deletions_and_substitutions() {
        for (a, b, expected) in [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("lease_s", "lease", 2)] {
            assert_eq!(edits(a, b), expected);
            assert_eq!(edits(b, a), expected);
        }
    }

    #[test]
    fn a_mistyped_key_finds_its_neighbour() {
        let known = ["worker.lease_s", "worker.concurrency", "dispatch.window"];
        assert_eq!(nearest("worker.concurency", known.into_iter()), "worker.concurrency");
        assert_eq!(nearest("anything", std::iter::empty()), "");
    }
}
