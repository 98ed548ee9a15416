//! One page of a list.

use ortolan_store::Page;
use serde::Serialize;
use utoipa::ToSchema;

use crate::extract::PageWish;

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Page)]
pub struct PageView<T> {
    /// The things on this page.
    pub items: Vec<T>,
    /// How many there are in all.
    pub total: u64,
    /// The page, from 1.
    pub page: u32,
    /// Things on a page.
    pub page_size: u32,
    /// How many pages there are.
    pub total_pages: u64,
}

impl<T> PageView<T> {
    /// What the store found for a wish.
    pub fn of<R>(found: Page<R>, wish: PageWish) -> Self
    where
        T: From<R>,
    {
        Self::with(found, wish, T::from)
    }

    /// What the store found for a wish, each thing shown by `show`.
    pub fn with<R>(found: Page<R>, wish: PageWish, show: impl FnMut(R) -> T) -> Self {
        Self {
            items: found.items.into_iter().map(show).collect(),
            total: found.total,
            page: wish.page,
            page_size: wish.page_size,
            total_pages: found.total.div_ceil(u64::from(wish.page_size)),
        }
    }
}
