//! Where a piece of work comes from: the request that asked for it, and the trace that it is part of. Both travel with it
//! through queues and results, and neither changes what is done.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Where a piece of work comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The request that asked for it, as its answer named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The span of a trace that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceContext>,
}

/// A span of a trace, as W3C Trace Context names it in the header `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceContext {
    /// The trace; never 0.
    pub trace_id: u128,
    /// The span; never 0.
    pub span_id: u64,
    /// Whether whoever began the trace wants it to be recorded.
    pub is_sampled: bool,
}

impl TraceContext {
    /// The header that carries it.
    pub const HEADER: &str = "traceparent";

    /// Reads `00-{32 hex digits}-{16 hex digits}-{2 hex digits}`. Of a later version more may follow, which is left out;
    /// `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (version, trace_id, span_id, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_known = version == "00" && parts.next().is_none();
        let is_later = version != "ff" && version != "00" && hex(version, 2).is_some();
        let (trace_id, span_id, flags) = (hex(trace_id, 32)?, hex(span_id, 16)?, hex(flags, 2)?);
        let span_id = u64::try_from(span_id).ok()?;
        ((is_known || is_later) && trace_id != 0 && span_id != 0).then_some(Self {
            trace_id,
            span_id,
            is_sampled: flags & 1 == 1,
        })
    }
}

/// Exactly so many lower-case hexadecimal digits.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let is_hex = text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_hex.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, u8::from(self.is_sampled))
    }
}

impl Serialize for TraceContext {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TraceContext {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a traceparent"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_context_survives_the_way() {
        let context = TraceContext::parse(EXAMPLE);
        assert_eq!(context.map(|context| context.to_string()).as_deref(), Some(EXAMPLE));
        assert_eq!(context.map(|context| (context.span_id, context.is_sampled)), Some((0xb7ad_6b71_6920_3331, true)));
        let later = format!("cc{}-more", &EXAMPLE[2..]);
        assert_eq!(TraceContext::parse(&later), context);
        let json = serde_json::to_string(&Origin { request_id: None, trace: context });
        assert!(json.is_ok_and(|json| serde_json::from_str::<Origin>(&json).is_ok_and(|back| back.trace == context)));
    }

    #[test]
    fn what_is_none_is_refused() {
        let (zeros, upper) = ("00-00000000000000000000000000000000-b7ad6b7169203331-01", EXAMPLE.to_uppercase());
        let no_span = EXAMPLE.replace("b7ad6b7169203331", "0000000000000000");
        let more = format!("{EXAMPLE}-more");
        let forbidden = format!("ff{}", &EXAMPLE[2..]);
        for bad in ["", "00", zeros, &upper, &no_span, &more, &forbidden, &EXAMPLE[..54], "00-é-b7ad6b7169203331-01"] {
            assert_eq!(TraceContext::parse(bad), None, "{bad}");
        }
    }
}
