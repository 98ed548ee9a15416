//! Names that are shown to people.

use super::ScanError;

const MAX_BYTES: usize = 512;

/// Checks a name of an input, an output or an axis: what is shown in tables, logs and JSON.
pub(super) fn check(what: &str, name: &[u8]) -> Result<(), ScanError> {
    if name.len() > MAX_BYTES {
        return Err(ScanError::refused(format!("the name of {what} has more than {MAX_BYTES} bytes")));
    }
    let text = std::str::from_utf8(name).map_err(|_| ScanError::refused(format!("the name of {what} is not UTF-8")))?;
    if text.chars().any(|c| c.is_control() || turns_text(c)) {
        return Err(ScanError::refused(format!("the name of {what} has control characters in it")));
    }
    Ok(())
}

/// Characters that change the direction of the text around them.
fn turns_text(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_fool_a_reader_are_refused() {
        for good in ["x", "images", "../../x", "<b>", "größe", ""] {
            assert!(check("an input", good.as_bytes()).is_ok(), "{good}");
        }
        for bad in ["a\nb", "\u{1b}[31m", "a\0", "\u{202e}cba", "\u{9b}31m"] {
            assert!(check("an input", bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert!(check("an input", b"\xff\xfe").is_err());
        assert!(check("an input", &[b'x'; 513]).is_err());
    }
}
