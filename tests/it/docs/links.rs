//! Links lead somewhere.

use std::path::{Component, Path, PathBuf};

use super::pages::Page;
use super::{markdown_files, root};

#[test]
fn every_link_leads_to_a_file_and_a_heading_that_exist() {
    let mut broken = Vec::new();
    let mut links = 0;
    for path in markdown_files() {
        let page = Page::read(&path);
        for (line, target) in page.links() {
            if target.starts_with("https://") {
                continue;
            }
            links += 1;
            if !leads_somewhere(&page, &target) {
                broken.push(format!("{}:{line}: {target}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
    assert!(links > 0, "no link was looked at");
}

fn leads_somewhere(page: &Page, target: &str) -> bool {
    let (file, anchor) = match target.split_once('#') {
        Some((file, anchor)) => (file, Some(anchor)),
        None => (target, None),
    };
    let to = if file.is_empty() {
        page.path.clone()
    } else {
        normal(&page.path.parent().expect("a file").join(file))
    };
    let Some(anchor) = anchor else {
        return root().join(&to).exists();
    };
    root().join(&to).is_file() && Page::read(&to).anchors().iter().any(|it| it == anchor)
}

/// Without `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        if part == Component::ParentDir {
            normal.pop();
        } else {
            normal.push(part);
        }
    }
    normal
}
