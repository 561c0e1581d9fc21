//! The shells: the script that each is given, how it hands over what was typed, and how it
//! takes what that can become.
//!
//! What is completed can be a file name that came with a pull request. It is a value, and
//! what is inserted into the command line must be a word with this value, whatever the
//! name looks like: zsh, fish and elvish see to that themselves, bash does if it is asked
//! to, and PowerShell is given a quoted word.

use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use clap::ValueEnum;
use clap_complete::engine::CompletionCandidate;
use clap_complete::env::Shells;

use crate::cli::environment::KB_COMPLETE;

/// The script for bash.
const BASH: &str = include_str!("kb.bash");

/// The shells that are known.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shell {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
}

impl Shell {
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::from_str(name, false).ok()
    }

    fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// The script that makes the shell ask kb.
    pub(super) fn script(self) -> Vec<u8> {
        if self == Self::Bash {
            return BASH.into();
        }
        let mut script = Vec::new();
        if let Some(shell) = Shells::builtins().completer(&self.name()) {
            // Memory takes everything.
            let _ = shell.write_registration(KB_COMPLETE, "kb", "kb", "kb", &mut script);
        }
        script
    }

    /// The words that were typed, as the program would get them. `index` is which of them
    /// is completed, where the shell says it.
    pub(super) fn typed(
        self,
        mut words: Vec<OsString>,
        index: Option<usize>,
    ) -> (Vec<OsString>, usize) {
        if matches!(self, Self::Bash | Self::Fish | Self::Zsh) {
            words = words.iter().map(|word| unquoted(word)).collect();
        }
        let index = index.unwrap_or(words.len().saturating_sub(1));
        if words.len() == index {
            words.push(OsString::new());
        }
        (words, index)
    }

    /// The answer to the shell: a candidate in each line.
    pub(super) fn answer(self, candidates: &[CompletionCandidate]) -> String {
        let mut text = String::new();
        for candidate in candidates {
            let Some(value) = value(candidate) else {
                continue;
            };
            let help = candidate.get_help().map(ToString::to_string);
            let help = help.as_deref().and_then(|help| help.lines().next());
            // To write to a string does not fail.
            let _ = match (self, help) {
                (Self::Bash | Self::Elvish, _) | (Self::Fish, None) => writeln!(text, "{value}"),
                (Self::Fish, Some(help)) => writeln!(text, "{value}\t{help}"),
                (Self::Powershell, None) => writeln!(text, "{}", in_powershell(value)),
                (Self::Powershell, Some(help)) => {
                    writeln!(text, "{}\t{help}", in_powershell(value))
                }
                (Self::Zsh, None) => writeln!(text, "{}", in_zsh(value)),
                (Self::Zsh, Some(help)) => {
                    writeln!(text, "{}:{}", in_zsh(value), help.replace('\\', "\\\\"))
                }
            };
        }
        text
    }
}

/// The value, if it can be handed over. One with a control character cannot: to the shells
/// a line is a candidate. A file whose name begins with a dash would be an option.
fn value(candidate: &CompletionCandidate) -> Option<&str> {
    let value = candidate.get_value().to_str()?;
    let is_option = candidate.get_id().is_some_and(|id| id.starts_with("arg::"));
    let is_fit = !value.contains(char::is_control) && (is_option || !value.starts_with('-'));
    is_fit.then_some(value)
}

/// A value as `_describe` takes it.
fn in_zsh(value: &str) -> String {
    value.replace('\\', "\\\\").replace(':', "\\:")
}

/// A value as a word of PowerShell, to which typographic quotes are quotes as well.
fn in_powershell(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:=".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        return value.to_owned();
    }
    let mut word = String::from("'");
    for c in value.chars() {
        if matches!(c, '\'' | '\u{2018}'..='\u{201b}') {
            word.push(c);
        }
        word.push(c);
    }
    word + "'"
}

/// A word of a shell without its quotes, of which the last may be missing. What a shell
/// would expand stays as it is.
fn unquoted(word: &OsStr) -> OsString {
    let mut value = Vec::new();
    let mut quote = None;
    let mut bytes = word.as_bytes().iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match (quote, byte) {
            (None, b'\'' | b'"') => quote = Some(byte),
            (Some(open), _) if byte == open => quote = None,
            (None, b'\\') => value.extend(bytes.next()),
            (Some(b'"'), b'\\') => {
                let is_escaped = |next: &u8| b"$`\"\\".contains(next);
                value.push(bytes.next_if(is_escaped).unwrap_or(byte));
            }
            _ => value.push(byte),
        }
    }
    OsString::from_vec(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_shell_are_taken_as_the_program_would_get_them() {
        for (word, value) in [
            ("apps/a", "apps/a"),
            (r"apps/\$\(a\ b\)", "apps/$(a b)"),
            (r"'apps/a\ b", r"apps/a\ b"),
            (r#""a\$b\c"d'e'"#, r"a$b\cde"),
            (r"'a'\''b'", "a'b"),
            ("\"", ""),
            ("\\", ""),
        ] {
            assert_eq!(unquoted(word.as_ref()), value, "{word}");
        }
    }

    #[test]
    fn powershell_gets_a_quoted_word() {
        for (value, word) in [
            ("apps/db.yaml", "apps/db.yaml"),
            ("a b", "'a b'"),
            ("$(calc)", "'$(calc)'"),
            ("a'b\u{2019}c", "'a''b\u{2019}\u{2019}c'"),
            ("a`b;c", "'a`b;c'"),
            ("@a", "'@a'"),
        ] {
            assert_eq!(in_powershell(value), word);
        }
    }

    #[test]
    fn no_file_name_becomes_an_option_or_another_line() {
        let file = CompletionCandidate::new;
        let option = file("--dry-run").id(Some("arg::dry_run".to_owned()));
        let all = [
            option,
            file("--kubeconfig=evil"),
            file("a\nb"),
            file("a\tb"),
            file("a\u{1b}[2J"),
            file("a b"),
        ];
        for shell in Shell::value_variants() {
            let answer = shell.answer(&all);
            let lines: Vec<&str> = answer.lines().collect();
            assert_eq!(lines.len(), 2, "{shell:?} {answer}");
            assert_eq!(lines[0], "--dry-run");
        }
    }
}
