//! Class names: cleaned for display, looked up by number or by name.

use std::collections::{BTreeMap, BTreeSet};

use ortolan_domain::config::ClassRef;

use crate::error::OptionsError;

/// Most characters of a name that are kept.
const MAX_NAME_CHARS: usize = 256;

/// The names a model gives its classes; classes may be without one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ClassNames(BTreeMap<u32, String>);

impl ClassNames {
    /// Takes numbered names and cleans them; a name with nothing left to show counts as none.
    pub(super) fn new(names: impl IntoIterator<Item = (u32, String)>) -> Self {
        Self(
            names.into_iter().map(|(id, name)| (id, displayable(&name))).filter(|(_, name)| !name.is_empty()).collect(),
        )
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Forgets names of classes that the outputs do not have.
    pub(super) fn keep(&mut self, classes: usize) {
        self.0.retain(|&id, _| (id as usize) < classes);
    }

    /// The class's name, or its number.
    pub(crate) fn label(&self, id: u32) -> String {
        self.0.get(&id).cloned().unwrap_or_else(|| id.to_string())
    }

    /// Finds the numbers that a caller means, sorted; a name that several classes share means all of them.
    ///
    /// `classes` is the model's count where it is known.
    pub(super) fn select(&self, wanted: &[ClassRef], classes: Option<usize>) -> Result<Vec<u32>, OptionsError> {
        let mut by_name: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
        for (&id, name) in &self.0 {
            by_name.entry(name).or_default().push(id);
        }
        let mut ids = BTreeSet::new();
        for class in wanted {
            match class {
                ClassRef::Id(id) if classes.is_some_and(|count| *id as usize >= count) => {
                    let last = classes.unwrap_or_default().saturating_sub(1);
                    return Err(OptionsError::UnknownClassId { id: *id, last });
                }
                ClassRef::Id(id) => ids.extend([*id]),
                ClassRef::Name(name) => match by_name.get(name.as_str()) {
                    Some(named) => ids.extend(named),
                    None => return Err(OptionsError::UnknownClassName { name: displayable(name) }),
                },
            }
        }
        Ok(ids.into_iter().collect())
    }
}

/// Drops what could disturb a terminal, a log or the reading order, and cuts the rest.
pub(super) fn displayable(text: &str) -> String {
    text.chars().filter(|&c| !is_disturbing(c)).take(MAX_NAME_CHARS).collect::<String>().trim().to_owned()
}

/// Control characters, marks that turn or hide text, and tag characters.
fn is_disturbing(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn names(names: &[&str]) -> ClassNames {
        ClassNames::new(names.iter().enumerate().map(|(i, name)| (i as u32, (*name).to_owned())))
    }

    #[test]
    fn names_are_cleaned_and_cut() {
        let names = names(&["a\n\u{1b}[31mb\u{0}", "\u{202e}gpj.exe\u{2066}", &"x".repeat(100_000), "\u{7}", "नमस्ते"]);
        assert_eq!(names.label(0), "a[31mb");
        assert_eq!(names.label(1), "gpj.exe");
        assert_eq!(names.label(2).len(), MAX_NAME_CHARS);
        assert_eq!(names.label(3), "3");
        assert_eq!(names.label(4), "नमस्ते");
    }

    #[test]
    fn classes_are_found_by_number_and_by_name() {
        let names = names(&["circle", "square", "circle"]);
        let name = |name: &str| ClassRef::Name(name.to_owned());
        let id = ClassRef::Id;
        assert_eq!(names.select(&[id(2), name("square"), id(2)], Some(3)).unwrap(), [1, 2]);
        assert_eq!(names.select(&[name("circle")], Some(3)).unwrap(), [0, 2]);
        assert_eq!(names.select(&[id(7)], None).unwrap(), [7]);
        let refusal = |class| names.select(&[class], Some(3)).unwrap_err().to_string();
        assert_eq!(refusal(id(3)), "classes: the model has no class 3, its classes are 0 to 2");
        assert_eq!(refusal(name("cat")), "classes: the model has no class named \"cat\"");
    }
}
