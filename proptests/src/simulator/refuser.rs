//! A broker that is full: it takes connections and refuses every command, at once. (One that is not there at all is no good
//! here, because clients take real time to see that.)

use anyhow::{Context, Result};
use ortolan_queue::Queues;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Queues on such a broker.
pub(super) async fn full_queues() -> Result<Queues> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(refuse(stream));
        }
    });
    Ok(Queues::redis(&format!("redis://{address}/0")).await?)
}

/// Answers each command with an error until the client goes away.
async fn refuse(stream: TcpStream) -> Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let words = number(&mut stream, '*').await?;
        for _ in 0..words {
            let length = number(&mut stream, '$').await?;
            let mut word = vec![0; length + 2];
            stream.read_exact(&mut word).await?;
        }
        stream.write_all(b"-OOM command not allowed when used memory > 'maxmemory'.\r\n").await?;
    }
}

/// A line that is a mark and a number.
async fn number(stream: &mut BufReader<TcpStream>, mark: char) -> Result<usize> {
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    line.trim().strip_prefix(mark).and_then(|number| number.parse().ok()).context("not a command")
}
