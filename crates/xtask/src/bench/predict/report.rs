//! Medians over the rounds, a block for each cell, with ratios to the floor of the same rounds.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::Result;

use super::cells::Cell;
use super::measure::Sample;
use crate::bench::report::{median, spread};

/// The row of a cell that everything is compared with.
pub const FLOOR: &str = "floor";

/// All samples so far, by cell and in the order in which rows first came.
#[derive(Debug, Default)]
pub struct Report {
    cells: BTreeMap<Cell, Vec<Row>>,
}

#[derive(Debug)]
struct Row {
    name: &'static str,
    samples: Vec<Sample>,
    failure: Option<String>,
}

impl Report {
    /// Adds what a round gave for a row of the cell; a failed measurement shows in the row's last column.
    pub fn add(&mut self, cell: Cell, name: &'static str, sample: Result<Sample>) {
        let rows = self.cells.entry(cell).or_default();
        let at = rows.iter().position(|row| row.name == name).unwrap_or_else(|| {
            rows.push(Row { name, samples: Vec::new(), failure: None });
            rows.len() - 1
        });
        match sample {
            Ok(sample) => rows[at].samples.push(sample),
            Err(error) => drop(rows[at].failure.get_or_insert(format!("{error:#}"))),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cell_name = "cell";
        write!(f, "\n{cell_name:<20} {:<19} {:>8} {:>8} {:>7}", "target", "per s", "x floor", "spread")?;
        writeln!(f, " {:>9} {:>9} {:>10} {:>10} {:>7}", "p50 ms", "p99 ms", "server us", "load cores", "errors")?;
        for (cell, rows) in &self.cells {
            let floor = rows.iter().find(|row| row.name == FLOOR).and_then(Row::per_s);
            for row in rows {
                row.write(&cell.title(), floor, f)?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

impl Row {
    fn per_s(&self) -> Option<f64> {
        median(&self.samples.iter().map(|sample| sample.per_s).collect::<Vec<_>>())
    }

    fn write(&self, cell: &str, floor: Option<f64>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown =
            |value: Option<f64>, decimals: usize| value.map_or("-".to_owned(), |value| format!("{value:.decimals$}"));
        let of = |part: fn(&Sample) -> Option<f64>| median(&self.samples.iter().filter_map(part).collect::<Vec<_>>());
        let rates: Vec<_> = self.samples.iter().map(|sample| sample.per_s).collect();
        let ratio = self.per_s().zip(floor).map(|(per_s, floor)| per_s / floor);
        let (per_s, ratio) = (shown(self.per_s(), if self.per_s() < Some(100.0) { 1 } else { 0 }), shown(ratio, 2));
        let spread = format!("{:.0} %", 100.0 * spread(&rates));
        let errors: u64 = self.samples.iter().map(|sample| sample.errors).sum();
        write!(f, "{cell:<20} {:<19} {per_s:>8} {ratio:>8} {spread:>7}", self.name)?;
        let (p50, p99) = (shown(of(|sample| sample.p50_ms), 3), shown(of(|sample| sample.p99_ms), 3));
        let (server, load) = (shown(of(|sample| sample.server_us), 1), shown(of(|sample| sample.load_cores), 2));
        write!(f, " {p50:>9} {p99:>9} {server:>10} {load:>10} {errors:>7}")?;
        let first = self.samples.iter().find_map(|sample| sample.first_error.as_ref());
        match self.failure.as_ref().or(first) {
            Some(reason) => writeln!(f, "  {}", reason.lines().next().unwrap_or_default()),
            None => writeln!(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_of_medians_and_a_failure_says_why() {
        let (mut report, cell) = (Report::default(), Cell::ALL[0]);
        for (floor, ours) in [(100.0, 150.0), (200.0, 90.0), (110.0, 165.0)] {
            report.add(cell, FLOOR, Ok(Sample::of_loop(floor)));
            report.add(cell, "ortolan", Ok(Sample::of_loop(ours)));
        }
        report.add(cell, "mlserver", Err(anyhow::anyhow!("no answer")));
        let text = report.to_string();
        let line = |name| text.lines().find(|line| line.contains(name)).unwrap_or_default().to_owned();
        assert!(line("ortolan").contains(" 1.36 "), "{text}");
        assert!(line("mlserver").ends_with("no answer"), "{text}");
    }
}
