//! The real kustomize-controller, and what it has its files from.

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{KUSTOMIZE, SOURCE};
use crate::cluster::Cluster;
use crate::net::FileServer;
use crate::tools::Tools;

const NAME: &str = "kustomize-controller";
/// Where Flux's own things are.
const NAMESPACE: &str = "flux-system";
/// How long Flux may take: 3 s alone, more when every core is busy.
const PATIENCE: Duration = Duration::from_secs(120);

/// kustomize-controller, as a plain process on a cluster of its own. There is no
/// source-controller: the test serves what it would have fetched.
#[derive(Debug)]
pub struct Flux<'c> {
    cluster: &'c Cluster,
    artifacts: FileServer,
}

impl Cluster {
    /// Teaches the cluster what Flux works with, and starts its kustomize-controller,
    /// with an empty environment: sops in it would look for keys in a HOME.
    ///
    /// # Panics
    /// If a part cannot be had. On the shared cluster, whose Kustomizations are other
    /// tests'.
    pub fn start_flux(&self) -> Flux<'_> {
        assert!(!self.is_shared, "Flux gets a cluster of its own");
        self.install_kustomizations();
        self.install_sources();
        self.create_namespace(NAMESPACE);
        let home = self.dir().join("flux-home");
        std::fs::create_dir_all(&home).expect("a home");
        let kubeconfig = self.dir().join("flux-kubeconfig");
        std::fs::write(&kubeconfig, self.kubeconfig().to_yaml()).expect("a kubeconfig");
        let variable = |name: &str, path: &Path| format!("{name}={}", path.display());
        let controller = Tools::get().kustomize_controller().display().to_string();
        let args = [
            variable("HOME", &home),
            variable("TMPDIR", &home),
            variable("KUBECONFIG", &kubeconfig),
            format!("RUNTIME_NAMESPACE={NAMESPACE}"),
            controller,
            "--metrics-addr=127.0.0.1:0".to_owned(),
            "--health-addr=127.0.0.1:0".to_owned(),
            "--events-addr=".to_owned(),
            "--no-remote-bases".to_owned(),
            "--interval-jitter-percentage=0".to_owned(),
            "--max-retry-delay=5s".to_owned(),
        ];
        self.supervisor
            .start(NAME, Path::new("/usr/bin/env"), &args);
        Flux {
            cluster: self,
            artifacts: FileServer::start(),
        }
    }
}

impl Flux<'_> {
    /// Creates a GitRepository with nothing fetched yet.
    pub fn git_repository(&self, name: &str, url: &str) {
        let spec = json!({"interval": "1h", "url": url, "ref": {"branch": "main"}});
        self.cluster.post(
            &format!("{SOURCE}/v1/namespaces/{NAMESPACE}/gitrepositories"),
            &json!({
                "apiVersion": "source.toolkit.fluxcd.io/v1",
                "kind": "GitRepository",
                "metadata": {"name": name},
                "spec": spec,
            }),
        );
    }

    /// What source-controller would do after a push: the archive (tar.gz) of a commit
    /// is what the GitRepository holds now. Returns the revision.
    pub fn fetch(&self, name: &str, commit: &str, archive: Vec<u8>) -> String {
        let digest = sha256(&archive);
        let size = archive.len();
        let path = format!("{commit}.tar.gz");
        let url = self.artifacts.put(&path, archive);
        let revision = format!("main@sha1:{commit}");
        let now = "2026-01-01T00:00:00Z";
        let status = json!({
            "observedGeneration": 1,
            "artifact": {
                "path": path,
                "url": url,
                "revision": revision,
                "digest": format!("sha256:{digest}"),
                "size": size,
                "lastUpdateTime": now,
            },
            "conditions": [{
                "type": "Ready",
                "status": "True",
                "reason": "Succeeded",
                "message": "stored artifact",
                "lastTransitionTime": now,
            }],
        });
        let object = format!("{SOURCE}/v1/namespaces/{NAMESPACE}/gitrepositories/{name}");
        let status = json!({"status": status});
        self.cluster
            .patch_merge(&format!("{object}/status"), &status);
        revision
    }

    /// Creates a Kustomization for a path of a GitRepository. `decryption` is its
    /// `spec.decryption`.
    pub fn kustomization(&self, name: &str, source: &str, path: &str, decryption: Value) {
        self.cluster.post(
            &kustomizations(),
            &json!({
                "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
                "kind": "Kustomization",
                "metadata": {"name": name},
                "spec": {
                    "interval": "1h",
                    "retryInterval": "1h",
                    "prune": true,
                    "path": path,
                    "sourceRef": {"kind": "GitRepository", "name": source},
                    "decryption": decryption,
                },
            }),
        );
    }

    /// Changes a Kustomization.
    pub fn change(&self, name: &str, patch: &Value) {
        let path = format!("{}/{name}", kustomizations());
        self.cluster.patch_merge(&path, patch);
    }

    /// Has Flux reconcile a Kustomization now, as `flux reconcile` does, and waits until
    /// it has and is ready, or not, as it should be. Its message.
    ///
    /// # Panics
    /// If that does not come.
    pub fn reconcile(&self, name: &str, is_ready: bool) -> String {
        static ASKED: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let number = ASKED.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let asked = format!("test-{number}");
        let annotation = json!({"reconcile.fluxcd.io/requestedAt": asked});
        self.change(name, &json!({"metadata": {"annotations": annotation}}));
        let wanted = if is_ready { "True" } else { "False" };
        let what = format!("reconciled with Ready {wanted}");
        let ready = self.wait_for(name, &what, |generation, status| {
            let ready = ready(status);
            status["lastHandledReconcileAt"] == *asked
                && ready["observedGeneration"] == *generation
                && ready["status"] == wanted
        });
        let message = ready["message"].as_str();
        message.expect("a condition has a message").to_owned()
    }

    /// Waits until a Kustomization has applied a revision; its condition Ready.
    ///
    /// # Panics
    /// If it does not.
    pub fn wait_until_applied(&self, name: &str, revision: &str) -> Value {
        self.wait_for(name, revision, |_, status| {
            status["lastAppliedRevision"] == revision && ready(status)["status"] == "True"
        })
    }

    /// Waits until Flux has tried to apply a Kustomization as it is now, whatever came of
    /// it; its condition Ready.
    ///
    /// # Panics
    /// If it does not.
    pub fn settled(&self, name: &str) -> Value {
        self.wait_for(name, "reconciled", |generation, status| {
            let ready = ready(status);
            ready["observedGeneration"] == *generation && ready["status"] != "Unknown"
        })
    }

    /// Waits until the Kustomization's generation and status are as they should be; its
    /// condition Ready.
    fn wait_for(&self, name: &str, what: &str, done: impl Fn(&Value, &Value) -> bool) -> Value {
        let path = format!("{}/{name}", kustomizations());
        let deadline = Instant::now() + PATIENCE;
        loop {
            let object = self.cluster.get(&path).expect("the Kustomization");
            let status = &object["status"];
            if done(&object["metadata"]["generation"], status) {
                return ready(status);
            }
            let ended = self.cluster.supervisor.exit_code(NAME);
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "{name} is not {what}: {status:#}\nthe controller (ended: {ended:?}):\n{}",
                self.cluster.supervisor.log(NAME)
            );
            thread::sleep(Duration::from_millis(50));
        }
    }
}

fn kustomizations() -> String {
    format!("{KUSTOMIZE}/v1/namespaces/{NAMESPACE}/kustomizations")
}

fn ready(status: &Value) -> Value {
    let conditions = status["conditions"].as_array().into_iter().flatten();
    let mut conditions = conditions.filter(|condition| condition["type"] == "Ready");
    conditions.next().cloned().unwrap_or_default()
}

fn sha256(bytes: &[u8]) -> String {
    use std::io::Write;
    let mut child = Command::new("sha256sum")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("sha256sum starts");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    stdin.write_all(bytes).expect("sha256sum reads");
    drop(stdin);
    let output = child.wait_with_output().expect("sha256sum ends");
    let text = String::from_utf8(output.stdout).expect("it writes text");
    text.split(' ').next().expect("a sum").to_owned()
}
