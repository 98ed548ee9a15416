//! What a medium is.

use ortolan_domain::media::{MediaFacts, MediaKind};
use ortolan_media::{decode_image, probe_image};

use crate::wire::protocol::Failure;
use crate::work::vision::{media_of, refusal};
use crate::work::{Call, Sink, put_json};

/// Says what a picture is, once all of it has been decoded: a header alone does not tell whether the rest is there.
pub(super) fn serve(call: &Call<'_>, sink: &mut dyn Sink) -> Result<(), Failure> {
    let (bytes, limits) = (media_of(call)?, call.limits);
    let facts = probe_image(bytes, &limits).map_err(refusal)?;
    decode_image(bytes, &limits).map_err(refusal)?;
    let facts = MediaFacts {
        kind: MediaKind::Image,
        content_type: facts.content_type().to_owned(),
        width: Some(facts.width),
        height: Some(facts.height),
        duration_ms: None,
    };
    put_json(sink, &facts)
}
