//! Commands to copy.

use std::path::Path;

use uuid::Uuid;

/// Three requests for a shell: submit a task with a file, get its results, list tasks.
pub(super) fn curl_lines(url: &str, key: Option<&str>, task_id: Uuid, picture: &Path) -> String {
    let key = key.map(|key| format!(" -H {}", quoted(&format!("Authorization: Bearer {key}")))).unwrap_or_default();
    let task = quoted(r#"task={"task_type": "object_detection", "config": {"confidence_threshold": 0.25}}"#);
    let file = quoted(&format!("file=@{}", picture.display()));
    let url = |path: &str| quoted(&format!("{url}/api/v1{path}"));
    [
        "to go on:".to_owned(),
        format!("  curl -s{key} -F {task} -F {file} {}", url("/tasks")),
        format!("  curl -s{key} {}", url(&format!("/tasks/{task_id}/artifacts"))),
        format!("  curl -s{key} {}", url("/tasks?limit=10")),
    ]
    .join("\n")
}

/// A word that a POSIX shell takes as it is.
fn quoted(word: &str) -> String {
    let is_plain = word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:@=".contains(c));
    if is_plain { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_ready_for_a_shell() {
        let lines = curl_lines("http://127.0.0.1:8000", Some("ort_k"), Uuid::nil(), Path::new("it's.png"));
        let lines: Vec<&str> = lines.lines().collect();
        assert_eq!(lines.len(), 4);
        assert!(lines[1].contains(r"-H 'Authorization: Bearer ort_k' -F 'task={"), "{}", lines[1]);
        assert!(lines[1].ends_with(r"-F 'file=@it'\''s.png' http://127.0.0.1:8000/api/v1/tasks"), "{}", lines[1]);
        assert!(lines[3].ends_with("'http://127.0.0.1:8000/api/v1/tasks?limit=10'"));
        let open = curl_lines("http://h", None, Uuid::nil(), Path::new("a.png"));
        assert!(!open.contains("-H"));
    }
}
