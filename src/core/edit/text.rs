//! The text as the editor shows it: what the person typed, and kb's comments at
//! the top, which are not part of it.

use std::path::Path;

use crate::core::sops_file::Format;

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
    pub(super) fn above(&self, text: &[u8]) -> Vec<u8> {
        let mut shown = self.lines.concat().into_bytes();
        shown.extend_from_slice(self.skeleton.as_bytes());
        shown.extend_from_slice(text);
        shown
    }

    /// What the person typed: the text without kb's lines, wherever they are now.
    pub(super) fn without(&self, shown: &[u8]) -> Vec<u8> {
        let shown = match memchr::memmem::find(shown, self.skeleton.as_bytes()) {
            Some(at) => [&shown[..at], &shown[at + self.skeleton.len()..]].concat(),
            None => shown.to_vec(),
        };
        if self.lines.is_empty() {
            return shown;
        }
        let is_ours = |line: &[u8]| {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            self.lines
                .iter()
                .any(|own| own.trim_end().as_bytes() == line.trim_ascii_end())
        };
        let lines = shown.split_inclusive(|byte| *byte == b'\n');
        lines
            .filter(|line| !is_ours(line))
            .collect::<Vec<_>>()
            .concat()
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
            Ok(line) => (line + by).to_string(),
            Err(_) => number.to_owned(),
        };
        moved.extend([LINE, &number, rest]);
    }
    moved
}

/// Whether nothing is left of a text but space and comments.
pub(super) fn is_blank(format: Format, text: &[u8]) -> bool {
    let mut lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    lines.all(|line| {
        line.is_empty()
            || match format {
                Format::Yaml => line.starts_with(b"#") || line == b"---",
                Format::Dotenv => line.starts_with(b"#"),
                Format::Ini => line.starts_with(b"#") || line.starts_with(b";"),
                Format::Json | Format::Binary => false,
            }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_taken_out_again_and_nothing_else() {
        let comments = Comments::new(Format::Yaml, "line 2 is bad\nsave it again");
        let text = b"## kb: mine\na: 1\n\n# note\n";
        let shown = comments.above(text);
        assert!(shown.starts_with(b"## kb: line 2 is bad\n## kb: save it again\n## kb: mine\n"));
        assert_eq!(comments.without(&shown), text);
        // Something was typed above them, and the editor writes other line ends.
        let moved = b"b: 2\r\n## kb: line 2 is bad\r\n## kb: save it again\r\na: 1";
        assert_eq!(comments.without(moved), b"b: 2\r\na: 1");
        let none = Comments::new(Format::Json, "bad");
        assert_eq!(none.above(b"{}"), b"{}");
        assert_eq!(none.without(b"{}\r"), b"{}\r");
    }

    #[test]
    fn an_untouched_skeleton_is_blank_and_a_used_one_stays() {
        let comments = Comments::skeleton(Path::new("/r/db-secret.yaml"));
        let shown = String::from_utf8(comments.above(b"")).expect("UTF-8");
        assert!(shown.contains("#   name: db-secret\n"), "{shown}");
        assert!(is_blank(Format::Yaml, &comments.without(shown.as_bytes())));
        let used = shown.replace("\n# ", "\n");
        let typed = String::from_utf8(comments.without(used.as_bytes())).expect("UTF-8");
        assert!(
            typed.starts_with("apiVersion: v1\nkind: Secret\n"),
            "{typed}"
        );
        // Written below it, the untouched skeleton goes.
        let below = format!("{shown}a: 1\n");
        assert_eq!(comments.without(below.as_bytes()), b"a: 1\n");
        assert!(
            Comments::skeleton(Path::new("/r/A_B.yaml"))
                .skeleton
                .contains("NAME")
        );
    }

    #[test]
    fn line_numbers_count_the_comments_above() {
        assert_eq!(
            lines_moved("line 2, column 5: yaml: line 12: a new line", 3),
            "line 5, column 5: yaml: line 15: a new line"
        );
    }

    #[test]
    fn blank_means_that_nothing_would_be_stored() {
        assert!(is_blank(Format::Yaml, b"\n# a\n---\n"));
        assert!(!is_blank(Format::Yaml, b"a: 1\n"));
        assert!(is_blank(Format::Ini, b"; a\n"));
        assert!(!is_blank(Format::Binary, b"# a"));
        assert!(is_blank(Format::Binary, b" \n"));
    }
}
