//! What a runner says on standard error. The pipe is always drained, or the runner would stop at its next word; what is
//! passed on is bounded and has no control characters.

use tokio::io::{AsyncRead, AsyncReadExt};

/// Lines of one runner that are passed on, and bytes of a line.
const MOST_LINES: usize = 200;
const MOST_BYTES: usize = 1024;

/// Passes lines on to the log until the pipe closes; true when the last of them told of a failed allocation.
pub(super) async fn pass_on(mut pipe: impl AsyncRead + Unpin, tenant: String, pid: u32) -> bool {
    let (mut lines, mut buffer) = (Lines::default(), [0; 4096]);
    while let Ok(length @ 1..) = pipe.read(&mut buffer).await {
        lines.feed(&buffer[..length], |line| tracing::warn!(tenant, pid, "a runner says: {line}"));
    }
    lines.told_of_memory
}

#[derive(Debug, Default)]
struct Lines {
    line: Vec<u8>,
    passed: usize,
    told_of_memory: bool,
}

impl Lines {
    fn feed(&mut self, bytes: &[u8], mut pass: impl FnMut(&str)) {
        for &byte in bytes {
            if byte != b'\n' {
                if self.line.len() < MOST_BYTES {
                    self.line.push(byte);
                }
                continue;
            }
            let text = String::from_utf8_lossy(&self.line);
            // What Rust and C++ print before they abort.
            self.told_of_memory = (text.starts_with("memory allocation of ") && text.ends_with(" failed"))
                || text.contains("std::bad_alloc");
            if self.passed < MOST_LINES && !text.trim().is_empty() {
                pass(&text.escape_debug().to_string());
                self.passed += 1;
            }
            self.line.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_passed_on_is_bounded_and_escaped() {
        let (mut lines, mut passed) = (Lines::default(), Vec::new());
        lines.feed(b"\x1b[31mforged\r 2026 INFO all is well\n", |line| passed.push(line.to_owned()));
        lines.feed(&vec![b'x'; 100_000], |line| passed.push(line.to_owned()));
        lines.feed(&b"\n".repeat(10), |line| passed.push(line.to_owned()));
        assert_eq!(passed[0], r"\u{1b}[31mforged\r 2026 INFO all is well");
        assert_eq!((passed[1].len(), passed.len()), (MOST_BYTES, 2), "empty lines are nothing");
        lines.feed(&b"y\n".repeat(1000), |line| passed.push(line.to_owned()));
        assert_eq!(passed.len(), MOST_LINES);
        assert!(!lines.told_of_memory);
        lines.feed(b"memory allocation of 12884508675 bytes failed\n", |_| ());
        assert!(lines.told_of_memory);
    }
}
