//! Classification: the classes by falling probability.

use crate::{
    error::InterpretError,
    options::VisionOptions,
    output::{Classification, Prediction},
    profile::{ModelProfile, pick_classes},
    tensor::OutputView,
};

/// Ranks the classes of output `[1, classes]`; its values are used as they are. Values that are no finite number are
/// left out.
pub(super) fn rank(
    profile: &ModelProfile,
    outputs: &[OutputView<'_>],
    options: &VisionOptions,
) -> Result<Classification, InterpretError> {
    let output = pick_classes(outputs)?;
    let values = output.data.to_f32();
    let wanted = profile.selected_classes(options)?;
    let numbered = (0..).zip(values.iter().copied());
    let mut ranked: Vec<(u32, f32)> = numbered
        .filter(|(id, value)| {
            value.is_finite() && wanted.as_ref().is_none_or(|wanted| wanted.binary_search(id).is_ok())
        })
        .collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    ranked.truncate(options.top_k.unwrap_or(usize::MAX));
    let prediction = |(class_id, value): (u32, f32)| Prediction {
        label: profile.names.label(class_id),
        class_id,
        confidence: value.clamp(0.0, 1.0),
    };
    Ok(Classification { predictions: ranked.into_iter().map(prediction).collect() })
}
