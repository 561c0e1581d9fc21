//! dotenv and ini: one value in a line, and the metadata flattened.
//!
//! As sops 3.13 reads them, `stores/dotenv`, `stores/ini` and `stores/flatten.go` in
//! its source; of ini only what needs no quotes.

use std::borrow::Cow;
use std::collections::HashSet;

use super::Outside;
use super::contents::{Comment, Document, Path, SOPS, Scalar, Segment, Value};

/// What the metadata's keys begin with in dotenv.
const SOPS_PREFIX: &str = "sops_";
/// The section of ini that values before the first one belong to.
const DEFAULT_SECTION: &str = "DEFAULT";

/// Reads a dotenv file.
///
/// # Errors
/// [`Outside`]
pub(super) fn read_dotenv(text: &str) -> Result<Document<'_>, Outside> {
    if text.contains('\r') {
        return Err(Outside::Syntax);
    }
    let mut document = Document {
        containers: vec![Path::default()],
        ..Document::default()
    };
    let mut start = 0;
    for line in text.split('\n') {
        let range = start..start + line.len();
        start = range.end + 1;
        if line.is_empty() {
            continue;
        }
        if let Some(text) = line.strip_prefix('#') {
            document.comments.push(Comment {
                range: range.start + 1..range.end,
                text,
                container: 0,
                next: 1,
            });
            continue;
        }
        let (key, value) = line.split_once('=').ok_or(Outside::Syntax)?;
        let (values, path) = match key.strip_prefix(SOPS_PREFIX) {
            Some(flat) => (&mut document.metadata, unflattened(flat)?),
            None => (
                &mut document.values,
                Path(vec![Segment::Key(key.to_owned())]),
            ),
        };
        values.push(Value {
            path,
            range: range.end - value.len()..range.end,
            scalar: with_line_ends(value),
        });
    }
    Ok(document)
}

/// Reads an ini file.
///
/// # Errors
/// [`Outside`]
pub(super) fn read_ini(text: &str) -> Result<Document<'_>, Outside> {
    if text.contains('\r') || text.starts_with('\u{feff}') {
        return Err(Outside::Syntax);
    }
    let mut document = Document {
        containers: vec![section_path(DEFAULT_SECTION)],
        ..Document::default()
    };
    let mut section = DEFAULT_SECTION;
    let mut seen = HashSet::new();
    let mut start = 0;
    for line in text.split('\n') {
        let end = start + line.len();
        let trimmed = line.trim_start();
        let trimmed_start = end - trimmed.len();
        let trimmed = trimmed.trim_end();
        start = end + 1;
        if trimmed.is_empty() {
            continue;
        }
        if let Some(text) = trimmed.strip_prefix([';', '#']) {
            let text = text.trim_start_matches([';', '#', ' ']);
            let end = trimmed_start + trimmed.len();
            document.comments.push(Comment {
                range: end - text.len()..end,
                text,
                container: document.containers.len() - 1,
                next: document.containers.len(),
            });
            continue;
        }
        if let Some(name) = trimmed.strip_prefix('[') {
            section = name.strip_suffix(']').ok_or(Outside::Syntax)?;
            let path = section_path(section);
            if section.is_empty()
                || section != section.trim()
                || section.contains(['[', ']', '"', '\'', '`', ';', '#'])
                || document.containers.contains(&path)
            {
                return Err(Outside::Syntax);
            }
            document.containers.push(path);
            seen.clear();
            continue;
        }
        let (key, value) = trimmed.split_once('=').ok_or(Outside::Syntax)?;
        let (key, value) = (key.trim(), value.trim());
        let is_odd = key.is_empty()
            || key == "-"
            || key.contains([':', '"', '\'', '`', ';', '#'])
            || value.contains([';', '#', '`'])
            || value.starts_with(['"', '\''])
            || value.ends_with('\\');
        if is_odd || !seen.insert(key) {
            return Err(Outside::Syntax);
        }
        let end = trimmed_start + trimmed.len();
        let range = end - value.len()..end;
        match section == SOPS {
            true => document.metadata.push(Value {
                path: unflattened(key)?,
                range,
                scalar: with_line_ends(value),
            }),
            false => document.values.push(Value {
                path: Path(vec![
                    Segment::Key(section.to_owned()),
                    Segment::Key(key.to_owned()),
                ]),
                range,
                scalar: Scalar::Text(value.into()),
            }),
        }
    }
    Ok(document)
}

fn section_path(section: &str) -> Path {
    Path(vec![Segment::Key(section.to_owned())])
}

/// `\n` stands for a line's end.
fn with_line_ends(value: &str) -> Scalar<'_> {
    Scalar::Text(match value.contains("\\n") {
        true => Cow::Owned(value.replace("\\n", "\n")),
        false => Cow::Borrowed(value),
    })
}

/// `age__list_0__map_enc` is the `enc` of the first item of `age`.
fn unflattened(flat: &str) -> Result<Path, Outside> {
    let mut segments = Vec::new();
    for (place, part) in flat.split("__").enumerate() {
        let segment = match (place, part.strip_prefix("map_"), part.strip_prefix("list_")) {
            (0, ..) => Segment::Key(part.to_owned()),
            (_, Some(key), _) => Segment::Key(key.to_owned()),
            (.., Some(index)) => Segment::Index(index.parse().map_err(|_| Outside::Metadata)?),
            _ => return Err(Outside::Metadata),
        };
        segments.push(segment);
    }
    Ok(Path(segments))
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
            assert!(read_ini(text).is_err(), "{text:?}");
        }
        assert!(read_ini("; x\n[a]\nb = c=d\ne =\n\n[sops]\nmac = m\n").is_ok());
        for text in [
            "a\n",
            "a=b\r\n",
            "sops_age__list_x__map_enc=y\n",
            "sops_age__x=y\n",
        ] {
            assert!(read_dotenv(text).is_err(), "{text:?}");
        }
        assert!(read_dotenv("# x\n\na=b=c\n").is_ok());
    }
}
