//! Where is looked: each check has a name, keeps the key by itself, and is overridden by
//! that name alone.

use std::path::PathBuf;

use super::{FILE, Pruning, SECRET};
use crate::assert_fails;

const CHECKS: [&str; 8] = [
    "working-tree",
    "head",
    "upstream",
    "default-branch",
    "worktrees",
    "deployed",
    "unreadable",
    "flux-unseen",
];

/// The check alone keeps the key, and `--despite` of it alone drops it; `--yes` does not.
#[track_caller]
fn assert_kept_by(pruning: &Pruning, check: &str) {
    assert_eq!(pruning.kept_by(&[]), [check]);
    let others: Vec<&str> = CHECKS.into_iter().filter(|it| *it != check).collect();
    let others = others.join(",");
    assert_eq!(pruning.kept_by(&["--despite", &others]), [check]);
    let run = pruning.prune(&["--yes"]);
    assert_fails(&run, 1, &["may still be needed", check, "--despite"]);
    assert!(run.err().contains(&pruning.old), "{}", run.err());
    assert!(pruning.retired_entry().is_some());
    let said = format!("(--despite {check})");
    let run = pruning.prune(&["--dry-run", "--despite", check]);
    assert!(run.assert_code(0).err().contains(&said), "{}", run.err());
    let run = pruning.prune(&["--yes", "--despite", check]);
    run.assert_code(0);
    assert_eq!(pruning.retired_entry(), None);
    assert_eq!(pruning.entry("age.agekey").as_ref(), Some(&pruning.new_key));
}

/// A remote whose default branch is at HEAD, and has this name here.
fn add_remote(pruning: &Pruning, name: &str) {
    pruning.git(&["remote", "add", name, "https://git.example.org/a/b.git"]);
    let main = format!("refs/remotes/{name}/main");
    pruning.git(&["update-ref", &main, "HEAD"]);
}

#[test]
fn nothing_keeps_a_key_that_nothing_needs() {
    let pruning = Pruning::new("nothing");
    add_remote(&pruning, "origin");
    pruning.deployed(&pruning.git(&["rev-parse", "HEAD"]));
    let before = pruning.retired_entry();
    let run = pruning.prune(&["--dry-run"]);
    let said = format!("{}: not needed", pruning.old);
    assert!(run.assert_code(0).err().contains(&said), "{}", run.err());
    assert_eq!(run.out(), "");
    assert_eq!(pruning.retired_entry(), before);
    let run = pruning.prune(&["--yes"]);
    run.assert_code(0);
    assert_eq!(pruning.retired_entry(), None);
    let run = pruning.prune(&[]);
    let said = "holds no retired key. Nothing was changed.";
    assert!(run.assert_code(0).err().contains(said), "{}", run.err());
}

#[test]
fn a_file_of_the_working_tree_keeps_the_key() {
    let pruning = Pruning::new("tree");
    pruning.world.write("ignored/x", pruning.old_file());
    pruning.world.write(".git/info/exclude", "ignored\n");
    assert_kept_by(&pruning, "working-tree");
}

#[test]
fn a_file_in_another_repository_below_keeps_the_key() {
    let pruning = Pruning::new("below");
    pruning
        .world
        .tool("git", ["init", "-q", "vendor"])
        .assert_code(0);
    pruning.world.write("vendor/x.yaml", pruning.old_file());
    assert_kept_by(&pruning, "working-tree");
}

#[test]
fn a_rule_of_the_working_tree_keeps_the_key() {
    let pruning = Pruning::new("rule");
    let nested = format!("creation_rules:\n- age: {}\n", pruning.old);
    pruning.world.write("apps/.sops.yaml", nested);
    assert_kept_by(&pruning, "working-tree");
}

#[test]
fn what_is_staged_keeps_the_key() {
    let pruning = Pruning::new("staged");
    let new = pruning.world.read(FILE);
    pruning.world.write(FILE, pruning.old_file());
    pruning.git(&["add", FILE]);
    pruning.world.write(FILE, new);
    assert_kept_by(&pruning, "working-tree");
}

/// After a rotation nothing is committed yet: `git checkout .` would need the old key.
#[test]
fn head_keeps_the_key() {
    let pruning = Pruning::new("head");
    let new = pruning.world.read(FILE);
    pruning.world.write(FILE, pruning.old_file());
    pruning.commit("before the rotation");
    pruning.world.write(FILE, new);
    assert_kept_by(&pruning, "head");
}

#[test]
fn the_upstream_keeps_the_key() {
    let pruning = Pruning::new("upstream");
    add_remote(&pruning, "fork");
    let old = pruning.old_commit(FILE);
    pruning.git(&["update-ref", "refs/remotes/fork/feature/x", &old]);
    pruning.git(&["branch", "--quiet", "--set-upstream-to", "fork/feature/x"]);
    assert_kept_by(&pruning, "upstream");
}

#[test]
fn the_default_branch_of_every_remote_keeps_the_key() {
    for (index, (remote, branch)) in [
        ("origin", "main"),
        ("origin", "master"),
        ("origin", "trunk"),
        ("other", "main"),
    ]
    .into_iter()
    .enumerate()
    {
        let pruning = Pruning::new(&format!("default{index}"));
        let old = pruning.old_commit(FILE);
        pruning.git(&["remote", "add", remote, "https://git.example.org/a/b.git"]);
        let place = format!("refs/remotes/{remote}/{branch}");
        pruning.git(&["update-ref", &place, &old]);
        if branch == "trunk" {
            // Nobody would guess it.
            let head = format!("refs/remotes/{remote}/HEAD");
            pruning.git(&["update-ref", &format!("refs/remotes/{remote}/main"), "HEAD"]);
            pruning.git(&["symbolic-ref", &head, &place]);
        }
        assert_kept_by(&pruning, "default-branch");
    }
}

#[test]
fn another_worktree_keeps_the_key_by_its_files_and_by_its_head() {
    for (index, by_head) in [true, false].into_iter().enumerate() {
        let pruning = Pruning::new(&format!("worktree{index}"));
        let old = pruning.old_commit(FILE);
        // Inside of this one and outside of it.
        let place = match by_head {
            true => pruning.world.path(".worktrees/x"),
            false => pruning.world.tmp().join("x"),
        };
        let path = place.to_str().expect("UTF-8");
        let commit = if by_head { old.as_str() } else { "HEAD" };
        pruning.git(&["worktree", "add", "--quiet", "--detach", path, commit]);
        if by_head {
            std::fs::remove_file(place.join(FILE)).expect("it is there");
        } else {
            std::fs::write(place.join("x"), pruning.old_file()).expect("write");
        }
        assert_kept_by(&pruning, "worktrees");
    }
}

#[test]
fn a_locked_worktree_that_is_not_there_keeps_the_key() {
    let pruning = Pruning::new("locked");
    let place = pruning.world.tmp().join("x");
    let path = place.to_str().expect("UTF-8");
    pruning.git(&["worktree", "add", "--quiet", "--detach", path, "HEAD"]);
    std::fs::remove_dir_all(&place).expect("it is there");
    assert_eq!(pruning.kept_by(&[]), [] as [&str; 0]);
    pruning.git(&["worktree", "lock", path]);
    assert_kept_by(&pruning, "worktrees");
}

#[test]
fn the_deployed_revision_keeps_the_key() {
    let pruning = Pruning::new("deployed");
    pruning.deployed(&pruning.old_commit(FILE));
    assert_kept_by(&pruning, "deployed");
}

#[test]
fn a_list_of_kustomizations_that_kb_may_not_see_keeps_the_key() {
    let pruning = Pruning::new("unseen");
    let (namespace, verbs) = (&pruning.namespace, ["get", "update"]);
    let user = testkit::UserKind::User;
    pruning.cluster.grant(namespace, user, "nobody", &verbs);
    let token = serde_json::json!({"token": pruning.cluster.nobody_token()});
    let kubeconfig = pruning.cluster.kubeconfig().user(token).to_yaml();
    pruning.world.kubeconfig(&kubeconfig);
    assert_fails(&pruning.prune(&["--yes"]), 1, &["the verb list on"]);
    assert_kept_by(&pruning, "flux-unseen");
}

#[test]
fn what_cannot_be_read_keeps_the_key_and_skip_holds_for_commits() {
    let pruning = Pruning::new("unread");
    // It does not parse, and its metadata does not tell whom it is for.
    let old = String::from_utf8(pruning.old_file()).expect("text");
    let broken = format!("{}: : [\n{old}", "a".repeat(10)).replace("X25519", "x");
    let broken = broken.replace("YWdl", "YWdk");
    pruning.world.write("gone/broken.yaml", &broken);
    let commit = pruning.commit("broken");
    pruning.git(&["rm", "-q", "-r", "gone"]);
    pruning.commit("not any more");
    pruning.deployed(&commit);
    assert_eq!(pruning.kept_by(&[]), ["unreadable"]);
    for skip in ["gone", "gone/broken.yaml", "./gone/../gone"] {
        assert_eq!(
            pruning.kept_by(&["--skip", skip]),
            [] as [&str; 0],
            "{skip}"
        );
    }
    assert_eq!(pruning.kept_by(&["--skip", "apps"]), ["unreadable"]);
    let run = pruning.prune(&["--dry-run", "--skip", "gnoe"]);
    assert_fails(
        &run,
        1,
        &["gnoe is neither in the working tree nor in a commit"],
    );
    assert_kept_by(&pruning, "unreadable");
}

/// Documentation shows encrypted files.
#[test]
fn a_page_that_shows_an_encrypted_file_of_somebody_keeps_no_key() {
    let pruning = Pruning::new("page");
    pruning.encrypt_for(&crate::keypair(&pruning.world).1, "x.yaml", super::SECRET);
    let shown = pruning.world.read("x.yaml");
    let page = format!("# Secrets\n\n- [x](y): z\n\n```yaml\n{shown}```\n\n\\x61 !!binary\n");
    pruning.world.write("docs/secrets.md", &page);
    pruning.commit("documentation");
    assert_eq!(pruning.kept_by(&[]), [] as [&str; 0]);
    // Of our own key: nobody can tell.
    let page = page.replace("# Secrets", &format!("# Secrets of {}", pruning.old));
    pruning.world.write("docs/secrets.md", &page);
    pruning.commit("documentation");
    assert_eq!(pruning.kept_by(&[]), ["unreadable"]);
    assert_eq!(pruning.kept_by(&["--skip", "docs"]), [] as [&str; 0]);
}

#[test]
fn a_directory_that_cannot_be_read_keeps_the_key_unless_it_is_skipped() {
    use std::os::unix::fs::PermissionsExt;
    let pruning = Pruning::new("volume");
    let volume = pruning.world.path("volume");
    std::fs::create_dir(&volume).expect("mkdir");
    let mode = |mode| std::fs::set_permissions(&volume, std::fs::Permissions::from_mode(mode));
    mode(0o000).expect("chmod");
    let prune = |arguments: &[&str]| {
        let kb = ["k", "secrets", "-n", &pruning.namespace, "prune", "--yes"];
        crate::as_ordinary_user(&pruning.setup, &[&kb, arguments].concat())
    };
    assert_fails(&prune(&[]), 1, &["unreadable", "volume", "--skip"]);
    assert!(pruning.retired_entry().is_some());
    prune(&["--skip", "volume"]).assert_code(0);
    mode(0o755).expect("chmod");
    assert_eq!(pruning.retired_entry(), None);
}

#[test]
fn a_config_that_does_not_parse_and_names_the_key_keeps_it() {
    let pruning = Pruning::new("badconfig");
    let text = format!("creation_rules: [\n- age: {}\n", pruning.old);
    pruning.world.write("apps/.sops.yaml", text);
    assert_kept_by(&pruning, "unreadable");
}

/// Every name is a warning, and no reason to keep the key.
#[test]
fn other_branches_tags_and_stashes_are_warnings() {
    let pruning = Pruning::new("refs");
    add_remote(&pruning, "origin");
    let old = pruning.old_commit(FILE);
    pruning.git(&["branch", "feature", &old]);
    pruning.git(&["tag", "v1", &old]);
    pruning.git(&["tag", "--annotate", "--message", "x", "v2", &old]);
    pruning.git(&["update-ref", "refs/remotes/origin/stale", &old]);
    pruning.world.write("untracked.yaml", pruning.old_file());
    pruning.git(&["stash", "--quiet", "--include-untracked"]);
    pruning.world.write("other", "x");
    pruning.git(&["stash", "--quiet", "--include-untracked"]);
    let run = pruning.prune(&["--dry-run"]);
    run.assert_code(0);
    let warning = run
        .err()
        .lines()
        .find(|line| line.contains("need a retired key"));
    let warning = warning.unwrap_or_else(|| panic!("no warning: {}", run.err()));
    for name in ["feature", "tags/v1", "tags/v2", "origin/stale", "stash@{1}"] {
        assert!(warning.contains(name), "{name}: {warning}");
    }
    for name in ["main", "stash@{0}"] {
        assert!(!warning.contains(name), "{name}: {warning}");
    }
    pruning.prune(&["--yes"]).assert_code(0);
}

/// What is not in this clone is said.
#[test]
fn refs_that_were_never_fetched_are_warnings() {
    let pruning = Pruning::new("fetched");
    pruning.git(&["remote", "add", "origin", "https://git.example.org/a/b.git"]);
    pruning.git(&["config", "branch.main.remote", "origin"]);
    pruning.git(&["config", "branch.main.merge", "refs/heads/main"]);
    let warnings = |words: &[&str]| {
        let run = pruning.prune(&["--dry-run"]);
        run.assert_code(0);
        for words in words {
            assert!(run.err().contains(words), "no {words:?}: {}", run.err());
        }
    };
    warnings(&[
        "the remote origin was never fetched",
        "the upstream origin/main is not in this clone",
        "date unknown",
    ]);
    pruning.git(&["update-ref", "refs/remotes/origin/trunk", "HEAD"]);
    warnings(&[
        "the default branch of the remote origin is not known",
        "set-head origin",
    ]);
    pruning.git(&["checkout", "--quiet", "--detach"]);
    warnings(&["no branch is checked out"]);
    // A fetch from a real repository, whose date is shown.
    let there = pruning.world.tmp().join("there");
    let path = there.to_str().expect("UTF-8");
    pruning.git(&["clone", "--quiet", "--bare", ".", path]);
    pruning.git(&["remote", "set-url", "origin", path]);
    pruning.git(&["fetch", "--quiet", "origin"]);
    let run = pruning.prune(&["--dry-run"]);
    assert!(
        !run.assert_code(0).err().contains("never fetched"),
        "{}",
        run.err()
    );
    let date = run.err().split_once("last fetch (").expect("a date").1;
    assert!(date[..20].ends_with(" UTC"), "{date}");
    assert!(run.err().contains("origin/main ("), "{}", run.err());
}

/// A folder with an empty `.git` looks like a repository, and git looks past it.
#[test]
fn an_empty_git_directory_hides_no_repository() {
    let pruning = Pruning::new("emptygit");
    let old = pruning.old_file();
    pruning.world.write("db.yaml", old);
    let config = pruning.world.read(".sops.yaml");
    pruning.world.write("sub/.sops.yaml", config);
    std::fs::create_dir(pruning.world.path("sub/.git")).expect("mkdir");
    let prune = |directory: PathBuf| {
        let mut command = pruning.command(&["prune", "--yes"]);
        command.current_dir(directory);
        pruning.world.run(command)
    };
    let run = prune(pruning.world.path("sub"));
    assert_fails(
        &run,
        1,
        &[".git is not a Git repository", "git reads the one of"],
    );
    assert!(pruning.retired_entry().is_some());
    // Nor one that is no directory of git's, where there is nothing above it.
    let alone = pruning.world.tmp().join("alone");
    std::fs::create_dir_all(alone.join(".git/objects")).expect("mkdir");
    std::fs::write(alone.join(".sops.yaml"), pruning.world.read(".sops.yaml")).expect("write");
    assert_fails(&prune(alone), 1, &["git rev-parse failed"]);
    assert!(pruning.retired_entry().is_some());
}

/// Elsewhere there is nothing that could need it.
#[test]
fn a_repository_that_is_not_the_clusters_keeps_the_key() {
    let pruning = Pruning::new("elsewhere");
    let elsewhere = pruning.world.tmp().join("elsewhere");
    let path = elsewhere.to_str().expect("UTF-8");
    pruning.git(&["init", "--quiet", path]);
    let prune = |arguments: &[&str]| {
        let mut command = pruning.command(&[&["prune", "--yes"], arguments].concat());
        command.current_dir(&elsewhere);
        pruning.world.run(command)
    };
    let words = [
        "working-tree",
        "nothing in this repository is for this cluster",
    ];
    assert_fails(&prune(&[]), 1, &words);
    assert!(pruning.retired_entry().is_some());
    prune(&["--despite", "working-tree"]).assert_code(0);
}

/// Whatever people have told git.
#[test]
fn gits_configuration_hides_nothing() {
    let pruning = Pruning::new("gitconfig");
    let old = pruning.old_commit(FILE);
    pruning.deployed(&old);
    for (key, value) in [
        ("color.ui", "always"),
        ("core.quotePath", "true"),
        ("core.abbrev", "4"),
        ("log.showSignature", "true"),
        ("status.relativePaths", "false"),
        ("diff.noprefix", "true"),
    ] {
        pruning.git(&["config", key, value]);
        assert_eq!(pruning.kept_by(&[]), ["deployed"], "{key}");
    }
    let head = pruning.git(&["rev-parse", "HEAD"]);
    pruning.git(&["replace", &old, &head]);
    assert_eq!(pruning.kept_by(&[]), ["deployed"]);
    // Where git fails, it is git that is named.
    std::fs::write(pruning.world.path(".git/config"), "[broken").expect("write");
    assert_fails(&pruning.prune(&["--yes"]), 1, &["git rev-parse failed"]);
    assert!(pruning.retired_entry().is_some());
}

/// A text that could not be saved is in nobody's repository.
#[test]
fn a_draft_that_no_key_in_use_opens_keeps_its_key() {
    let pruning = Pruning::new("draft");
    pruning.put_key(&[("age.agekey", &pruning.old_key)]);
    pruning.rule_for(&pruning.old);
    pruning.encrypt_for(&pruning.old, FILE, SECRET);
    let mut edit = pruning.command(&["edit", FILE]);
    edit.env("EDITOR", r#"sh -c "sed -i s/hunter2/hunter3/ $0; exit 1""#);
    pruning.world.run(edit).assert_code(1);

    pruning.put_keys(&[&pruning.old_key]);
    pruning.rule_for(&pruning.new);
    pruning.encrypt_for(&pruning.new, FILE, SECRET);
    let run = pruning.prune(&["--yes"]);
    assert_fails(
        &run,
        1,
        &[
            "the list of drafts has files that are encrypted for it",
            "kb k secrets drafts",
        ],
    );
    assert!(pruning.retired_entry().is_some());
    assert_eq!(pruning.kept_by(&[]), ["working-tree"]);
    let discard = pruning.command(&["edit", FILE, "--discard"]);
    pruning.world.run(discard).assert_code(0);
    pruning.prune(&["--yes"]).assert_code(0);
    assert_eq!(pruning.retired_entry(), None);
}

/// A merge that is not finished: theirs is in the index alone.
#[test]
fn the_other_side_of_a_conflict_keeps_the_key() {
    let pruning = Pruning::new("conflict");
    let old = pruning.old_file();
    let blob = pruning.world.run_with_stdin(
        pruning
            .world
            .tool_cmd("git", ["hash-object", "-w", "--stdin"]),
        &old,
    );
    let blob = blob.assert_code(0).out().trim().to_owned();
    let entry = format!("100644 {blob} 3\ttheirs.yaml\n");
    let update = pruning
        .world
        .tool_cmd("git", ["update-index", "--index-info"]);
    pruning
        .world
        .run_with_stdin(update, entry.as_bytes())
        .assert_code(0);
    assert_kept_by(&pruning, "working-tree");
}

/// A commit has the same directory any number of times, and each of them so too.
#[test]
fn a_tree_that_unfolds_to_millions_of_files_takes_no_memory_for_each() {
    let pruning = Pruning::new("treebomb");
    let old = pruning.old_file();
    let stdin = |arguments: &[&str], text: &[u8]| {
        let command = pruning.world.tool_cmd("git", arguments);
        let run = pruning.world.run_with_stdin(command, text);
        run.assert_code(0).out().trim().to_owned()
    };
    let blob = stdin(&["hash-object", "-w", "--stdin"], &old);
    let mut tree = stdin(
        &["mktree"],
        format!("100644 blob {blob}\tx.yaml\n").as_bytes(),
    );
    for _ in 0..8 {
        let entries = (0..10).map(|number| format!("040000 tree {tree}\td{number}\n"));
        tree = stdin(&["mktree"], entries.collect::<String>().as_bytes());
    }
    let commit = pruning.git(&["commit-tree", "-m", "many", &tree]);
    pruning.git(&["update-ref", "refs/remotes/origin/pr-1", &commit]);
    let program = env!("CARGO_BIN_EXE_kb");
    let line = format!(
        "ulimit -v 4000000; exec '{program}' k secrets -n {} prune --dry-run",
        pruning.namespace
    );
    let run = pruning.world.tool("sh", ["-c", &line]);
    assert!(
        run.assert_code(0).err().contains("origin/pr-1"),
        "{}",
        run.err()
    );
}

/// Which program checks signatures, the repository's configuration says.
#[test]
fn a_signed_stash_starts_no_program() {
    let pruning = Pruning::new("signed");
    let signed = "tree TREE\nauthor a <a@b> 0 +0000\ncommitter a <a@b> 0 +0000\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n -----END PGP SIGNATURE-----\n\nx\n";
    let tree = pruning.git(&["rev-parse", "HEAD^{tree}"]);
    let hash = pruning
        .world
        .tool_cmd("git", ["hash-object", "-t", "commit", "-w", "--stdin"]);
    let text = signed.replace("TREE", &tree);
    let commit = pruning.world.run_with_stdin(hash, text.as_bytes());
    let commit = commit.assert_code(0).out().trim().to_owned();
    pruning.git(&["update-ref", "--create-reflog", "refs/stash", &commit]);
    let trap = pruning.world.root().join("trap");
    let trace = pruning.world.root().join("sprung");
    let script = format!("#!/bin/sh\ntouch {}\n", trace.display());
    std::fs::write(&trap, script).expect("written");
    std::fs::set_permissions(&trap, std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("a mode");
    pruning.git(&["config", "log.showSignature", "true"]);
    pruning.git(&["config", "gpg.program", trap.to_str().expect("UTF-8")]);
    pruning.prune(&["--dry-run"]).assert_code(0);
    assert!(!trace.exists());
    // The trap is real.
    pruning.git(&["log", "-1", "refs/stash"]);
    assert!(trace.exists());
}

/// A link leads out of the repository, and a file has a name like kb's own.
#[test]
fn files_that_only_look_like_others_keep_the_key() {
    for name in ["link.yaml", ".b.yaml.kb-tmp-abcdefgh"] {
        let pruning = Pruning::new("lookalike");
        let old = pruning.old_file();
        if name.starts_with('.') {
            pruning.world.write(name, &old);
        } else {
            let outside = pruning.world.write_home("outside.yaml", &old);
            std::os::unix::fs::symlink(outside, pruning.world.path(name)).expect("a link");
        }
        assert_kept_by(&pruning, "working-tree");
    }
}
