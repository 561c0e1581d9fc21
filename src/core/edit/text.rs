//! The text as the editor shows it: what the person typed, and kb's comments, which are
//! not part of it.

use std::path::Path;

use secrecy::{ExposeSecret, SecretBox};

use crate::core::encrypted::Format;

/// What to do with a new file.
const NEW: &str = "a new Secret: take away the # signs below, or write what you like.\n\
     Saved as it is, no file is made. Lines like this one are left out.";

/// What a person may do with a text that came back.
const CHOICE: &str = "Save it changed to try again; close it as it is, or empty it, to give up.";

/// What a comment begins with.
const SIGNS: [char; 2] = ['#', ';'];

/// So many bytes of kb's words are enough to know a line of kb by.
const ENOUGH: usize = 12;

/// kb's comments for the person.
///
/// A line is kb's wherever it is now, and whatever was done to it: if it still begins as
/// kb's lines do, or if its words are still kb's.
#[derive(Default)]
pub(super) struct Comments {
    format: Option<Format>,
    /// What is said, without the signs of a comment.
    said: Vec<String>,
    /// Of that, what kb says in its own words: the rest may repeat the text.
    own: Vec<Own>,
    /// A block of lines that is removed only as a whole: once someone has changed a
    /// line of it, it is theirs.
    skeleton: String,
}

impl Comments {
    /// None to show; in a text of this format, those of another run are found.
    pub(super) fn none(format: Format) -> Self {
        Self {
            format: Some(format),
            own: [NEW, CHOICE]
                .iter()
                .flat_map(|text| lines(text))
                .map(Own::new)
                .collect(),
            ..Self::default()
        }
    }

    /// Comments that say this; none where the format knows no comments.
    pub(super) fn new(format: Format, text: &str) -> Self {
        if start_of_line(format).is_none() {
            return Self::none(format);
        }
        let said: Vec<String> = lines(text).collect();
        let mut comments = Self::none(format);
        comments.own.extend(said.iter().cloned().map(Own::new));
        comments.said = said;
        comments
    }

    /// Why a text comes back. What `quoted` says may repeat the text.
    pub(super) fn not_saved(format: Format, reason: &str, quoted: &str) -> Self {
        let mut comments = Self::new(format, &format!("not saved: {reason}"));
        if Self::exist_in(format) {
            comments.said.extend(lines(quoted));
            comments.said.extend(lines(CHOICE));
        }
        comments
    }

    /// Whether the format knows comments.
    pub(super) fn exist_in(format: Format) -> bool {
        start_of_line(format).is_some()
    }

    /// A Secret for a new file, commented out.
    pub(super) fn skeleton(file: &Path) -> Self {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let is_name = !stem.is_empty() && stem.chars().all(plain) && !stem.starts_with('-');
        let name = if is_name { &*stem } else { "NAME" };
        Self {
            skeleton: format!(
                "# apiVersion: v1\n# kind: Secret\n# metadata:\n#   name: {name}\n# stringData:\n#   password: \"\"\n"
            ),
            ..Self::new(Format::Yaml, NEW)
        }
    }

    /// What the editor is to show.
    pub(super) fn above(&self, text: &SecretBox<Vec<u8>>) -> SecretBox<Vec<u8>> {
        let start = self.format.and_then(start_of_line).unwrap_or_default();
        let said = self.said.iter().map(|line| format!("{start} {line}\n"));
        let above = said.collect::<String>() + &self.skeleton;
        let text = text.expose_secret();
        // Grown step by step, it would leave copies of the text behind.
        let mut shown = Vec::with_capacity(above.len() + text.len());
        shown.extend_from_slice(above.as_bytes());
        shown.extend_from_slice(text);
        SecretBox::new(Box::new(shown))
    }

    /// What the person typed: the text without kb's lines.
    pub(super) fn without(&self, shown: &SecretBox<Vec<u8>>) -> SecretBox<Vec<u8>> {
        let mut rest = shown.expose_secret().as_slice();
        let mut text = Vec::with_capacity(rest.len());
        // An editor that wraps a line of kb puts the rest of it into the next one.
        let mut is_behind_kbs = false;
        while !rest.is_empty() {
            let skeleton = self.skeleton.as_bytes();
            if let Some(behind) = rest.strip_prefix(skeleton).filter(|_| !skeleton.is_empty()) {
                rest = behind;
                is_behind_kbs = false;
                continue;
            }
            let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
            let (line, behind) = rest.split_at(end);
            if let Some((before, ending)) = self.joined(line) {
                text.extend_from_slice(before);
                text.extend_from_slice(ending);
                is_behind_kbs = true;
            } else {
                is_behind_kbs = self.is_kbs(line, is_behind_kbs);
                if !is_behind_kbs {
                    text.extend_from_slice(line);
                }
            }
            rest = behind;
        }
        SecretBox::new(Box::new(text))
    }

    /// What stands before a line of kb that was joined to it, and the end of the line.
    fn joined<'t>(&self, line: &'t [u8]) -> Option<(&'t [u8], &'t [u8])> {
        let start = format!(" {}", self.format.and_then(start_of_line)?);
        let at = memchr::memmem::find(line, start.as_bytes())?;
        let (before, kbs) = line.split_at(at);
        let is_own = self.is_part_of_own(std::str::from_utf8(&kbs[start.len()..]).ok()?);
        let ending = &line[line.trim_ascii_end().len()..];
        let is_theirs = !before.trim_ascii().is_empty() && !self.is_kbs(before, false);
        let begins_as_kbs = line.trim_ascii().starts_with(start.trim_ascii().as_bytes());
        (is_own && is_theirs && !begins_as_kbs).then_some((before, ending))
    }

    /// Whether a line is kb's, which may stand behind another one of kb.
    fn is_kbs(&self, line: &[u8], is_behind_kbs: bool) -> bool {
        let Some(start) = self.format.and_then(start_of_line) else {
            return false;
        };
        let line = line.trim_ascii();
        if line.starts_with(start.as_bytes()) {
            return true;
        }
        let Ok(line) = std::str::from_utf8(line) else {
            return false;
        };
        let words = line.trim_start_matches([SIGNS[0], SIGNS[1], ' ', '\t']);
        let marked = words.strip_prefix("kb:");
        let words = marked.unwrap_or(words).trim();
        if words.len() < ENOUGH {
            return false;
        }
        // A part of kb's words alone may be a comment of theirs, such as the name of a key.
        let may_be_part = marked.is_some() || is_behind_kbs;
        if may_be_part && line.starts_with(SIGNS) && self.is_part_of_own(words) {
            return true;
        }
        // The mark in front may have become another word.
        let rest = words.split_once(' ').map_or("", |(_, rest)| rest);
        let squeezed_words = [squeezed(words), squeezed(rest)];
        let mut own = self.own.iter().filter(|own| own.words.len() >= ENOUGH);
        own.any(|own| {
            let before = words.strip_suffix(own.words.as_str()).map(str::trim);
            let is_one_word = before.is_some_and(|before| !before.contains([' ', '\t']));
            let mut words = squeezed_words.iter();
            is_one_word || words.any(|words| is_like(words, &own.squeezed))
        })
    }

    /// Whether these are words of kb's own, or a part of them.
    fn is_part_of_own(&self, words: &str) -> bool {
        let words = squeezed(words);
        let mut own = self.own.iter();
        words.len() >= ENOUGH && own.any(|own| own.squeezed.contains(&words))
    }
}

/// Whether one text is the other but for one place within, as after a substitution. What
/// was joined to the beginning or the end is no such place.
fn is_like(one: &str, other: &str) -> bool {
    const IN_COMMON: usize = 80;
    const AT_EACH_END: usize = 4;
    if one == other {
        return true;
    }
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let (short, long) = (one.len().min(other.len()), one.len().max(other.len()));
    let pairs = one.iter().zip(other);
    let start = pairs.take_while(|(one, other)| one == other).count();
    let pairs = one.iter().rev().zip(other.iter().rev());
    let end = pairs
        .take(short - start)
        .take_while(|(one, other)| one == other);
    let end = end.count();
    start.min(end) >= AT_EACH_END && (start + end) * 100 >= long * IN_COMMON
}

/// A line of kb's own words.
struct Own {
    words: String,
    squeezed: String,
}

impl Own {
    fn new(words: String) -> Self {
        Self {
            squeezed: squeezed(&words),
            words,
        }
    }
}

/// Words without space and the signs of comments, which are easily removed or added.
fn squeezed(words: &str) -> String {
    let is_left_out = |c: char| c.is_whitespace() || SIGNS.contains(&c);
    words.chars().filter(|c| !is_left_out(*c)).collect()
}

fn lines(text: &str) -> impl Iterator<Item = String> {
    text.lines().map(|line| line.trim_end().to_owned())
}

/// How a line of kb begins. Two signs: taking one away from each line of the
/// skeleton leaves it a comment.
fn start_of_line(format: Format) -> Option<&'static str> {
    match format {
        Format::Yaml | Format::Dotenv => Some("## kb:"),
        Format::Ini => Some(";; kb:"),
        Format::Json | Format::Binary => None,
    }
}

/// The words with each "line N" in them moved down by so many lines.
pub(super) fn lines_moved(words: &str, by: usize) -> String {
    const LINE: &str = "line ";
    let mut parts = words.split(LINE);
    let mut moved = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(part.len());
        let (number, rest) = part.split_at(end);
        let number = match number.parse::<usize>() {
            // Elsewhere it may be a quotation of the text.
            Ok(line) if rest.starts_with([':', ',']) => (line + by).to_string(),
            _ => number.to_owned(),
        };
        moved.extend([LINE, &number, rest]);
    }
    moved
}

/// Whether nothing is left of a text but space.
pub(super) fn is_blank(text: &[u8]) -> bool {
    text.trim_ascii().is_empty()
}

/// Whether a text is comments alone, which sops does not take.
pub(super) fn is_only_comments(format: Format, text: &[u8]) -> bool {
    let signs: &[u8] = match format {
        Format::Yaml | Format::Dotenv => b"#",
        Format::Ini => b"#;",
        Format::Json | Format::Binary => return false,
    };
    let mut lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    lines.all(|line| line.first().is_none_or(|first| signs.contains(first)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> SecretBox<Vec<u8>> {
        SecretBox::new(Box::new(text.into()))
    }

    fn above(comments: &Comments, text: &str) -> String {
        let shown = comments.above(&secret(text));
        String::from_utf8(shown.expose_secret().clone()).expect("UTF-8")
    }

    fn without(comments: &Comments, shown: &str) -> String {
        let text = comments.without(&secret(shown));
        String::from_utf8(text.expose_secret().clone()).expect("UTF-8")
    }

    #[test]
    fn comments_are_taken_out_again_and_nothing_else() {
        let comments = Comments::new(Format::Yaml, "line 2 is bad\nsave it again");
        let text = "# kb: mine\na: 1\n\n# note\n";
        let shown = above(&comments, text);
        assert!(shown.starts_with("## kb: line 2 is bad\n## kb: save it again\n# kb: mine\n"));
        assert_eq!(without(&comments, &shown), text);
        // Something was typed above them, and the editor writes other line ends.
        let moved = "b: 2\r\n## kb: line 2 is bad\r\n## kb: save it again\r\na: 1";
        assert_eq!(without(&comments, moved), "b: 2\r\na: 1");
        let none = Comments::new(Format::Json, "bad");
        assert_eq!(above(&none, "{}"), "{}");
        assert_eq!(without(&none, "{}\r"), "{}\r");
    }

    #[test]
    fn a_line_of_kb_is_known_whatever_was_done_to_it() {
        let reason = "a Secret has no field stringdata; values belong in stringData or data";
        let comments = Comments::not_saved(Format::Yaml, reason, "\nyaml: near # my comment");
        let shown = above(&comments, "");
        let line = shown.lines().next().expect("a line");
        for changed in [
            line.replace("stringdata", "stringData"),
            format!("    {line}"),
            format!("\t{line}\r"),
            line.replace("## ", "# "),
            line.replace("## ", ""),
            line.replace("## kb", "# note"),
            line.replace("## kb", "# note").replace("stringdata", "stringData"),
            line.replace("## kb: ", ""),
            line.replace("## kb: ", "").replace("stringdata", "stringData"),
            line.replace("## ", "# ").replace("stringdata", "x"),
            line.replace("##", "####"),
            "#kb: take away the signs below, or write what you like.".to_owned(),
            // Wrapped by the editor.
            "## kb: not saved: a Secret has no\n# field stringdata; values belong\n# in stringData or data"
                .to_owned(),
            "## kb: what nobody has said".to_owned(),
        ] {
            let text = format!("a: 1\n{changed}\nb: 2\n");
            assert_eq!(without(&comments, &text), "a: 1\nb: 2\n", "{changed}");
        }
        // What a person writes stays, also what sops has repeated of it.
        for own in [
            "# my comment",
            "# kb: mine",
            "# in data",
            "a: '## kb: x'",
            "a: 1 ## kb: x",
            "# values belong in stringData or data",
            "# Secret has no field",
        ] {
            assert_eq!(without(&comments, own), own);
            let behind = format!("{shown}a: 1\n{own}\n");
            assert_eq!(without(&comments, &behind), format!("a: 1\n{own}\n"));
        }
        // A line that was joined to a line of theirs.
        assert_eq!(
            without(&comments, &format!("a: 1 {line}\r\nb: 2")),
            "a: 1\r\nb: 2"
        );
        let joined = format!("a: 1 {}\nb: 2", line.replace("## kb: ", ""));
        assert_eq!(without(&comments, &joined), joined);
        // Those of a run that was killed.
        let none = Comments::none(Format::Yaml);
        let left = above(&Comments::skeleton(Path::new("/r/a.yaml")), "a: 1\n");
        let left = left.replace("## kb: ", "# ");
        assert!(without(&none, &left).starts_with("# apiVersion"), "{left}");
        let ini = Comments::new(Format::Ini, "this is not an ini file");
        assert_eq!(
            without(&ini, "; kb: this is not an ini file\n;; kb: x\na = 1"),
            "a = 1"
        );
    }

    #[test]
    fn an_untouched_skeleton_is_blank_and_a_used_one_stays() {
        let comments = Comments::skeleton(Path::new("/r/db-secret.yaml"));
        let shown = above(&comments, "");
        assert!(shown.contains("#   name: db-secret\n"), "{shown}");
        assert!(is_blank(without(&comments, &shown).as_bytes()));
        let used = without(&comments, &shown.replace("\n# ", "\n"));
        assert!(used.starts_with("apiVersion: v1\nkind: Secret\n"), "{used}");
        // Written below it, the untouched skeleton goes; changed, it is theirs.
        assert_eq!(without(&comments, &format!("{shown}a: 1\n")), "a: 1\n");
        let filled_in = without(&comments, &shown.replace("\"\"", "hunter2"));
        assert!(filled_in.contains("hunter2"), "{filled_in}");
        assert!(is_only_comments(Format::Yaml, filled_in.as_bytes()));
        let odd = Comments::skeleton(Path::new("/r/A_B.yaml"));
        assert!(odd.skeleton.contains("NAME"));
    }

    #[test]
    fn line_numbers_count_the_comments_above() {
        assert_eq!(
            lines_moved("yaml: line 12: a new line in line 9 of mine", 3),
            "yaml: line 15: a new line in line 9 of mine"
        );
    }

    #[test]
    fn comments_alone_are_told_from_nothing() {
        assert!(is_only_comments(Format::Yaml, b"\n# a\n"));
        assert!(!is_only_comments(Format::Yaml, b"a: 1 # b\n"));
        assert!(is_only_comments(Format::Ini, b"; a\n# b"));
        assert!(!is_only_comments(Format::Binary, b"# a"));
        assert!(is_blank(b" \r\n"));
        assert!(!is_blank(b"# a"));
    }
}
