//! What is printed at the end.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::audit::Findings;
use crate::ledger::Ledger;
use crate::recovery::Record;

/// Violations that are shown one by one.
const MOST_SHOWN: usize = 30;

/// Faults with their victims and how long they took to recover, and the count of everything.
pub fn table(records: &[Record], ledger: &Ledger, findings: &Findings) -> String {
    let mut faults: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
    records.iter().for_each(|record| faults.entry(record.fault).or_default().push(record));
    let mut text = format!("\n{:<38} {:>5} {:>6} {:>8} {:>8}\n", "fault", "times", "tasks", "median s", "max s");
    for (fault, records) in &faults {
        let mut took: Vec<f64> = records.iter().map(|record| record.recovered_s.unwrap_or(f64::INFINITY)).collect();
        took.sort_by(f64::total_cmp);
        let tasks: u64 = records.iter().map(|record| record.tasks).sum();
        let (median, max) = (took[took.len() / 2], took[took.len() - 1]);
        let _ = writeln!(text, "{fault:<38} {:>5} {tasks:>6} {median:>8.1} {max:>8.1}", records.len());
    }
    let _ = writeln!(text, "tasks: open when it struck; seconds: until all tasks from before its end had ended\n");
    let (cancels, retries) = ledger.steered();
    let accepted = ledger.accepted().len();
    let _ =
        writeln!(text, "{} faults, {accepted} tasks accepted, {cancels} cancelled, {retries} retried", records.len());
    let statuses: Vec<_> = findings.statuses.iter().map(|(status, count)| format!("{count} {status}")).collect();
    let _ = writeln!(text, "ended as: {}", statuses.join(", "));
    let Findings { lost, doubled, illegal, .. } = findings;
    let _ = write!(text, "lost {lost}, doubled {doubled}, illegal transitions {illegal}");
    text
}

/// The first of many violations.
pub fn shown(violations: &[String]) -> String {
    let mut lines: Vec<_> = violations.iter().take(MOST_SHOWN).cloned().collect();
    if violations.len() > MOST_SHOWN {
        lines.push(format!("and {} more", violations.len() - MOST_SHOWN));
    }
    lines.join("\n")
}
