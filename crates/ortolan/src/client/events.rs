//! Server-sent events, as far as this API uses them (WHATWG HTML, "Server-sent events").

/// Longest line that is kept; a task's events are far shorter.
const MAX_LINE_BYTES: usize = 1 << 20;

/// Puts the `data` of events together out of pieces of a stream.
#[derive(Debug, Default)]
pub(super) struct EventReader {
    line: Vec<u8>,
    data: String,
}

impl EventReader {
    /// Takes the next piece and gives the data of each event that it completes.
    pub fn push(&mut self, piece: &[u8]) -> Vec<String> {
        let mut events = Vec::new();
        for &byte in piece {
            match byte {
                b'\n' => events.extend(self.end_line()),
                b'\r' => {}
                _ if self.line.len() < MAX_LINE_BYTES => self.line.push(byte),
                _ => {}
            }
        }
        events
    }

    /// An empty line ends an event; comments and fields other than `data` do not matter here.
    fn end_line(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return Some(std::mem::take(&mut self.data)).filter(|data| !data.is_empty());
        }
        let value = line.strip_prefix(b"data:")?;
        let value = value.strip_prefix(b" ").unwrap_or(value);
        if !self.data.is_empty() {
            self.data.push('\n');
        }
        self.data.push_str(&String::from_utf8_lossy(value));
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str =
        ": hello\n\nid: 1\nevent: status\ndata: {\"a\":1}\n\ndata:two\r\ndata: lines\r\n\r\n:\n\nid: 9\n\n";

    #[test]
    fn events_are_the_same_however_the_stream_is_cut() {
        for size in 1..STREAM.len() {
            let mut reader = EventReader::default();
            let events: Vec<String> = STREAM.as_bytes().chunks(size).flat_map(|piece| reader.push(piece)).collect();
            assert_eq!(events, ["{\"a\":1}", "two\nlines"], "pieces of {size}");
        }
    }

    #[test]
    fn an_endless_line_does_not_fill_the_memory() {
        let mut reader = EventReader::default();
        for _ in 0..3 {
            assert!(reader.push(&vec![b'x'; MAX_LINE_BYTES]).is_empty());
        }
        assert_eq!(reader.line.len(), MAX_LINE_BYTES);
    }
}
