//! `Prefer: wait=N`.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::FromRequestParts;
use http::request::Parts;

use crate::state::ApiState;

/// How long the client would like to wait for the end of what it starts. What cannot be read is no preference (RFC 7240).
pub struct PreferWait(pub Option<Duration>);

impl FromRequestParts<ApiState> for PreferWait {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Infallible> {
        let values = parts.headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
        let wait = values.flat_map(|value| value.split([',', ';'])).find_map(wait_seconds);
        Ok(Self(wait.map(|seconds| Duration::from_secs(seconds).min(state.settings().max_wait))))
    }
}

/// Whether the client would rather have a job than wait: `Prefer: respond-async` (RFC 7240).
pub struct PreferAsync(pub bool);

impl FromRequestParts<ApiState> for PreferAsync {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &ApiState) -> Result<Self, Infallible> {
        let values = parts.headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
        let mut wishes = values.flat_map(|value| value.split([',', ';']));
        Ok(Self(wishes.any(|wish| wish.trim().eq_ignore_ascii_case("respond-async"))))
    }
}

fn wait_seconds(preference: &str) -> Option<u64> {
    let (name, value) = preference.split_once('=')?;
    let seconds = value.trim().trim_matches('"').parse().ok()?;
    name.trim().eq_ignore_ascii_case("wait").then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_read_and_nonsense_is_not() {
        assert_eq!(wait_seconds(" wait=10"), Some(10));
        assert_eq!(wait_seconds("Wait = \"5\""), Some(5));
        for other in ["respond-async", "wait", "wait=-1", "wait=soon", "waiting=3"] {
            assert_eq!(wait_seconds(other), None, "{other}");
        }
    }
}
