//! Content encodings: gzip and deflate, bounded.

use std::io::{Read, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::bufread::{GzDecoder, ZlibDecoder};
use flate2::write::{GzEncoder, ZlibEncoder};

use crate::error::{OipError, shorten};

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// RFC 1952.
    Gzip,
    /// RFC 1950, which HTTP calls deflate.
    Deflate,
}

impl Encoding {
    /// Reads `Content-Encoding`; `None` for a body as it is.
    pub fn of_content(value: &str) -> Result<Option<Self>, OipError> {
        match value.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Ok(None),
            "gzip" | "x-gzip" => Ok(Some(Self::Gzip)),
            "deflate" => Ok(Some(Self::Deflate)),
            other => Err(OipError::UnknownEncoding(shorten(other))),
        }
    }

    /// The encoding of an answer to a client that sent this `Accept-Encoding`.
    pub fn accepted(value: &str) -> Option<Self> {
        let wishes = value.split(',').filter_map(|wish| {
            let mut parts = wish.split(';').map(str::trim);
            let name = parts.next()?;
            let refused = parts.any(|part| matches!(part.replace(' ', "").as_str(), "q=0" | "q=0.0"));
            (!refused).then_some(name)
        });
        wishes.filter_map(|name| Self::of_content(name).ok().flatten()).next()
    }

    /// The word in HTTP headers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
        }
    }
}

/// Undoes the encoding. A stream that is broken, cut off, followed by something or larger than `limit_bytes` is refused.
pub fn decompress(body: Bytes, encoding: Option<Encoding>, limit_bytes: usize) -> Result<Bytes, OipError> {
    match encoding {
        None => Ok(body),
        Some(Encoding::Gzip) => {
            let mut decoder = GzDecoder::new(&body[..]);
            let whole = read_all(&mut decoder, "gzip", limit_bytes)?;
            refuse_rest(decoder.into_inner()).map(|()| whole)
        }
        Some(Encoding::Deflate) => {
            let mut decoder = ZlibDecoder::new(&body[..]);
            let whole = read_all(&mut decoder, "deflate", limit_bytes)?;
            refuse_rest(decoder.into_inner()).map(|()| whole)
        }
    }
}

fn read_all(decoder: &mut impl Read, name: &str, limit_bytes: usize) -> Result<Bytes, OipError> {
    let mut whole = Vec::new();
    let most = u64::try_from(limit_bytes).unwrap_or(u64::MAX).saturating_add(1);
    let read = decoder.by_ref().take(most).read_to_end(&mut whole);
    read.map_err(|_| OipError::malformed(format!("the body is no complete {name} stream")))?;
    if whole.len() > limit_bytes {
        return Err(OipError::TooLarge { limit_bytes });
    }
    Ok(whole.into())
}

fn refuse_rest(rest: &[u8]) -> Result<(), OipError> {
    if rest.is_empty() {
        return Ok(());
    }
    Err(OipError::malformed(format!("{} bytes follow the end of the compressed body", rest.len())))
}

/// Compresses an answer, quickly rather than well.
pub fn compress(pieces: &[Bytes], encoding: Encoding) -> std::io::Result<Bytes> {
    fn write_all<W: Write>(mut writer: W, pieces: &[Bytes]) -> std::io::Result<W> {
        pieces.iter().try_for_each(|piece| writer.write_all(piece))?;
        Ok(writer)
    }
    let whole = match encoding {
        Encoding::Gzip => write_all(GzEncoder::new(Vec::new(), Compression::fast()), pieces)?.finish()?,
        Encoding::Deflate => write_all(ZlibEncoder::new(Vec::new(), Compression::fast()), pieces)?.finish()?,
    };
    Ok(whole.into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_was_compressed_comes_back() {
        let pieces = [Bytes::from_static(b"{\"a\":1}"), Bytes::from(vec![7; 1000])];
        for encoding in [Encoding::Gzip, Encoding::Deflate] {
            let packed = compress(&pieces, encoding).unwrap();
            assert!(packed.len() < 200);
            assert_eq!(decompress(packed, Some(encoding), 2000).unwrap(), pieces.concat());
        }
    }

    #[test]
    fn bombs_cuts_and_followers_are_refused() {
        let bomb = compress(&[Bytes::from(vec![0; 10 << 20])], Encoding::Gzip).unwrap();
        let limit_bytes = 1 << 20;
        assert_eq!(decompress(bomb, Some(Encoding::Gzip), limit_bytes), Err(OipError::TooLarge { limit_bytes }));
        for encoding in [Encoding::Gzip, Encoding::Deflate] {
            let good = compress(&[Bytes::from_static(b"hello hello hello")], encoding).unwrap();
            let twice = Bytes::from([&good[..], &good[..]].concat());
            for bad in [good.slice(..good.len() - 3), twice, Bytes::from_static(b"{}"), Bytes::new()] {
                assert!(matches!(decompress(bad, Some(encoding), 100), Err(OipError::Malformed(_))));
            }
        }
    }

    #[test]
    fn headers_are_read() {
        assert_eq!(Encoding::of_content("GZip"), Ok(Some(Encoding::Gzip)));
        assert!(Encoding::of_content("gzip, gzip").is_err() && Encoding::of_content("br").is_err());
        assert_eq!(Encoding::accepted("br, deflate;q=0, gzip;q=0.5"), Some(Encoding::Gzip));
        assert_eq!(Encoding::accepted("identity, *"), None);
    }
}
