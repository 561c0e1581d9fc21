//! Copies of the Secret that Kustomizations decrypt with.

use testkit::UserKind;

use super::{Rotating, go_on};
use crate::assert_fails;

/// A copy of the key in another namespace, and a Kustomization that uses it.
fn with_copy(rotating: &Rotating) -> String {
    let cluster = rotating.cluster;
    cluster.install_kustomizations();
    let namespace = cluster.new_namespace("copy");
    let key = rotating.entry("age.agekey").expect("a key");
    cluster.put_secret(
        &namespace,
        "sops-age",
        &[("age.agekey", key.as_bytes()), ("note", b"theirs")],
    );
    cluster.kustomization(&namespace, "apps", "sops-age", None);
    namespace
}

#[test]
fn copies_are_named_and_rotated_only_when_asked() {
    let rotating = Rotating::new("copies");
    let copy = with_copy(&rotating);
    let run = rotating.force(&[]);
    let words = [
        "Kustomizations decrypt with copies of the key",
        &format!("{copy}/sops-age, used by {copy}/apps"),
        "--all-copies",
        "--only-this",
    ];
    assert_fails(&run, 1, &words);
    rotating.assert_untouched();
    // Killed in the middle, it is finished in both.
    for point in ["begun", "replaced", "shown"] {
        let (_, _) = rotating.paused_at(point, &["--all-copies"]).kill();
        rotating.assert_open_with(&rotating.keys());
        if point != "begun" {
            rotating.assert_open_with(&rotating.keys_of(&copy));
        }
    }
    let run = rotating.force(&["--all-copies"]);
    rotating.assert_rotated(&run);
    assert!(
        run.err()
            .contains(&format!("  copies      {copy}/sops-age\n")),
        "{}",
        run.err()
    );
    let data = rotating
        .cluster
        .secret(&copy, "sops-age")
        .expect("the copy");
    let text = |name: &str| String::from_utf8(data[name].clone()).expect("text");
    assert_eq!(text("age.agekey").lines().last(), Some(run.out().trim()));
    assert_eq!(
        Some(text("age.previous.agekey")),
        rotating.entry("age.previous.agekey")
    );
    assert_eq!(text("note"), "theirs");
    assert!(!data.contains_key("age.next.agekey"));
}

/// A copy in which something else goes on.
#[test]
fn a_copy_with_keys_of_its_own_is_refused_before_anything_changes() {
    let rotating = Rotating::new("unfit");
    let copy = with_copy(&rotating);
    let key = rotating.keys();
    let (other, _) = crate::keypair(&rotating.world);
    let both = format!("{key}\n{other}\n");
    let bad = format!("{key}\nnonsense\n");
    for (data, words) in [
        (
            &[("age.agekey", &key), ("age.next.agekey", &other)][..],
            "a rotation of its own is under way",
        ),
        (&[("age.agekey", &both)], "other keys beside the old one"),
        (&[("age.agekey", &bad)], "lines that are no keys"),
    ] {
        let data: Vec<(&str, &[u8])> = data
            .iter()
            .map(|(name, text)| (*name, text.as_bytes()))
            .collect();
        rotating.cluster.put_secret(&copy, "sops-age", &data);
        let run = rotating.force(&["--all-copies"]);
        assert_fails(
            &run,
            1,
            &[
                &format!("the copy {copy}/sops-age cannot be rotated too"),
                words,
            ],
        );
        rotating.assert_untouched();
    }
}

/// What is said is about the copy, and not about the Secret.
#[test]
fn a_copy_that_goes_away_meanwhile_is_named() {
    let rotating = Rotating::new("gonecopy");
    let copy = with_copy(&rotating);
    let path = format!("/api/v1/namespaces/{copy}/secrets/sops-age");
    let spawned = rotating.paused_at("staged", &["--all-copies"]);
    rotating.cluster.delete(&path);
    let run = go_on(spawned);
    let named = format!("the copy {copy}/sops-age did not take the new key");
    assert_fails(&run, 1, &[&named, "--only-this", "init --force"]);
    assert!(!run.err().contains("--import"), "{}", run.err());
    let run = rotating.force(&["--all-copies"]);
    rotating.assert_rotated(&run);
}

#[test]
fn only_this_leaves_the_copies_and_says_so() {
    let rotating = Rotating::new("onlythis");
    let copy = with_copy(&rotating);
    let before = rotating.keys_of(&copy);
    let run = rotating.force(&["--only-this"]);
    rotating.assert_rotated(&run);
    assert_eq!(rotating.keys_of(&copy), before);
    assert!(
        run.err().contains(&format!("the Secret {copy}/sops-age")),
        "{}",
        run.err()
    );
}

/// One that holds another key is no copy; one that cannot be read may be one.
#[test]
fn what_cannot_be_read_may_be_a_copy() {
    let rotating = Rotating::new("unread");
    let copy = with_copy(&rotating);
    let (other, _) = crate::keypair(&rotating.world);
    rotating
        .cluster
        .put_secret(&copy, "sops-age", &[("age.agekey", other.as_bytes())]);
    rotating.force(&["--dry-run"]).assert_code(0);
    let cluster = rotating.cluster;
    let namespace = &rotating.namespace;
    cluster.grant(
        namespace,
        UserKind::ServiceAccount,
        "kb",
        &["get", "update"],
    );
    let token = cluster.service_account_token(namespace, "kb");
    let user = serde_json::json!({"token": token});
    rotating
        .world
        .kubeconfig(&cluster.kubeconfig().user(user).to_yaml());
    // It may not list Kustomizations either, which is said.
    let run = rotating.force(&["--dry-run"]);
    run.assert_code(0);
    assert!(
        run.err().contains("kb may not list Kustomizations"),
        "{}",
        run.err()
    );
    cluster.allow_kustomizations(namespace, "kb");
    let run = rotating.force(&["--dry-run"]);
    assert_fails(&run, 1, &["copies of the key", &format!("{copy}/sops-age")]);
    let run = rotating.force(&["--dry-run", "--all-copies"]);
    assert_fails(
        &run,
        1,
        &["Secrets that kb may not read", &format!("{copy}/sops-age")],
    );
    let run = rotating.force(&["--only-this"]);
    rotating.assert_rotated(&run);
}

/// A copy that something else manages would get the old key back.
#[test]
fn a_copy_that_something_else_manages_is_refused() {
    let rotating = Rotating::new("mirrored");
    let copy = with_copy(&rotating);
    let labels =
        serde_json::json!({"metadata": {"labels": {"kustomize.toolkit.fluxcd.io/name": "x"}}});
    let path = format!("/api/v1/namespaces/{copy}/secrets/sops-age");
    rotating.cluster.patch_merge(&path, &labels);
    let run = rotating.force(&["--all-copies"]);
    assert_fails(
        &run,
        1,
        &[&format!("the Secret {copy}/sops-age is managed by")],
    );
    rotating.assert_untouched();
    let spawned = rotating.paused_at("staged", &["--only-this"]);
    let run = go_on(spawned);
    rotating.assert_rotated(&run);
}
