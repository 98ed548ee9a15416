//! A picture looked at part by part. Parts are read where they lie in the decoded picture; beside it there is only one
//! batch of inputs.

use ortolan_vision::{Gatherer, PictureView, PixelRegion, RgbImage, TilingOptions, VisionOutput, VisionTask};

use crate::answer::{MAX_CROPS, MAX_IN_CROPS};
use crate::wire::protocol::{Failure, Status};
use crate::work::Sink;
use crate::work::vision::{Look, stopped};

/// Most tiles of one run, and most pixels of them together, as they lie in the picture.
const MAX_BATCH: usize = 8;
const MAX_BATCH_PIXELS: usize = 4 << 20;

/// Looks at tile after tile, at the whole picture too when told to, and merges what they gave.
pub(super) fn tiles(
    look: &mut Look<'_>,
    image: &RgbImage,
    tiling: TilingOptions,
    sink: &mut dyn Sink,
) -> Result<VisionOutput, Failure> {
    let refuse = |error: ortolan_vision::TilingError| Failure::bad_input(error.to_string());
    if look.profile.task() != VisionTask::Detect {
        return Err(refuse(ortolan_vision::TilingError::Model));
    }
    let tiles = tiling.tiles(image.view().size()).map_err(refuse)?;
    let whole = (tiling.full_image && tiles.len() > 1).then(|| image.view());
    let passes = tiles.len() + usize::from(whole.is_some());
    let tiles: Vec<_> = tiles.into_iter().filter_map(|tile| image.region(tile)).collect();
    let mut gathered = Gatherer::new(tiling);
    let mut batch = batch_size(look, &tiles);
    let mut done = 0;
    while done < tiles.len() {
        if look.control.is_stopped() {
            return Err(stopped());
        }
        let views = &tiles[done..tiles.len().min(done + batch)];
        let outputs = match look.at_all(views) {
            // Some files leave the batch open and cannot run one all the same.
            Err(failure) if views.len() > 1 && failure.status == Status::RunFailed => {
                batch = 1;
                continue;
            }
            outputs => outputs?,
        };
        for (view, output) in views.iter().zip(outputs) {
            gathered.add(output, view.origin()).map_err(refuse)?;
        }
        done += views.len();
        sink.progress(share(done, passes));
    }
    if let Some(whole) = whole {
        gathered.add(look.at(whole)?, whole.origin()).map_err(refuse)?;
    }
    Ok(gathered.finish())
}

/// Looks at some parts of a picture; says for each detection in which one it was found. Parts outside of the picture give
/// nothing.
pub(super) fn crops(
    look: &mut Look<'_>,
    image: &RgbImage,
    crops: &[PixelRegion],
    sink: &mut dyn Sink,
) -> Result<(VisionOutput, Vec<u32>), Failure> {
    if crops.len() > MAX_CROPS {
        return Err(Failure::bad_input(format!("at most {MAX_CROPS} parts of a picture are looked at")));
    }
    let mut all = VisionOutput::Detections(Vec::new());
    let mut crop_of = Vec::new();
    for (index, crop) in crops.iter().enumerate() {
        if look.control.is_stopped() {
            return Err(stopped());
        }
        if let Some(view) = image.region(*crop) {
            let (left, top) = view.origin();
            let found = look.at(view)?.moved(left, top);
            let found = found.ok_or_else(|| Failure::bad_input("parts of a picture need a model that finds boxes"))?;
            crop_of.resize(crop_of.len() + found.len(), u32::try_from(index).unwrap_or(u32::MAX));
            if crop_of.len() > MAX_IN_CROPS {
                let text = format!("the parts of the picture gave more than {MAX_IN_CROPS} detections");
                return Err(Failure::new(Status::TooLarge, text));
            }
            all = all.joined(found);
        }
        sink.progress(share(index + 1, crops.len()));
    }
    Ok((all, crop_of))
}

fn batch_size(look: &Look<'_>, tiles: &[PictureView<'_>]) -> usize {
    let pixels = tiles.first().map_or(1, |tile| tile.size().width as usize * tile.size().height as usize);
    if look.profile.takes_batches() { (MAX_BATCH_PIXELS / pixels).clamp(1, MAX_BATCH) } else { 1 }
}

fn share(done: usize, of: usize) -> f32 {
    done as f32 / of.max(1) as f32
}
