//! A rotation that is not begun: the wrong cluster, or a Secret that is not ours.

use serde_json::json;
use testkit::UserKind;

use super::Rotating;
use crate::{Setup, assert_fails, keypair};

/// kb with the rights of `nobody` in the setup's namespace, who may do these.
fn as_nobody_who_may(rotating: &Rotating, verbs: &[&str]) {
    let cluster = rotating.cluster;
    cluster.grant(&rotating.namespace, UserKind::User, "nobody", verbs);
    let user = json!({"token": cluster.nobody_token()});
    let kubeconfig = cluster.kubeconfig().user(user);
    rotating.world.kubeconfig(&kubeconfig.to_yaml());
}

#[test]
fn a_repository_that_does_not_know_the_cluster_is_left_alone() {
    let rotating = Rotating::new("wrong");
    let wrong = Setup::initialized("right");
    // The same repository, another cluster.
    let run = rotating
        .world
        .kb(["k", "secrets", "init", "--force", "-n", &wrong.namespace]);
    let words = [
        "nothing in this repository is for this cluster",
        &wrong.recipient(),
        "context \"",
        "--context",
    ];
    assert_fails(&run, 1, &words);
    assert!(
        run.err()
            .contains(&rotating.world.repo().display().to_string()),
        "{}",
        run.err()
    );
    rotating.assert_untouched();
}

#[test]
fn a_clone_that_knows_only_retired_keys_is_behind() {
    let rotating = Rotating::new("behind");
    let (new, new_recipient) = keypair(&rotating.world);
    let old = rotating.keys();
    rotating.put_key(&[("age.agekey", &new), ("age.previous.agekey", &old)]);
    let run = rotating.force(&[]);
    assert_fails(
        &run,
        1,
        &[
            "only retired keys",
            &new_recipient,
            "git pull",
            "--use-existing",
        ],
    );
    assert_eq!(rotating.entry("age.agekey"), Some(new));
    rotating.assert_all_open();
}

/// As kustomize-controller does it.
#[test]
fn a_secret_that_something_else_manages_is_refused() {
    let rotating = Rotating::new("managed");
    let key = rotating.keys();
    let path = rotating.path();
    let apply = |labels: serde_json::Value| {
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "sops-age", "labels": labels},
            "stringData": {"age.agekey": key},
        })
    };
    // stringData is written to data, and owned there.
    let flux = json!({"kustomize.toolkit.fluxcd.io/name": "infra", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"});
    let body = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "sops-age", "labels": flux}, "data": {"age.agekey": base64(&key)}});
    let applied = format!("{path}?fieldManager=kustomize-controller&force=true");
    let (status, answer) = rotating.cluster.request("APPLY", &applied, Some(&body));
    assert_eq!(status, 200, "{answer}");
    let run = rotating.force(&[]);
    assert_fails(
        &run,
        1,
        &[
            "is managed by",
            "the Kustomization flux-system/infra",
            "kustomize-controller",
            "put the old key back",
        ],
    );
    rotating.assert_untouched();

    // By server-side apply alone, without the labels.
    rotating.cluster.delete(&path);
    let body = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "sops-age"}, "data": {"age.agekey": base64(&key)}});
    let applied = format!("{path}?fieldManager=argocd-controller&force=true");
    let (status, answer) = rotating.cluster.request("APPLY", &applied, Some(&body));
    assert_eq!(status, 201, "{answer}");
    let run = rotating.force(&[]);
    assert_fails(&run, 1, &["argocd-controller, which has applied the key"]);
    assert!(!run.err().contains("Kustomization"), "{}", run.err());
    rotating.assert_untouched();

    // An owner, and Helm.
    rotating.cluster.delete(&path);
    let secrets = format!("/api/v1/namespaces/{}/secrets", rotating.namespace);
    let mut owned = apply(json!({}));
    owned["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "name": "sops-age", "uid": "1-2-3",
    }]);
    rotating.cluster.post(&secrets, &owned);
    let run = rotating.force(&[]);
    assert_fails(&run, 1, &["its owner ExternalSecret/sops-age"]);
    rotating.cluster.delete(&path);
    rotating.cluster.post(
        &secrets,
        &apply(json!({"app.kubernetes.io/managed-by": "Helm"})),
    );
    assert_fails(&rotating.force(&[]), 1, &["is managed by Helm"]);
    // A person's kubectl is no manager.
    rotating.cluster.delete(&path);
    rotating.cluster.post(&secrets, &apply(json!({})));
    let run = rotating.force(&[]);
    rotating.assert_rotated(&run);
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[test]
fn a_repository_that_holds_the_very_secret_is_refused() {
    let rotating = Rotating::new("own");
    let key = rotating.keys();
    let manifest = |data: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\n---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: sops-age\n  namespace: {}\n{data}",
            rotating.namespace
        )
    };
    let plaintext = manifest(&format!("data:\n  age.agekey: {}\n", base64(&key)));
    rotating.world.write("infra/key.yaml", &plaintext);
    let run = rotating.force(&[]);
    assert_fails(
        &run,
        1,
        &[
            "is in this repository",
            "infra/key.yaml",
            "put the old key back",
        ],
    );
    // As kubectl prints several, and behind a document that is no manifest.
    let list = format!(
        "- a list\n---\napiVersion: v1\nkind: List\nitems:\n- kind: ConfigMap\n- kind: Secret\n  metadata: {{name: sops-age}}\n  data: {{age.agekey: {}}}\n",
        base64(&key)
    );
    rotating.world.write("infra/key.yaml", list);
    assert_fails(&rotating.force(&[]), 1, &["infra/key.yaml"]);
    // Encrypted, so that this cluster's Flux opens it.
    let text = manifest(&format!("stringData:\n  age.agekey: {key}\n"));
    rotating.world.write("infra/key.yaml", text);
    let config = format!(
        "creation_rules:\n- age: {}\n  encrypted_regex: ^(data|stringData)$\n",
        rotating.old
    );
    rotating.encrypt_by(&config, "infra/key.yaml");
    let run = rotating.force(&[]);
    assert_fails(&run, 1, &["is in this repository", "infra/key.yaml"]);
    // Another cluster's Secret of that name is none of ours; that of people's own
    // keys may be.
    let (other, other_recipient) = keypair(&rotating.world);
    rotating.world.write(
        "infra/key.yaml",
        manifest(&format!("stringData:\n  age.agekey: {other}\n")),
    );
    // An object of somebody's own kind of that name, whose values this cluster opens.
    let custom = manifest("stringData:\n  a: b\n").replace(
        "apiVersion: v1\nkind: Secret",
        "apiVersion: example.org/v1\nkind: Secret",
    );
    rotating.world.write("infra/custom.yaml", &custom);
    rotating.encrypt_by(&config, "infra/custom.yaml");
    rotating.world.write(
        "infra/flux.yaml",
        "kind: Kustomization\nspec:\n  decryption:\n    secretRef:\n      name: sops-age\n",
    );
    let theirs = manifest(&format!("stringData:\n  age.agekey: {other}\n"));
    rotating.world.write("infra/theirs.yaml", theirs);
    let config = format!(
        "creation_rules:\n- age: {}\n  encrypted_regex: ^(data|stringData)$\n",
        other_recipient
    );
    rotating.encrypt_by(&config, "infra/theirs.yaml");
    let run = rotating.force(&[]);
    rotating.assert_rotated(&run);
    assert!(
        run.err()
            .contains("infra/theirs.yaml holds a Secret of this name"),
        "{}",
        run.err()
    );
    let custom = rotating.world.read("infra/custom.yaml");
    assert!(!custom.contains(&rotating.old), "{custom}");
}

#[test]
fn an_immutable_secret_is_refused() {
    let rotating = Rotating::new("immutable");
    rotating
        .cluster
        .patch_merge(&rotating.path(), &json!({"immutable": true}));
    assert_fails(&rotating.force(&[]), 1, &["is immutable", "kubectl"]);
    rotating.assert_untouched();
}

#[test]
fn whoever_may_read_and_not_update_is_told_before_anything_changes() {
    let rotating = Rotating::new("rbac");
    as_nobody_who_may(&rotating, &["get"]);
    let run = rotating.force(&[]);
    assert_fails(
        &run,
        1,
        &[
            "the API server denies it",
            "update",
            "a Role with the verb update on secrets",
        ],
    );
    rotating.assert_untouched();
    // The right to see Kustomizations is not needed.
    as_nobody_who_may(&rotating, &["get", "update"]);
    let run = rotating.force(&[]);
    rotating.assert_rotated(&run);
}

#[test]
fn lines_that_would_be_lost_stop_it() {
    let rotating = Rotating::new("lines");
    let key = rotating.keys();
    rotating.put_key(&[("age.agekey", &format!("{key}\nAGE-SECRET-KEY-1MISTYPED\n"))]);
    let run = rotating.force(&[]);
    assert_fails(&run, 1, &["lines that are no keys", "age.agekey, line 2"]);
    rotating.put_key(&[("age.agekey", &key), ("age.next.agekey", "nonsense")]);
    assert_fails(&rotating.force(&[]), 1, &["age.next.agekey, line 1"]);
    rotating.put_key(&[("age.agekey", &key)]);
    rotating.assert_untouched();
}

/// On a terminal it asks; where nobody is there, the option was the answer.
#[test]
fn on_a_terminal_it_asks_first() {
    use crate::terminal::Terminal;
    let rotating = Rotating::new("asks");
    let mut terminal = Terminal::start(&rotating.setup, "init --force");
    terminal.wait_for("[y/N] ");
    terminal.type_text("\u{3}");
    // Ctrl-C ends it there and then.
    assert_eq!(terminal.end().0, Some(130));
    rotating.assert_untouched();
    let mut terminal = Terminal::start(&rotating.setup, "init --force");
    terminal.wait_for("[y/N] ");
    terminal.type_line("");
    terminal.wait_for("error: nothing was changed");
    assert_eq!(terminal.end().0, Some(1));
    rotating.assert_untouched();
    let mut terminal = Terminal::start(&rotating.setup, "init --force");
    terminal.wait_for("[y/N] ");
    terminal.type_line("y");
    terminal.wait_for("AGE-SECRET-KEY-1");
    terminal.wait_for("Done: 6 files");
    assert_eq!(terminal.end().0, Some(0));
    let mut terminal = Terminal::start(&rotating.setup, "init --force --yes");
    terminal.wait_for("Done: 6 files");
    assert_eq!(terminal.end().0, Some(0));
}
