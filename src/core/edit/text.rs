//! The text as the editor shows it: what the person typed, and kb's comments at
//! the top, which are not part of it.

use std::path::Path;

use secrecy::{ExposeSecret, SecretBox};

use crate::core::encrypted::Format;

/// The text, and kb's comments for the person.
#[derive(Default)]
pub(super) struct Comments {
    lines: Vec<String>,
    /// A block of lines that goes only as a whole: once someone has changed a
    /// line of it, it is theirs.
    skeleton: String,
}

impl Comments {
    /// Comments that say this; none where the format knows no comments.
    pub(super) fn new(format: Format, text: &str) -> Self {
        let Some(start) = start_of_line(format) else {
            return Self::default();
        };
        Self {
            lines: text
                .lines()
                .map(|line| format!("{start} {line}\n"))
                .collect(),
            skeleton: String::new(),
        }
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
            lines: Self::new(
                Format::Yaml,
                "a new Secret: take away the # signs below, or write what you like.\n\
                 Saved as it is, no file is made. Lines like this one are left out.",
            )
            .lines,
            skeleton: format!(
                "# apiVersion: v1\n# kind: Secret\n# metadata:\n#   name: {name}\n# stringData:\n#   password: \"\"\n"
            ),
        }
    }

    /// What the editor is to show.
    pub(super) fn above(&self, text: &SecretBox<Vec<u8>>) -> SecretBox<Vec<u8>> {
        let mut shown = self.lines.concat().into_bytes();
        shown.extend_from_slice(self.skeleton.as_bytes());
        shown.extend_from_slice(text.expose_secret());
        SecretBox::new(Box::new(shown))
    }

    /// What the person typed: the text without kb's lines, wherever they are now.
    pub(super) fn without(&self, shown: &SecretBox<Vec<u8>>) -> SecretBox<Vec<u8>> {
        let is_ours = |line: &[u8]| {
            let mut lines = self.lines.iter();
            lines.any(|own| own.trim_end().as_bytes() == line.trim_ascii_end())
        };
        let mut rest = shown.expose_secret().as_slice();
        let mut text = Vec::with_capacity(rest.len());
        while !rest.is_empty() {
            let skeleton = self.skeleton.as_bytes();
            if let Some(behind) = rest.strip_prefix(skeleton).filter(|_| !skeleton.is_empty()) {
                rest = behind;
                continue;
            }
            let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
            let (line, behind) = rest.split_at(end);
            if !is_ours(line) {
                text.extend_from_slice(line);
            }
            rest = behind;
        }
        SecretBox::new(Box::new(text))
    }
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
        let text = "## kb: mine\na: 1\n\n# note\n";
        let shown = above(&comments, text);
        assert!(shown.starts_with("## kb: line 2 is bad\n## kb: save it again\n## kb: mine\n"));
        assert_eq!(without(&comments, &shown), text);
        // Something was typed above them, and the editor writes other line ends.
        let moved = "b: 2\r\n## kb: line 2 is bad\r\n## kb: save it again\r\na: 1";
        assert_eq!(without(&comments, moved), "b: 2\r\na: 1");
        let none = Comments::new(Format::Json, "bad");
        assert_eq!(above(&none, "{}"), "{}");
        assert_eq!(without(&none, "{}\r"), "{}\r");
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
