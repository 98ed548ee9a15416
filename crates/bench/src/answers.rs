//! Answers of a server, read off a connection without looking at more than their length and status.

use anyhow::{Context, Result, bail};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// Most bytes of an answer's head.
const MOST_HEAD_BYTES: usize = 16 << 10;
/// How much is read at once.
const ROOM_BYTES: usize = 256 << 10;

/// Reads answers one after the other.
pub struct Answers {
    room: Vec<u8>,
    filled: usize,
}

/// What a head says.
#[derive(Debug, PartialEq)]
struct Head {
    bytes: usize,
    status: u16,
    body_bytes: usize,
}

impl Answers {
    /// A reader that has read nothing.
    pub fn new() -> Self {
        Self { room: vec![0; ROOM_BYTES], filled: 0 }
    }

    /// Reads one whole answer and tells its status; the body is dropped.
    pub async fn next(&mut self, stream: &mut TcpStream) -> Result<u16> {
        self.filled = 0;
        let head = loop {
            self.read(stream).await?;
            if let Some(head) = Head::parse(&self.room[..self.filled])? {
                break head;
            }
        };
        let mut left =
            (head.bytes + head.body_bytes).checked_sub(self.filled).context("more came than was asked for")?;
        while left > 0 {
            self.filled = 0;
            self.read(stream).await?;
            left = left.checked_sub(self.filled).context("more came than was asked for")?;
        }
        Ok(head.status)
    }

    async fn read(&mut self, stream: &mut TcpStream) -> Result<()> {
        let read = stream.read(&mut self.room[self.filled..]).await?;
        if read == 0 {
            bail!("the server closed the connection");
        }
        self.filled += read;
        Ok(())
    }
}

impl Head {
    /// The head at the front of `bytes`, once all of it is there.
    fn parse(bytes: &[u8]) -> Result<Option<Self>> {
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            if bytes.len() > MOST_HEAD_BYTES {
                bail!("an answer's head has no end");
            }
            return Ok(None);
        };
        let text = std::str::from_utf8(&bytes[..end]).context("an answer's head is no text")?;
        let mut lines = text.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).context("no status")?;
        let length = lines.filter_map(|line| line.split_once(':'));
        let length = length.filter(|(name, _)| name.eq_ignore_ascii_case("content-length")).last();
        let (_, length) = length.context("an answer without a length")?;
        Ok(Some(Self { bytes: end + 4, status, body_bytes: length.trim().parse().context("content-length")? }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_head_is_read_once_it_is_whole() {
        let text = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nx: y\r\n\r\nhello";
        assert_eq!(Head::parse(&text[..20]).unwrap(), None);
        let head = Head::parse(text).unwrap().unwrap();
        assert_eq!((head.status, head.body_bytes, text.len() - head.bytes), (200, 5, 5));
        assert!(Head::parse(b"HTTP/1.1 200 OK\r\n\r\n").is_err(), "nothing says how long it is");
        assert!(Head::parse(b"SSH-2.0\r\n\r\n").is_err());
    }
}
