//! `GET /models`.

use axum::extract::State;
use axum::response::Response;
use ortolan_domain::model::ModelStatus;
use ortolan_store::{ModelFilter, ModelSort, Order};
use serde::Deserialize;
use utoipa::IntoParams;

use super::cache;
use super::create::check_name;
use super::view::ModelView;
use crate::auth::{Access, ReadAccess};
use crate::error::ApiError;
use crate::extract::{PageWish, Query, check_page, first_page, usual_page_size};
use crate::openapi::refusals;
use crate::page::PageView;
use crate::state::ApiState;

refusals!(ListRefusals:);

/// Which versions, and in which order.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ModelQuery {
    /// The page, from 1.
    #[serde(default = "first_page")]
    #[param(minimum = 1, default = 1)]
    page: u32,
    /// Versions on a page.
    #[serde(default = "usual_page_size")]
    #[param(minimum = 1, maximum = 100, default = 20)]
    page_size: u32,
    /// Only these, with commas between: `pending`, `uploaded`, `validating`, `ready`, `error`, `archived`.
    status: Option<String>,
    /// Only versions of this name.
    name: Option<String>,
    /// `created_at` (when left out), `updated_at`, `name` or `size`.
    sort_by: Option<String>,
    /// `desc` (when left out) or `asc`.
    order: Option<String>,
}

/// Lists versions of models
///
/// The newest first, unless told otherwise. Needs scope `read`.
#[utoipa::path(
    get, path = "/models", tag = "models", params(ModelQuery),
    responses((status = 200, description = "One page.", body = PageView<ModelView>), ListRefusals),
)]
pub async fn list_models(
    State(state): State<ApiState>,
    Access { tenant, .. }: ReadAccess,
    Query(query): Query<ModelQuery>,
) -> Result<Response, ApiError> {
    let (wish, filter) = query.check()?;
    cache::answer_list(&state, &tenant.name, &format!("{filter:?}"), async || {
        let found = state.stores.models.list_models(tenant.id, &filter).await?;
        Ok(PageView::with(found, wish, |model| ModelView::of(model, &tenant.name)))
    })
    .await
}

impl ModelQuery {
    fn check(self) -> Result<(PageWish, ModelFilter), ApiError> {
        let wish = check_page(self.page, self.page_size)?;
        let name = self.name.as_deref().map(check_name).transpose();
        let name = name.map_err(|error| ApiError::parameter("name", error.reason))?;
        let filter = ModelFilter {
            statuses: statuses(self.status.as_deref())?,
            name,
            sort_by: sort_by(self.sort_by.as_deref())?,
            order: order(self.order.as_deref())?,
            limit: wish.page_size,
            offset: wish.offset(),
        };
        Ok((wish, filter))
    }
}

fn statuses(text: Option<&str>) -> Result<Vec<ModelStatus>, ApiError> {
    let words = text.into_iter().flat_map(|text| text.split(',')).map(str::trim).filter(|word| !word.is_empty());
    let read = |word: &str| {
        let expected = ModelStatus::ALL.map(ModelStatus::as_str).join(", ");
        let unknown = || ApiError::parameter("status", format!("expected some of {expected}, was '{word}'"));
        ModelStatus::parse(word).ok_or_else(unknown)
    };
    let mut statuses = words.map(read).collect::<Result<Vec<_>, _>>()?;
    statuses.sort_unstable();
    statuses.dedup();
    Ok(statuses)
}

fn sort_by(word: Option<&str>) -> Result<ModelSort, ApiError> {
    match word {
        None | Some("created_at") => Ok(ModelSort::CreatedAt),
        Some("updated_at") => Ok(ModelSort::UpdatedAt),
        Some("name") => Ok(ModelSort::Name),
        Some("size") => Ok(ModelSort::SizeBytes),
        Some(other) => {
            let reason = format!("expected created_at, updated_at, name or size, was '{other}'");
            Err(ApiError::parameter("sort_by", reason))
        }
    }
}

fn order(word: Option<&str>) -> Result<Order, ApiError> {
    match word {
        None | Some("desc") => Ok(Order::Descending),
        Some("asc") => Ok(Order::Ascending),
        Some(other) => Err(ApiError::parameter("order", format!("expected desc or asc, was '{other}'"))),
    }
}
