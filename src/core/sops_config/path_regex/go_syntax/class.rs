//! Classes of characters: in brackets, and as escapes.

use super::{RegexError, Translator, error};

const BRACKET: &str = "missing closing ]";
const RANGE: &str = "invalid character class range";

/// The POSIX classes that Go knows; Rust knows the same.
const POSIX: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
    "space", "upper", "word", "xdigit",
];

/// The scripts whose whole names are this short.
const SHORT_SCRIPTS: [&str; 15] = [
    "ahom", "cham", "han", "kawi", "lao", "lisu", "miao", "modi", "mro", "newa", "nko", "thai",
    "toto", "vai", "yi",
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
        self.ascii = false;
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
        // Go knows categories and scripts, and no other property; scripts not
        // by their codes of four letters.
        let plain = |c: char| c.is_ascii_alphanumeric();
        let lower = name.to_ascii_lowercase();
        let script = name.len() > 4 || SHORT_SCRIPTS.contains(&&*lower);
        let mut forms = vec![format!(r"\{sign}{{gc={name}}}")];
        if script && !lower.starts_with("is") {
            forms.push(format!(r"\{sign}{{sc={name}}}"));
        }
        let known = |form: &String| regex_automata::util::syntax::parse(form).is_ok();
        let found = match ["any", "assigned", "ascii"].contains(&&*lower) {
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
            let (low, high) = (self.literal(low), self.literal(high));
            text.push_str(&format!("{low}-{high}"));
        }
        self.skip(1);
        text.push(']');
        self.item(&text);
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
