//! The steps that make pictures. They are put aside; the worker gives them their names once the task has completed.

use std::sync::Arc;

use bytes::Bytes;
use ortolan_blobs::ObjectPath;
use ortolan_domain::job::MlError;
use ortolan_domain::media::{PictureFormat, PictureWriting};
use ortolan_domain::pipeline::{Findings, ImageSource, UploadSettings, Uploaded};
use ortolan_domain::staging;
use ortolan_domain::{ErrorCode, hash};
use ortolan_runner::{CallContext, HeldPicture};

use super::Run;

/// Every JPEG begins so.
const JPEG_MAGIC: &[u8] = &[0xff, 0xd8, 0xff];
/// Most objects of one task that are looked for to be deleted.
const MAX_STAGED: usize = 10_000;

impl Run<'_> {
    /// Makes the picture and its thumbnails and puts them aside.
    pub(super) async fn upload(&self, settings: &UploadSettings, found: &mut Findings) -> Result<(), MlError> {
        let processed = self.processed(found);
        let picture = match (settings.source, processed.as_deref()) {
            (ImageSource::Original, _) => &self.picture,
            (ImageSource::Processed, Some(picture)) => picture,
            (ImageSource::Processed, None) if settings.skip_if_missing => return Ok(()),
            (ImageSource::Processed, None) => {
                let detail = "there is no processed picture: a visualize_detections step must come before";
                return Err(MlError::new(ErrorCode::Invalid, detail));
            }
        };
        let is_as_it_came = settings.source == ImageSource::Original && self.media.starts_with(JPEG_MAGIC);
        let file = match is_as_it_came {
            true => self.media.clone(),
            false => self.jpeg(picture, None, settings.quality).await?,
        };
        let mut uploads = vec![self.put_aside(upload_path(self, settings, None), file, None).await?];
        for &size in &settings.thumbnail_sizes {
            let file = self.jpeg(picture, Some(size), settings.quality).await?;
            uploads.push(self.put_aside(upload_path(self, settings, Some(size)), file, Some(size)).await?);
        }
        found.uploads.extend(uploads.into_iter().map(Arc::new));
        Ok(())
    }

    /// Deletes what was put aside by a pipeline that failed.
    pub(super) async fn discard_pictures(&self) {
        let blobs = &self.service.0.blobs;
        let folder = staging::folder(&self.job.tenant, self.job.attempt.task_id, self.job.run_id);
        let Ok(folder) = ObjectPath::of_tenant(&self.job.tenant, &folder) else { return };
        let staged = blobs.list(&folder, MAX_STAGED).await.unwrap_or_default();
        let paths: Vec<_> = staged.into_iter().map(|(path, _)| path).collect();
        if let (_, Err(error)) = blobs.delete_all(&paths).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "pictures of a failed pipeline stay for the reconciler"
            );
        }
    }

    async fn jpeg(&self, picture: &HeldPicture, edge: Option<u32>, quality: u8) -> Result<Bytes, MlError> {
        let context =
            CallContext::cancelled_by(self.cancel.clone()).with_deadline(self.service.0.instant(self.job.deadline_at));
        let writing = PictureWriting { format: PictureFormat::Jpeg, longest_edge_px: edge, quality };
        let written = self.service.0.pool.write_picture(picture, writing, context).await;
        written.map_err(|error| crate::convert::error(&error))
    }

    async fn put_aside(&self, path: String, file: Bytes, thumbnail_size: Option<u32>) -> Result<Uploaded, MlError> {
        let staged = staging::object(&self.job.tenant, self.job.attempt.task_id, self.job.run_id, &path);
        let place = ObjectPath::of_tenant(&self.job.tenant, &staged)
            .map_err(|_| MlError::new(ErrorCode::Internal, "the picture cannot be named"))?;
        let (size_bytes, sha256) = (file.len() as u64, hash::sha256_hex(&file));
        self.service.0.blobs.put(&place, file).await.map_err(|error| {
            tracing::warn!(error = &error as &dyn std::error::Error, "picture could not be put aside");
            MlError::new(ErrorCode::Unavailable, "the picture could not be stored")
        })?;
        Ok(Uploaded { path, content_type: "image/jpeg".to_owned(), size_bytes, sha256, thumbnail_size })
    }
}

/// Where a picture will lie: `{tenant}/{prefix}/{image}.jpg`, thumbnails beside it in `{prefix}_thumbnails`.
fn upload_path(run: &Run<'_>, settings: &UploadSettings, thumbnail_size: Option<u32>) -> String {
    let (tenant, prefix, image) = (&run.job.tenant, &settings.dest_prefix, run.image_id);
    match thumbnail_size {
        None => format!("{tenant}/{prefix}/{image}.jpg"),
        Some(size) => format!("{tenant}/{prefix}_thumbnails/{image}_{size}.jpg"),
    }
}
