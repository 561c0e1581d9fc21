//! Each retired key is judged by itself.

use super::{FILE, Pruning, kept_by};
use crate::assert_fails;

/// Each key has its own verdict; those that nothing needs go.
#[test]
fn each_key_is_judged_by_itself() {
    let pruning = Pruning::new("several");
    let (second_key, second) = crate::keypair(&pruning.world);
    let (third_key, third) = crate::keypair(&pruning.world);
    pruning.put_keys(&[
        "# of May",
        &pruning.old_key,
        "# of June",
        &second_key,
        &third_key,
        &pruning.new_key,
    ]);
    pruning.deployed(&pruning.old_commit(FILE));
    pruning.encrypt_for(&third, "third.yaml", super::SECRET);
    let verdicts = pruning.verdicts(1, &[]);
    let keys = verdicts["keys"].as_array().expect("keys");
    let told: Vec<(&str, Vec<String>)> = keys
        .iter()
        .map(|key| (key["recipient"].as_str().expect("a key"), kept_by(key)))
        .collect();
    let expected = [
        (pruning.old.as_str(), vec!["deployed".to_owned()]),
        (&second, Vec::new()),
        (&third, vec!["working-tree".to_owned()]),
    ];
    assert_eq!(told, expected);
    assert_eq!(super::files(&keys[0]), [FILE]);

    let run = pruning.prune(&["--yes"]);
    assert_eq!(run.assert_code(1).out(), "");
    let copy = format!("SOPS_AGE_RECIPIENT={second} kb k secrets key");
    assert!(run.err().contains(&copy), "{}", run.err());
    for words in [
        format!("{second}: not needed"),
        format!("{} (deployed)", pruning.old),
        format!("{third} (working-tree)"),
        "2 retired keys may still be needed, the others were dropped".to_owned(),
    ] {
        assert!(run.err().contains(&words), "no {words:?}: {}", run.err());
    }
    let kept = format!("# of May\n{}\n{third_key}\n", pruning.old_key);
    assert_eq!(pruning.retired_entry(), Some(kept));
    assert_eq!(pruning.entry("age.agekey").as_ref(), Some(&pruning.new_key));
    // A second time there is nothing to drop, and so nothing to ask.
    assert_fails(
        &pruning.prune(&[]),
        1,
        &["2 retired keys may still be needed"],
    );
}

/// Nobody can tell what is for a key whose public key cannot be computed.
#[test]
fn keys_that_cannot_be_judged_are_kept() {
    let pruning = Pruning::new("unknown");
    let quantum = pruning.world.tool("age-keygen", ["-pq"]);
    let quantum = quantum.out().lines().last().expect("a key").to_owned();
    for (text, name) in [
        (quantum.as_str(), "a post-quantum key"),
        ("AGE-SECRET-KEY-1MISTYPED", "a line that is not a key"),
    ] {
        pruning.put_keys(&[text]);
        let run = pruning.prune(&["--yes"]);
        assert_fails(&run, 1, &[name, "unreadable", "--despite unreadable"]);
        assert!(!run.err().contains(text), "{}", run.err());
        let kept = pruning.retired_entry().unwrap_or_default();
        assert!(kept.contains(text));
        let run = pruning.prune(&["--yes", "--despite", "unreadable"]);
        assert_eq!(run.assert_code(0).out(), "");
        assert_eq!(pruning.retired_entry(), None);
    }
    // The last keys do not go.
    let (old, new) = (&pruning.old_key, &pruning.new_key);
    pruning.put_key(&[("age.agekey", ""), ("age.previous.agekey", old)]);
    let run = pruning.prune(&["--yes"]);
    assert_fails(&run, 1, &["no other keys than retired ones"]);
    assert!(pruning.retired_entry().is_some());
    // One that is in use as well is only repeated there.
    pruning.put_key(&[("age.agekey", new), ("age.previous.agekey", new)]);
    assert_eq!(pruning.prune(&["--yes"]).assert_code(0).out(), "");
    assert_eq!(pruning.retired_entry(), None);
}

/// Another Secret that holds it is named.
#[test]
fn copies_of_a_retired_key_are_named() {
    let pruning = Pruning::new("prunecopy");
    let copy = pruning.cluster.new_namespace("copy");
    let key = pruning.old_key.as_bytes();
    pruning
        .cluster
        .put_secret(&copy, "sops-age", &[("age.agekey", key)]);
    pruning
        .cluster
        .kustomization(&copy, "apps", "sops-age", None);
    let run = pruning.prune(&["--yes"]);
    run.assert_code(0);
    let named = format!("the Secret {copy}/sops-age holds a retired key too");
    assert!(run.err().contains(&named), "{}", run.err());
}

#[test]
fn without_flux_only_the_repository_counts_and_kb_says_so() {
    let cluster: &'static testkit::Cluster = Box::leak(Box::new(testkit::Cluster::start()));
    let setup = crate::Setup::of(cluster, "noflux");
    setup.init(&[]).assert_code(0);
    setup.init(&["--force"]).assert_code(0);
    let run = setup.secrets(&["prune", "--yes"]);
    run.assert_code(0);
    assert!(
        run.err().contains("no Kustomizations of Flux"),
        "{}",
        run.err()
    );
    assert_eq!(setup.entry("age.previous.agekey"), None);
}
