//! A rule more.

use serde_json::json;

use super::lines::{after_colon, line_end, line_ending, line_start, next_line};
use super::{Splice, UnsupportedForm};
use crate::core::identity::Recipient;
use crate::core::sops_config::config::SECRET_VALUES;
use crate::core::yaml::{Document, Node, NodeKind, Pair};

/// Puts a rule before the one with the index `before`, or at the end.
pub(super) fn insert(
    document: &Document,
    before: usize,
    path_regex: &str,
    recipient: &Recipient,
) -> Result<Vec<Splice>, UnsupportedForm> {
    let text = document.text;
    let root = document.root.as_ref();
    let rules = root.and_then(|root| document.get(root, "creation_rules"));
    // Line ends as they are where the rule goes.
    let items = rules.map_or(&[][..], Node::items);
    let neighbour = items.get(before).or(items.last()).or(rules).or(root);
    let rule = RuleText {
        path_regex,
        recipient,
        newline: line_ending(text, neighbour.map_or(0, |node| node.end)),
    };
    let splice = match (root, rules) {
        (Some(root), _) if !matches!(root.kind, NodeKind::Mapping { flow: false, .. }) => {
            let form = if root.is_null() {
                "a document that is null"
            } else {
                "a document in braces"
            };
            return Err(UnsupportedForm::at(root, form));
        }
        (Some(_), Some(rules)) if !items.is_empty() => {
            if matches!(rules.kind, NodeKind::Sequence { flow: true, .. }) {
                return Err(UnsupportedForm::at(rules, "rules in brackets"));
            }
            let here = Neighbours {
                document,
                list: rules,
                items,
            };
            here.in_block(before, &rule)?
        }
        (Some(root), Some(rules)) => first(document, root, rules, &rule)?,
        (Some(root), None) if root.column > 0 => {
            return Err(UnsupportedForm::at(
                root,
                "a document that is indented as a whole",
            ));
        }
        _ => rule.after_all(text),
    };
    Ok(vec![splice])
}

/// The first rule where the file says that there is none: `creation_rules:`,
/// `creation_rules: []` or `creation_rules: null`.
fn first(
    document: &Document,
    root: &Node,
    rules: &Node,
    rule: &RuleText<'_>,
) -> Result<Splice, UnsupportedForm> {
    let text = document.text;
    let own = root.own("creation_rules");
    let here = |pair: &&Pair| pair.value.start == rules.start && rules.anchor.is_none();
    let Some(pair) = own.filter(here) else {
        return Err(UnsupportedForm::at(rules, "creation_rules of this form"));
    };
    // The value goes, and the rule follows on the next lines.
    let colon = after_colon(text, &pair.key);
    let end = line_end(text, rules.end);
    let comment = &text[rules.end..end];
    let indent = " ".repeat(root.column + 2);
    let lines = rule.lines(&indent, " ");
    Ok(Splice::replace(
        colon..end,
        format!("{comment}{}{lines}", rule.newline),
    ))
}

/// A rule with a placeholder for its key, as it can stand in any YAML.
pub(super) fn to_paste(path_regex: &str) -> String {
    let rule = json!({
        "path_regex": path_regex,
        "encrypted_regex": SECRET_VALUES,
        "age": "<key>",
    });
    rule.to_string()
}

struct RuleText<'r> {
    path_regex: &'r str,
    recipient: &'r Recipient,
    newline: &'static str,
}

impl RuleText<'_> {
    /// The rule in block style, without the last line ending. `gap` stands
    /// between the dash and the first key.
    fn lines(&self, indent: &str, gap: &str) -> String {
        let (newline, path_regex) = (self.newline, scalar_in_block(self.path_regex));
        let behind = " ".repeat(1 + gap.len());
        format!(
            "{indent}-{gap}path_regex: {path_regex}{newline}\
             {indent}{behind}encrypted_regex: {SECRET_VALUES}{newline}\
             {indent}{behind}age: {}",
            self.recipient
        )
    }

    /// `creation_rules` and the rule at the end of the text; a missing final
    /// line ending stays missing.
    fn after_all(&self, text: &str) -> Splice {
        let newline = self.newline;
        let lines = format!("creation_rules:{newline}{}", self.lines("  ", " "));
        if let Some(at) = document_end(text) {
            return Splice::insert(at, format!("{lines}{newline}"));
        }
        // After a byte order mark alone there is no line to end either.
        let ended = text.is_empty() || text.ends_with('\n') || text == "\u{feff}";
        let with = if ended {
            format!("{lines}{newline}")
        } else {
            format!("{newline}{lines}")
        };
        Splice::insert(text.len(), with)
    }
}

/// Where the line `...` begins, which ends the document.
fn document_end(text: &str) -> Option<usize> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if line.trim_end() == "..." {
            return Some(start);
        }
        start += line.len();
    }
    None
}

/// A list of rules to which one is added.
struct Neighbours<'d> {
    document: &'d Document<'d>,
    list: &'d Node<'d>,
    items: &'d [Node<'d>],
}

impl Neighbours<'_> {
    fn in_block(&self, before: usize, rule: &RuleText<'_>) -> Result<Splice, UnsupportedForm> {
        let text = self.document.text;
        let last = self.items.len() - 1;
        let neighbour = before.min(last);
        let dash = self.dash(neighbour)?;
        let indent = &text[line_start(text, dash)..dash];
        let item = &self.items[neighbour];
        let gap = match text.get(dash + 1..item.start) {
            Some(gap) if !gap.is_empty() && gap.chars().all(|c| c == ' ') => gap,
            _ => " ",
        };
        let lines = rule.lines(indent, gap);
        let newline = rule.newline;
        let blank = if self.blank_between(neighbour)? {
            newline
        } else {
            ""
        };
        if before <= last {
            let at = self.above_comments(dash);
            return Ok(Splice::insert(at, format!("{lines}{newline}{blank}")));
        }
        let at = self.below_comments(line_end(text, self.items[last].end), dash);
        Ok(Splice::insert(at, format!("{newline}{blank}{lines}")))
    }

    /// Where the dash of an item stands. Between the item before (or the key of
    /// the list) and it there are only blank lines and comments.
    fn dash(&self, index: usize) -> Result<usize, UnsupportedForm> {
        let text = self.document.text;
        let mut at = match index.checked_sub(1) {
            Some(previous) => next_line(text, self.items[previous].end),
            // The first item's own line, or one above it if the dash is alone.
            None => {
                let start = line_start(text, self.list.start);
                let lead = text[start..self.list.start].trim_start();
                match lead.starts_with('-') {
                    true => start,
                    false => self.lone_dash(start),
                }
            }
        };
        while at < text.len() {
            let line = &text[at..line_end(text, at)];
            let content = line.trim_start();
            if content == "-" || content.starts_with("- ") {
                return Ok(at + line.len() - content.len());
            }
            if !(content.is_empty() || content.starts_with('#')) {
                break;
            }
            at = next_line(text, at);
        }
        Err(UnsupportedForm::at(
            &self.items[index],
            "a list of this form",
        ))
    }

    /// The line of a dash that stands above its item.
    fn lone_dash(&self, start: usize) -> usize {
        let text = self.document.text;
        let mut at = start;
        while at > 0 {
            at = line_start(text, at - 1);
            let content = text[at..line_end(text, at)].trim();
            if content.starts_with('-') || !(content.is_empty() || content.starts_with('#')) {
                break;
            }
        }
        at
    }

    /// Whether a blank line stands between the neighbour and the item at its
    /// side.
    fn blank_between(&self, neighbour: usize) -> Result<bool, UnsupportedForm> {
        if self.items.len() < 2 {
            return Ok(false);
        }
        let after = neighbour.max(1);
        let text = self.document.text;
        let end = self.items[after - 1].end;
        let gap = &text[next_line(text, end)..line_start(text, self.dash(after)?)];
        Ok(gap.lines().any(|line| line.trim().is_empty()))
    }

    /// The comments right above a rule, indented as it is, are about it.
    fn above_comments(&self, dash: usize) -> usize {
        let text = self.document.text;
        let mut at = line_start(text, dash);
        let column = dash - at;
        while at > 0 {
            let start = line_start(text, at - 1);
            let line = &text[start..line_end(text, start)];
            let content = line.trim_start();
            if !content.starts_with('#') || line.len() - content.len() > column {
                break;
            }
            at = start;
        }
        at
    }

    /// The comments right below the last rule, indented as its entries are, are
    /// about it.
    fn below_comments(&self, end: usize, dash: usize) -> usize {
        let text = self.document.text;
        let column = dash - line_start(text, dash);
        let mut at = end;
        loop {
            let start = next_line(text, at);
            let line = &text[start..line_end(text, start)];
            let content = line.trim_start();
            if !content.starts_with('#') || line.len() - content.len() <= column {
                return at;
            }
            at = start + line.len();
        }
    }
}

/// A value in block style: plain where that is safe, else in quotes.
fn scalar_in_block(text: &str) -> String {
    let plain = |c: char| c.is_ascii_graphic() || c == ' ';
    let first_is_safe =
        text.starts_with(|c: char| c.is_ascii_alphanumeric() || "^(./\\$".contains(c));
    // A word alone could be a number, a boolean or null.
    let is_expression = text.contains(|c: char| "^$()[]*?\\/|".contains(c));
    let safe = text.chars().all(plain)
        && first_is_safe
        && is_expression
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.ends_with([':', ' ']);
    if safe {
        text.to_owned()
    } else if text.chars().all(plain) {
        format!("'{}'", text.replace('\'', "''"))
    } else {
        serde_json::Value::from(text).to_string()
    }
}
