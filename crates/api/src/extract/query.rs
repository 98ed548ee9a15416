//! Parameters after the question mark.

use axum::extract::FromRequestParts;
use http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use crate::error::ApiError;
use crate::state::ApiState;

/// The parameters as a type; a 400 names the one that is unknown or does not fit.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<ApiState> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &ApiState) -> Result<Self, ApiError> {
        let query = parts.uri.query().unwrap_or_default();
        let pairs = serde_urlencoded::Deserializer::new(form_urlencoded::parse(query.as_bytes()));
        let bad = |error: serde_path_to_error::Error<serde::de::value::Error>| {
            ApiError::parameter(error.path().to_string(), error.inner().to_string())
        };
        serde_path_to_error::deserialize(pairs).map(Self).map_err(bad)
    }
}

/// Which page of a list.
#[derive(Debug, Clone, Copy, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// The page, from 1.
    #[serde(default = "first_page")]
    #[param(minimum = 1, default = 1)]
    page: u32,
    /// Things on a page.
    #[serde(default = "usual_page_size")]
    #[param(minimum = 1, maximum = 100, default = 20)]
    page_size: u32,
}

/// The page that is meant when none is named.
pub const fn first_page() -> u32 {
    1
}
/// Things on a page when nobody says how many.
pub const fn usual_page_size() -> u32 {
    20
}

/// A page that was checked.
#[derive(Debug, Clone, Copy)]
pub struct PageWish {
    /// The page, from 1.
    pub page: u32,
    /// Things on a page, 1 to 100.
    pub page_size: u32,
}

impl PageQuery {
    /// Checks the ranges.
    pub fn check(self) -> Result<PageWish, ApiError> {
        check_page(self.page, self.page_size)
    }
}

/// Checks the ranges of a page's number and size.
pub fn check_page(page: u32, page_size: u32) -> Result<PageWish, ApiError> {
    if page == 0 {
        return Err(ApiError::parameter("page", "must be at least 1, was 0"));
    }
    if !(1..=100).contains(&page_size) {
        return Err(ApiError::parameter("page_size", format!("must be from 1 to 100, was {page_size}")));
    }
    Ok(PageWish { page, page_size })
}

impl PageWish {
    /// How many things come before the page.
    pub fn offset(self) -> u64 {
        u64::from(self.page - 1) * u64::from(self.page_size)
    }
}
