//! Lists that come in pages.

use reqwest::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Client, ClientError};

/// Most items that a page may have.
const PAGE_SIZE: u64 = 100;

#[derive(Deserialize)]
struct Page<T> {
    items: Vec<T>,
    total: u64,
}

/// How a list is paged.
#[derive(Clone, Copy)]
pub(super) enum Paging {
    /// `page` and `page_size`.
    Numbered,
    /// `limit` and `offset`.
    Offset,
}

impl Paging {
    fn query(self, index: u64, size: u64) -> [(&'static str, u64); 2] {
        match self {
            Self::Numbered => [("page", index + 1), ("page_size", size)],
            Self::Offset => [("limit", size), ("offset", index * size)],
        }
    }
}

impl Client {
    /// The first `most` items of a list.
    pub(super) async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        paging: Paging,
        most: usize,
    ) -> Result<Vec<T>, ClientError> {
        let mut items: Vec<T> = Vec::new();
        for index in 0.. {
            let request = self.request(Method::GET, path).query(&paging.query(index, PAGE_SIZE));
            let page: Page<T> = self.json(request).await?;
            let is_last = page.items.is_empty();
            items.extend(page.items);
            if is_last || items.len() as u64 >= page.total || items.len() >= most {
                break;
            }
        }
        items.truncate(most);
        Ok(items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_pages_follow_each_other() {
        assert_eq!(Paging::Numbered.query(0, 100), [("page", 1), ("page_size", 100)]);
        assert_eq!(Paging::Offset.query(2, 100), [("limit", 100), ("offset", 200)]);
    }
}
