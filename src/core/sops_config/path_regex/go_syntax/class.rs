//! Classes of characters: in brackets, and as escapes.

use super::{RegexError, Translator, error, literal};

const BRACKET: &str = "missing closing ]";
const RANGE: &str = "invalid character class range";

/// The POSIX classes that Go knows; Rust knows the same.
const POSIX: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
    "space", "upper", "word", "xdigit",
];

impl<'e> Translator<'e> {
    /// `\d`, `\pL`, `\p{Greek}` and the like, as the inside of a class.
    pub(super) fn class_escape(&mut self) -> Result<Option<String>, RegexError> {
        let before = self.rest;
        let perl = match before[1..].chars().next() {
            Some('d') => "0-9",
            Some('D') => "[^0-9]",
            Some('s') => r"\t\n\x0C\r\x20",
            Some('S') => r"[^\t\n\x0C\r\x20]",
            Some('w') => "0-9A-Za-z_",
            Some('W') => "[^0-9A-Za-z_]",
            Some(c @ ('p' | 'P')) => return self.unicode_class(c).map(Some),
            _ => return Ok(None),
        };
        self.skip(2);
        Ok(Some(perl.to_owned()))
    }

    fn unicode_class(&mut self, letter: char) -> Result<String, RegexError> {
        let before = self.rest;
        self.skip(2);
        let name = if let Some(braced) = self.rest.strip_prefix('{') {
            let (name, rest) = braced.split_once('}').ok_or_else(|| error(RANGE, before))?;
            self.rest = rest;
            name
        } else {
            let length = self.rest.chars().next().map_or(0, char::len_utf8);
            let name = &self.rest[..length];
            self.skip(length);
            name
        };
        let (negated, name) = match name.strip_prefix('^') {
            Some(name) => (letter == 'p', name),
            None => (letter == 'P', name),
        };
        let sign = if negated { 'P' } else { 'p' };
        // Go knows categories and scripts, and no other property.
        let plain = |c: char| c.is_ascii_alphanumeric() || "_- ".contains(c);
        let forms = ["gc=", "sc="].map(|form| format!(r"\{sign}{{{form}{name}}}"));
        let known = |form: &String| regex_automata::util::syntax::parse(form).is_ok();
        let special = ["any", "assigned", "ascii"].contains(&&*name.to_ascii_lowercase());
        let found = match special {
            true => Some(format!(r"\{sign}{{{name}}}")),
            false => forms.into_iter().find(known),
        };
        match found {
            Some(class) if !name.is_empty() && name.chars().all(plain) => Ok(class),
            _ => Err(error(RANGE, self.part(before))),
        }
    }

    /// A class in brackets.
    pub(super) fn class(&mut self) -> Result<(), RegexError> {
        let before = self.rest;
        self.skip(1);
        let mut text = "[".to_owned();
        if self.rest.starts_with('^') {
            self.skip(1);
            text.push('^');
        }
        let mut first = true;
        while first || !self.rest.starts_with(']') {
            first = false;
            if let Some(posix) = self.posix_class()? {
                text.push_str(&posix);
                continue;
            }
            if self.rest.starts_with('\\')
                && let Some(class) = self.class_escape()?
            {
                text.push_str(&class);
                continue;
            }
            let range = self.rest;
            let low = self.class_char(before)?;
            let mut high = low;
            if self.rest.starts_with('-') && self.rest.len() > 1 && !self.rest.starts_with("-]") {
                self.skip(1);
                high = self.class_char(before)?;
            }
            if high < low {
                return Err(error(RANGE, self.part(range)));
            }
            text.push_str(&format!("{}-{}", literal(low), literal(high)));
        }
        self.skip(1);
        text.push(']');
        self.item(text);
        Ok(())
    }

    fn class_char(&mut self, class: &str) -> Result<char, RegexError> {
        match self.rest.chars().next() {
            None => Err(error(BRACKET, class)),
            Some('\\') => self.escape(),
            Some(c) => {
                self.skip(c.len_utf8());
                Ok(c)
            }
        }
    }

    /// `[:alpha:]` or `[:^alpha:]` in a class.
    fn posix_class(&mut self) -> Result<Option<String>, RegexError> {
        let named = self.rest.strip_prefix("[:");
        let Some((name, rest)) = named.and_then(|named| named.split_once(":]")) else {
            return Ok(None);
        };
        let before = self.rest;
        self.rest = rest;
        if POSIX.contains(&name.strip_prefix('^').unwrap_or(name)) {
            return Ok(Some(format!("[:{name}:]")));
        }
        Err(error(RANGE, self.part(before)))
    }
}
