//! Flux: its objects, by their real definitions, and its kustomize-controller.
//!
//! | module | holds |
//! | --- | --- |
//! | this one | the objects alone, for what only reads them |
//! | `controller` | the controller |

mod controller;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::Cluster;
use crate::tools::required_version;

pub use controller::Flux;

const MODULE: &str = "github.com/fluxcd/kustomize-controller";
/// Its tag is that of the API module that the controller is built with.
const SOURCE_MODULE: &str = "github.com/fluxcd/source-controller";
const SOURCE_API: &str = "github.com/fluxcd/source-controller/api";
const DEFINITIONS: &str = "config/crd/bases";
/// What the controller watches: with one missing it ends after two minutes.
const SOURCES: [&str; 3] = ["buckets", "gitrepositories", "ocirepositories"];
const KUSTOMIZE: &str = "/apis/kustomize.toolkit.fluxcd.io";
const SOURCE: &str = "/apis/source.toolkit.fluxcd.io";

impl Cluster {
    /// Teaches the cluster what a Kustomization is, by the definition that the
    /// controller's own module holds.
    ///
    /// # Panics
    /// If Go cannot get that module, or the server does not take it.
    pub fn install_kustomizations(&self) {
        let name = "kustomize.toolkit.fluxcd.io_kustomizations.yaml";
        let list = format!("{KUSTOMIZE}/v1/kustomizations");
        self.install(&list, || module(MODULE).join(DEFINITIONS).join(name));
    }

    /// Teaches the cluster where Kustomizations have their files from.
    ///
    /// # Panics
    /// As [`Cluster::install_kustomizations`].
    pub fn install_sources(&self) {
        let version = source_version();
        for source in SOURCES {
            let name = format!("source.toolkit.fluxcd.io_{source}.yaml");
            self.install(&format!("{SOURCE}/v1/{source}"), || {
                let module = module(&format!("{SOURCE_MODULE}@{version}"));
                module.join(DEFINITIONS).join(name)
            });
        }
    }

    /// Teaches the cluster a definition, unless it answers at `list` already.
    fn install(&self, list: &str, definition: impl FnOnce() -> PathBuf) {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let is_served = || self.request("GET", list, None).0 == 200;
        if is_served() {
            return;
        }
        let definition = definition();
        let text = std::fs::read_to_string(&definition)
            .unwrap_or_else(|error| panic!("{}: {error}", definition.display()));
        let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        let (status, answer) = self.admin.post_yaml(path, &text);
        assert!(status == 201, "POST {path}: {status} {answer}");
        for _ in 0..400 {
            if is_served() {
                return;
            }
            thread::sleep(Duration::from_millis(25));
        }
        panic!("the server does not serve {list}");
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

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/flux")
}

/// The version of the sources' definitions, which the controller is built with.
fn source_version() -> String {
    let file = folder().join("go.mod");
    let text = std::fs::read_to_string(&file)
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let version = required_version(&text, SOURCE_API);
    format!(
        "v{}",
        version.expect("the controller needs the sources' API")
    )
}

/// Where Go keeps the source of a module.
fn module(module: &str) -> PathBuf {
    let output = Command::new("go")
        .args(["mod", "download", "-json", module])
        .current_dir(folder())
        .env("GOWORK", "off")
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("go, which gets {module}: {error}"));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let said = String::from_utf8_lossy(&output.stderr);
    let directory = answer["Dir"].as_str();
    PathBuf::from(directory.unwrap_or_else(|| panic!("go did not get {module}: {answer} {said}")))
}
