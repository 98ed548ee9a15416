//! Medians over the rounds, and the ratios that matter.

use std::collections::BTreeMap;
use std::fmt;

use super::{Cell, Model, Way};
use crate::bench::report::{median, spread};

/// All samples so far, in images a second.
#[derive(Debug)]
pub struct Report {
    device: Option<String>,
    samples: BTreeMap<Cell, Vec<f64>>,
}

impl Report {
    /// An empty report of what runs on a device, or on the processor.
    pub fn new(device: Option<String>) -> Self {
        Self { device, samples: BTreeMap::new() }
    }

    /// What a cell has some of.
    pub fn lanes(&self) -> &'static str {
        if self.device.is_some() { "runs" } else { "cores" }
    }

    /// Adds what a round gave for a cell.
    pub fn add(&mut self, cell: Cell, images_per_s: f64) {
        self.samples.entry(cell).or_default().push(images_per_s);
    }

    fn ratio(&self, cell: Cell, to: Way) -> String {
        let of = |cell: Cell| self.samples.get(&cell).and_then(|values| median(values)).filter(|value| *value > 0.0);
        match (of(cell), of(Cell { way: to, ..cell })) {
            (Some(own), Some(other)) if cell.way != to => format!("{:.2}", own / other),
            _ => "-".to_owned(),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nphotographs of 1920 x 1080 pixels; medians over the rounds; read the ratios\n")?;
        if let Some(device) = &self.device {
            writeln!(f, "on {device}, with so many runs at once; everything else on all cores\n")?;
        }
        writeln!(f, "{:<6} {:<22} {:<32} images/s  spread   x raw  x Python", self.lanes(), "model", "way")?;
        for (cell, values) in &self.samples {
            let model = match cell.model {
                Model::Usual => "640 px, nano-like",
                Model::Tiny => "160 px, tiny",
            };
            let way = match cell.way {
                Way::Raw => "ONNX Runtime alone",
                Way::Python => "OpenCV + ONNX Runtime, Python",
                Way::Tasks => "Ortolan, tasks",
            };
            let per_s = median(values).unwrap_or(0.0);
            let (raw, python) = (self.ratio(*cell, Way::Raw), self.ratio(*cell, Way::Python));
            let spread = 100.0 * spread(values);
            writeln!(f, "{:<6} {model:<22} {way:<32} {per_s:>8.1} {spread:>5.0} % {raw:>7} {python:>9}", cell.lanes)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_of_medians_on_the_same_cores_and_model() {
        let mut report = Report::new(None);
        let cell = |lanes, way| Cell { lanes, model: Model::Usual, way };
        for (raw, python, tasks) in [(100.0, 50.0, 90.0), (110.0, 60.0, 99.0), (500.0, 70.0, 10.0)] {
            report.add(cell(1, Way::Raw), raw);
            report.add(cell(1, Way::Python), python);
            report.add(cell(1, Way::Tasks), tasks);
        }
        report.add(cell(2, Way::Tasks), 9.0);
        assert_eq!(report.ratio(cell(1, Way::Tasks), Way::Raw), "0.82");
        assert_eq!(report.ratio(cell(1, Way::Tasks), Way::Python), "1.50");
        assert_eq!(report.ratio(cell(2, Way::Tasks), Way::Raw), "-");
        let text = report.to_string();
        assert!(text.contains("Ortolan, tasks") && text.contains("cores "), "{text}");
        assert!(
            Report { device: Some("cuda:0".to_owned()), ..report }.to_string().contains("on cuda:0, with so many runs")
        );
    }
}
