//! What Flux has deployed.

use serde_json::{Value, json};

use super::{FILE, Pruning};
use crate::assert_fails;

const NOTHING: [&str; 0] = [];
const UNKNOWN: &str = "0123456789abcdef0123456789abcdef01234567";

fn digest(pruning: &Pruning, status: Value) {
    pruning.applied("oci", &status);
    pruning.source_kind("oci", "OCIRepository");
}

const DIGEST: &str =
    "latest@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

#[test]
fn a_commit_that_is_not_in_this_clone_may_hold_anything() {
    let pruning = Pruning::new("notinclone");
    pruning.deployed(UNKNOWN);
    let run = pruning.prune(&["--yes"]);
    assert_fails(&run, 1, &["is not in this clone", "git fetch", "deployed"]);
    let user = format!("{}/apps", pruning.namespace);
    assert!(run.err().contains(&user), "{}", run.err());
    assert_eq!(pruning.kept_by(&[]), ["deployed"]);
}

/// What Flux has tried last, it goes on trying.
#[test]
fn the_revision_that_flux_tries_to_apply_keeps_the_key() {
    let pruning = Pruning::new("attempted");
    let head = pruning.git(&["rev-parse", "HEAD"]);
    let revision = |commit: &str| format!("main@sha1:{commit}");
    let old = pruning.old_commit(FILE);
    let status = |applied: &str, attempted: &str| json!({"lastAppliedRevision": revision(applied), "lastAttemptedRevision": revision(attempted)});
    pruning.applied("apps", &status(&head, &old));
    assert_eq!(pruning.kept_by(&[]), ["deployed"]);
    pruning.applied("apps", &status(&head, &head));
    assert_eq!(pruning.kept_by(&[]), NOTHING);
}

#[test]
fn an_artifact_is_known_by_the_commit_that_it_was_made_of() {
    let pruning = Pruning::new("origin");
    let head = pruning.git(&["rev-parse", "HEAD"]);
    let old = pruning.old_commit(FILE);
    let made_of = |commit: &str| {
        let origin = format!("main@sha1:{commit}");
        let status = json!({
            "lastAppliedRevision": DIGEST,
            "lastAppliedOriginRevision": origin,
            "lastAttemptedRevision": DIGEST,
        });
        digest(&pruning, status);
    };
    made_of(&head);
    assert_eq!(pruning.kept_by(&[]), NOTHING);
    made_of(&old);
    assert_eq!(pruning.kept_by(&[]), ["deployed"]);
    made_of(UNKNOWN);
    assert_eq!(pruning.kept_by(&[]), ["deployed"]);
}

/// A person can say which commit it is, where the cluster does not.
#[test]
fn a_commit_that_was_said_is_searched_and_printed_back() {
    let pruning = Pruning::new("said");
    let head = pruning.git(&["rev-parse", "HEAD"]);
    let old = pruning.old_commit(FILE);
    digest(&pruning, json!({"lastAppliedRevision": DIGEST}));
    let name = format!("{}/oci", pruning.namespace);
    let run = pruning.prune(&["--yes"]);
    let hint = format!("--deployed {name}=COMMIT");
    assert_fails(&run, 1, &["is not a commit of Git", "deployed", &hint]);
    let said = |commit: &str| format!("{name}={commit}");
    for (commit, kept) in [
        (&head, &[][..]),
        (&old, &["deployed"]),
        (&UNKNOWN.to_owned(), &["deployed"]),
    ] {
        assert_eq!(pruning.kept_by(&["--deployed", &said(commit)]), kept);
        assert_eq!(pruning.kept_by(&["--deployed", commit]), kept);
    }
    let run = pruning.prune(&["--dry-run", "--deployed", &head]);
    let back = format!("{DIGEST} of {name}, by --deployed {head}");
    assert!(run.assert_code(0).err().contains(&back), "{}", run.err());
    // It never takes the place of one that the cluster names.
    pruning.deployed(&old);
    assert_eq!(pruning.kept_by(&["--deployed", &head]), ["deployed"]);
    let other = format!("{}/apps={head}", pruning.namespace);
    let run = pruning.prune(&["--yes", "--deployed", &other]);
    assert_fails(&run, 1, &["which names its commit"]);
    let run = pruning.prune(&["--yes", "--deployed", &format!("a/b={head}")]);
    assert_fails(&run, 1, &["no Kustomization a/b decrypts with this Secret"]);
    for text in ["main", "HEAD", &head[..12]] {
        pruning.prune(&["--yes", "--deployed", text]).assert_code(2);
    }
    assert!(pruning.retired_entry().is_some());
}

/// What has applied nothing yet begins with the newest revision; what decrypts with another
/// Secret has its own keys.
#[test]
fn other_kustomizations_do_not_count() {
    let pruning = Pruning::new("others");
    let old = pruning.old_commit(FILE);
    let namespace = &pruning.namespace;
    pruning
        .cluster
        .kustomization(namespace, "new", "sops-age", None);
    let revision = format!("main@sha1:{old}");
    pruning
        .cluster
        .kustomization(namespace, "other", "other-age", Some(&revision));
    assert_eq!(pruning.kept_by(&[]), NOTHING);
}
