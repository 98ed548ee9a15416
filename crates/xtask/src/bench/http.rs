//! A blocking HTTP/1.1 client over one kept-alive connection: just enough to load a server cheaply from many threads.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// Longer than any answer that is waited for on purpose.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// A connection that is opened at the first request and again after the server closed it.
#[derive(Debug)]
pub struct Connection {
    address: SocketAddr,
    stream: Option<BufReader<TcpStream>>,
}

/// A whole answer.
#[derive(Debug, PartialEq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Bytes of the JSON in front of binary tensors, where there are some.
    pub head_bytes: Option<usize>,
    /// The body, without its transfer coding.
    pub body: Vec<u8>,
}

impl Answer {
    /// The binary tensors behind the JSON.
    pub fn binary_tail(&self) -> Option<&[u8]> {
        self.body.get(self.head_bytes?..)
    }
}

impl Connection {
    /// A connection to the address, not opened yet.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, stream: None }
    }

    /// Sends a request and reads the whole answer. After an error the next request opens a new connection.
    pub fn request(&mut self, method: &str, path: &str, headers: &str, body: &[u8]) -> Result<Answer> {
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\n{headers}content-length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        request.reserve(body.len());
        let mut request = request.into_bytes();
        request.extend_from_slice(body);
        self.send(&request)
    }

    /// Sends a request that is written out already and reads the whole answer.
    pub fn send(&mut self, request: &[u8]) -> Result<Answer> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.open()?,
        };
        stream.get_mut().write_all(request).context("cannot send")?;
        let (answer, keep) = read_answer(&mut stream)?;
        self.stream = keep.then_some(stream);
        Ok(answer)
    }

    fn open(&self) -> Result<BufReader<TcpStream>> {
        let stream = TcpStream::connect(self.address).with_context(|| format!("cannot connect to {}", self.address))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(READ_TIMEOUT))?;
        Ok(BufReader::new(stream))
    }
}

/// Reads an answer; the flag says whether the connection may be used again.
fn read_answer(stream: &mut impl BufRead) -> Result<(Answer, bool)> {
    let line = read_line(stream)?;
    let status =
        line.split(' ').nth(1).and_then(|status| status.parse().ok()).with_context(|| format!("not HTTP: {line:?}"))?;
    let (mut length, mut chunked, mut keep, mut head_bytes) = (None, false, true, None);
    loop {
        let line = read_line(stream)?;
        let Some((name, value)) = line.split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = Some(value.trim().parse().context("content-length")?),
            "transfer-encoding" => chunked = value.trim().eq_ignore_ascii_case("chunked"),
            "inference-header-content-length" => head_bytes = Some(value.trim().parse().context("header length")?),
            "connection" => keep = !value.trim().eq_ignore_ascii_case("close"),
            _ => {}
        }
    }
    let body = match length {
        _ if chunked => read_chunks(stream)?,
        Some(length) => read_exactly(stream, length)?,
        None if status == 204 || status == 304 => Vec::new(),
        None => bail!("an answer without a length"),
    };
    Ok((Answer { status, head_bytes, body }, keep))
}

fn read_chunks(stream: &mut impl BufRead) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = read_line(stream)?;
        let length =
            usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16).context("chunk length")?;
        body.extend(read_exactly(stream, length)?);
        read_line(stream)?;
        if length == 0 {
            return Ok(body);
        }
    }
}

fn read_exactly(stream: &mut impl BufRead, length: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).context("the answer ended early")?;
    Ok(bytes)
}

fn read_line(stream: &mut impl BufRead) -> Result<String> {
    let mut line = String::new();
    if stream.take(64 * 1024).read_line(&mut line).context("cannot read")? == 0 {
        bail!("the server closed the connection");
    }
    line.truncate(line.trim_end().len());
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(Answer, bool)> {
        read_answer(&mut text.as_bytes())
    }

    #[test]
    fn a_body_is_read_by_length_and_by_chunks() -> Result<()> {
        let whole = Answer { status: 201, head_bytes: None, body: b"{\"a\":1}".to_vec() };
        assert_eq!(read("HTTP/1.1 201 Created\r\nContent-Length: 7\r\n\r\n{\"a\":1}rest")?, (whole, true));
        let chunked =
            read("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n")?;
        assert_eq!(chunked.0.body, b"{\"a\":1}");
        Ok(())
    }

    #[test]
    fn a_closing_server_is_noticed() -> Result<()> {
        assert!(!read("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")?.1);
        assert!(read("").is_err());
        assert!(read("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort").is_err());
        assert!(read("SSH-2.0\r\n\r\n").is_err());
        Ok(())
    }
}
