//! `ortolan tasks annotated`.

use std::path::PathBuf;

use clap::Args;
use ortolan_domain::media::PictureFormat;
use serde_json::json;
use uuid::Uuid;

use crate::Failure;
use crate::cli::one_of;
use crate::commands::Session;
use crate::picture_file::write_file;

const HELP: &str = "\
Examples:
  ortolan tasks annotated 0190d9c8-7b1e-7f4a-9a53-3f1f2b9d6f10 --out boxes.jpg
  ortolan tasks annotated 0190d9c8-7b1e-7f4a-9a53-3f1f2b9d6f10 --out small.png --max-px 800";

/// Which picture, and how it is written.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct AnnotatedArgs {
    /// The task's id
    task_id: Uuid,
    /// Where the picture is written; a name that ends in .png makes it a PNG, unless --format says otherwise
    #[arg(long, short, value_name = "PATH")]
    out: PathBuf,
    /// The format
    #[arg(long, value_parser = one_of(&PictureFormat::ALL, PictureFormat::as_str))]
    format: Option<PictureFormat>,
    /// The longest edge in pixels; a picture is never enlarged
    #[arg(long, value_name = "PIXELS")]
    max_px: Option<u32>,
}

impl AnnotatedArgs {
    fn format(&self) -> PictureFormat {
        let is_png = self.out.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png"));
        self.format.unwrap_or(if is_png { PictureFormat::Png } else { PictureFormat::Jpeg })
    }
}

pub(super) async fn run(args: AnnotatedArgs, session: &Session) -> Result<(), Failure> {
    let picture = session.client.annotated(args.task_id, args.format(), args.max_px).await?;
    write_file(&args.out, &picture)?;
    let (out, size_bytes) = (args.out.display().to_string(), picture.len());
    session.terminal.show(&json!({"annotated": out, "size_bytes": size_bytes}), |_| format!("wrote {out}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: AnnotatedArgs,
    }

    #[test]
    fn the_name_tells_the_format_unless_it_is_said() {
        let format = |rest: &str| {
            let line = format!("annotated 0190d9c8-7b1e-7f4a-9a53-3f1f2b9d6f10 {rest}");
            Line::try_parse_from(line.split(' ')).unwrap().args.format()
        };
        assert_eq!(format("--out a.PNG"), PictureFormat::Png);
        assert_eq!(format("--out a.jpg"), PictureFormat::Jpeg);
        assert_eq!(format("--out a --max-px 100"), PictureFormat::Jpeg);
        assert_eq!(format("--out a.png --format jpeg"), PictureFormat::Jpeg);
    }
}
