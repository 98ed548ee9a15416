//! Findings in words.

use ortolan_vision::draw::Finding;

use crate::Terminal;
use crate::client::Artifact;
use crate::terminal::printable;

/// What can be shown of artifacts, in their order.
pub(crate) fn findings(artifacts: &[Artifact]) -> Vec<Finding> {
    artifacts.iter().filter_map(|artifact| Finding::read(&artifact.payload)).collect()
}

/// A table of what was found in one picture.
pub(crate) fn boxes(terminal: Terminal, findings: &[Finding]) -> String {
    match findings {
        [] => "nothing was found".to_owned(),
        [finding] if !finding.predictions.is_empty() => {
            let rows = finding.predictions.iter().map(|score| [printable(&score.label), share(score.confidence)]);
            terminal.table(["label", "confidence"], rows)
        }
        _ => terminal.table(["label", "confidence", "x", "y", "width", "height"], findings.iter().map(row)),
    }
}

fn row(finding: &Finding) -> [String; 6] {
    let length = |length: f64| format!("{length:.1}");
    let [x, y, width, height] = match finding.bounding_box {
        Some(rect) => [rect.x, rect.y, rect.width, rect.height].map(length),
        None => std::array::from_fn(|_| "-".to_owned()),
    };
    [printable(&finding.label), share(finding.confidence), x, y, width, height]
}

fn share(confidence: f64) -> String {
    format!("{confidence:.3}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn words(payloads: &[serde_json::Value]) -> Vec<Vec<String>> {
        let artifact = |payload| serde_json::from_value(json!({"artifact_type": "x", "payload": payload})).unwrap();
        let artifacts: Vec<Artifact> = payloads.iter().map(artifact).collect();
        let table = boxes(Terminal::default(), &findings(&artifacts));
        table.lines().map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
    }

    #[test]
    fn boxes_and_classes_become_rows() {
        let found = json!({"label": "circle", "confidence": 0.98765, "frame_number": 0,
            "bounding_box": {"x": 1.04, "y": 2.0, "width": 30.25, "height": 4.0}});
        assert_eq!(words(&[found, json!({"text": "no picture"})])[1], ["circle", "0.988", "1.0", "2.0", "30.2", "4.0"]);
        let classes =
            json!({"predictions": [{"label": "cat", "confidence": 0.75}, {"label": "dog", "confidence": 0.25}]});
        assert_eq!(words(&[classes])[1..], [["cat", "0.750"], ["dog", "0.250"]]);
        assert_eq!(words(&[]), [["nothing", "was", "found"]]);
    }
}
