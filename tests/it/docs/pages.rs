//! Markdown, as far as the tests read it.

use std::ops::Range;
use std::path::{Path, PathBuf};

/// A Markdown file.
pub(super) struct Page {
    /// Relative to the top of the repository.
    pub(super) path: PathBuf,
    pub(super) text: String,
    pub(super) blocks: Vec<Block>,
    /// Each line outside blocks, with its number.
    pub(super) prose: Vec<(usize, String)>,
}

/// A fenced block, or a comment that begins with `<!-- run`.
pub(super) struct Block {
    /// What stands behind the fence, such as `console`; [`RUN`] for a comment.
    pub(super) language: String,
    /// Where its content is in the page.
    pub(super) range: Range<usize>,
    /// The line of its fence, from 1.
    pub(super) line: usize,
}

/// The language of a comment whose content is run by a shell and not shown.
pub(super) const RUN: &str = "run";

impl Page {
    pub(super) fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(super::root().join(path)).expect("a page");
        Self::parse(path, text)
    }

    fn parse(path: &Path, text: String) -> Self {
        let mut blocks = Vec::new();
        let mut prose = Vec::new();
        let mut open: Option<(Block, &str)> = None;
        let mut offset = 0;
        for (index, line) in text.split_inclusive('\n').enumerate() {
            let start = offset;
            offset += line.len();
            let trimmed = line.trim();
            if let Some((mut block, end)) = open.take() {
                if trimmed == end {
                    block.range.end = start;
                    blocks.push(block);
                } else {
                    open = Some((block, end));
                }
                continue;
            }
            let begun = match (trimmed.strip_prefix("```"), trimmed) {
                (Some(language), _) => Some((language, "```")),
                (None, "<!-- run") => Some((RUN, "-->")),
                _ => None,
            };
            if let Some((language, end)) = begun {
                let block = Block {
                    language: language.to_owned(),
                    range: offset..offset,
                    line: index + 1,
                };
                open = Some((block, end));
            } else {
                prose.push((index + 1, line.trim_end().to_owned()));
            }
        }
        assert!(open.is_none(), "{}: a block is open", path.display());
        Self {
            path: path.to_owned(),
            text,
            blocks,
            prose,
        }
    }

    pub(super) fn content(&self, block: &Block) -> &str {
        &self.text[block.range.clone()]
    }

    /// The targets of its links, with their lines.
    pub(super) fn links(&self) -> Vec<(usize, String)> {
        let mut links = Vec::new();
        for (line, text) in &self.prose {
            let text: String = outside_code(text).concat();
            for (at, _) in text.match_indices("](") {
                let target = &text[at + 2..];
                let end = target.find(')').expect("a link ends");
                links.push((*line, target[..end].to_owned()));
            }
        }
        links
    }

    /// What its headings are called in links.
    pub(super) fn anchors(&self) -> Vec<String> {
        let headings = self.prose.iter().filter_map(|(_, line)| {
            let text = line.trim_start_matches('#');
            (text.len() < line.len()).then(|| text.strip_prefix(' '))?
        });
        headings.map(anchor).collect()
    }

    /// What is in backticks outside blocks, with its line. It may not go on in the next line,
    /// where nobody could copy it.
    pub(super) fn inline_code(&self) -> Vec<(usize, String)> {
        let code = self.prose.iter().flat_map(|(line, text)| {
            let place = format!("{}:{line}", self.path.display());
            let is_paired = text.matches('`').count().is_multiple_of(2);
            assert!(is_paired, "{place}: code goes on in the next line");
            let parts = text.split('`').skip(1).step_by(2);
            parts.map(|code| (*line, code.to_owned()))
        });
        code.collect()
    }
}

fn outside_code(line: &str) -> Vec<&str> {
    line.split('`').step_by(2).collect()
}

/// As GitHub makes it of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter_map(|c| match c {
        ' ' => Some('-'),
        '-' | '_' => Some(c),
        c if c.is_alphanumeric() => Some(c.to_ascii_lowercase()),
        _ => None,
    });
    kept.collect()
}

#[test]
fn pages_are_read_as_they_are_shown() {
    let text = "# One `x`, Two\n[a](b.md#c) `[no](link)` `kb man`\n```sh\n# no heading\n```\n\
                <!-- run\ntrue\n-->\n";
    let page = Page::parse(Path::new("a.md"), text.to_owned());
    assert_eq!(page.anchors(), ["one-x-two"]);
    assert_eq!(page.links(), [(2, "b.md#c".to_owned())]);
    let languages: Vec<&str> = page.blocks.iter().map(|it| &*it.language).collect();
    assert_eq!(languages, ["sh", RUN]);
    assert_eq!(page.content(&page.blocks[1]), "true\n");
    assert!(page.inline_code().contains(&(2, "kb man".to_owned())));
}
