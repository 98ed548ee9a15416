//! A picture with what was found in it, for whoever looks at a task.

use bytes::Bytes;
use ortolan_domain::ErrorCode;
use ortolan_domain::job::MlError;
use ortolan_ml_client::AnnotatePicture;
use ortolan_runner::CallContext;
use tokio::time::{Instant, timeout_at};

use crate::convert;
use crate::service::MlService;

impl MlService {
    /// Decodes the picture, draws and writes, all in the tenant's runner. Waits for one of the places of decoded pictures
    /// first, so that many who look at once take no more memory than pipelines may.
    pub(crate) async fn annotated(&self, request: AnnotatePicture) -> Result<Bytes, MlError> {
        let AnnotatePicture { tenant, input, findings, writing } = request;
        let deadline = Instant::now() + self.0.settings.question_timeout;
        let media = self.media(Some(&input)).await?;
        let place = timeout_at(deadline, self.0.pictures.acquire(&tenant)).await;
        let _place = place
            .map_err(|_| MlError::new(ErrorCode::Overloaded, "too many pictures are being worked on"))?
            .map_err(|full| MlError::new(ErrorCode::Overloaded, full.to_string()))?;
        let context = || CallContext::default().with_deadline(deadline);
        let draw = async {
            let pool = &self.0.pool;
            let picture = pool.hold_picture(&tenant, self.0.number.get(), media, context()).await?;
            let findings = Bytes::from(Box::<str>::from(findings).into_string());
            let drawn = pool.draw_into(&picture, findings, context()).await?;
            drop(picture);
            pool.write_picture(&drawn, writing, context()).await
        };
        draw.await.map_err(|error: ortolan_runner::RunnerError| convert::error(&error))
    }
}
