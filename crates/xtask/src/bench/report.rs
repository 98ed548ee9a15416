//! Medians over the rounds, ratios to the floors, and what the processor says about the limit.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::Result;

use super::cells::{Cell, Sample};

/// All samples so far.
#[derive(Debug)]
pub struct Report {
    under_way: usize,
    rows: BTreeMap<Cell, Row>,
}

#[derive(Debug, Default)]
struct Row {
    per_s: Vec<f64>,
    latencies_s: Vec<f64>,
    server_cores: Vec<f64>,
    load_cores: Vec<f64>,
    machine_cores: Vec<f64>,
    errors: u64,
    first_error: Option<String>,
}

impl Report {
    /// An empty report of a bench with so many tasks under way.
    pub fn new(under_way: usize) -> Self {
        Self { under_way, rows: BTreeMap::new() }
    }

    /// Adds what a round gave for the cell; a failed measurement shows in the cell's last column.
    pub fn add(&mut self, cell: Cell, sample: Result<Sample>) {
        let row = self.rows.entry(cell).or_default();
        match sample {
            Ok(sample) => row.add(sample),
            Err(error) => row.fail(1, Some(format!("{error:#}"))),
        }
    }

    fn per_s(&self, cell: Cell) -> Option<f64> {
        self.rows.get(&cell).and_then(|row| median(&row.per_s)).filter(|per_s| *per_s > 0.0)
    }

    fn ratios(&self, cell: Cell) -> String {
        let ratio = |floor: &Cell| Some(format!("{:.2} x {}", self.per_s(cell)? / self.per_s(*floor)?, floor.title()));
        cell.floors().iter().filter_map(ratio).collect::<Vec<_>>().join("; ")
    }
}

impl Row {
    fn add(&mut self, sample: Sample) {
        self.per_s.push(sample.per_s);
        self.latencies_s.extend(sample.latencies_s);
        self.server_cores.push(sample.server_cores);
        self.load_cores.push(sample.load_cores);
        self.machine_cores.push(sample.machine_cores);
        self.fail(sample.errors, sample.first_error);
    }

    fn fail(&mut self, errors: u64, first_error: Option<String>) {
        self.errors += errors;
        self.first_error = self.first_error.take().or(first_error);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let under_way = self.under_way;
        writeln!(
            f,
            "\n{cores} cores for server and load; {under_way} no-op tasks under way; medians over the rounds\n"
        )?;
        writeln!(f, "{:<28}    per s  spread   p50 ms   p99 ms  server cores  load cores  errors  ratios", "cell")?;
        for (cell, row) in &self.rows {
            writeln!(f, "{:<28} {row}  {}", cell.title(), self.ratios(*cell))?;
        }
        writeln!(f)?;
        for (cell, row) in &self.rows {
            row.remarks(cores as f64).try_for_each(|remark| writeln!(f, "{}: {remark}", cell.title()))?;
        }
        Ok(())
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: Option<f64>, decimals: usize| match value {
            Some(value) if value > 0.0 => format!("{value:.decimals$}"),
            _ => String::from("-"),
        };
        let ms = |share| shown(quantile(&self.latencies_s, share).map(|latency| latency * 1e3), 2);
        let per_s = shown(median(&self.per_s), 0);
        let spread = format!("{:.0} %", 100.0 * spread(&self.per_s));
        let (server, load) = (shown(median(&self.server_cores), 2), shown(median(&self.load_cores), 2));
        let (p50, p99) = (ms(0.5), ms(0.99));
        write!(f, "{per_s:>8} {spread:>7} {p50:>8} {p99:>8} {server:>13} {load:>11} {:>7}", self.errors)
    }
}

impl Row {
    fn remarks(&self, cores: f64) -> impl Iterator<Item = String> {
        let error = self.first_error.as_ref().map(|error| format!("{} errors, the first: {error}", self.errors));
        let machine = median(&self.machine_cores).filter(|busy| *busy > 0.0);
        let ours = [&self.server_cores, &self.load_cores].map(|values| median(values).unwrap_or(0.0));
        let limit = machine.map(|busy| limit(busy, ours, cores));
        error.into_iter().chain(limit)
    }
}

/// What the use of the processor says; below nine tenths of it, something was waited for.
fn limit(busy: f64, [server, load]: [f64; 2], cores: f64) -> String {
    let others = (busy - server - load).max(0.0);
    let limit = if busy < 0.9 * cores { "waits (disk, locks, hand-overs) are" } else { "the processor is" };
    format!("{limit} the limit: {busy:.2} of {cores:.0} cores busy, others on this machine with {others:.2}")
}

/// The middle value; none of nothing.
pub fn median(values: &[f64]) -> Option<f64> {
    quantile(values, 0.5)
}

/// The value below which the share of the values lies (nearest rank).
pub fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

/// Half the distance between the lowest and the highest round, over the median.
pub fn spread(values: &[f64]) -> f64 {
    let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = values.iter().copied().fold(0.0, f64::max);
    median(values).filter(|median| *median > 0.0).map_or(0.0, |median| (highest - lowest) / 2.0 / median)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(per_s: f64) -> Result<Sample> {
        Ok(Sample {
            per_s,
            latencies_s: vec![0.001, 0.002, 0.003],
            server_cores: 1.2,
            load_cores: 0.7,
            machine_cores: 1e4,
            ..Sample::default()
        })
    }

    #[test]
    fn a_ratio_is_of_medians() {
        let mut report = Report::new(64);
        for (raw, detection) in [(100.0, 95.0), (110.0, 90.0), (400.0, 20.0)] {
            report.add(Cell::RawLoops, sample(raw));
            report.add(Cell::Detection, sample(detection));
        }
        assert_eq!(report.ratios(Cell::Detection), "0.82 x raw loops, 2 at once");
        assert!(report.to_string().contains("detection tasks: the processor is the limit"));
    }

    #[test]
    fn a_cell_without_its_floor_has_no_ratio_and_says_why() {
        let mut report = Report::new(64);
        report.add(Cell::RawLoop, Err(anyhow::anyhow!("no such command")));
        report.add(Cell::Detection, sample(90.0));
        assert_eq!(report.ratios(Cell::Detection), "");
        assert!(report.to_string().contains("raw loop: 1 errors, the first: no such command"));
    }

    #[test]
    fn quantiles_are_by_nearest_rank() {
        let values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(quantile(&values, 0.5), Some(50.0));
        assert_eq!(quantile(&values, 0.99), Some(99.0));
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(spread(&[90.0, 100.0, 110.0]), 0.1);
    }

    #[test]
    fn the_limit_is_named_from_the_processor() {
        let limit = |busy| limit(busy, [1.2, 0.5], 2.0);
        assert_eq!(limit(1.95), "the processor is the limit: 1.95 of 2 cores busy, others on this machine with 0.25");
        assert!(limit(1.7).starts_with("waits"));
    }
}
