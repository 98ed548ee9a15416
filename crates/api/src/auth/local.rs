//! The guard of the mode without keys: a page of a stranger's site that a browser on this machine shows must not reach it,
//! neither across origins nor through a name that was bent to this machine.

use http::uri::Authority;
use http::{HeaderMap, header};
use ortolan_domain::ErrorCode;

use crate::error::ApiError;

/// Refuses requests that come through a name other than this machine's own, or from a page of another origin.
pub fn require_local_page(headers: &HeaderMap, origins: &[String]) -> Result<(), ApiError> {
    let host = headers.get(header::HOST).map(|host| host.to_str().unwrap_or_default());
    if host.is_some_and(|host| !is_local(host)) {
        return Err(refused("without keys, only requests to localhost are answered"));
    }
    match headers.get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or_default()) {
        Some(origin) if !is_own(origin, host) && !origins.iter().any(|allowed| allowed == origin) => {
            Err(refused("without keys, pages of other origins are refused"))
        }
        _ => Ok(()),
    }
}

fn is_local(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn is_own(origin: &str, host: Option<&str>) -> bool {
    origin.strip_prefix("http://").is_some_and(|authority| Some(authority) == host)
}

fn refused(detail: &'static str) -> ApiError {
    ApiError::new(ErrorCode::Forbidden, detail)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(host: &str, origin: Option<&str>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        require_local_page(&headers, &["http://localhost:3000".to_owned()]).is_ok()
    }

    #[test]
    fn only_this_machines_own_names_and_pages_pass() {
        for host in ["localhost:8000", "127.0.0.1:8000", "[::1]:8000", "127.8.9.1"] {
            assert!(check(host, None), "{host}");
        }
        for host in ["evil.example", "192.168.1.7:8000", "localhost.evil.example", ""] {
            assert!(!check(host, None), "{host}");
        }
        assert!(check("127.0.0.1:8000", Some("http://127.0.0.1:8000")));
        assert!(check("127.0.0.1:8000", Some("http://localhost:3000")));
        for origin in ["http://evil.example", "null", "http://127.0.0.1:9000"] {
            assert!(!check("127.0.0.1:8000", Some(origin)), "{origin}");
        }
    }
}
