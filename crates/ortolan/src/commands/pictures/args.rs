//! What the commands for pictures take.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value, json};

use crate::cli::share;

const FIND_HELP: &str = "\
Examples:
  ortolan detect photo.jpg
  ortolan detect photo.jpg --out boxes.png --confidence 0.3 --class person --class car
  ortolan detect *.jpg --out annotated --json > found.json
  ortolan segment photo.jpg --out masks.png";
const CLASSIFY_HELP: &str = "\
Examples:
  ortolan classify photo.jpg --top-k 3
  ortolan classify *.jpg --json > classes.json";

/// What `detect` and `segment` take.
#[derive(Debug, Args)]
#[command(after_help = FIND_HELP)]
pub struct FindArgs {
    /// The pictures: JPEG, PNG, GIF, WebP, TIFF, BMP or AVIF
    #[arg(value_name = "PICTURE", required = true)]
    pub pictures: Vec<PathBuf>,
    /// Where the annotated picture is written as PNG; with several pictures, a folder
    #[arg(long, short, value_name = "PATH")]
    pub out: Option<PathBuf>,
    /// Least confidence of what is reported, 0 to 1
    #[arg(long, value_name = "SHARE", value_parser = share)]
    confidence: Option<f64>,
    /// How much two boxes of a class may overlap, 0 to 1
    #[arg(long, value_name = "SHARE", value_parser = share)]
    iou: Option<f64>,
    /// Report this class only; a name or a number, may be given again
    #[arg(long = "class", value_name = "CLASS")]
    classes: Vec<String>,
    /// Most objects in a picture
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    max_detections: Option<u32>,
}

/// What `classify` takes.
#[derive(Debug, Args)]
#[command(after_help = CLASSIFY_HELP)]
pub struct ClassifyArgs {
    /// The pictures: JPEG, PNG, GIF, WebP, TIFF, BMP or AVIF
    #[arg(value_name = "PICTURE", required = true)]
    pub pictures: Vec<PathBuf>,
    /// Where the picture with its caption is written as PNG; with several pictures, a folder
    #[arg(long, short, value_name = "PATH")]
    pub out: Option<PathBuf>,
    /// How many classes are reported
    #[arg(long, value_name = "NUMBER", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    top_k: u32,
}

impl FindArgs {
    /// The task's config; what is not given is left to the server.
    pub(super) fn config(&self) -> Map<String, Value> {
        let mut config = Map::new();
        let mut put = |name: &str, value: Option<Value>| config.extend(value.map(|value| (name.to_owned(), value)));
        put("confidence_threshold", self.confidence.map(Value::from));
        put("iou_threshold", self.iou.map(Value::from));
        put("max_detections", self.max_detections.map(Value::from));
        let classes: Vec<Value> = self.classes.iter().map(|class| class_ref(class)).collect();
        put("classes", (!classes.is_empty()).then(|| classes.into()));
        config
    }
}

impl ClassifyArgs {
    /// The task's config.
    pub(super) fn config(&self) -> Map<String, Value> {
        Map::from_iter([("top_k".to_owned(), json!(self.top_k))])
    }
}

/// A class by its number, or by its name.
fn class_ref(text: &str) -> Value {
    text.parse::<u32>().map_or_else(|_| text.into(), Value::from)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Find {
        #[command(flatten)]
        args: FindArgs,
    }

    fn config(line: &str) -> Value {
        Find::try_parse_from(line.split(' ')).unwrap().args.config().into()
    }

    #[test]
    fn what_is_not_said_is_left_to_the_server() {
        assert_eq!(config("detect a.jpg"), json!({}));
        assert_eq!(
            config("detect a.jpg --confidence 0.25 --iou 1 --class cat --class 3 --max-detections 9"),
            json!({"confidence_threshold": 0.25, "iou_threshold": 1.0, "classes": ["cat", 3], "max_detections": 9})
        );
    }
}
