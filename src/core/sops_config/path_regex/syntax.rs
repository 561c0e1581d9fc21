//! The expressions that mean the same to Go and to Rust.
//!
//! sops matches with Go's `regexp`, kb with Rust's. Both come from RE2 and differ in the
//! corners, so kb reads only what both read alike. Of anything else it says that it cannot
//! tell: `\Q…\E`, octal escapes, `\pL`, named groups, sets in sets, `x{,2}`, counts in
//! another spelling.
//!
//! Source: the parser of Go's `regexp/syntax` with the flags of `regexp.Compile`.

use std::ops::Range;

use regex_syntax::ast::{
    self, AssertionKind, Ast, ClassPerlKind, ClassSetBinaryOp, ClassSetItem, Flag, Flags,
    FlagsItemKind, GroupKind, HexLiteralKind, Literal, LiteralKind, Repetition, RepetitionKind,
    RepetitionRange, Span, SpecialLiteralKind,
};

use super::RegexError;

/// Go's limit for a counted repetition, also for the product of nested ones.
const MAX_REPEAT: u32 = 1000;

/// The expression as Rust is to read it: Go's `\d`, `\s`, `\w` and `\b` know only ASCII.
///
/// # Errors
/// [`RegexError::Syntax`] where Go may read it differently, or refuse it.
pub(super) fn check(expression: &str) -> Result<String, RegexError> {
    let expression = &*with_escaped_dashes(expression);
    let ast = ast::parse::Parser::new().parse(expression);
    let ast = ast.map_err(|error| RegexError::Syntax {
        reason: error.kind().to_string(),
        part: expression[range(error.span())].to_owned(),
    })?;
    let checker = Checker {
        expression,
        counts: Vec::new(),
        ascii: Vec::new(),
    };
    let mut text = expression.to_owned();
    for (range, with) in ast::visit(&ast, checker)?.into_iter().rev() {
        text.replace_range(range, with);
    }
    Ok(text)
}

/// The expression with a backslash before a dash behind `\d`, `\s`, `\w` and their
/// opposites: to Go it is a dash in `[\w-.]` as well, and to Rust half of a range.
fn with_escaped_dashes(expression: &str) -> String {
    let mut text = String::with_capacity(expression.len());
    let mut chars = expression.chars().peekable();
    while let Some(char) = chars.next() {
        text.push(char);
        if char != '\\' {
            continue;
        }
        let escaped = chars.next();
        text.extend(escaped);
        let is_class = escaped.is_some_and(|escaped| "dDsSwW".contains(escaped));
        if is_class && chars.peek() == Some(&'-') {
            text.push('\\');
        }
    }
    text
}

struct Checker<'e> {
    expression: &'e str,
    /// Of the counted repetitions around this place.
    counts: Vec<u32>,
    /// What is to be written in ASCII.
    ascii: Vec<(Range<usize>, &'static str)>,
}

impl Checker<'_> {
    fn refuse<T>(&self, span: &Span) -> Result<T, RegexError> {
        Err(RegexError::Syntax {
            reason: "kb does not read this part".to_owned(),
            part: self.expression[range(span)].to_owned(),
        })
    }

    fn require(&self, is_same: bool, span: &Span) -> Result<(), RegexError> {
        if is_same { Ok(()) } else { self.refuse(span) }
    }

    fn literal(&self, literal: &Literal) -> Result<(), RegexError> {
        let is_same = match &literal.kind {
            LiteralKind::Verbatim | LiteralKind::Meta | LiteralKind::Superfluous => true,
            LiteralKind::HexFixed(kind) | LiteralKind::HexBrace(kind) => *kind == HexLiteralKind::X,
            LiteralKind::Special(kind) => *kind != SpecialLiteralKind::Space,
            LiteralKind::Octal => false,
        };
        self.require(is_same, &literal.span)
    }

    fn flags(&self, flags: &Flags) -> Result<(), RegexError> {
        let is_same = flags.items.iter().all(|item| match item.kind {
            FlagsItemKind::Negation => true,
            FlagsItemKind::Flag(flag) => matches!(
                flag,
                Flag::CaseInsensitive | Flag::MultiLine | Flag::DotMatchesNewLine | Flag::SwapGreed
            ),
        });
        self.require(is_same, &flags.span)
    }

    fn repetition(&mut self, repetition: &Repetition) -> Result<(), RegexError> {
        let op = &repetition.op;
        let (text, count) = match &op.kind {
            RepetitionKind::ZeroOrOne => ("?".to_owned(), 1),
            RepetitionKind::ZeroOrMore => ("*".to_owned(), 1),
            RepetitionKind::OneOrMore => ("+".to_owned(), 1),
            RepetitionKind::Range(RepetitionRange::Exactly(count)) => {
                (format!("{{{count}}}"), *count)
            }
            RepetitionKind::Range(RepetitionRange::AtLeast(least)) => {
                (format!("{{{least},}}"), *least)
            }
            RepetitionKind::Range(RepetitionRange::Bounded(least, most)) => {
                (format!("{{{least},{most}}}"), *most)
            }
        };
        self.counts.push(count.max(1));
        let product = self.counts.iter().copied().fold(1, u32::saturating_mul);
        // Go takes `{ 2 }` and `{02}` literally, and refuses `x**`.
        let written = &self.expression[range(&op.span)];
        let is_same = written
            .strip_suffix('?')
            .filter(|_| !repetition.greedy)
            .unwrap_or(written)
            == text
            && !matches!(*repetition.ast, Ast::Repetition(_))
            && product <= MAX_REPEAT;
        self.require(is_same, &op.span)
    }

    fn perl_class(&mut self, class: &ast::ClassPerl) {
        let text = match (&class.kind, class.negated) {
            (ClassPerlKind::Digit, false) => "[0-9]",
            (ClassPerlKind::Digit, true) => "[^0-9]",
            (ClassPerlKind::Space, false) => r"[\t\n\f\r\x20]",
            (ClassPerlKind::Space, true) => r"[^\t\n\f\r\x20]",
            (ClassPerlKind::Word, false) => "[0-9A-Za-z_]",
            (ClassPerlKind::Word, true) => "[^0-9A-Za-z_]",
        };
        self.ascii.push((range(&class.span), text));
    }
}

impl ast::Visitor for Checker<'_> {
    type Output = Vec<(Range<usize>, &'static str)>;
    type Err = RegexError;

    fn finish(self) -> Result<Self::Output, RegexError> {
        Ok(self.ascii)
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), RegexError> {
        match ast {
            Ast::Empty(_) | Ast::Dot(_) | Ast::Alternation(_) | Ast::Concat(_) => Ok(()),
            Ast::Flags(set) => self.flags(&set.flags),
            Ast::Literal(literal) => self.literal(literal),
            Ast::Assertion(assertion) => match assertion.kind {
                AssertionKind::StartLine
                | AssertionKind::EndLine
                | AssertionKind::StartText
                | AssertionKind::EndText => Ok(()),
                AssertionKind::WordBoundary => {
                    self.ascii.push((range(&assertion.span), r"(?-u:\b)"));
                    Ok(())
                }
                _ => self.refuse(&assertion.span),
            },
            Ast::ClassUnicode(class) => self.refuse(&class.span),
            Ast::ClassPerl(class) => {
                self.perl_class(class);
                Ok(())
            }
            Ast::ClassBracketed(class) => {
                let text = &self.expression[range(&class.span)];
                // To Go, `[--a]` and `[]-a]` are ranges.
                let begins = |with| text.starts_with(with);
                let is_same = !(text.contains("--") || begins("[]") || begins("[^]"));
                self.require(is_same, &class.span)
            }
            Ast::Repetition(repetition) => self.repetition(repetition),
            Ast::Group(group) => match &group.kind {
                GroupKind::CaptureIndex(_) => Ok(()),
                GroupKind::NonCapturing(flags) => self.flags(flags),
                GroupKind::CaptureName { name, .. } => self.refuse(&name.span),
            },
        }
    }

    fn visit_post(&mut self, ast: &Ast) -> Result<(), RegexError> {
        if let Ast::Repetition(_) = ast {
            self.counts.pop();
        }
        Ok(())
    }

    fn visit_class_set_item_pre(&mut self, item: &ClassSetItem) -> Result<(), RegexError> {
        match item {
            ClassSetItem::Empty(_) | ClassSetItem::Union(_) | ClassSetItem::Ascii(_) => Ok(()),
            ClassSetItem::Literal(literal) => self.literal(literal),
            ClassSetItem::Range(range) => {
                self.literal(&range.start)?;
                self.literal(&range.end)
            }
            ClassSetItem::Perl(class) => {
                self.perl_class(class);
                Ok(())
            }
            ClassSetItem::Unicode(_) | ClassSetItem::Bracketed(_) => self.refuse(item.span()),
        }
    }

    fn visit_class_set_binary_op_pre(&mut self, op: &ClassSetBinaryOp) -> Result<(), RegexError> {
        self.refuse(&op.span)
    }
}

fn range(span: &Span) -> Range<usize> {
    span.start.offset..span.end.offset
}
