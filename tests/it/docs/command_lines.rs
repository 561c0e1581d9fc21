//! Commands in the text and in `sh` blocks are commands of kb.

use clap::Parser as _;
use clap::error::ErrorKind;
use kb::cli::Cli;

use super::markdown_files;
use super::pages::Page;

#[test]
fn every_kb_command_line_is_one_that_kb_takes() {
    let mut wrong = Vec::new();
    let mut lines = 0;
    for path in markdown_files() {
        if path.ends_with("CHANGELOG.md") {
            // It has commands of former versions.
            continue;
        }
        let page = Page::read(&path);
        let shell = page.blocks.iter().filter(|block| block.language == "sh");
        let shell = shell.flat_map(|block| {
            let content = page.content(block).replace("\\\n", " ");
            let lines = content.lines().map(|line| (block.line, line.to_owned()));
            lines.collect::<Vec<_>>()
        });
        for (line, text) in shell.chain(page.inline_code()) {
            for words in commands(&text) {
                lines += 1;
                let words = words.iter().map(|word| filled_in(word));
                let words: Vec<String> = words.collect();
                if let Err(error) = Cli::try_parse_from(&words)
                    && !is_part(error.kind())
                {
                    wrong.push(format!(
                        "{}:{line}: {}: {error}",
                        path.display(),
                        words.join(" ")
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(lines > 20, "{lines} command lines were looked at");
}

/// A word with a recipient where the text has a placeholder for one.
fn filled_in(word: &str) -> String {
    const RECIPIENT: &str = "age14wjq6p8cx0lcet8ayk7sdw8pnnmvtzgucrfur6fpewrlwt3pwerqhs0yd5";
    match word {
        "age1…" | "READER" | "RECIPIENT" => RECIPIENT.to_owned(),
        word => word.to_owned(),
    }
}

/// The text may name a command without all that it needs.
fn is_part(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
            | ErrorKind::MissingRequiredArgument
    )
}

/// The words of each call of kb in a line of shell.
fn commands(line: &str) -> Vec<Vec<String>> {
    let mut commands = Vec::new();
    let Some(words) = shlex::split(line) else {
        return commands;
    };
    let mut command: Option<Vec<String>> = None;
    let mut at_start = true;
    for word in words {
        let ends = matches!(
            &*word,
            "|" | "&&" | "||" | ";" | ">" | "<" | "2>" | "2>&1" | ">>"
        );
        if ends {
            commands.extend(command.take());
            at_start = true;
        } else if let Some(words) = &mut command {
            words.push(word);
        } else if at_start && word == "kb" {
            command = Some(vec![word]);
        } else if word.contains(" k secrets ") {
            // A command in quotes, such as that of an option of git.
            commands.extend(self::commands(&word));
        } else {
            let is_variable = word
                .split_once('=')
                .is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'));
            at_start = at_start && is_variable;
        }
    }
    commands.extend(command);
    commands
}

#[test]
fn calls_of_kb_are_found_in_a_line_of_shell() {
    let found = commands("X=2 kb man d ; echo kb x | kb completions bash # kb no");
    assert_eq!(
        found,
        [vec!["kb", "man", "d"], vec!["kb", "completions", "bash"]]
    );
    assert_eq!(
        commands("git config x 'kb k secrets key'"),
        [vec!["kb", "k", "secrets", "key"]]
    );
}
