//! dotenv and ini: one value in a line, and the metadata flattened.
//!
//! As sops 3.13 reads them, `stores/dotenv`, `stores/ini` and `stores/flatten.go` in
//! its source. What kb does not read for certain as sops does, of ini all that needs
//! quotes, it reads as well as it can, with a doubt.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

use super::Unsupported;
use super::contents::{
    Contents, EncryptedComment, EncryptedDocument, Path, SOPS, ScalarValue, Segment, Value,
};

/// What the metadata's keys begin with in dotenv.
pub(super) const SOPS_PREFIX: &str = "sops_";
/// A flattened key has so many steps at most; sops's own have seven.
const DEEPEST: usize = 128;
/// The section of ini that values before the first one belong to.
const DEFAULT_SECTION: &str = "DEFAULT";

/// Reads a dotenv file.
pub(super) fn read_dotenv(text: &str) -> Contents<'_> {
    let mut doubt = text.contains('\r').then_some(Unsupported::Syntax);
    let mut may_split_readers = false;
    let mut document = EncryptedDocument {
        containers: vec![Path::default()],
        ..EncryptedDocument::default()
    };
    let mut start = 0;
    for line in text.split('\n') {
        let range = start..start + line.len();
        start = range.end + 1;
        if line.is_empty() {
            continue;
        }
        if let Some(text) = line.strip_prefix('#') {
            document.comments.push(EncryptedComment {
                range: range.start + 1..range.end,
                text,
                container: 0,
                next: 1,
            });
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            doubt.get_or_insert(Unsupported::Syntax);
            continue;
        };
        let (values, path) = match key.strip_prefix(SOPS_PREFIX) {
            Some(flat) => {
                document.has_metadata = true;
                let end = (range.end + 1).min(text.len());
                document.metadata_range.push(range.start..end);
                let Some(path) = unflattened(flat, &mut doubt) else {
                    may_split_readers = true;
                    continue;
                };
                (&mut document.metadata, path)
            }
            None => (&mut document.values, Path(vec![Segment::Key(key.into())])),
        };
        values.push(Value {
            path,
            range: range.end - value.len()..range.end,
            is_plain: true,
            scalar: with_line_ends(value),
        });
    }
    Contents {
        text,
        documents: vec![document],
        doubt,
        may_split_readers,
    }
}

/// Reads an ini file, as sops's parser does (ini.v1 1.67, `parser.go`).
pub(super) fn read_ini(text: &str) -> Contents<'_> {
    let body = text.trim_start_matches('\u{feff}');
    let is_odd = text.contains('\r') || body.len() < text.len();
    let mut doubt = is_odd.then_some(Unsupported::Syntax);
    let mut document = EncryptedDocument {
        containers: vec![section_path(DEFAULT_SECTION)],
        ..EncryptedDocument::default()
    };
    let mut may_split_readers = false;
    let mut section = DEFAULT_SECTION;
    let mut sections = HashSet::from([section]);
    let mut seen = HashSet::new();
    let mut at = text.len() - body.len();
    while at < text.len() {
        let line_start = at;
        let line = next_line(text, &mut at);
        let trimmed = line.trim_start();
        let start = line_start + line.len() - trimmed.len();
        let trimmed = trimmed.trim_end();
        if let Some(name) = trimmed.strip_prefix('[') {
            let name = name.rsplit_once(']');
            let (name, behind) = name.unwrap_or((trimmed, "no end"));
            section = name;
            if !behind.is_empty()
                || section.is_empty()
                || section != section.trim()
                || section.contains(['[', ']', '"', '\'', '`', ';', '#'])
                || !sections.insert(section)
            {
                doubt.get_or_insert(Unsupported::Syntax);
            }
            document.has_doubled_metadata |= section == SOPS && document.has_metadata;
            document.has_metadata |= section == SOPS;
            document.containers.push(section_path(section));
            // To clear a set takes as long as it was large once.
            seen = HashSet::new();
            continue;
        }
        if trimmed.is_empty() {
        } else if let Some(text) = trimmed.strip_prefix([';', '#']) {
            let text = text.trim_start_matches([';', '#', ' ']);
            let end = start + trimmed.len();
            document.comments.push(EncryptedComment {
                range: end - text.len()..end,
                text,
                container: document.containers.len() - 1,
                next: document.containers.len(),
            });
        } else if let Some((key, behind)) = ini_key(trimmed) {
            let value = ini_value(text, start + behind, &mut at);
            let is_odd = key.is_empty()
                || key == "-"
                || key.contains([':', '"', '\'', '`', ';', '#'])
                || !trimmed.starts_with(key)
                || !trimmed[..behind].ends_with('=')
                || value.is_odd;
            if is_odd || !seen.insert(key) {
                doubt.get_or_insert(Unsupported::Syntax);
            }
            if section == SOPS {
                match unflattened(key, &mut doubt) {
                    Some(path) => document.metadata.push(Value {
                        path,
                        range: value.range,
                        is_plain: true,
                        scalar: with_line_ends(value.text),
                    }),
                    None => may_split_readers = true,
                }
            } else {
                document.values.push(Value {
                    path: Path(vec![Segment::Key(section.into()), Segment::Key(key.into())]),
                    range: value.range,
                    is_plain: true,
                    scalar: ScalarValue::Text(value.text),
                });
            }
        } else {
            doubt.get_or_insert(Unsupported::Syntax);
        }
        if section == SOPS {
            document.metadata_range.push(line_start..at);
        }
    }
    Contents {
        text,
        documents: vec![document],
        doubt,
        may_split_readers,
    }
}

/// The line that begins at a byte, without its end.
fn next_line<'t>(text: &'t str, at: &mut usize) -> &'t str {
    let rest = &text[*at..];
    let line = rest.split('\n').next().unwrap_or_default();
    *at = (*at + line.len() + 1).min(text.len());
    line
}

/// The key that begins a line, and where its value begins.
fn ini_key(line: &str) -> Option<(&str, usize)> {
    let quote = [r#"""""#, "\"", "`"].into_iter().find(|quote| {
        let is_long = quote.len() == 1 || line.len() > 2 * quote.len();
        is_long && line.starts_with(quote)
    });
    let (key, end) = match quote {
        Some(quote) => {
            let inner = &line[quote.len()..];
            let length = inner.find(quote)?;
            (&inner[..length], length + 2 * quote.len())
        }
        None => (line, 0),
    };
    let sign = end + line[end..].find(['=', ':'])?;
    let key = if end == 0 { &line[..sign] } else { key };
    Some((key.trim(), sign + 1))
}

/// A value of an ini file.
struct IniValue<'t> {
    text: Cow<'t, str>,
    range: Range<usize>,
    /// Whether sops does not write it so where it is encrypted.
    is_odd: bool,
}

/// The value that begins at `start`, and goes on in the lines at `at` where it is longer
/// than its own.
fn ini_value<'t>(text: &'t str, start: usize, at: &mut usize) -> IniValue<'t> {
    let line = text[start..].split('\n').next().unwrap_or_default();
    let trimmed = line.trim();
    let start = start + line.len() - line.trim_start().len();
    let range = start..start + trimmed.len();
    let mut quotes = [r#"""""#, "`"].into_iter();
    let quote = quotes.find(|quote| trimmed.starts_with(quote));
    if let Some(quote) = quote {
        let inner = start + quote.len();
        let own = text[inner..start + trimmed.len()].rfind(quote);
        let mut end = own.map_or(text.len(), |length| inner + length);
        if own.is_none() {
            // It goes on until a line with the same quote.
            while *at < text.len() {
                let next_start = *at;
                let next = next_line(text, at);
                let closed = next.rfind(quote);
                let goes_on = |closed: usize| next[closed + quote.len()..].trim().ends_with('\\');
                if let Some(closed) = closed.filter(|closed| !goes_on(*closed)) {
                    end = next_start + closed;
                    break;
                }
            }
        }
        return IniValue {
            text: text[inner..end].into(),
            range: start..end,
            is_odd: true,
        };
    }
    if let Some(first) = trimmed.strip_suffix('\\') {
        let mut value = first.to_owned();
        while *at < text.len() {
            let next = next_line(text, at).trim();
            value.push_str(next.strip_suffix('\\').unwrap_or(next));
            if !next.ends_with('\\') {
                break;
            }
        }
        return IniValue {
            text: value.into(),
            range: start..*at,
            is_odd: true,
        };
    }
    let without_comment = trimmed.split(['#', ';']).next().unwrap_or_default().trim();
    let unquoted = ['"', '\''].into_iter().find_map(|quote| {
        let inner = without_comment.strip_prefix(quote)?.strip_suffix(quote)?;
        (!inner.contains(quote)).then_some(inner)
    });
    let is_odd = trimmed.contains([';', '#', '`']) || trimmed.starts_with(['"', '\'']);
    IniValue {
        text: unquoted.unwrap_or(without_comment).into(),
        range,
        is_odd,
    }
}

fn section_path(section: &str) -> Path {
    Path(vec![Segment::Key(section.into())])
}

/// `\n` stands for a line's end.
fn with_line_ends<'t>(value: impl Into<Cow<'t, str>>) -> ScalarValue<'t> {
    let value = value.into();
    ScalarValue::Text(if value.contains("\\n") {
        Cow::Owned(value.replace("\\n", "\n"))
    } else {
        value
    })
}

/// `age__list_0__map_enc` is the `enc` of the first item of `age`. As `tokenize` in
/// sops's `stores/flatten.go` takes it: what is no number counts as 0. `None` if it has
/// more steps than kb follows.
fn unflattened(flat: &str, doubt: &mut Option<Unsupported>) -> Option<Path> {
    const MAP: &str = "__map_";
    const LIST: &str = "__list_";
    let mut segments = Vec::new();
    let mut rest = flat;
    let mut is_list = false;
    loop {
        // One search for both: the rest is not to be searched to its end at each step.
        let mut places = rest.match_indices('_').map(|(at, _)| at);
        let is_sign = |at: &usize| rest[*at..].starts_with(MAP) || rest[*at..].starts_with(LIST);
        let next = places.find(is_sign);
        let (part, behind) = rest.split_at(next.unwrap_or(rest.len()));
        segments.push(if is_list {
            Segment::Index(part.parse().unwrap_or_else(|_| {
                doubt.get_or_insert(Unsupported::Metadata);
                0
            }))
        } else {
            if part.contains("__") {
                doubt.get_or_insert(Unsupported::Metadata);
            }
            Segment::Key(part.into())
        });
        is_list = behind.starts_with(LIST);
        let sign = if is_list { LIST } else { MAP };
        match behind.strip_prefix(sign) {
            Some(behind) => rest = behind,
            None => return Some(Path(segments)),
        }
        if segments.len() > DEEPEST {
            doubt.get_or_insert(Unsupported::Metadata);
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As ini.v1 and sops read them, or refuse them.
    #[test]
    fn lines_that_are_not_plain_are_left_to_sops() {
        for text in [
            "[]\na = b\n",
            "[a\nb = c\n",
            "[a]\nb = c\n[a]\nd = e\n",
            "[a]\nb = c\nb = d\n",
            "[a]\nb = \"c\"\n",
            "[a]\nb = c ; d\n",
            "[a]\nb = c\\\n",
            "[a]\nb: c\n",
            "[a]\nb\n",
            "[a]\nb = `c`\n",
            "[a]\r\nb = c\r\n",
        ] {
            assert!(read_ini(text).doubt.is_some(), "{text:?}");
        }
        let sound = "; x\n[a]\nb = c=d\ne =\n\n[sops]\nmac = m\n";
        assert!(read_ini(sound).doubt.is_none());
        for text in [
            "a\n",
            "a=b\r\n",
            "sops_age__list_x__map_enc=y\n",
            "sops_age__x=y\n",
        ] {
            assert!(read_dotenv(text).doubt.is_some(), "{text:?}");
        }
        assert!(read_dotenv("# x\n\na=b=c\n").doubt.is_none());
    }

    #[test]
    fn flattened_keys_are_taken_apart_as_sops_does() {
        let read = |flat: &str| format!("{:?}", unflattened(flat, &mut None).expect("short").0);
        for (flat, path) in [
            ("mac", r#"[Key("mac")]"#),
            (
                "age__list_1__map_enc",
                r#"[Key("age"), Index(1), Key("enc")]"#,
            ),
            ("a__map_b__c", r#"[Key("a"), Key("b__c")]"#),
            ("age__list_x", r#"[Key("age"), Index(0)]"#),
            ("a___map_b", r#"[Key("a_"), Key("b")]"#),
        ] {
            assert_eq!(read(flat), path, "{flat}");
        }
    }
}
