//! Submodules that a revision pins: Flux can fetch them.

use super::{FILE, Pruning};

const NOTHING: [&str; 0] = [];

/// A deployed commit pins a submodule with a file for the old key, which HEAD pins no more.
fn pinned(prefix: &str) -> Pruning {
    let pruning = Pruning::new(prefix);
    let old = pruning.old_file();
    let other = pruning.world.tmp().join("other");
    let path = other.to_str().expect("UTF-8").to_owned();
    pruning.git(&["init", "--quiet", &path]);
    std::fs::create_dir(other.join("deep")).expect("mkdir");
    std::fs::write(other.join("deep/db.conf"), old).expect("write");
    pruning.git(&["-C", &path, "add", "--all"]);
    pruning.git(&["-C", &path, "commit", "--quiet", "--message", "old"]);
    let allowed = "protocol.file.allow=always";
    pruning.git(&[
        "-c",
        allowed,
        "submodule",
        "--quiet",
        "add",
        &path,
        "vendor/sub",
    ]);
    let commit = pruning.commit("with a submodule");
    pruning.deployed(&commit);
    std::fs::remove_file(other.join("deep/db.conf")).expect("it is there");
    pruning.git(&[
        "-C",
        &path,
        "commit",
        "--quiet",
        "--all",
        "--message",
        "new",
    ]);
    let newest = pruning.git(&["-C", &path, "rev-parse", "HEAD"]);
    pruning.git(&["-C", "vendor/sub", "fetch", "--quiet"]);
    pruning.git(&["-C", "vendor/sub", "checkout", "--quiet", &newest]);
    pruning.commit("a newer submodule");
    pruning
}

#[test]
fn a_submodule_that_is_checked_out_is_searched_at_the_commit_that_is_pinned() {
    let pruning = pinned("submodule");
    let verdicts = pruning.verdicts(1, &[]);
    let key = &verdicts["keys"][0];
    assert_eq!(super::kept_by(key), ["deployed"]);
    assert_eq!(super::files(key), ["vendor/sub/deep/db.conf"]);
    for skip in ["vendor", "vendor/sub", "vendor/sub/deep/db.conf"] {
        assert_eq!(pruning.kept_by(&["--skip", skip]), NOTHING, "{skip}");
    }
}

#[test]
fn a_submodule_that_git_has_put_away_is_searched() {
    let pruning = pinned("putaway");
    pruning.git(&["rm", "--quiet", "vendor/sub"]);
    pruning.commit("without it");
    assert!(!pruning.world.path("vendor/sub").exists());
    assert_eq!(pruning.kept_by(&[]), ["deployed"]);
}

#[test]
fn a_submodule_that_is_not_in_this_clone_cannot_be_searched() {
    let pruning = pinned("nosub");
    pruning.git(&["rm", "--quiet", "vendor/sub"]);
    pruning.commit("without it");
    std::fs::remove_dir_all(pruning.world.path(".git/modules")).expect("it is there");
    let verdicts = pruning.verdicts(1, &[]);
    let key = &verdicts["keys"][0];
    assert_eq!(super::kept_by(key), ["unreadable"]);
    assert_eq!(super::files(key), ["vendor/sub"]);
    assert_eq!(pruning.kept_by(&["--skip", "vendor/sub"]), NOTHING);
    assert_eq!(pruning.kept_by(&["--despite", "unreadable"]), NOTHING);
    // A path that no commit has is a slip.
    pruning
        .prune(&["--dry-run", "--skip", "vendor/usb"])
        .assert_code(1);
    assert!(pruning.world.path(FILE).exists());
}
