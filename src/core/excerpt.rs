//! Shortens foreign text, such as a server's answer, for messages.

use std::borrow::Cow;

/// So many characters are repeated at most: what fits into a line or two of a terminal.
const LONGEST: usize = 300;

/// The beginning of the text's first line that says something, with an ellipsis where
/// something is left out.
pub fn excerpt(text: &str) -> String {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    let end = first.char_indices().nth(LONGEST).map(|(at, _)| at);
    let shown = &first[..end.unwrap_or(first.len())];
    let is_cut = end.is_some() || lines.next().is_some();
    format!("{shown}{}", if is_cut { "…" } else { "" })
}

/// So many characters a line of a message has at most. A post-quantum recipient, which has
/// some 2,000, still fits in.
const LONGEST_LINE: usize = 2400;
/// What is left of the end of a longer line, where kb's own words may be.
const END: usize = 400;

/// The line, with an ellipsis in the place of what is too much of it.
pub fn shorten_line(line: &str) -> Cow<'_, str> {
    if line.len() <= LONGEST_LINE || line.chars().count() <= LONGEST_LINE {
        return line.into();
    }
    let at = |(at, _): (usize, char)| at;
    let head = line.char_indices().nth(LONGEST_LINE - END - 1).map(at);
    let tail = line.char_indices().nth_back(END - 1).map(at);
    let (head, tail) = (head.unwrap_or(0), tail.unwrap_or(line.len()));
    format!("{}…{}", &line[..head], &line[tail..]).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_a_line_is_repeated() {
        assert_eq!(excerpt("one line"), "one line");
        assert_eq!(excerpt("\n  one\ntwo\n"), "one…");
        let long = "ä".repeat(LONGEST + 1);
        assert_eq!(excerpt(&long).chars().count(), LONGEST + 1);
        assert_eq!(excerpt(&long[..2 * LONGEST]), long[..2 * LONGEST]);
    }

    #[test]
    fn a_line_keeps_its_beginning_and_its_end() {
        let fits = "ä".repeat(LONGEST_LINE);
        assert_eq!(shorten_line(&fits), fits);
        let long = format!("error: {} does not compile", "ä".repeat(200_000));
        let shown = shorten_line(&long);
        assert_eq!(shown.chars().count(), LONGEST_LINE);
        assert!(shown.starts_with("error: ä") && shown.ends_with("ä does not compile"));
    }
}
