//! What stands in the way of a rotation: files, disks, programs, the cluster.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

use testkit::{Cluster, Run};

use super::{Rotating, go_on};
use crate::{assert_fails, keypair, mount_namespace};

/// `init --force` with mounts of its own, which a shell script makes; `"$@"` is kb.
fn with_mounts(rotating: &Rotating, script: &str) -> Run {
    let shell = ["sh", "-c", script, "sh"];
    let mut command: Command = rotating
        .world
        .tool_cmd("unshare", mount_namespace().into_iter().chain(shell));
    command.arg(env!("CARGO_BIN_EXE_kb"));
    command.args(["k", "secrets", "-n", &rotating.namespace, "init", "--force"]);
    rotating.world.run(command)
}

/// All of them are named, whatever is wrong with each.
#[test]
fn files_that_cannot_be_moved_are_all_named_and_left() {
    let rotating = Rotating::new("damaged");
    let old = &rotating.old;
    let (_, other) = keypair(&rotating.world);
    rotating.encrypt_for(old, "bad/mac.yaml", "a: b\nc: d\n");
    let text = rotating.world.read("bad/mac.yaml");
    // A value moved to another key's place is found by its authentication, one that
    // is not encrypted by the MAC alone.
    rotating.world.write(
        "bad/mac.yaml",
        text.replace("sops:", "typed_in_unencrypted: x\nsops:"),
    );
    rotating.encrypt_for(old, "bad/damaged.json", "{\"a\": 1}");
    let text = rotating.world.read("bad/damaged.json");
    rotating
        .world
        .write("bad/damaged.json", &text[..text.len() - 3]);
    // The recipient stands there, and what stands beside it is for another.
    rotating.encrypt_for(&other, "bad/recipient.env", "A=b\n");
    let text = rotating.world.read("bad/recipient.env");
    rotating
        .world
        .write("bad/recipient.env", text.replace(&other, old));
    rotating.encrypt_for(old, "bad/value.yaml", "a: b\n");
    let text = rotating.world.read("bad/value.yaml");
    rotating.world.write(
        "bad/value.yaml",
        text.replace("a: ENC[AES256_GCM,data:", "a: ENC[AES256_GCM,data:AAAA"),
    );
    let words = [
        "bad/damaged.json",
        "the MAC of bad/mac.yaml does not match",
        "bad/recipient.env",
        "bad/value.yaml",
        "--ignore-mac",
    ];
    let run = rotating.force(&["--dry-run"]);
    assert_fails(&run, 3, &words);
    let would = "error: 4 files would be left for the old key";
    assert!(run.err().contains(would), "{}", run.err());
    rotating.assert_untouched();
    let names = [
        "bad/damaged.json",
        "bad/mac.yaml",
        "bad/recipient.env",
        "bad/value.yaml",
    ];
    let bytes = names.map(|name| (name, rotating.world.read_bytes(name)));
    let left = bytes.each_ref().map(|(name, bytes)| (*name, &**bytes));
    let run = rotating.force(&[]);
    rotating.assert_left(&run, &left);
    for words in words {
        assert!(run.err().contains(words), "{}", run.err());
    }
    // Two of them are skipped, one is gone, and the fourth gets a new MAC.
    std::fs::remove_file(rotating.world.path("bad/damaged.json")).expect("remove");
    let skip = ["--skip", "bad/recipient.env", "--skip", "bad/value.yaml"];
    rotating.assert_finishes(&[&["--ignore-mac"][..], &skip].concat());
    let current = rotating.entry("age.agekey").expect("a key");
    let run = rotating.plaintext("bad/mac.yaml", &current);
    assert!(run.assert_code(0).out().contains("typed_in_unencrypted: x"));
}

#[test]
fn a_file_for_which_sops_fails_is_left_and_the_others_are_moved() {
    let mut rotating = Rotating::new("onefails");
    for at in 0..40 {
        let name = format!("many/{at}.env");
        let content = rotating.world.read_bytes("apps/app.env");
        rotating.world.write(&name, content);
        let (_, text) = &rotating.files[3];
        let text = text.clone();
        rotating.files.push((name, text));
    }
    let sops = std::fs::read_link(rotating.world.bin().join("sops")).expect("the link to sops");
    rotating.world.script(
        "sops",
        &format!(
            "#!/bin/sh\ncase \"$*\" in *rotate*many/23.env*) kill -9 $$;; esac\nexec '{}' \"$@\"\n",
            sops.display()
        ),
    );
    let before = rotating.world.read_bytes("many/23.env");
    let run = rotating.force(&["--engine", "sops"]);
    rotating.assert_left(&run, &[("many/23.env", &before)]);
    std::fs::remove_file(rotating.world.bin().join("sops")).expect("the script");
    std::os::unix::fs::symlink(&sops, rotating.world.bin().join("sops")).expect("the link");
    rotating.assert_finishes(&["--engine", "sops"]);
}

/// What sops makes is not believed.
#[test]
fn a_sops_that_does_something_else_is_found_out() {
    let rotating = Rotating::new("liar");
    let sops = std::fs::read_link(rotating.world.bin().join("sops")).expect("the link to sops");
    let (_, other) = keypair(&rotating.world);
    // kb's arguments behind the config: rotate --add-age NEW --rm-age OLD
    // --input-type FORMAT --output-type FORMAT --filename-override FILE /dev/stdin
    const FORMAT: &str = r#"--input-type "$7" --output-type "$9" /dev/stdin"#;
    for (what, does) in [
        // The old key stays.
        (
            "other recipients",
            format!("*rotate*) exec $real rotate {FORMAT};;"),
        ),
        // Another key comes as well.
        (
            "other recipients",
            format!("*rotate*) exec $real rotate --add-age $3,{other} --rm-age $5 {FORMAT};;"),
        ),
        // The data key stays, for the right recipients. Several run at once.
        (
            "has the old data key",
            "*rotate*) copy=\"$TMPDIR/${11##*/}\"; cat > \"$copy\"; printf 'creation_rules: [{age: %s}]' \"$3\" > \"$TMPDIR/rules.$$\"; \
             $real --config \"$TMPDIR/rules.$$\" updatekeys -y \"$copy\" >/dev/null && exec cat \"$copy\";;"
                .to_owned(),
        ),
        // The data key stays, under the new recipient's name.
        (
            "does not open with the new key",
            "*rotate*) exec sed \"s/$5/$3/\";;".to_owned(),
        ),
    ] {
        rotating.world.script(
            "sops",
            &format!(
                "#!/bin/sh\nreal='{}'\nif [ \"$1\" = --config ]; then config=$2; shift 2; fi\n\
                 case \"$*\" in {does} esac\nexec $real ${{config:+--config \"$config\"}} \"$@\"\n",
                sops.display()
            ),
        );
        let run = rotating.force(&["--engine", "sops"]);
        assert_fails(&run, 1, &["6 files cannot be re-encrypted", what]);
        std::fs::remove_file(rotating.world.bin().join("sops")).expect("the script");
        std::os::unix::fs::symlink(&sops, rotating.world.bin().join("sops")).expect("the link");
        rotating.assert_untouched();
    }
}

/// Root is bound by these too.
#[test]
fn what_cannot_be_replaced_is_named_before_anything_changes() {
    let rotating = Rotating::new("readonly");
    // A directory, and a file.
    for place in ["deep/er", "apps/app.ini", "."] {
        let run = with_mounts(
            &rotating,
            &format!(
                "mount --bind {place} {place} && mount -o remount,bind,ro {place} && exec \"$@\""
            ),
        );
        let named = match place {
            "deep/er" => "deep/er/blob",
            "apps/app.ini" => "apps/app.ini cannot be replaced: it is a mount of its own",
            _ => "apps/db-secret.yaml",
        };
        assert_fails(&run, 1, &[named]);
        rotating.assert_untouched();
    }
    // No right to write to the directory.
    let mode = |path: &str, mode| {
        let path = rotating.world.path(path);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("chmod");
    };
    mode("deep/er", 0o555);
    let run = crate::as_ordinary_user(
        &rotating.setup,
        &["k", "secrets", "-n", &rotating.namespace, "init", "--force"],
    );
    assert_fails(&run, 1, &["deep/er/blob", "Permission denied"]);
    mode("deep/er", 0o755);
    rotating.assert_untouched();
    // A file that is read-only itself is replaced, and stays so.
    mode("apps/app.env", 0o444);
    let run = rotating.force(&[]);
    rotating.assert_rotated(&run);
    let found = std::fs::metadata(rotating.world.path("apps/app.env")).expect("stat");
    assert_eq!(found.mode() & 0o7777, 0o444);
}

/// Where the file system and the rights know such a thing.
#[test]
fn an_immutable_file_is_named_before_anything_changes() {
    let rotating = Rotating::new("chattr");
    for (attribute, words) in [("i", "immutable"), ("a", "append-only")] {
        let file = "apps/app.ini";
        let set = rotating
            .world
            .tool("chattr", [&format!("+{attribute}"), file]);
        // Neither tmpfs nor a container without CAP_LINUX_IMMUTABLE has it; CI has.
        if set.code != Some(0) {
            let in_ci = std::env::var_os("CI").is_some();
            assert!(!in_ci, "chattr does not work here: {}", set.err());
            return;
        }
        let run = rotating.force(&[]);
        let unset = rotating
            .world
            .tool("chattr", [&format!("-{attribute}"), file]);
        unset.assert_code(0);
        assert_fails(&run, 1, &["apps/app.ini", words, "chattr"]);
        rotating.assert_untouched();
    }
}

#[test]
fn on_a_full_disk_nothing_is_changed() {
    let rotating = Rotating::new("full");
    // A small disk in the place of the files, filled until a few bytes are left.
    let run = with_mounts(
        &rotating,
        "cp -r apps ../apps && mount -t tmpfs -o size=64k,nr_inodes=100 none apps && cp ../apps/* apps/ \
         && { head -c 1m /dev/zero > apps/filler; true; } 2>/dev/null; \"$@\"; code=$?; rm apps/filler; \
         ls -a apps >&2; diff -r apps ../apps >&2 || exit 99; exit $code",
    );
    assert_fails(
        &run,
        1,
        &[
            "cannot be re-encrypted",
            "cannot write apps/",
            "No space left",
        ],
    );
    assert!(!run.err().contains("kb-tmp"), "{}", run.err());
    rotating.assert_untouched();
}

/// stdout goes before the key is shown: the next run shows it.
#[test]
fn a_key_that_could_not_be_shown_is_shown_by_the_next_run() {
    let rotating = Rotating::new("noreader");
    let mut command = rotating.command(&["init", "--force"]);
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .expect("/dev/full");
    command.stdout(full);
    let run = rotating.world.run(command);
    assert_fails(
        &run,
        1,
        &[
            "stdout did not take the private key",
            "init --force",
            "next",
        ],
    );
    let next = rotating.entry("age.next.agekey").expect("the new key");
    rotating.assert_all_open();
    // Nor does a pipe that nobody reads take it.
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = rotating.command(&["init", "--force"]);
    command.stdout(writer);
    let run = rotating.world.run(command);
    assert_fails(&run, 1, &["stdout did not take the private key"]);
    assert_eq!(rotating.entry("age.next.agekey"), Some(next.clone()));
    let run = rotating.force(&[]);
    rotating.assert_rotated(&run);
    assert_eq!(next.lines().last(), Some(run.out().trim()));
    // A stdout that would keep it on a disk is refused before anything is done.
    let file = std::fs::File::create(rotating.world.path("key")).expect("create");
    let mut command = rotating.command(&["init", "--force"]);
    command.stdout(file);
    let run = rotating.world.run(command);
    assert_fails(&run, 1, &["the private key would be in a repository"]);
    assert_eq!(rotating.entry("age.next.agekey"), None);
}

#[test]
fn an_api_server_that_dies_before_the_last_update_loses_nothing() {
    let cluster: &'static Cluster = Box::leak(Box::new(Cluster::start()));
    let rotating = Rotating::of(cluster, "dies");
    let spawned = rotating.paused_at("shown", &[]);
    cluster.kill_apiserver();
    let run = go_on(spawned);
    run.assert_code(1);
    for words in ["is not the current one", "Flux can go on", "init --force"] {
        assert!(run.err().contains(words), "{}", run.err());
    }
    let printed = run.out().to_owned();
    rotating.assert_open_with(printed.trim());
    cluster.restart_apiserver();
    let run = rotating.force(&[]);
    rotating.assert_rotated(&run);
    assert_eq!(run.out(), printed);

    // Before it has begun, nothing is changed.
    let spawned = rotating.paused_at("staged", &[]);
    cluster.kill_apiserver();
    let run = go_on(spawned);
    assert_fails(
        &run,
        1,
        &[
            "it is not certain whether the new key is in the Secret",
            "no file was changed",
        ],
    );
    cluster.restart_apiserver();
    rotating.assert_open_with(printed.trim());
    rotating.assert_no_stray();
    assert_eq!(rotating.entry("age.next.agekey"), None);
}

/// sops swaps an age recipient and leaves the others, which the file's rule names.
#[test]
fn other_kinds_of_keys_stay_and_one_out_of_reach_keeps_no_other_file() {
    let mut rotating = Rotating::new("otherkinds");
    let gpg = |arguments: &[&str]| {
        let run = rotating
            .world
            .tool("gpg", [&["--batch", "--quiet"], arguments].concat());
        run.assert_code(0).out().to_owned()
    };
    gpg(&[
        "--passphrase",
        "",
        "--quick-generate-key",
        "dev@example.org",
        "rsa2048",
        "encrypt",
        "never",
    ]);
    let listed = gpg(&["--list-keys", "--with-colons"]);
    let fingerprint = listed
        .lines()
        .find(|line| line.starts_with("fpr:"))
        .expect("a key");
    let fingerprint = fingerprint
        .trim_end_matches(':')
        .rsplit(':')
        .next()
        .expect("it")
        .to_owned();
    let old = rotating.old.clone();
    rotating.world.write("pgp.yaml", "a: b\n");
    let config = format!("creation_rules:\n- age: {old}\n  pgp: {fingerprint}\n");
    rotating.encrypt_by(&config, "pgp.yaml");
    let rule = format!("  - path_regex: ^pgp\n    age: {old}\n    pgp: {fingerprint}\n");
    rotating.add_rule_text(&rule);
    rotating
        .files
        .push(("pgp.yaml".to_owned(), "a: b\n".to_owned()));
    let run = rotating.force(&[]);
    let new = rotating.assert_rotated(&run);
    let pgp = rotating.world.read("pgp.yaml");
    assert!(
        pgp.contains(&fingerprint),
        "{}{}",
        run.err(),
        rotating.world.read(".sops.yaml")
    );
    // gpg alone still opens it.
    let opened = rotating.plaintext("pgp.yaml", "");
    assert_eq!(opened.assert_code(0).out(), "a: b\n");

    // A PGP key that is not at hand any more: sops cannot encrypt for it.
    std::fs::rename(
        rotating.world.home().join(".gnupg"),
        rotating.world.home().join("gone"),
    )
    .expect("rename");
    rotating.old = new;
    rotating.first_key = run.out().trim().to_owned();
    let run = rotating.force(&[]);
    rotating.assert_left(&run, &[("pgp.yaml", pgp.as_bytes())]);
    let words = "PGP recipient must be reachable";
    assert!(run.err().contains(words), "{}", run.err());
}

/// A repository that is moved away, or becomes unreadable, is not a success.
#[test]
fn what_cannot_be_read_any_more_is_not_taken_for_done() {
    let rotating = Rotating::new("moved");
    let spawned = rotating.paused_at("begun", &[]);
    let moved = rotating.world.root().join("moved");
    std::fs::rename(rotating.world.repo(), &moved).expect("rename");
    let run = go_on(spawned);
    assert_fails(
        &run,
        1,
        &[
            "the rotation is not finished",
            "cannot be read any more",
            "init --force",
        ],
    );
    assert!(rotating.entry("age.next.agekey").is_some());
    std::fs::rename(&moved, rotating.world.repo()).expect("rename");
    let run = rotating.force(&[]);
    rotating.assert_rotated(&run);
}

/// The same when someone else had begun.
#[test]
fn what_cannot_be_read_any_more_is_noticed_by_one_who_joins() {
    let rotating = Rotating::new("movedjoin");
    let clone = rotating.world.root().join("clone");
    let paths = [rotating.world.repo(), clone.clone()];
    let [repo, copy] = paths.map(|path| path.to_str().expect("UTF-8").to_owned());
    rotating
        .world
        .tool("cp", ["-r", &repo, &copy])
        .assert_code(0);
    let spawned = rotating.paused_at("staged", &[]);
    let mut command = rotating.pausing("begun", &[]);
    command.current_dir(&clone);
    let mut other = rotating.world.spawn(command);
    other.wait_until_stopped();
    other.kill();
    let moved = rotating.world.root().join("moved");
    std::fs::rename(rotating.world.repo(), &moved).expect("rename");
    let run = go_on(spawned);
    assert_fails(&run, 1, &["cannot be read any more"]);
    std::fs::rename(&moved, rotating.world.repo()).expect("rename");
    let run = rotating.force(&[]);
    rotating.assert_rotated(&run);
}

/// Builds and editors make and remove files all the time.
#[test]
fn what_goes_away_while_it_is_looked_for_is_no_trouble() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let rotating = Rotating::new("churn");
    let (build, done) = (rotating.world.path("build"), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::fs::create_dir_all(&build).expect("mkdir");
            while !done.load(Ordering::Relaxed) {
                for at in 0..40 {
                    let directory = build.join(format!("d{at}"));
                    let _ = std::fs::create_dir(&directory);
                    for at in 0..8 {
                        let _ = std::fs::write(directory.join(format!("{at}.yaml")), "a: b\n");
                    }
                }
                for at in 0..40 {
                    let directory = build.join(format!("d{at}"));
                    for at in 0..8 {
                        let _ = std::fs::remove_file(directory.join(format!("{at}.yaml")));
                    }
                    let _ = std::fs::remove_dir(&directory);
                }
            }
        });
        let runs: Vec<Run> = (0..6).map(|_| rotating.force(&[])).collect();
        done.store(true, Ordering::Relaxed);
        for run in runs {
            run.assert_code(0);
        }
    });
    rotating.assert_all_open();
}

/// A pipe in a config's place could be read forever.
#[test]
fn a_pipe_in_the_configs_place_is_not_waited_for() {
    let rotating = Rotating::new("pipe");
    let spawned = rotating.paused_at("begun", &["--config", ".sops.yaml"]);
    let config = rotating.world.path(".sops.yaml");
    let text = rotating.world.read(".sops.yaml");
    std::fs::remove_file(&config).expect("remove");
    rotating.world.tool("mkfifo", [".sops.yaml"]).assert_code(0);
    go_on(spawned);
    std::fs::remove_file(&config).expect("remove");
    rotating.world.write(".sops.yaml", text);
    rotating.init(&["--use-existing"]);
    rotating.force(&[]).assert_code(0);
    rotating.assert_all_open();
}

/// sops lets people write it, and takes out only one of them.
#[test]
fn a_recipient_that_is_named_twice_is_named_once_afterwards() {
    let mut rotating = Rotating::new("doubled");
    let old = rotating.old.clone();
    let (other_key, other) = keypair(&rotating.world);
    rotating.add_rule("^others", &[&old, &other]);
    let twice = format!("{old},{other},{other}");
    rotating.encrypt_for(&twice, "others.yaml", "a: b\n");
    rotating.encrypt_for(&format!("{old},{old}"), "twice.yaml", "a: b\n");
    for name in ["others.yaml", "twice.yaml"] {
        rotating.files.push((name.to_owned(), "a: b\n".to_owned()));
    }
    let run = rotating.force(&["--yes"]);
    let new = rotating.assert_rotated(&run);
    let count = |name: &str, key: &str| rotating.world.read(name).matches(key).count();
    assert_eq!(count("others.yaml", &other), 1);
    assert_eq!(count("others.yaml", &new), 1);
    assert_eq!(count("twice.yaml", &new), 1);
    let opened = rotating.plaintext("others.yaml", &other_key);
    assert_eq!(opened.assert_code(0).out(), "a: b\n");
}

/// The key that was shown is the only one then.
#[test]
fn a_secret_that_is_deleted_meanwhile_is_put_back_by_its_key() {
    let rotating = Rotating::new("deleted");
    let spawned = rotating.paused_at("shown", &[]);
    rotating.cluster.delete(&rotating.path());
    let run = go_on(spawned);
    run.assert_code(1);
    assert!(
        run.err()
            .contains("for the key that was shown; to put it back"),
        "{}",
        run.err()
    );
    assert!(!run.err().contains("Flux can go on"), "{}", run.err());
    let command = rotating.command(&["init", "--import"]);
    rotating
        .world
        .run_with_stdin(command, &run.stdout)
        .assert_code(0);
    rotating.assert_open_with(run.out().trim());
}
