//! One file at a time.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("read_dir").flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn the_mode_stays_and_a_symlink_stays_a_link() {
    let dir = tempfile::tempdir().expect("tempdir");
    let (real, link) = (dir.path().join("real"), dir.path().join("link"));
    std::fs::write(&real, "old").expect("write");
    std::fs::set_permissions(&real, Permissions::from_mode(0o640)).expect("chmod");
    symlink(&real, &link).expect("symlink");
    stage(&link, Some(b"old"), b"new")
        .expect("stage")
        .commit()
        .expect("commit");
    assert_eq!(std::fs::read(&real).expect("read"), b"new");
    assert_eq!(
        std::fs::metadata(&real).expect("stat").mode() & 0o7777,
        0o640
    );
    assert!(link.is_symlink());
    assert_eq!(names(dir.path()), ["link", "real"]);
}

#[test]
fn a_file_changed_meanwhile_is_not_overwritten() {
    let dir = tempfile::tempdir().expect("tempdir");
    let path = dir.path().join("file");
    let staged = stage(&path, None, b"mine").expect("stage");
    std::fs::write(&path, "theirs").expect("write");
    assert!(matches!(staged.commit(), Err(ReplaceError::Changed { .. })));
    assert_eq!(std::fs::read(&path).expect("read"), b"theirs");
    assert_eq!(names(dir.path()), ["file"]);
}

/// As a kill leaves it: the file is there, and its lock is not.
#[test]
fn what_a_kill_leaves_is_cleared() {
    let dir = tempfile::tempdir().expect("tempdir");
    for name in [".sops.yaml".to_owned(), format!("{}.yaml", "ä".repeat(120))] {
        let path = dir.path().join(name);
        let StagedFile {
            temporary, file, ..
        } = stage(&path, None, b"x").expect("stage");
        temporary.keep().expect("keep");
        drop(file);
        assert_eq!(names(dir.path()).len(), 1);
        clear_stale(&path);
        assert_eq!(names(dir.path()), [] as [&str; 0]);
    }
}

#[test]
fn a_pipe_in_the_files_place_is_not_waited_for() {
    let dir = tempfile::tempdir().expect("tempdir");
    let path = dir.path().join("file");
    std::fs::write(&path, "old").expect("write");
    let staged = stage(&path, Some(b"old"), b"new").expect("stage");
    std::fs::remove_file(&path).expect("remove");
    let mode = rustix::fs::Mode::RUSR;
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, mode).expect("mkfifo");
    assert!(matches!(staged.commit(), Err(ReplaceError::Changed { .. })));
}

#[test]
fn a_dead_runs_temporary_file_is_cleared_and_a_live_ones_stays() {
    let dir = tempfile::tempdir().expect("tempdir");
    let path = dir.path().join(".sops.yaml");
    std::fs::write(dir.path().join(".sops.yaml.kb-tmp-dead0000"), "stray").expect("write");
    let live = stage(&path, None, b"first").expect("stage");
    clear_stale(&path);
    let second = stage(&path, None, b"second").expect("stage");
    assert_eq!(names(dir.path()).len(), 2, "{:?}", names(dir.path()));
    live.commit().expect("commit");
    drop(second);
    assert_eq!(names(dir.path()), [".sops.yaml"]);
    // What a person calls a file is none of these.
    let theirs = [".sops.yaml.kb-backup", ".sops.yaml.kb-tmp-notes.txt"];
    for name in theirs {
        std::fs::write(dir.path().join(name), "theirs").expect("write");
    }
    clear_stale(&path);
    assert_eq!(names(dir.path()).len(), 1 + theirs.len());
}
