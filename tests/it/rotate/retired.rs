//! `init --use-existing`: files for retired keys come back with every merge of an
//! older branch.

use super::Rotating;
use crate::{assert_fails, keypair};

/// Rotated, and an older branch merged.
fn merged() -> (Rotating, String) {
    let rotating = Rotating::new("merged");
    let (name, _) = &rotating.files[0];
    let older = rotating.world.read(name);
    let run = rotating.force(&[]);
    rotating.assert_rotated(&run);
    rotating.world.write(name, older);
    let name = name.clone();
    (rotating, name)
}

#[test]
fn files_of_an_older_branch_are_moved_to_the_current_key() {
    let (mut rotating, name) = merged();
    rotating.setup.world.env("EDITOR", "true");
    let run = rotating.secrets(&["edit", &name]);
    assert_fails(
        &run,
        1,
        &["still encrypted for a retired key", "init --use-existing"],
    );
    let others: Vec<Vec<u8>> = rotating.files[1..]
        .iter()
        .map(|(name, _)| rotating.world.read_bytes(name))
        .collect();
    let before = rotating.world.read(&name);
    let run = rotating.init(&["--use-existing", "--dry-run"]);
    assert!(run.assert_code(0).err().contains(&name), "{}", run.err());
    assert_eq!(rotating.world.read(&name), before);
    let held = rotating.object();
    let run = rotating.init(&["--use-existing"]);
    assert_eq!(run.assert_code(0).out(), "");
    let said = "Done: 1 file re-encrypted";
    assert!(run.err().contains(said), "{}", run.err());
    let current = rotating.entry("age.agekey").expect("a key");
    rotating.assert_open_with(current.lines().last().expect("a line"));
    rotating.assert_no_stray();
    // Nothing else was touched, and the cluster not at all.
    for ((name, _), before) in rotating.files[1..].iter().zip(others) {
        assert_eq!(rotating.world.read_bytes(name), before, "{name}");
    }
    assert_eq!(rotating.object(), held);
    let run = rotating.init(&["--use-existing"]);
    assert!(
        run.assert_code(0).err().contains("Nothing was changed"),
        "{}",
        run.err()
    );
    // It is encrypted by another selection than its rule's, as it was before.
    rotating
        .secrets(&["edit", "--keep-readers", &name])
        .assert_code(0);
}

/// A whole clone that is behind, its rules too.
#[test]
fn a_clone_that_is_behind_follows() {
    let rotating = Rotating::new("follows");
    let (new, new_recipient) = keypair(&rotating.world);
    let old = rotating.keys();
    rotating.put_key(&[("age.agekey", &new), ("age.previous.agekey", &old)]);
    rotating.world.write(
        "apps/.sops.yaml",
        format!("creation_rules:\n- age: {}\n", rotating.old),
    );
    let run = rotating.init(&["--use-existing"]);
    run.assert_code(0);
    rotating.assert_open_with(&new);
    for config in [".sops.yaml", "apps/.sops.yaml"] {
        let text = rotating.world.read(config);
        assert!(
            text.contains(&new_recipient) && !text.contains(&rotating.old),
            "{text}"
        );
    }
}

/// It takes its time to re-encrypt them.
#[test]
fn a_key_that_is_rotated_meanwhile_is_noticed() {
    let (rotating, name) = merged();
    let before = rotating.world.read(&name);
    let link = rotating.world.bin().join("sops");
    let sops = std::fs::read_link(link).expect("the link to sops");
    let waits = rotating.world.tmp().join("waits");
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *rotate*) touch '{0}'; while [ -e '{0}' ]; do sleep 0.05; done;; esac\nexec '{1}' \"$@\"\n",
        waits.display(),
        sops.display()
    );
    rotating.world.script("sops", &script);
    let spawned =
        rotating
            .world
            .spawn(rotating.command(&["init", "--use-existing", "--engine", "sops"]));
    while !waits.exists() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let (other, _) = keypair(&rotating.world);
    rotating.put_key(&[("age.agekey", &other)]);
    std::fs::remove_file(&waits).expect("it waits");
    let run = spawned.finish();
    assert_fails(&run, 1, &["was changed by someone else meanwhile"]);
    assert_eq!(rotating.world.read(&name), before);
    rotating.assert_no_stray();
}

/// One that cannot be moved does not keep another from it, and its key stays; nothing is
/// moved while a rotation is under way.
#[test]
fn one_that_cannot_be_moved_is_named_and_the_others_are_moved() {
    let (rotating, name) = merged();
    // Another one can be moved.
    let (second, text) = &rotating.files[3];
    rotating.encrypt_for(&rotating.old, second, text);
    let older = rotating.world.read(&name);
    rotating.world.write(
        &name,
        older.replace("sops:", "typed_in_unencrypted: x\nsops:"),
    );
    let changed = rotating.world.read(&name);
    let held = rotating.keys();
    let run = rotating.init(&["--use-existing"]);
    let words = [
        "1 file still does not match its rule",
        &name,
        "--ignore-mac",
    ];
    assert_fails(&run, 3, &words);
    assert_eq!(rotating.world.read(&name), changed);
    let current = rotating.entry("age.agekey").expect("a key");
    let current = current.lines().last().expect("a line").to_owned();
    let opened = rotating.plaintext(second, &current);
    assert_eq!(opened.assert_code(0).out(), text);
    assert!(!rotating.world.read(second).contains(&rotating.old));
    assert_ne!(rotating.secrets(&["prune", "--yes"]).code, Some(0));
    assert_eq!(rotating.keys(), held);
    rotating
        .init(&["--use-existing", "--skip", &name])
        .assert_code(0);
    rotating
        .init(&["--use-existing", "--ignore-mac"])
        .assert_code(0);
    let run = rotating.plaintext(&name, &rotating.keys());
    assert!(run.assert_code(0).out().contains("typed_in_unencrypted: x"));

    rotating.paused_at("begun", &[]).kill();
    let run = rotating.init(&["--use-existing"]);
    assert_fails(
        &run,
        1,
        &[
            "a rotation of the cluster's key is under way",
            "init --force",
        ],
    );
    rotating.force(&[]).assert_code(0);
}
