//! Go's regular expressions in Rust's syntax.
//!
//! The two have the same roots and differ in the corners: Go has `\Q…\E` and
//! octal escapes, ASCII `\d \w \s \b`, and takes for literal what Rust takes
//! for a set operation or refuses (`&&` and `[` in a class, `{,3}`). Rust in turn
//! takes what Go refuses (`x**`, `(?x)`, `\<`, short names of scripts). Not
//! taken, though Go does: surrogates, and groups in more than 250 others.
//!
//! Source: the parser of Go's `regexp/syntax` with the flags of
//! `regexp.Compile`.

mod class;

use crate::core::excerpt::excerpt;

/// Go's limit for a counted repetition, also for the product of nested ones.
const MAX_REPEAT: u32 = 1000;

/// Why sops cannot compile an expression. The words are Go's, which people
/// find in search engines.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum RegexError {
    /// It is not RE2 syntax.
    #[error("{reason}: `{}`", excerpt(.part))]
    Syntax {
        /// What is wrong.
        reason: &'static str,
        /// The part of the expression.
        part: String,
    },
    /// Groups stand in more groups than kb can read.
    #[error("too many groups stand in each other")]
    TooDeep,
    /// It is longer, or what it compiles to is larger, than kb can apply.
    #[error("it is too long or too complex for kb to tell what it matches")]
    TooLarge,
}

const PAREN: &str = "missing closing )";
const UNEXPECTED_PAREN: &str = "unexpected )";
const NO_ARGUMENT: &str = "missing argument to repetition operator";
const NESTED: &str = "invalid nested repetition operator";
const REPEAT_SIZE: &str = "invalid repeat count";
const ESCAPE: &str = "invalid escape sequence";
const PERL: &str = "invalid or unsupported Perl syntax";
const CAPTURE: &str = "invalid named capture";
const BACKSLASH: &str = "trailing backslash at end of expression";

/// An expression in Rust's syntax.
#[derive(Clone)]
pub(super) struct Pattern {
    pub(super) text: String,
    /// Whether it names no character beyond ASCII.
    pub(super) ascii: bool,
}

/// Says an expression of Go's in Rust's syntax.
///
/// # Errors
/// [`RegexError::Syntax`] where Go refuses it.
pub(super) fn translate(expression: &str) -> Result<Pattern, RegexError> {
    let mut translator = Translator {
        whole: expression,
        rest: expression,
        out: String::new(),
        flags: String::new(),
        groups: vec![Group::default()],
        ascii: true,
    };
    translator.run()?;
    Ok(Pattern {
        text: translator.out,
        ascii: translator.ascii,
    })
}

/// What has been read of a group.
#[derive(Default)]
struct Group {
    /// Where the group begins in what Rust is to read.
    start: usize,
    /// The item read last, unless there is nothing to repeat.
    last: Option<Item>,
    /// The largest product of counted repetitions in the items before that.
    largest: u32,
}

/// What a repetition operator repeats.
struct Item {
    /// Where it begins in what Rust is to read.
    start: usize,
    /// The product of its counted repetitions, inner ones included.
    product: u32,
    /// Whether it is repeated already.
    repeated: bool,
}

impl Group {
    fn push(&mut self, item: Option<Item>) {
        self.largest = self.largest();
        self.last = item;
    }

    fn largest(&self) -> u32 {
        let last = self.last.as_ref().map_or(1, |item| item.product);
        self.largest.max(last)
    }
}

struct Translator<'e> {
    whole: &'e str,
    rest: &'e str,
    out: String,
    /// Changed flags that stand before the next item: in Go, a repetition behind
    /// them is the item's before them.
    flags: String,
    /// The open groups, the whole expression first.
    groups: Vec<Group>,
    ascii: bool,
}

impl<'e> Translator<'e> {
    fn run(&mut self) -> Result<(), RegexError> {
        // Where the repetition operator stands that was read just now.
        let mut repeated: Option<&str> = None;
        while let Some(c) = self.rest.chars().next() {
            let before = self.rest;
            let last_repeat = repeated.take();
            match c {
                '(' if before.starts_with("(?") => self.perl_group()?,
                '(' => {
                    self.skip(1);
                    self.open("(?:");
                }
                ')' => self.close()?,
                '|' => {
                    self.skip(1);
                    self.emit("|");
                    self.group().push(None);
                }
                '^' | '$' | '.' => {
                    self.skip(1);
                    self.item(&c.to_string());
                }
                '[' => self.class()?,
                '*' | '+' | '?' => {
                    self.skip(1);
                    self.repeat(before, last_repeat, &c.to_string(), None)?;
                    repeated = Some(before);
                }
                '{' => match self.counted()? {
                    Some((text, count)) => {
                        self.repeat(before, last_repeat, &text, count)?;
                        repeated = Some(before);
                    }
                    None => {
                        self.skip(1);
                        let text = self.literal('{');
                        self.item(&text);
                    }
                },
                '\\' => self.backslash()?,
                _ => {
                    self.skip(c.len_utf8());
                    let text = self.literal(c);
                    self.item(&text);
                }
            }
        }
        match self.groups.len() {
            1 => Ok(()),
            _ => Err(error(PAREN, self.whole)),
        }
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes..];
    }

    /// What stands between `before` and what is left.
    fn part(&self, before: &'e str) -> &'e str {
        &before[..before.len() - self.rest.len()]
    }

    fn group(&mut self) -> &mut Group {
        // The first one is never closed.
        let last = self.groups.len() - 1;
        &mut self.groups[last]
    }

    /// A character that stands for itself, inside a class and outside.
    fn literal(&mut self, c: char) -> String {
        self.ascii &= c.is_ascii();
        if c.is_ascii_alphanumeric() || c == '/' || c == '_' {
            c.to_string()
        } else {
            format!(r"\x{{{:X}}}", u32::from(c))
        }
    }

    /// Writes the changed flags, then `text`. Returns where `text` begins.
    fn emit(&mut self, text: &str) -> usize {
        self.out.push_str(&self.flags);
        self.flags.clear();
        let start = self.out.len();
        self.out.push_str(text);
        start
    }

    fn item(&mut self, text: &str) {
        let start = self.emit(text);
        self.group().push(Some(Item {
            start,
            product: 1,
            repeated: false,
        }));
    }

    fn open(&mut self, text: &str) {
        let start = self.emit(text);
        self.groups.push(Group {
            start,
            ..Group::default()
        });
    }

    fn close(&mut self) -> Result<(), RegexError> {
        if self.groups.len() == 1 {
            return Err(error(UNEXPECTED_PAREN, self.whole));
        }
        self.skip(1);
        self.emit(")");
        let closed = self.groups.pop().map(|group| Item {
            start: group.start,
            product: group.largest(),
            repeated: false,
        });
        self.group().push(closed);
        Ok(())
    }

    /// A repetition operator, its text and its count.
    fn repeat(
        &mut self,
        before: &'e str,
        last: Option<&'e str>,
        text: &str,
        count: Option<u32>,
    ) -> Result<(), RegexError> {
        let lazy = self.rest.starts_with('?');
        if lazy {
            self.skip(1);
        }
        if let Some(last) = last {
            return Err(error(NESTED, self.part(last)));
        }
        let part = self.part(before);
        let item = self.group().last.as_mut();
        let item = item.ok_or_else(|| error(NO_ARGUMENT, part))?;
        let start = item.start;
        // Flags in between make Go take the whole for what is repeated.
        let again = std::mem::replace(&mut item.repeated, true);
        match count {
            // Go does not look into what stands there no time.
            Some(0) => item.product = 1,
            Some(count) => item.product = item.product.saturating_mul(count),
            None => {}
        }
        if item.product > MAX_REPEAT {
            return Err(error(REPEAT_SIZE, part));
        }
        if again {
            self.out.insert_str(start, "(?:");
            self.out.push(')');
        }
        self.out.push_str(text);
        if lazy {
            self.out.push('?');
        }
        Ok(())
    }

    /// `{n}`, `{n,}` or `{n,m}`: what Rust is to read, and the count. Anything
    /// else that begins with a brace is literal.
    fn counted(&mut self) -> Result<Option<(String, Option<u32>)>, RegexError> {
        let Some((inside, after)) = self.rest[1..].split_once('}') else {
            return Ok(None);
        };
        let (min, max) = inside.split_once(',').unwrap_or((inside, inside));
        if !is_number(min) || !(max.is_empty() || is_number(max)) {
            return Ok(None);
        }
        let before = self.rest;
        self.rest = after;
        let too_large = error(REPEAT_SIZE, self.part(before));
        let number = |text: &str| {
            let number = text.parse::<u32>().ok();
            number.filter(|number| *number <= MAX_REPEAT)
        };
        let min = number(min).ok_or(too_large.clone())?;
        if max.is_empty() {
            // Go counts this as `min`, and looks into what stands there.
            return Ok(Some((format!("{{{min},}}"), Some(min.max(1)))));
        }
        match number(max).filter(|max| min <= *max) {
            Some(max) => Ok(Some((format!("{{{min},{max}}}"), Some(max)))),
            None => Err(too_large),
        }
    }

    /// `(?P<name>`, `(?<name>`, `(?flags)` or `(?flags:`.
    fn perl_group(&mut self) -> Result<(), RegexError> {
        let before = self.rest;
        let named = before
            .strip_prefix("(?P<")
            .or_else(|| before.strip_prefix("(?<"));
        if let Some(named) = named {
            let Some((name, rest)) = named.split_once('>') else {
                return Err(error(CAPTURE, before));
            };
            self.rest = rest;
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty() || !name.chars().all(plain) {
                return Err(error(CAPTURE, self.part(before)));
            }
            self.open("(?:");
            return Ok(());
        }
        self.skip(2);
        let mut flags: Vec<(char, bool)> = Vec::new();
        let mut on = true;
        let mut dangling = false;
        while let Some(c) = self.rest.chars().next() {
            self.skip(c.len_utf8());
            match c {
                'i' | 'm' | 's' | 'U' => {
                    flags.retain(|(flag, _)| *flag != c);
                    flags.push((c, on));
                    dangling = false;
                }
                '-' if on => {
                    on = false;
                    dangling = true;
                }
                ':' | ')' if !dangling => {
                    let of = |wanted: bool| {
                        let flags = flags.iter().filter(move |(_, on)| *on == wanted);
                        flags.map(|(flag, _)| *flag).collect::<String>()
                    };
                    let (set, unset) = (of(true), of(false));
                    let dash = if unset.is_empty() { "" } else { "-" };
                    if c == ':' {
                        self.open(&format!("(?{set}{dash}{unset}:"));
                    } else if !flags.is_empty() {
                        self.flags.push_str(&format!("(?{set}{dash}{unset})"));
                    }
                    return Ok(());
                }
                _ => break,
            }
        }
        Err(error(PERL, self.part(before)))
    }

    fn backslash(&mut self) -> Result<(), RegexError> {
        let before = self.rest;
        let simple = match before[1..].chars().next() {
            Some('A') => Some(r"\A"),
            Some('z') => Some(r"\z"),
            Some('b') => Some(r"(?-u:\b)"),
            Some('B') => Some(r"(?-u:\B)"),
            _ => None,
        };
        if let Some(text) = simple {
            self.skip(2);
            self.item(text);
        } else if let Some(quoted) = before.strip_prefix(r"\Q") {
            let (quoted, rest) = quoted.split_once(r"\E").unwrap_or((quoted, ""));
            self.rest = rest;
            for c in quoted.chars() {
                let text = self.literal(c);
                self.item(&text);
            }
        } else if let Some(class) = self.class_escape()? {
            self.item(&format!("[{class}]"));
        } else {
            let c = self.escape()?;
            let text = self.literal(c);
            self.item(&text);
        }
        Ok(())
    }

    /// A character that is written with a backslash.
    fn escape(&mut self) -> Result<char, RegexError> {
        let before = self.rest;
        self.skip(1);
        let Some(c) = self.rest.chars().next() else {
            return Err(error(BACKSLASH, before));
        };
        self.skip(c.len_utf8());
        let octal = |c: &char| matches!(c, '0'..='7');
        let value = match c {
            '1'..='7' if !self.rest.starts_with(|c| octal(&c)) => None,
            '0'..='7' => {
                let more: String = self.rest.chars().take_while(octal).take(2).collect();
                self.skip(more.len());
                u32::from_str_radix(&format!("{c}{more}"), 8).ok()
            }
            'x' => self.hexadecimal(),
            'a' => Some(0x07),
            'f' => Some(0x0C),
            'n' => Some(0x0A),
            'r' => Some(0x0D),
            't' => Some(0x09),
            'v' => Some(0x0B),
            c if c.is_ascii() && !c.is_ascii_alphanumeric() => Some(u32::from(c)),
            _ => None,
        };
        value
            .and_then(char::from_u32)
            .ok_or_else(|| error(ESCAPE, self.part(before)))
    }

    /// The digits behind `\x`: two, or any number in braces.
    fn hexadecimal(&mut self) -> Option<u32> {
        let digits = if let Some(braced) = self.rest.strip_prefix('{') {
            let (digits, rest) = braced.split_once('}')?;
            self.rest = rest;
            digits
        } else {
            let digits = self.rest.get(..2)?;
            self.skip(2);
            digits
        };
        let valid = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_hexdigit());
        let significant = digits.trim_start_matches('0');
        match significant {
            _ if !valid => None,
            "" => Some(0),
            digits => u32::from_str_radix(digits, 16).ok(),
        }
    }
}

fn error(reason: &'static str, part: &str) -> RegexError {
    RegexError::Syntax {
        reason,
        part: part.to_owned(),
    }
}

/// A number as a repetition has it: digits, and no zero in front.
fn is_number(text: &str) -> bool {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits && !text.is_empty() && (text == "0" || !text.starts_with('0'))
}
