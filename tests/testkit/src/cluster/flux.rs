//! Flux's Kustomizations, as objects: the real definition, and no controller.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::Cluster;

const MODULE: &str = "github.com/fluxcd/kustomize-controller";
const DEFINITION: &str = "config/crd/bases/kustomize.toolkit.fluxcd.io_kustomizations.yaml";
const LIST: &str = "/apis/kustomize.toolkit.fluxcd.io/v1/kustomizations";

impl Cluster {
    /// Teaches the cluster what a Kustomization is, by the definition that the
    /// controller's own module holds.
    ///
    /// # Panics
    /// If Go cannot get that module, or the server does not take it.
    pub fn install_kustomizations(&self) {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        if self.request("GET", LIST, None).0 == 200 {
            return;
        }
        let definition = controller_module().join(DEFINITION);
        let text = std::fs::read_to_string(&definition)
            .unwrap_or_else(|error| panic!("{}: {error}", definition.display()));
        let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        let (status, answer) = self.admin.post_yaml(path, &text);
        assert!(status == 201, "POST {path}: {status} {answer}");
        for _ in 0..400 {
            if self.request("GET", LIST, None).0 == 200 {
                return;
            }
            thread::sleep(Duration::from_millis(25));
        }
        panic!("the server does not serve Kustomizations");
    }

    /// Creates a Kustomization that decrypts with a Secret of its namespace, and
    /// has applied a revision.
    pub fn kustomization(&self, namespace: &str, name: &str, secret: &str, revision: Option<&str>) {
        let base =
            format!("/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/{namespace}/kustomizations");
        self.post(
            &base,
            &json!({
                "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
                "kind": "Kustomization",
                "metadata": {"name": name},
                "spec": {
                    "interval": "10m",
                    "prune": true,
                    "path": "./",
                    "sourceRef": {"kind": "GitRepository", "name": "flux-system"},
                    "decryption": {"provider": "sops", "secretRef": {"name": secret}},
                },
            }),
        );
        if let Some(revision) = revision {
            let status = json!({"status": {"lastAppliedRevision": revision}});
            self.patch_merge(&format!("{base}/{name}/status"), &status);
        }
    }
}

/// Where Go keeps the controller's source.
fn controller_module() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/flux");
    let output = Command::new("go")
        .args(["mod", "download", "-json", MODULE])
        .current_dir(folder)
        .env("GOWORK", "off")
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("go, which gets {MODULE}: {error}"));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let said = String::from_utf8_lossy(&output.stderr);
    let directory = answer["Dir"].as_str();
    PathBuf::from(directory.unwrap_or_else(|| panic!("go did not get {MODULE}: {answer} {said}")))
}
