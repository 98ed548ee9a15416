//! Reads the Python literals that exporters write into a model's metadata. Nothing is evaluated.

/// Longest text that is looked at.
const MAX_BYTES: usize = 4 << 20;
/// Deepest nesting of lists and dictionaries.
const MAX_DEPTH: usize = 8;
/// Most values in one text.
const MAX_VALUES: usize = 200_000;

/// A value as Python would print it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Literal {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    /// A list or a tuple.
    List(Vec<Literal>),
    /// Key and value pairs in the order of the text.
    Dict(Vec<(Literal, Literal)>),
}

impl Literal {
    /// Reads one literal that fills the whole text; `None` for anything else or anything too large.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_BYTES {
            return None;
        }
        let mut parser = Parser { rest: text, values_left: MAX_VALUES };
        let value = parser.value(0)?;
        parser.skip_space();
        parser.rest.is_empty().then_some(value)
    }

    pub(super) fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            _ => None,
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
    values_left: usize,
}

impl Parser<'_> {
    fn value(&mut self, depth: usize) -> Option<Literal> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.values_left = self.values_left.checked_sub(1)?;
        self.skip_space();
        match self.rest.chars().next()? {
            '{' => self.dict(depth),
            '[' => self.list(']', depth),
            '(' => self.list(')', depth),
            quote @ ('\'' | '"') => self.text(quote),
            _ => self.word(),
        }
    }

    fn dict(&mut self, depth: usize) -> Option<Literal> {
        self.advance(1);
        let mut entries = Vec::new();
        while !self.eat('}') {
            let key = self.value(depth + 1)?;
            if !self.eat(':') {
                return None;
            }
            entries.push((key, self.value(depth + 1)?));
            self.separator('}')?;
        }
        Some(Literal::Dict(entries))
    }

    fn list(&mut self, close: char, depth: usize) -> Option<Literal> {
        self.advance(1);
        let mut items = Vec::new();
        while !self.eat(close) {
            items.push(self.value(depth + 1)?);
            self.separator(close)?;
        }
        Some(Literal::List(items))
    }

    /// Takes the comma after an item; only the last item may go without.
    fn separator(&mut self, close: char) -> Option<()> {
        (self.eat(',') || self.rest.starts_with(close)).then_some(())
    }

    fn text(&mut self, quote: char) -> Option<Literal> {
        self.advance(1);
        let mut text = String::new();
        loop {
            let next = self.take_char()?;
            match next {
                '\\' => text.extend(self.escape()?),
                '\n' => return None,
                _ if next == quote => return Some(Literal::Text(text)),
                _ => text.push(next),
            }
        }
    }

    /// Reads what follows a backslash; a code that is no character becomes the replacement character.
    fn escape(&mut self) -> Option<Option<char>> {
        let code_digits = match self.take_char()? {
            'n' => return Some(Some('\n')),
            't' => return Some(Some('\t')),
            'r' => return Some(Some('\r')),
            'x' => 2,
            'u' => 4,
            'U' => 8,
            other @ ('\\' | '\'' | '"') => return Some(Some(other)),
            _ => return None,
        };
        let digits = self.rest.get(..code_digits).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
        let code = u32::from_str_radix(digits, 16).ok()?;
        self.advance(code_digits);
        Some(Some(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)))
    }

    fn word(&mut self) -> Option<Literal> {
        let end =
            self.rest.find(|c: char| !(c.is_ascii_alphanumeric() || "+-._".contains(c))).unwrap_or(self.rest.len());
        let word = &self.rest[..end];
        let value = match word {
            "None" => Literal::None,
            "True" => Literal::Bool(true),
            "False" => Literal::Bool(false),
            _ if !word.contains(|c: char| c.is_ascii_digit()) => return None,
            _ => match word.parse::<i64>() {
                Ok(value) => Literal::Int(value),
                Err(_) => Literal::Float(word.parse::<f64>().ok()?),
            },
        };
        self.advance(end);
        Some(value)
    }

    fn eat(&mut self, wanted: char) -> bool {
        self.skip_space();
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn take_char(&mut self) -> Option<char> {
        let next = self.rest.chars().next()?;
        self.advance(next.len_utf8());
        Some(next)
    }

    fn advance(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes..];
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Literal::*, *};

    #[test]
    fn reads_what_exporters_write() {
        assert_eq!(
            Literal::parse("{0: 'circle', 1: \"don't\"}"),
            Some(Dict(vec![(Int(0), Text("circle".into())), (Int(1), Text("don't".into()))]))
        );
        assert_eq!(Literal::parse(" [160, 160] "), Some(List(vec![Int(160), Int(160)])));
        assert_eq!(Literal::parse("(5, 3,)"), Some(List(vec![Int(5), Int(3)])));
        assert_eq!(Literal::parse("True"), Some(Bool(true)));
        assert_eq!(Literal::parse("-1.5e3"), Some(Float(-1500.0)));
        assert_eq!(
            Literal::parse("{'dynamic': False, 'data': None, 'frac': {'x': []}}"),
            Some(Dict(vec![
                (Text("dynamic".into()), Bool(false)),
                (Text("data".into()), None),
                (Text("frac".into()), Dict(vec![(Text("x".into()), List(vec![]))])),
            ]))
        );
        assert_eq!(Literal::parse(r"'a\'b\\\x41\u00e9\ud800'"), Some(Text("a'b\\A\u{e9}\u{fffd}".into())));
    }

    #[test]
    fn refuses_everything_else() {
        for text in
            ["", "{0: 'cir", "[1 2]", "[1,,2]", "{0}", "__import__('os')", "1 2", "'a' 'b'", "nan", "inf", "'\\q'"]
        {
            assert_eq!(Literal::parse(text), Option::None, "{text}");
        }
    }

    #[test]
    fn depth_and_count_are_bounded() {
        assert_eq!(Literal::parse(&"[".repeat(100_000)), Option::None);
        assert_eq!(Literal::parse(&format!("[{}]", "0,".repeat(MAX_VALUES))), Option::None);
        assert!(Literal::parse(&format!("[{}]", "0,".repeat(1000))).is_some());
        assert_eq!(Literal::parse(&format!("'{}'", "x".repeat(MAX_BYTES))), Option::None);
    }

    proptest! {
        #[test]
        fn never_panics_on_any_text(text in ".{0,200}") {
            let _ = Literal::parse(&text);
        }

        #[test]
        fn never_panics_on_nearly_right_text(text in r#"[\[\]{}(),:'"\\xuU0-9a-fTrueé -]{0,60}"#) {
            let _ = Literal::parse(&text);
        }

        #[test]
        fn reads_back_any_list_of_numbers(numbers: Vec<i64>) {
            let text = format!("{numbers:?}");
            prop_assert_eq!(Literal::parse(&text), Some(List(numbers.into_iter().map(Int).collect())));
        }
    }
}
