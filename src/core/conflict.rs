//! What Git leaves in a file of a merge that it could not finish (git-merge(1), "How
//! conflicts are presented"; `merge`, `diff3` and `zdiff3` style).

/// What is said of a text with a marker.
pub const FOUND: &str = "a merge conflict: Git's conflict markers are still in it";

/// A line that is at least so long is a marker; the attribute `conflict-marker-size` makes
/// them longer.
const SIZE: usize = 7;

/// The first line, from 1, that is a marker. No line of YAML or JSON begins so, unless it
/// goes on with a text in quotes: that is for a text that does not parse.
pub fn marker(text: &str) -> Option<u64> {
    let line = text.lines().position(is_marker)?;
    Some(line as u64 + 1)
}

/// Whether a line is one.
pub fn is_marker(line: &str) -> bool {
    kind(line).is_some()
}

/// The first line, from 1, of a whole conflict. For a text that can quote a marker, such
/// as the line under a heading in Markdown.
pub fn whole(text: &str) -> Option<u64> {
    let mut expected = ['<', '=', '>'].into_iter().peekable();
    let mut first = None;
    for (line, found) in (1..).zip(text.lines().map(kind)) {
        if found.is_some() && found == expected.peek().copied() {
            expected.next();
            first = first.or(Some(line));
        }
    }
    first.filter(|_| expected.peek().is_none())
}

/// Whether the text without its markers begins as JSON does: prose may quote a file in conflict.
pub fn is_in_json(text: &str) -> bool {
    let mut lines = text
        .lines()
        .map(str::trim_start)
        .filter(|line| !line.is_empty());
    lines
        .find(|line| !is_marker(line))
        .is_some_and(|line| line.starts_with('{'))
}

/// The character that a marker repeats.
fn kind(line: &str) -> Option<char> {
    let first = line.chars().next().filter(|c| "<|=>".contains(*c))?;
    let rest = line.trim_start_matches(first);
    let size = line.len() - rest.len();
    let is_marker = match first {
        // Underlined headings are of any length.
        '=' => size == SIZE && rest.trim_end().is_empty(),
        '|' => size == SIZE && ends_word(rest),
        _ => size >= SIZE && ends_word(rest),
    };
    is_marker.then_some(first)
}

fn ends_word(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with([' ', '\r'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_found_in_every_style_and_at_every_stage() {
        let merge = "a: 1\n<<<<<<< HEAD\nb: 2\n=======\nb: 3\n>>>>>>> topic\n";
        let diff3 = "a: 1\n<<<<<<< HEAD\nb: 2\n||||||| 1a2b3c4\nb: 1\n=======\nb: 3\n>>>>>>> t\n";
        let bare = "a: 1\n<<<<<<<\n|||||||\n=======\n>>>>>>>\n";
        for text in [merge, diff3, bare] {
            for text in [text.to_owned(), text.replace('\n', "\r\n")] {
                assert_eq!(marker(&text), Some(2), "{text}");
                assert_eq!(whole(&text), Some(2), "{text}");
            }
        }
        // Half of it was resolved.
        for (text, line) in [
            ("a: 1\n=======\nb: 3\n>>>>>>> topic\n", 2),
            ("a: 1\nb: 3\n>>>>>>> topic (fix: x)\n", 3),
            ("||||||| parent of 1a2b3c4 (fix: x)\n", 1),
            ("<<<<<<<<<<< HEAD\n", 1),
        ] {
            assert_eq!(marker(text), Some(line), "{text}");
            assert_eq!(whole(text), None, "{text}");
        }
    }

    #[test]
    fn what_quotes_a_marker_is_none() {
        for text in [
            "text: |\n  <<<<<<< HEAD\n  =======\n  >>>>>>> topic\n",
            "# <<<<<<< HEAD\n# =======\n",
            "<<<<<< six\n",
            "<<<<<<<no space\n",
            "==========\n",
            "<<: *base\n",
        ] {
            assert_eq!(marker(text), None, "{text}");
        }
        assert_eq!(whole("Heading\n=======\n\n>>>>>>> a quotation\n"), None);
    }
}
