//! The reference is what the argument parser says of itself.

use std::fmt::Write as _;
use std::path::Path;

use clap::{Arg, ArgAction, Command, CommandFactory};
use kb::cli::Cli;

use super::assert_up_to_date;

const HEAD: &str = "\
# Reference

This page is generated from kb's argument parser; `--help` prints the same.
Examples are on the [other pages](../README.md#read-on).

Options of every command are accepted before and after the subcommand. `kb k` has the
long form `kb kubernetes`.
";

#[test]
fn the_reference_is_what_the_argument_parser_says() {
    let mut command = Cli::command().disable_help_subcommand(true).term_width(90);
    command.build();
    let mut text = HEAD.to_owned();
    add_section(&mut text, "Options of every command", &options(&command));
    add_leaves(&mut text, &mut command, "");
    assert_up_to_date(Path::new("docs/reference.md"), &text);
}

fn add_section(text: &mut String, heading: &str, content: &str) {
    write!(text, "\n## {heading}\n\n{content}").expect("a String takes all");
}

fn add_leaves(text: &mut String, command: &mut Command, parent: &str) {
    let path = format!("{parent} {}", command.get_name()).trim().to_owned();
    if command.has_subcommands() {
        let below: Vec<Command> = command.get_subcommands().cloned().collect();
        for mut command in below.into_iter().filter(|it| !it.is_hide_set()) {
            add_leaves(text, &mut command, &path);
        }
        return;
    }
    let about = command.get_long_about().or(command.get_about());
    let about = about.map(ToString::to_string).unwrap_or_default();
    let usage = command.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").trim();
    let mut content = format!("{about}\n\n```text\n{usage}\n```\n");
    let options = options(command);
    if !options.is_empty() {
        content.push('\n');
        content.push_str(&options);
    }
    add_section(text, &path, &content);
}

/// Arguments and options as a table; those of every command only at the root.
fn options(command: &Command) -> String {
    let is_root = command.get_name() == "kb";
    let shown = command.get_arguments().filter(|argument| {
        let is_builtin = matches!(
            argument.get_action(),
            ArgAction::Help | ArgAction::HelpShort
        ) || matches!(
            argument.get_action(),
            ArgAction::HelpLong | ArgAction::Version
        );
        !argument.is_hide_set() && !is_builtin && argument.is_global_set() == is_root
    });
    let rows: Vec<String> = shown.map(row).collect();
    if rows.is_empty() {
        return String::new();
    }
    format!("| option | meaning |\n| --- | --- |\n{}", rows.concat())
}

fn row(argument: &Arg) -> String {
    let short = argument.get_short().map(|short| format!("-{short}"));
    let long = argument.get_long().map(|long| format!("--{long}"));
    let takes_value = argument.get_action().takes_values();
    let value = argument.get_value_names().filter(|_| takes_value);
    let value = value.map(|names| names.iter().map(ToString::to_string).collect::<Vec<_>>());
    let names = [short, long].into_iter().flatten().collect::<Vec<_>>();
    let words = [names.join(", "), value.unwrap_or_default().join(" ")];
    let words = words.join(" ").trim().to_owned();
    let help = argument.get_long_help().or(argument.get_help());
    let mut help = help.map(ToString::to_string).unwrap_or_default();
    let values = argument.get_possible_values();
    if takes_value && !values.is_empty() && !argument.is_hide_possible_values_set() {
        let names: Vec<String> = values
            .iter()
            .filter(|value| !value.is_hide_set())
            .map(|value| format!("`{}`", value.get_name()))
            .collect();
        write!(help, ": {}", names.join(", ")).expect("a String takes all");
    }
    let defaults = argument.get_default_values().iter();
    let defaults: Vec<_> = defaults.map(|it| it.to_string_lossy()).collect();
    if takes_value && !defaults.is_empty() {
        write!(help, " (default: `{}`)", defaults.join(" ")).expect("a String takes all");
    }
    let help = help
        .replace("\n\n", ". ")
        .replace('\n', " ")
        .replace('|', "\\|");
    format!("| `{words}` | {help} |\n")
}
