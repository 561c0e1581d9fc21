//! Faults of the cluster's Secret.

use serde_json::json;

use super::{InLine, MANIFEST};
use crate::keypair;

#[test]
fn a_missing_secret() {
    let in_line = InLine::new("missing");
    let key = in_line.key();
    in_line.cluster.delete(&in_line.path());
    let screen = in_line.assert_all_found(
        &["secret-missing", "key-not-named"],
        &[
            "the cluster has no such Secret",
            "the cluster does not hold age1",
        ],
    );
    in_line.follow_with_stdin(&screen, "to give it back the one that it had:", &key);
    in_line.assert_in_line();
}

#[test]
fn an_entry_that_flux_does_not_read() {
    let in_line = InLine::new("misnamed");
    let key = in_line.key();
    let words = "age.key holds a key, and Flux does not read it: it should be called age.agekey";
    in_line.put(&[("age.key", &key)]);
    let screen = in_line.assert_all_found(&["entry-not-read", "key-not-named"], &[words]);
    in_line.follow(&screen, "to rename age.key to age.agekey:");
    in_line.assert_in_line();
    in_line.assert_no_key_on_disk(&key);
    // Also where another entry holds the key.
    let (other, _) = keypair(&in_line.world);
    for name in ["age.key", "age.agekey.previous"] {
        let put = || {
            in_line.put(&[("age.agekey", &key), (name, &other)]);
            in_line.assert_found("entry-not-read", &[&format!("{name} holds a key")])
        };
        let screen = put();
        in_line.follow(&screen, &format!("to rename {name} to {name}.agekey:"));
        in_line.assert_in_line();
        assert_eq!(
            in_line.entry(&format!("{name}.agekey")),
            Some(other.clone())
        );
        let screen = put();
        in_line.follow(&screen, "if nothing is for its key, to remove it:");
        in_line.assert_in_line();
        assert_eq!(in_line.entry(name), None);
        assert_eq!(in_line.entry("age.agekey").as_ref(), Some(&key));
    }
    // Where the name that Flux reads is taken.
    in_line.put(&[("age.agekey", "oops"), ("keys.txt", &key)]);
    let screen = in_line.assert_all_found(&["entry-not-read", "key-not-named"], &[]);
    in_line.follow(&screen, "to rename keys.txt to keys.txt.agekey:");
    assert_eq!(in_line.entry("age.agekey").as_deref(), Some("oops"));
    in_line.assert_no_key_on_disk(&key);
    // What other kinds of decryption use is none of it.
    in_line.put(&[
        ("age.agekey", &key),
        ("sops.aws-kms", "aws_access_key_id: x"),
        ("identity.asc", "-----BEGIN PGP"),
    ]);
    in_line.assert_in_line();
}

#[test]
fn an_entry_that_is_no_key() {
    let in_line = InLine::new("no-key");
    let key = in_line.key();
    in_line.put(&[("age.agekey", &format!("{key}oops\n# a comment\n"))]);
    let screen = in_line.assert_found(
        "entry-no-key",
        &["age.agekey, line 3", "Flux refuses the whole Secret"],
    );
    // The line may be another one by now: a key, for instance.
    in_line.put(&[("age.agekey", &format!("# new\n{key}oops\n"))]);
    let line = "to remove line 3 of age.agekey:";
    let run = in_line.try_to_follow(&screen, line, "");
    assert!(
        run.code != Some(0) && run.err().contains("the object has been modified"),
        "{}",
        run.err()
    );
    let changed = in_line.entry("age.agekey").expect("the entry");
    assert_eq!(changed, format!("# new\n{key}oops\n"));
    let screen = in_line.assert_found("entry-no-key", &["age.agekey, line 4"]);
    in_line.follow(&screen, "to remove line 4 of age.agekey:");
    in_line.assert_in_line();
    let kept = in_line.entry("age.agekey").expect("the entry");
    assert_eq!(kept, format!("# new\n{key}"));
    // Nothing else in the entry, or nothing at all.
    in_line.put(&[("age.agekey", &key), ("team.agekey", "oops\n")]);
    let screen = in_line.assert_found("entry-no-key", &["team.agekey, line 1"]);
    in_line.follow(&screen, "to remove team.agekey:");
    in_line.assert_in_line();
    in_line.put(&[("age.agekey", &key), ("team.agekey", "")]);
    let screen = in_line.assert_found("entry-no-key", &["team.agekey holds no key"]);
    in_line.follow(&screen, "to remove it:");
    in_line.assert_in_line();
    // The key comes from a password manager, which prints it.
    in_line.world.script("pass", "#!/bin/sh\nexec cat\n");
    let put_back = "to put it back from your password manager, such as:";
    in_line.put(&[("age.agekey", "oops")]);
    let screen = in_line.assert_all_found(
        &["no-key", "key-not-named"],
        &["it holds no usable key: age.agekey, line 1"],
    );
    in_line.follow_with_stdin(&screen, put_back, &key);
    in_line.assert_in_line();
    in_line.put(&[("other", "x")]);
    let screen = in_line.assert_all_found(
        &["no-key", "key-not-named"],
        &["it holds other, and no key"],
    );
    in_line.follow_with_stdin(&screen, put_back, &key);
    in_line.assert_in_line();
    assert_eq!(in_line.entry("other").as_deref(), Some("x"));
    in_line.assert_no_key_on_disk(&key);
}

/// kb cannot compute the recipient of such a key.
#[test]
fn a_post_quantum_key_is_in_line_too() {
    let in_line = InLine::new("post-quantum");
    let (key, recipient) = crate::post_quantum_keypair(&in_line.world);
    let config = in_line.world.read(".sops.yaml");
    in_line.world.write(
        ".sops.yaml",
        config.replace(&in_line.recipient(), &recipient),
    );
    in_line.put(&[("age.agekey", &key)]);
    in_line.encrypt("apps/db-secret.yaml", MANIFEST);
    in_line.assert_in_line();
    let json = in_line.kb(&["status", "-o", "json"]);
    assert!(
        json.out().contains("\"for_this_cluster\": 1"),
        "{}",
        json.out()
    );
}

#[test]
fn keys_that_were_all_retired() {
    let in_line = InLine::new("only-retired");
    in_line.put(&[("age.previous.agekey", &in_line.key())]);
    let screen = in_line.assert_all_found(
        &["only-retired-keys", "retired-key-named"],
        &["it holds only retired keys"],
    );
    in_line.follow(&screen, "to give the cluster a new key:");
    in_line.prune();
    in_line.assert_in_line();
}

#[test]
fn a_secret_that_something_else_manages() {
    let in_line = InLine::new("managed");
    let label = |labels: serde_json::Value| {
        let patch = json!({"metadata": {"labels": labels}});
        in_line.cluster.patch_merge(&in_line.path(), &patch);
    };
    label(
        json!({"kustomize.toolkit.fluxcd.io/name": "infra", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}),
    );
    let screen = in_line.assert_found(
        "secret-managed",
        &["the Kustomization flux-system/infra manages it"],
    );
    assert!(
        screen.contains(&format!(
            "label secret {} kustomize.toolkit.fluxcd.io/name- ",
            in_line.name
        )),
        "{screen}"
    );
    label(
        json!({"kustomize.toolkit.fluxcd.io/name": null, "kustomize.toolkit.fluxcd.io/namespace": null}),
    );
    in_line.assert_in_line();
    label(json!({"app.kubernetes.io/managed-by": "Helm"}));
    in_line.assert_found(
        "secret-managed",
        &["Helm manages it", "app.kubernetes.io/managed-by-"],
    );
    label(json!({"app.kubernetes.io/managed-by": "kb"}));
    in_line.assert_in_line();
}

#[test]
fn a_file_that_holds_this_very_secret() {
    let in_line = InLine::new("in-repository");
    let manifest = MANIFEST.replace("name: db", &format!("name: {}", in_line.name));
    in_line.encrypt("infra/sops-secret.yaml", &manifest);
    let screen = in_line.assert_found(
        "secret-in-repository",
        &["infra/sops-secret.yaml: this file holds the Secret"],
    );
    in_line.git(&["add", "--all"]);
    in_line.git(&["commit", "--quiet", "--message", "a mistake"]);
    in_line.follow(&screen, "remove it from the repository:");
    in_line.assert_in_line();
}

#[test]
fn a_copy_with_another_key() {
    let in_line = InLine::new("copy");
    let elsewhere = in_line.cluster.new_namespace("copy-elsewhere");
    let put = |key: &str| {
        let data = [("age.agekey", key.as_bytes())];
        in_line.cluster.put_secret(&elsewhere, &in_line.name, &data);
    };
    // One that holds the same key is as it should be.
    put(&in_line.key());
    in_line.assert_in_line();
    let (other, recipient) = keypair(&in_line.world);
    put(&other);
    let screen = in_line.assert_found(
        "other-copy",
        &[&format!("{elsewhere}/{}", in_line.name), &recipient],
    );
    assert!(
        screen.contains(&format!(
            "to see whose it is: kubectl -n {elsewhere} describe"
        )),
        "{screen}"
    );
    // It is another team's own, and a rule says so.
    let config = in_line.world.read(".sops.yaml");
    let rule = format!("  - {{path_regex: ^team/, age: {recipient}}}\n");
    in_line.world.write(".sops.yaml", format!("{config}{rule}"));
    in_line.assert_in_line();
    in_line.world.write(".sops.yaml", config);
    in_line.assert_found("other-copy", &[]);
    in_line.cluster.delete(&format!(
        "/api/v1/namespaces/{elsewhere}/secrets/{}",
        in_line.name
    ));
    in_line.assert_in_line();
}

#[test]
fn a_rotation_under_way_and_a_key_that_was_not_pruned() {
    let in_line = InLine::new("rotation");
    let mut force = in_line.kb_cmd(&["init", "--force"]);
    force.env("KB_TEST_PAUSE_AT", "begun");
    let mut rotation = in_line.world.spawn(force);
    rotation.wait_until_stopped();
    rotation.kill();
    let screen = in_line.assert_found("rotation-under-way", &["a rotation is under way, to age1"]);
    in_line.follow(&screen, "to finish it:");
    let screen = in_line.assert_found("retired-key", &["it still holds the retired key age1"]);
    let hint = "when what was rotated is pushed and applied: kb k secrets prune";
    assert!(screen.contains(hint), "{screen}");
    in_line.prune();
    in_line.assert_in_line();
}

impl InLine {
    fn path(&self) -> String {
        format!(
            "/api/v1/namespaces/{}/secrets/{}",
            self.namespace, self.name
        )
    }
}
