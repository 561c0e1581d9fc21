//! Lists in the pages have what the sources have.

use std::collections::BTreeSet;
use std::path::Path;

use regex::Regex;

use super::pages::Page;
use super::root;

fn page(path: &str) -> Page {
    Page::read(Path::new(path))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).expect("a file of the repository")
}

#[test]
fn every_dependency_has_its_reason() {
    let mut section = String::new();
    let mut dependencies = BTreeSet::new();
    for line in read(&root().join("Cargo.toml")).lines() {
        if line.starts_with('[') {
            line.clone_into(&mut section);
        } else if section.ends_with("dependencies]")
            && let Some((name, _)) = line.split_once(" = ")
        {
            dependencies.insert(name.to_owned());
        }
    }
    let page = page("docs/development/dependencies.md");
    let rows = page
        .prose
        .iter()
        .filter_map(|(_, line)| line.strip_prefix("| `"));
    let first_cells = rows.filter_map(|row| row.split('|').next());
    let names = first_cells.flat_map(|cell| cell.split(','));
    let named: BTreeSet<String> = names
        .map(|name| name.trim().trim_matches('`').to_owned())
        .collect();
    assert_eq!(named, dependencies);
}

#[test]
fn the_first_page_is_short() {
    let lines = page("README.md").text.lines().count();
    assert!(lines <= 150, "{lines} lines");
}

#[test]
fn every_kind_of_problem_is_named() {
    // As a problem is made, wherever that is.
    let made = Regex::new(r#"(?:Finding::new|finding|of_failure)\(\s*"([a-z-]+)""#);
    let made = made.expect("it is valid");
    let mut kinds = BTreeSet::new();
    for path in sources(&root().join("src/cli")) {
        let text = read(&path);
        kinds.extend(made.captures_iter(&text).map(|found| found[1].to_owned()));
    }
    let page = page("docs/json.md");
    let code = page.inline_code();
    let named: BTreeSet<&str> = code.iter().map(|(_, code)| &**code).collect();
    let missing: Vec<_> = kinds
        .iter()
        .filter(|kind| !named.contains(&***kind))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(kinds.len() > 40, "{kinds:?}");
}

#[test]
fn the_architecture_names_every_module_and_no_other() {
    let page = page("docs/development/architecture.md");
    let code = page.inline_code();
    let paths = code.iter().map(|(_, code)| code.trim_end_matches('/'));
    let paths: BTreeSet<&str> = paths
        .filter(|path| path.starts_with("src/") || path.starts_with("tests/"))
        .collect();
    let gone: Vec<_> = paths
        .iter()
        .filter(|path| !root().join(path).exists())
        .collect();
    assert!(gone.is_empty(), "there is no {gone:?}");
    let mut missing = Vec::new();
    for folder in ["src", "src/cli", "src/core"] {
        for entry in std::fs::read_dir(root().join(folder)).expect("a folder") {
            let name = entry.expect("an entry").file_name();
            let path = format!("{folder}/{}", name.to_string_lossy());
            let is_root = ["mod.rs", "lib.rs", "k", "cli", "core"]
                .iter()
                .any(|it| name == *it);
            if !is_root && !paths.contains(&*path) {
                missing.push(path);
            }
        }
    }
    assert!(missing.is_empty(), "{missing:?}");
}

fn sources(directory: &Path) -> Vec<std::path::PathBuf> {
    let walk = ignore::Walk::new(directory);
    let paths = walk.map(|entry| entry.expect("a source").into_path());
    paths.filter(|path| path.is_file()).collect()
}
