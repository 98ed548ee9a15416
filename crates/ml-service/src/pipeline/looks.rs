//! The steps that run a model on the picture.

use std::sync::Arc;
use std::time::Instant;

use ortolan_domain::config::SahiConfig;
use ortolan_domain::job::MlError;
use ortolan_domain::model::ModelRef;
use ortolan_domain::pipeline::{
    ClassificationSettings, DetectionSettings, FindSettings, Findings, FoundClasses, FoundObject, FoundSegment,
    SahiSettings, overlap,
};
use ortolan_domain::{ErrorCode, Slot};
use ortolan_runner::{Area, CallContext, MAX_CROPS, ModelSource, VisionAnswer, VisionRequest};
use ortolan_vision::{PixelRegion, VisionOptions};

use super::{Run, convert};

impl Run<'_> {
    /// Finds objects: in the whole picture, or in the crops of segments of one class.
    pub(super) async fn detect(&self, settings: &DetectionSettings, found: &mut Findings) -> Result<(), MlError> {
        let options = options(&settings.find);
        match &settings.segment_type {
            None => {
                let answer = self.look(Slot::Detect, options, Area::Whole).await?;
                found.add_objects(self.objects(answer, |_| None)?);
                Ok(())
            }
            Some(class) => self.detect_in_segments(class, options, found).await,
        }
    }

    /// Looks at the crop of each segment of the class; none gives nothing.
    async fn detect_in_segments(
        &self,
        class: &str,
        options: VisionOptions,
        found: &mut Findings,
    ) -> Result<(), MlError> {
        let chosen = found.segments.iter().filter(|segment| segment.segment.label == class);
        let (homes, crops): (Vec<&FoundSegment>, Vec<PixelRegion>) =
            chosen.filter_map(|segment| Some((segment.as_ref(), self.crop(segment)?))).unzip();
        if crops.is_empty() {
            return Ok(());
        }
        if crops.len() > MAX_CROPS {
            let detail = format!("{} segments of class {class}, at most {MAX_CROPS} are looked into", crops.len());
            return Err(MlError::new(ErrorCode::Invalid, detail));
        }
        let answer = self.look(Slot::Detect, options, Area::Crops(crops)).await?;
        let home_of = |crop: u32| homes.get(crop as usize).map(|home| home.segment_idx);
        let objects = overlap::keep_each_once(self.objects(answer, home_of)?, &homes);
        found.add_objects(objects);
        Ok(())
    }

    /// The whole pixels that a segment's box touches; `None` when it has none within the picture.
    fn crop(&self, found: &FoundSegment) -> Option<PixelRegion> {
        let bounds = &found.segment.bounding_box;
        let (left, top) = (bounds.x.floor().max(0.0), bounds.y.floor().max(0.0));
        let right = (bounds.x + bounds.width).ceil().min(f64::from(self.picture.width));
        let bottom = (bounds.y + bounds.height).ceil().min(f64::from(self.picture.height));
        if right <= left || bottom <= top {
            tracing::warn!(segment_idx = found.segment_idx, "segment without pixels skipped");
            return None;
        }
        let (left, top, right, bottom) = (left as u32, top as u32, right as u32, bottom as u32);
        Some(PixelRegion { left, top, width: right - left, height: bottom - top })
    }

    /// Finds objects tile by tile.
    pub(super) async fn detect_in_tiles(&self, settings: &SahiSettings, found: &mut Findings) -> Result<(), MlError> {
        let config = SahiConfig::from(settings);
        let (options, tiling) = (crate::convert::options(&config.of_tile()), crate::convert::tiling(&config));
        let answer = self.look(Slot::Detect, options, Area::Tiles(tiling)).await?;
        found.add_objects(self.objects(answer, |_| None)?);
        Ok(())
    }

    /// Finds masks.
    pub(super) async fn segment(&self, settings: &FindSettings, found: &mut Findings) -> Result<(), MlError> {
        let answer = self.look(Slot::Segment, options(settings), Area::Whole).await?;
        found.add_segments(convert::segments(answer.output)?);
        Ok(())
    }

    /// Says what the whole picture shows.
    pub(super) async fn classify(
        &self,
        settings: &ClassificationSettings,
        found: &mut Findings,
    ) -> Result<(), MlError> {
        let options = VisionOptions { top_k: Some(settings.top_k as usize), ..VisionOptions::default() };
        let answer = self.look(Slot::Classify, options, Area::Whole).await?;
        let classes = FoundClasses { key: self.log.key(), classes: convert::classes(answer.output)? };
        found.classes.push(Arc::new(classes));
        Ok(())
    }

    /// Waits for the tenant's turn on the device and lets a model look.
    async fn look(&self, slot: Slot, options: VisionOptions, area: Area) -> Result<VisionAnswer, MlError> {
        let service = self.service;
        let missing = || MlError::new(ErrorCode::Internal, "the step's model was not fetched");
        let model = self.models.get(&slot).cloned().ok_or_else(missing)?;
        let (permit, waited) = service.device_permit(self.job, &self.cancel).await?;
        let context = CallContext::cancelled_by(self.cancel.clone())
            .with_deadline(service.0.instant(self.job.deadline_at))
            .with_permit(permit);
        let key = service.key(ModelRef::new(self.job.tenant.clone(), slot));
        let request = VisionRequest { slot, options, area };
        let (sha256, began) = (ModelSource::sha256(&*model).to_owned(), Instant::now());
        let answer = service.0.pool.vision_held(&key, model, request, &self.picture, context).await;
        let answer = answer.map_err(|error| crate::convert::crash(&error, slot, &sha256, self.job));
        let answer = service.looked(&key, waited, began.elapsed(), answer)?;
        self.log.looked(waited, &answer.timings);
        Ok(answer)
    }

    fn objects(&self, answer: VisionAnswer, home_of: impl Fn(u32) -> Option<u32>) -> Result<Vec<FoundObject>, MlError> {
        let VisionAnswer { output, crop_of, .. } = answer;
        let object = |(index, finding)| FoundObject {
            key: self.log.key(),
            finding,
            source_segment_idx: crop_of.get(index).and_then(|crop| home_of(*crop)),
            size: None,
            species: None,
        };
        Ok(convert::findings(output)?.into_iter().enumerate().map(object).collect())
    }
}

fn options(settings: &FindSettings) -> VisionOptions {
    VisionOptions {
        confidence_threshold: settings.confidence_threshold,
        iou_threshold: settings.iou_threshold,
        classes: settings.classes.clone().unwrap_or_default(),
        max_detections: settings.max_detections as usize,
        class_agnostic: settings.class_agnostic,
        image_size: settings.image_size,
        ..VisionOptions::default()
    }
}
