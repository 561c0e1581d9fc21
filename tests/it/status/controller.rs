//! What `status` says of kustomize-controller, and of commits that it has not applied.

use serde_json::{Value, json};
use testkit::Cluster;

use super::InLine;

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces";

impl InLine {
    /// Puts the controller's Deployment into the namespace, with these arguments.
    fn controller(&self, args: &[&str]) {
        let base = format!("{DEPLOYMENTS}/{}/deployments", self.namespace);
        let path = format!("{base}/kustomize-controller");
        if self.cluster.get(&path).is_some() {
            self.cluster.delete(&path);
        }
        let labels = json!({
            "app": "kustomize-controller",
            "app.kubernetes.io/component": "kustomize-controller",
        });
        let container = json!({
            "name": "manager",
            "image": "ghcr.io/fluxcd/kustomize-controller:v1.7.2",
            "args": args,
        });
        self.cluster.post(
            &base,
            &json!({
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": "kustomize-controller", "labels": labels},
                "spec": {
                    "selector": {"matchLabels": {"app": "kustomize-controller"}},
                    "template": {
                        "metadata": {"labels": labels},
                        "spec": {"containers": [container]},
                    },
                },
            }),
        );
    }

    fn status_json(&self) -> (Option<i32>, Value) {
        let run = self.kb(&["status", "-o", "json"]);
        (run.code, serde_json::from_str(run.out()).expect("JSON"))
    }
}

/// A cluster of its own, on which the repository's Kustomization names no Secret.
fn without_a_named_secret(prefix: &str) -> InLine {
    let cluster = Box::leak(Box::new(Cluster::start()));
    cluster.install_kustomizations();
    let in_line = InLine::on(cluster, prefix);
    let decryption = json!({"path": "./apps", "decryption": {"provider": "sops"}});
    in_line.apply(&in_line.namespace, "apps", &decryption);
    in_line
}

#[test]
fn the_secret_of_the_controllers_option_is_the_one_where_a_kustomization_names_none() {
    let in_line = without_a_named_secret("fallback");
    // Nobody can tell which one that is.
    let (code, json) = in_line.status_json();
    assert_eq!(code, Some(1), "{json:#}");
    assert_eq!(json["controllers"], json!([]));
    assert_eq!(json["unseen"][0]["kind"], "fallback-unseen");

    in_line.controller(&["--watch-all-namespaces"]);
    in_line.assert_found("no-decryption-secret", &["has no --sops-age-secret"]);

    in_line.controller(&[&format!("--sops-age-secret={}", in_line.name)]);
    in_line.assert_in_line();
    let (_, json) = in_line.status_json();
    let fallback = format!("{}/{}", in_line.namespace, in_line.name);
    assert_eq!(json["controllers"][0]["version"], "v1.7.2");
    assert_eq!(json["controllers"][0]["fallback"], fallback.as_str());
    let run = in_line.kb(&["status"]);
    let words = format!(
        "kustomize-controller v1.7.2, decrypts with the Secret {fallback} where a Kustomization names none"
    );
    assert!(run.out().contains(&words), "{}", run.out());

    in_line.controller(&["--sops-age-secret=elsewhere"]);
    in_line.assert_found(
        "decryption-secret-missing",
        &["/elsewhere, which is not there"],
    );
}

#[test]
fn a_controller_that_may_not_be_read_is_said_to_be_unknown() {
    let in_line = without_a_named_secret("unreadable");
    in_line.controller(&[&format!("--sops-age-secret={}", in_line.name)]);
    let cluster = in_line.cluster;
    let token = cluster.service_account_token(&in_line.namespace, "reader");
    let account = testkit::UserKind::ServiceAccount;
    cluster.grant(&in_line.namespace, account, "reader", &["get"]);
    cluster.allow_kustomizations(&in_line.namespace, "reader");
    let reader = cluster.kubeconfig().user(json!({"token": token}));
    in_line.world.kubeconfig(&reader.to_yaml());
    let (code, json) = in_line.status_json();
    assert_eq!(code, Some(1), "{json:#}");
    assert_eq!(json["controllers"], Value::Null);
    assert_eq!(json["unseen"][0]["kind"], "fallback-unseen");
    let run = in_line.kb(&["status"]);
    let words = "kustomize-controller: cannot tell, kb may not list Deployments";
    assert!(run.out().contains(words), "{}", run.out());
    // Where the Kustomization names its Secret, nothing depends on it.
    let named = json!({
        "path": "./apps",
        "decryption": {"provider": "sops", "secretRef": {"name": in_line.name}},
    });
    in_line.apply(&in_line.namespace, "apps", &named);
    in_line.assert_in_line();
}

#[test]
fn commits_that_are_not_applied_yet_are_counted() {
    let in_line = without_a_named_secret("pending");
    in_line.controller(&[&format!("--sops-age-secret={}", in_line.name)]);
    in_line.git(&["branch", "-M", "main"]);
    let commit = |message: &str| {
        in_line.git(&[
            "commit",
            "--quiet",
            "--allow-empty",
            "--all",
            "--message",
            message,
        ]);
        let run = in_line.git(&["rev-parse", "HEAD"]);
        run.out().trim().to_owned()
    };
    let path = format!(
        "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/{}/kustomizations/apps/status",
        in_line.namespace
    );
    let applied = |commit: &str| {
        let revision = format!("main@sha1:{commit}");
        let status = json!({"status": {"lastAppliedRevision": revision}});
        in_line.cluster.patch_merge(&path, &status);
    };
    let first = commit("one");
    in_line.git(&["branch", "-M", "main"]);
    applied(&first);
    let pending = || in_line.status_json().1["pending"].clone();
    assert_eq!(pending(), json!([]));
    commit("two");
    commit("three");
    let name = format!("{}/apps", in_line.namespace);
    assert_eq!(
        pending(),
        json!([{"branch": "main", "commits": 2, "kustomizations": [name]}])
    );
    // It is no problem: Flux may be about to apply them.
    let run = in_line.kb(&["status"]);
    let words = format!("2 commits of main are not applied yet: {name}");
    assert!(run.assert_code(0).out().contains(&words), "{}", run.out());
    // What was pushed counts, where that is known.
    in_line.git(&["remote", "add", "origin", "git@git.example.org:a/b.git"]);
    in_line.git(&["update-ref", "refs/remotes/origin/main", "HEAD~1"]);
    assert_eq!(pending()[0]["branch"], "origin/main");
    assert_eq!(pending()[0]["commits"], 1);
}
