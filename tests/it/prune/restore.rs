//! `init --import --retired`: a key that was pruned is put back.

use testkit::Run;

use super::{FILE, Pruning};
use crate::{assert_fails, keypair};

fn put_back(pruning: &Pruning, arguments: &[&str], stdin: &str) -> Run {
    let words = [&["init", "--import", "--retired"], arguments].concat();
    let command = pruning.command(&words);
    pruning.world.run_with_stdin(command, stdin.as_bytes())
}

#[test]
fn a_key_that_is_put_back_opens_the_old_file_again() {
    let pruning = Pruning::new("back");
    let (second_key, second) = keypair(&pruning.world);
    pruning.put_keys(&[&pruning.old_key, &second_key]);
    // As `kb k secrets key` prints them.
    let dropped = format!("{}\n{second_key}\n", pruning.old_key);
    pruning.prune(&["--yes"]).assert_code(0);
    assert_eq!(pruning.retired_entry(), None);
    let current = pruning.entry("age.agekey");
    let config = pruning.world.read(".sops.yaml");
    pruning.world.write("old.yaml", pruning.old_file());
    assert_fails(&pruning.decrypt(&["old.yaml"]), 1, &[]);

    let run = put_back(&pruning, &["--dry-run"], &dropped);
    run.assert_code(0);
    assert_eq!(pruning.retired_entry(), None);
    let run = put_back(&pruning, &[], &dropped);
    assert_eq!(run.assert_code(0).out(), "");
    for words in [pruning.old.as_str(), &second] {
        assert!(run.err().contains(words), "{}", run.err());
    }
    assert!(!run.err().contains("AGE-SECRET"), "{}", run.err());
    let opened = pruning.decrypt(&["old.yaml"]);
    assert_eq!(opened.assert_code(0).out(), super::SECRET);
    // It is not the current one, and nothing else was changed.
    assert_eq!(pruning.entry("age.agekey"), current);
    assert_eq!(pruning.world.read(".sops.yaml"), config);
    let retired = pruning.retired_entry().expect("an entry");
    for key in [&pruning.old_key, &second_key] {
        assert!(retired.lines().any(|line| line == key));
        assert!(pruning.world.files_containing(key.as_bytes()).is_empty());
    }
    // And it can be pruned again.
    assert_eq!(pruning.kept_by(&[]), ["working-tree"]);
    std::fs::remove_file(pruning.world.path("old.yaml")).expect("it is there");
    pruning.prune(&["--yes"]).assert_code(0);
    pruning.decrypt(&[FILE]).assert_code(0);
}

#[test]
fn it_stands_beside_other_retired_keys_and_replaces_nothing() {
    let pruning = Pruning::new("beside");
    let (second_key, _) = keypair(&pruning.world);
    let before = pruning.retired_entry().expect("an entry");
    put_back(&pruning, &[], &second_key).assert_code(0);
    let after = pruning.retired_entry().expect("an entry");
    assert!(
        after.starts_with(&before),
        "{}",
        pruning.world.redact(&after)
    );
    assert!(after.lines().any(|line| line == second_key));
    // One that is there is refused, whichever entry it stands in, and one of several too.
    let (third_key, _) = keypair(&pruning.world);
    let both = format!("{third_key}\n{}\n", pruning.new_key);
    for (keys, recipient) in [
        (&pruning.old_key, &pruning.old),
        (&pruning.new_key, &pruning.new),
        (&both, &pruning.new),
    ] {
        let run = put_back(&pruning, &[], keys);
        assert_fails(&run, 1, &["holds the key", recipient, "already"]);
        assert_eq!(pruning.retired_entry().as_ref(), Some(&after));
    }
    for text in ["", "nonsense\n", &pruning.old] {
        let run = put_back(&pruning, &[], text);
        assert_fails(&run, 1, &["stdin"]);
        assert!(!run.err().contains("nonsense"), "{}", run.err());
    }
    assert_eq!(pruning.retired_entry(), Some(after));
}

#[test]
fn without_a_secret_or_during_a_rotation_nothing_is_put_back() {
    let pruning = Pruning::new("nosecret");
    let (key, _) = keypair(&pruning.world);
    let (new, next) = (&pruning.new_key, &pruning.old_key);
    pruning.put_key(&[("age.agekey", new), ("age.next.agekey", next)]);
    let run = put_back(&pruning, &[], &key);
    assert_fails(&run, 1, &["a rotation of the cluster's key is under way"]);
    assert_fails(
        &pruning.prune(&["--yes"]),
        1,
        &["is under way", "init --force"],
    );
    let path = format!("/api/v1/namespaces/{}/secrets/sops-age", pruning.namespace);
    pruning.cluster.delete(&path);
    let run = put_back(&pruning, &[], &key);
    assert_fails(&run, 1, &["has no Secret", "init --import"]);
    assert!(pruning.cluster.get(&path).is_none());
    // It belongs to --import alone.
    for arguments in [
        &["init", "--retired"][..],
        &["init", "--import", "--retired", "--force"],
        &["init", "--import", "--retired", "--path-regex", "x"],
    ] {
        pruning.secrets(arguments).assert_code(2);
    }
}
