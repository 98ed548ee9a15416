//! Reads what cargo and the test binaries print, line by line, and keeps the count.

use std::collections::VecDeque;
use std::fmt;

/// How many of a test binary's last lines are shown when it dies without a result.
const LAST_LINES: usize = 30;

/// What has been seen so far.
#[derive(Debug, Default)]
pub struct Report {
    passed: u64,
    failures: Vec<String>,
    suite: Option<Suite>,
    in_failures: bool,
}

/// The test binary that is running.
#[derive(Debug)]
struct Suite {
    name: String,
    named_failures: Vec<String>,
    last_lines: VecDeque<String>,
}

/// The end of a run: its failures by name, then `N passed, N failed`.
#[derive(Debug)]
pub struct Closing {
    passed: u64,
    failures: Vec<String>,
    last_words: Option<String>,
}

impl Closing {
    /// Says whether something ran and nothing failed.
    pub fn is_good(&self) -> bool {
        self.failures.is_empty() && self.passed > 0
    }
}

impl fmt::Display for Closing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(last_words) = &self.last_words {
            writeln!(f, "{last_words}")?;
        }
        if !self.failures.is_empty() {
            writeln!(f, "failed:")?;
            self.failures.iter().try_for_each(|name| writeln!(f, "    {name}"))?;
        } else if self.passed == 0 {
            writeln!(f, "no test ran: does the filter match one?")?;
        }
        write!(f, "{} passed, {} failed", self.passed, self.failures.len())
    }
}

impl Report {
    /// Takes the next line and answers what to show for it, if anything.
    pub fn take(&mut self, line: &str) -> Option<String> {
        if let Some(name) = suite_name(line) {
            let unfinished = self.end_without_result();
            self.suite = Some(Suite { name, named_failures: Vec::new(), last_lines: VecDeque::new() });
            return unfinished;
        }
        if let Some(result) = ResultLine::parse(line) {
            return self.end_with(result);
        }
        let suite = self.suite.as_mut()?;
        // The heading stands twice, over the outputs and over the names. Only what follows the last one is names.
        if line == "failures:" {
            self.in_failures = true;
            suite.named_failures.clear();
        }
        if self.in_failures {
            suite.named_failures.extend(failure_name(line));
            return Some(line.to_owned());
        }
        if let Some(name) = ignored_name(line) {
            self.failures.push(format!("{} {name} (ignored)", suite.name));
        }
        if suite.last_lines.len() == LAST_LINES {
            suite.last_lines.pop_front();
        }
        suite.last_lines.push_back(line.to_owned());
        line.contains(" has been running for over ").then(|| line.to_owned())
    }

    /// Ends the report; `succeeded` is cargo's own opinion, which must not be better than the count.
    pub fn close(mut self, succeeded: bool) -> Closing {
        let last_words = self.end_without_result();
        if !succeeded && self.failures.is_empty() {
            self.failures.push("cargo test itself".to_owned());
        }
        Closing { passed: self.passed, failures: self.failures, last_words }
    }

    fn end_with(&mut self, result: ResultLine) -> Option<String> {
        let suite = self.suite.take()?;
        self.in_failures = false;
        self.passed += result.passed;
        // The names come from the list above the result; should it be shorter, the count decides.
        let unnamed = (result.failed as usize).saturating_sub(suite.named_failures.len());
        self.failures.extend(suite.named_failures.iter().map(|name| format!("{} {name}", suite.name)));
        self.failures.extend((0..unnamed).map(|_| format!("{} (a test without a name)", suite.name)));
        if result.passed + result.failed == 0 {
            return None;
        }
        let verdict = if result.failed == 0 { "ok    " } else { "FAILED" };
        let failed = if result.failed == 0 { String::new() } else { format!(", {} failed", result.failed) };
        Some(format!("{verdict} {:>5} passed{failed}  {}  ({})", result.passed, suite.name, result.took))
    }

    fn end_without_result(&mut self) -> Option<String> {
        let suite = self.suite.take()?;
        self.in_failures = false;
        self.failures.push(format!("{} (died before its result)", suite.name));
        let last_lines: String = suite.last_lines.iter().map(|line| format!("    {line}\n")).collect();
        Some(format!("DIED   {}; its last lines:\n{last_lines}", suite.name))
    }
}

/// `test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s`
struct ResultLine {
    passed: u64,
    failed: u64,
    took: String,
}

impl ResultLine {
    fn parse(line: &str) -> Option<Self> {
        let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
        let count = |word: &str| counts.split("; ").find_map(|part| part.strip_suffix(word)?.trim().parse().ok());
        let took = counts.rsplit_once("finished in ").map_or("", |(_, took)| took);
        Some(Self { passed: count(" passed")?, failed: count(" failed")?, took: took.to_owned() })
    }
}

/// `Running unittests src/lib.rs (target/debug/deps/name-0123)`, `Running tests/a.rs (...)` or `Doc-tests name`, as a short name.
fn suite_name(line: &str) -> Option<String> {
    let line = line.trim_start();
    if let Some(name) = line.strip_prefix("Doc-tests ") {
        return Some(format!("{name} doc-tests"));
    }
    let (source, binary) = line.strip_prefix("Running ")?.strip_suffix(')')?.rsplit_once(" (")?;
    let (name, _hash) = binary.rsplit('/').next()?.rsplit_once('-')?;
    Some(format!("{name} {}", source.trim_start_matches("unittests ")))
}

/// A name in the list of failures: four spaces, then a path without spaces (doc-tests: `file - item (line N)`).
fn failure_name(line: &str) -> Option<String> {
    let name = line.strip_prefix("    ")?;
    let is_doc_test = name.contains(" - ") && name.ends_with(')');
    let is_path = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == ':');
    (is_path || is_doc_test).then(|| name.to_owned())
}

fn ignored_name(line: &str) -> Option<&str> {
    let (name, outcome) = line.strip_prefix("test ")?.split_once(" ... ")?;
    outcome.starts_with("ignored").then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "     Running unittests src/lib.rs (target/debug/deps/ortolan_domain-0a1b)\n\nrunning 2 tests\ntest task::a ... ok\n\
        test task::b ... ok\n\ntest result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s\n";

    const BAD: &str = "     Running tests/fence.rs (target/debug/deps/fence-0a1b)\n\nrunning 2 tests\ntest kept ... ok\n\
        test lost_lease ... FAILED\n\nfailures:\n\n---- lost_lease stdout ----\nthread 'lost_lease' panicked\n    looks_like_a_name\n\n\nfailures:\n    lost_lease\n\n\
        test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.02s\n";

    fn read(output: &str, succeeded: bool) -> (Vec<String>, Closing) {
        let mut report = Report::default();
        let shown = output.lines().filter_map(|line| report.take(line)).collect();
        (shown, report.close(succeeded))
    }

    #[test]
    fn counts_are_added_and_a_good_binary_is_one_line() {
        let (shown, closing) = read(&format!("{GOOD}{GOOD}"), true);
        assert_eq!(closing.to_string(), "4 passed, 0 failed");
        assert!(closing.is_good());
        assert_eq!(shown.len(), 2);
        assert!(shown[0].contains("2 passed  ortolan_domain src/lib.rs"), "{shown:?}");
    }

    #[test]
    fn a_failure_is_shown_in_full_and_named_again_at_the_end() {
        let (shown, closing) = read(&format!("{GOOD}{BAD}"), false);
        assert!(shown.iter().any(|line| line.contains("panicked")));
        assert_eq!(closing.to_string(), "failed:\n    fence tests/fence.rs lost_lease\n3 passed, 1 failed");
        assert!(!closing.is_good());
    }

    #[test]
    fn a_binary_that_dies_is_a_failure_wherever_it_stands() {
        let died =
            "     Running tests/kill.rs (target/debug/deps/kill-0a1b)\n\nrunning 1 test\nmemory allocation failed\n";
        for output in [format!("{died}{GOOD}"), format!("{GOOD}{died}")] {
            let (shown, closing) = read(&output, false);
            let closing = closing.to_string();
            let end = "failed:\n    kill tests/kill.rs (died before its result)\n2 passed, 1 failed";
            assert!(closing.ends_with(end), "{closing}");
            assert!(format!("{shown:?}{closing}").contains("memory allocation failed"));
        }
    }

    #[test]
    fn an_ignored_test_is_a_failure() {
        let output = GOOD
            .replace("task::b ... ok", "task::b ... ignored, needs a GPU")
            .replace("2 passed; 0 failed; 0", "1 passed; 0 failed; 1");
        assert_eq!(
            read(&output, true).1.to_string(),
            "failed:\n    ortolan_domain src/lib.rs task::b (ignored)\n1 passed, 1 failed"
        );
    }

    #[test]
    fn nothing_run_and_an_unexplained_failure_are_not_good() {
        assert!(!read("", true).1.is_good());
        assert_eq!(read(GOOD, false).1.to_string(), "failed:\n    cargo test itself\n2 passed, 1 failed");
    }

    #[test]
    fn doc_tests_are_named() {
        let output = "   Doc-tests ortolan_vision\n\nfailures:\n    crates/vision/src/lib.rs - iou (line 12)\n\n\
            test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s\n";
        let closing = read(output, false).1.to_string();
        assert!(closing.contains("ortolan_vision doc-tests crates/vision/src/lib.rs - iou (line 12)"), "{closing}");
    }
}
