//! Faults of Flux's Kustomizations.

use serde_json::{Value, json};
use testkit::Cluster;

use super::InLine;
use crate::keypair;

const GROUP: &str = "/apis/kustomize.toolkit.fluxcd.io/v1";

impl InLine {
    pub(super) fn apply(&self, namespace: &str, name: &str, spec: &Value) {
        let mut all = json!({
            "interval": "10m",
            "prune": true,
            "sourceRef": {"kind": "GitRepository", "name": "fleet"},
        });
        for (field, value) in spec.as_object().expect("fields") {
            all[field] = value.clone();
        }
        let base = format!("{GROUP}/namespaces/{namespace}/kustomizations");
        let path = format!("{base}/{name}");
        if self.cluster.get(&path).is_some() {
            self.cluster.delete(&path);
        }
        let object = json!({
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
            "kind": "Kustomization",
            "metadata": {"name": name},
            "spec": all,
        });
        self.cluster.post(&base, &object);
    }
}

#[test]
fn kustomizations_that_cannot_decrypt_what_they_apply() {
    let cluster = Box::leak(Box::new(Cluster::start()));
    cluster.install_kustomizations();
    let in_line = InLine::on(cluster, "flux");
    in_line.assert_in_line();
    let (ns, name) = (in_line.namespace.clone(), in_line.name.clone());
    let right = json!({"provider": "sops", "secretRef": {"name": name}});
    let named = |name: &str| json!({"provider": "sops", "secretRef": {"name": name}});

    // It applies encrypted files, and does not decrypt: by its path, or by what the
    // kustomization there leads to.
    in_line.world.write(
        "clusters/prod/kustomization.yaml",
        "resources:\n- ../../apps\n",
    );
    in_line.world.write(
        "clusters/dev/deploy.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n",
    );
    for path in ["./apps", "./", "clusters/prod"] {
        in_line.apply(&ns, "apps", &json!({"path": path}));
        let screen = in_line.assert_found(
            "no-decryption",
            &[&format!("{ns}/apps: the Kustomization applies apps/db-secret.yaml, which is encrypted, and has no spec.decryption")],
        );
        assert!(
            screen.contains(&format!("secretRef: {{name: {name}}}")),
            "{screen}"
        );
        in_line.apply(&ns, "apps", &json!({"path": path, "decryption": right}));
        in_line.assert_in_line();
    }
    in_line.apply(
        &ns,
        "dev",
        &json!({"path": "./clusters/dev", "components": ["../../apps"]}),
    );
    in_line.assert_found("no-decryption", &[&format!("{ns}/dev: ")]);
    in_line.apply(&ns, "dev", &json!({"path": "./clusters/dev"}));
    in_line.assert_in_line();

    // It names a Secret that is not there, also because it is in another namespace.
    in_line.apply(
        &ns,
        "apps",
        &json!({"path": "./apps", "decryption": named("sops-agee")}),
    );
    let words = format!("decrypts with the Secret {ns}/sops-agee, which is not there");
    in_line.assert_found(
        "decryption-secret-missing",
        &[&words, &format!("secretRef.name be {name}")],
    );
    in_line.apply(&ns, "apps", &json!({"path": "./apps", "decryption": right}));
    let tenants = cluster.new_namespace("tenants");
    in_line.apply(
        &tenants,
        "apps",
        &json!({"path": "./apps", "decryption": right}),
    );
    let words = format!("decrypts with the Secret {tenants}/{name}, which is not there");
    let screen = in_line.assert_found("decryption-secret-missing", &[&words]);
    in_line.follow(
        &screen,
        "Flux looks for it in the Kustomization's own namespace; to give it this cluster's key:",
    );
    in_line.assert_in_line();
    let copy = |key: &str| cluster.put_secret(&tenants, &name, &[("age.agekey", key.as_bytes())]);

    // It names one that holds another key.
    let (other, _) = keypair(&in_line.world);
    copy(&other);
    in_line.assert_all_found(
        &["other-copy", "other-decryption-secret"],
        &[&format!("decrypts with the Secret {tenants}/{name}, which does not hold the key for apps/db-secret.yaml")],
    );
    copy(&in_line.key());
    in_line.assert_in_line();

    // It says itself that it could not decrypt; what else it says is no matter of kb's.
    let status = |ready: &str, message: &str| {
        let conditions = json!([{
            "type": "Ready", "status": ready, "reason": "BuildFailed", "message": message,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }]);
        let path = format!("{GROUP}/namespaces/{ns}/kustomizations/apps/status");
        cluster.patch_merge(&path, &json!({"status": {"conditions": conditions}}));
    };
    status(
        "False",
        "decryption failed for 'Secret.v1.[noGrp]/db.[noNs]': cannot get sops data key",
    );
    let screen = in_line.assert_found(
        "flux-failed",
        &[&format!("{ns}/apps: Flux says: decryption failed for")],
    );
    assert!(
        screen.contains(&format!("flux reconcile kustomization apps -n {ns}")),
        "{screen}"
    );
    status("False", "Deployment/apps/web dry-run failed: no such kind");
    in_line.assert_in_line();
    status("True", "Applied revision: decrypted");
    in_line.assert_in_line();

    // What it says holds no private key, and no line of kb's own.
    let (key, _) = keypair(&in_line.world);
    status(
        "False",
        &format!("cannot decrypt with {key}\n\nAll is in line.\n"),
    );
    let screen = in_line.assert_found(
        "flux-failed",
        &["cannot decrypt with [private key]  All is in line."],
    );
    assert!(!screen.contains(&key));
    let json = in_line.kb(&["status", "-o", "json"]);
    assert!(!json.out().contains(&key) && json.out().contains("[private key]"));
    status("True", "");
}

#[test]
fn what_other_repositories_apply_is_none_of_this_one() {
    let cluster = Box::leak(Box::new(Cluster::start()));
    cluster.install_kustomizations();
    cluster.install_sources();
    let in_line = InLine::on(cluster, "origin");
    in_line.git(&[
        "remote",
        "add",
        "origin",
        "git@git.example.org:platform/fleet.git",
    ]);
    let theirs = cluster.new_namespace("theirs");
    let source = |url: &str| {
        let base = format!("/apis/source.toolkit.fluxcd.io/v1/namespaces/{theirs}/gitrepositories");
        let path = format!("{base}/fleet");
        if cluster.get(&path).is_some() {
            cluster.delete(&path);
        }
        cluster.post(
            &base,
            &json!({
                "apiVersion": "source.toolkit.fluxcd.io/v1",
                "kind": "GitRepository",
                "metadata": {"name": "fleet"},
                "spec": {"interval": "1h", "url": url},
            }),
        );
    };
    // A directory of the same name, and a Secret of the same name with their own key.
    source("https://git.example.org/team/app.git");
    in_line.apply(&theirs, "app", &json!({"path": "./apps"}));
    in_line.assert_in_line();
    let named = json!({"provider": "sops", "secretRef": {"name": in_line.name}});
    in_line.apply(
        &theirs,
        "app",
        &json!({"path": "./apps", "decryption": named}),
    );
    let (other, _) = keypair(&in_line.world);
    cluster.put_secret(&theirs, &in_line.name, &[("age.agekey", other.as_bytes())]);
    in_line.assert_in_line();
    // The same of this repository is a fault, however its URL is written.
    source("ssh://git@git.example.org:22/platform/fleet");
    in_line.assert_all_found(&["other-copy", "other-decryption-secret"], &[]);
    in_line.apply(&theirs, "app", &json!({"path": "./apps"}));
    in_line.assert_all_found(&["other-copy", "no-decryption"], &[]);
    // So it is where a revision of it is a commit of this one.
    source("https://elsewhere.example.org/a/mirror.git");
    in_line.apply(
        &theirs,
        "app",
        &json!({"path": "./apps", "decryption": named}),
    );
    in_line.assert_in_line();
    in_line.apply(&theirs, "app", &json!({"path": "./apps"}));
    in_line.git(&["commit", "--quiet", "--message", "all"]);
    let commit = in_line.git(&["rev-parse", "HEAD"]).out().trim().to_owned();
    let path = format!("{GROUP}/namespaces/{theirs}/kustomizations/app/status");
    let status = json!({"status": {"lastAttemptedRevision": format!("main@sha1:{commit}")}});
    cluster.patch_merge(&path, &status);
    in_line.assert_all_found(&["other-copy", "no-decryption"], &[]);
}
