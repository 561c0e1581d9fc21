//! Looks for a text in every file of a world.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::World;

/// The files below `dirs` that contain `needle`, sorted. Links are not
/// followed.
pub(super) fn files_containing(dirs: &[PathBuf], needle: &[u8]) -> Vec<PathBuf> {
    assert!(!needle.is_empty(), "every file contains nothing");
    let mut found = Vec::new();
    let mut pending = dirs.to_vec();
    while let Some(dir) = pending.pop() {
        let entries = match fs::read_dir(&dir) {
            Ok(entries) => entries,
            // Someone else's, in memory that all share: it vanishes meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => panic!("{}: {error}", dir.display()),
        };
        for entry in entries.flatten() {
            let path = entry.path();
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            if kind.is_dir() {
                pending.push(path);
            } else if kind.is_file() && file_contains(&path, needle) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The Git objects of the world's repository that contain `needle`.
pub(super) fn git_objects_containing(world: &World, needle: &[u8]) -> Vec<PathBuf> {
    if !world.path(".git").is_dir() {
        return Vec::new();
    }
    let list = world.tool(
        "git",
        [
            "cat-file",
            "--batch-all-objects",
            "--batch-check=%(objectname)",
        ],
    );
    list.assert_code(0);
    let ids = list.out().lines();
    ids.filter(|id| {
        let object = world.tool("git", ["cat-file", "-p", id]);
        contains(&object.stdout, needle)
    })
    .map(|id| world.path(".git/objects").join(id))
    .collect()
}

/// A file that vanishes meanwhile does not contain anything.
fn file_contains(path: &Path, needle: &[u8]) -> bool {
    fs::read(path).is_ok_and(|bytes| contains(&bytes, needle))
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}
