//! Shows how far work is: bars on a terminal, a line per step elsewhere.

use std::sync::{Arc, Mutex, PoisonError};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::Terminal;
use crate::client::{Sent, TaskSignal};
use crate::terminal::printable;

/// Bars count to this.
const WHOLE: u64 = 1000;
/// Time between two turns of a spinner.
const TICK: std::time::Duration = std::time::Duration::from_millis(100);

/// A place for the bars of work that goes on side by side.
#[derive(Clone)]
pub struct Board {
    terminal: Terminal,
    bars: Option<MultiProgress>,
}

/// The progress of one piece of work. Its bar goes away with it, and its last words stay.
pub struct Work {
    board: Board,
    title: String,
    bar: ProgressBar,
    last: Mutex<String>,
}

impl Board {
    /// A board on standard error.
    pub fn new(terminal: Terminal) -> Self {
        Self { terminal, bars: terminal.is_interactive().then(MultiProgress::new) }
    }

    /// Begins a piece of work.
    pub fn begin(&self, title: &str) -> Work {
        let title = printable(title);
        let bar = match &self.bars {
            Some(bars) => bars.add(ProgressBar::new(WHOLE)),
            None => ProgressBar::hidden(),
        };
        bar.set_style(style());
        bar.set_prefix(title.clone());
        if self.bars.is_some() {
            bar.enable_steady_tick(TICK);
        }
        Work { board: self.clone(), title, bar, last: Mutex::default() }
    }
}

impl Work {
    /// Counts what an upload of `size_bytes` has sent.
    pub fn upload(&self, size_bytes: u64) -> Sent {
        self.step("uploading");
        let bar = self.bar.clone();
        let sent = Mutex::new(0u64);
        Arc::new(move |bytes| {
            let mut sent = sent.lock().unwrap_or_else(PoisonError::into_inner);
            *sent += bytes;
            // The first tenth of the bar; the rest is the server's work.
            bar.set_position(WHOLE / 10 * (*sent).min(size_bytes) / size_bytes.max(1));
        })
    }

    /// Shows where a task stands.
    pub fn show(&self, signal: &TaskSignal) {
        self.bar.set_position(position(signal));
        self.step(&describe(signal));
    }

    /// Says what is being done.
    pub fn step(&self, text: &str) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if *last == text {
            return;
        }
        text.clone_into(&mut last);
        self.bar.set_message(text.to_owned());
        if self.board.bars.is_none() {
            self.board.terminal.note(&format!("{}: {text}", self.title));
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bars) = self.board.bars.as_ref().filter(|_| !last.is_empty()) {
            bars.suspend(|| self.board.terminal.note(&format!("{}: {last}", self.title)));
        }
    }
}

fn style() -> ProgressStyle {
    let template = "{spinner:.cyan} {prefix:.bold} [{bar:24.cyan/dim}] {msg} ({elapsed})";
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ")
}

/// How far a task is, as far as one can tell: few kinds of tasks report a share.
fn position(signal: &TaskSignal) -> u64 {
    let share = match (signal.status.as_str(), signal.progress) {
        ("completed", _) => 1.0,
        ("running", Some(progress)) => 0.3 + 0.7 * progress.clamp(0.0, 1.0),
        ("running", None) => 0.5,
        ("queued", _) => 0.2,
        _ => 0.1,
    };
    (share * WHOLE as f64) as u64
}

fn describe(signal: &TaskSignal) -> String {
    let mut words = printable(&signal.status);
    if signal.attempt > 1 {
        words.push_str(&format!(", try {}", signal.attempt));
    }
    if let Some(queue_time_ms) = signal.queue_time_ms {
        words.push_str(&format!(", waited {}", milliseconds(queue_time_ms)));
    }
    words
}

/// A time as people read it.
pub fn milliseconds(ms: f64) -> String {
    match ms {
        _ if !ms.is_finite() => "-".to_owned(),
        _ if ms < 10.0 => format!("{ms:.1} ms"),
        _ if ms < 1000.0 => format!("{ms:.0} ms"),
        _ => format!("{:.1} s", ms / 1000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signal(status: &str, progress: Option<f64>) -> TaskSignal {
        TaskSignal { status: status.to_owned(), attempt: 2, progress, queue_time_ms: Some(3.21) }
    }

    #[test]
    fn a_task_only_moves_forward() {
        let steps = [
            signal("pending", None),
            signal("queued", None),
            signal("running", Some(0.1)),
            signal("running", Some(f64::MAX)),
            signal("completed", None),
        ];
        let positions: Vec<u64> = steps.iter().map(position).collect();
        assert_eq!(positions, [100, 200, 370, 1000, 1000]);
        assert_eq!(describe(&steps[1]), "queued, try 2, waited 3.2 ms");
    }

    #[test]
    fn times_are_told_in_units_that_fit() {
        let told: Vec<String> = [0.04, 9.96, 123.4, 1500.0, f64::NAN].into_iter().map(milliseconds).collect();
        assert_eq!(told, ["0.0 ms", "10.0 ms", "123 ms", "1.5 s", "-"]);
    }
}
