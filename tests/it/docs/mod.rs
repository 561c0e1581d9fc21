//! The README and `docs/` say what is true: links lead somewhere, examples print what
//! is shown, and what is generated is up to date.
//!
//! `UPDATE_DOCS=1 cargo test --locked docs::` writes what is generated, and the output of
//! the examples.

mod command_lines;
mod examples;
mod links;
mod lists;
mod pages;
mod reference;

use std::path::{Path, PathBuf};

/// Set to anything: write what is generated instead of comparing it.
const UPDATE: &str = "UPDATE_DOCS";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The Markdown files of the repository, relative to its top.
fn markdown_files() -> Vec<PathBuf> {
    let walk = ignore::WalkBuilder::new(root())
        .hidden(false)
        .filter_entry(|entry| entry.file_name() != ".git" && entry.file_name() != "target")
        .build();
    let mut files: Vec<PathBuf> = walk
        .map(|entry| entry.expect("a directory of the repository").into_path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "md"))
        .map(|path| path.strip_prefix(root()).expect("below it").to_owned())
        .collect();
    files.sort();
    files
}

/// Compares a file of the repository with what it should be, or writes it.
fn assert_up_to_date(path: &Path, expected: &str) {
    if let Some(difference) = difference(path, expected) {
        panic!("{difference}");
    }
}

/// How a file differs from what it should be; nothing where it is written instead.
fn difference(path: &Path, expected: &str) -> Option<String> {
    let file = root().join(path);
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    if found == expected {
        return None;
    }
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&file, expected).expect("a file of the repository");
        return None;
    }
    let difference = similar::TextDiff::from_lines(&*found, expected);
    let difference = difference.unified_diff().context_radius(2).to_string();
    Some(format!(
        "{} is out of date: {UPDATE}=1 cargo test --locked docs::\n{difference}",
        path.display()
    ))
}
