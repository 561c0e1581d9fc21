//! Faults of Flux's Kustomizations.

use serde_json::{Value, json};
use testkit::Cluster;

use super::InLine;
use crate::keypair;

const GROUP: &str = "/apis/kustomize.toolkit.fluxcd.io/v1";

impl InLine {
    fn apply(&self, namespace: &str, name: &str, spec: &Value) {
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

    // Another repository's directory of the same name is none of this one's.
    let theirs = cluster.new_namespace("theirs");
    in_line.encrypt_for(&keypair(&in_line.world).1, "charts/theirs.json", "{}\n");
    std::fs::remove_file(in_line.world.path("charts/theirs.json")).expect("removed");
    in_line.apply(&theirs, "app", &json!({"path": "./deploy"}));
    in_line.assert_in_line();
}
