//! The `Accept` header.

use http::{HeaderMap, header};

/// Which of the media types on offer the client likes best; the first of those that it likes equally, and `None` when it
/// takes none of them (RFC 9110, section 12.5.1).
pub fn preferred<'a>(headers: &HeaderMap, offers: &[&'a str]) -> Option<&'a str> {
    let lists = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let ranges: Vec<_> = lists.flat_map(|list| list.split(',')).filter_map(range).collect();
    if ranges.is_empty() {
        return offers.first().copied();
    }
    let mut best: Option<(&str, f32)> = None;
    for offer in offers {
        let quality = quality(&ranges, offer);
        if quality > best.map_or(0.0, |(_, quality)| quality) {
            best = Some((offer, quality));
        }
    }
    best.map(|(offer, _)| offer)
}

/// A range of media types and its weight; one that cannot be read is passed over.
fn range(text: &str) -> Option<(&str, f32)> {
    let mut parts = text.split(';').map(str::trim);
    let range = parts.next().filter(|range| range.contains('/'))?;
    let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1.0), |weight| weight.parse().ok())?;
    (0.0..=1.0).contains(&weight).then_some((range, weight))
}

/// The weight of the most exact range that the offer lies in.
fn quality(ranges: &[(&str, f32)], offer: &str) -> f32 {
    let kind = offer.split('/').next().unwrap_or_default();
    let exactness = |range: &str| match range.split_once('/') {
        Some(_) if range.eq_ignore_ascii_case(offer) => Some(2),
        Some((of_kind, "*")) if of_kind.eq_ignore_ascii_case(kind) => Some(1),
        Some(("*", "*")) => Some(0),
        _ => None,
    };
    let fitting = ranges.iter().filter_map(|(range, weight)| Some((exactness(range)?, *weight)));
    fitting.max_by_key(|(exactness, _)| *exactness).map_or(0.0, |(_, weight)| weight)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_best_liked_offer_is_taken() {
        for (accept, right) in [
            (None, Some("image/jpeg")),
            (Some("*/*"), Some("image/jpeg")),
            (Some("image/png"), Some("image/png")),
            (Some("image/*;q=0.5, image/PNG"), Some("image/png")),
            (Some("image/png;q=0.4, image/jpeg;q=0.6"), Some("image/jpeg")),
            (Some("image/jpeg;q=0, */*"), Some("image/png")),
            (Some("image/avif,image/webp,image/png,*/*;q=0.8"), Some("image/png")),
            (Some("text/html"), None),
            (Some("nonsense"), Some("image/jpeg")),
            (Some("image/png;q=2"), Some("image/jpeg")),
        ] {
            let mut headers = HeaderMap::new();
            headers.extend(accept.map(|accept| (header::ACCEPT, accept.parse().unwrap())));
            assert_eq!(preferred(&headers, &["image/jpeg", "image/png"]), right, "{accept:?}");
        }
    }
}
