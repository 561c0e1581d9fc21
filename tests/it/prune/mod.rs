//! `prune`: each retired key goes once nothing needs it, and what cannot be told keeps it.

mod consent;
mod deployed;
mod generated;
mod keys;
mod places;
mod restore;
mod submodules;
mod ways;

use serde_json::{Value, json};
use testkit::{Cluster, Run};

use crate::{Setup, keypair};

const FILE: &str = "apps/db-secret.yaml";
const SECRET: &str =
    "apiVersion: v1\nkind: Secret\nmetadata:\n    name: db\nstringData:\n    password: hunter2\n";

/// A repository whose cluster has a new key beside a retired one: everything in it is
/// committed and encrypted for the new one, and nothing else.
struct Pruning {
    setup: Setup,
    /// The retired key, and its public key.
    old_key: String,
    old: String,
    /// The current one.
    new_key: String,
    new: String,
}

impl std::ops::Deref for Pruning {
    type Target = Setup;
    fn deref(&self) -> &Setup {
        &self.setup
    }
}

impl Pruning {
    fn new(prefix: &str) -> Self {
        Self::of(Cluster::shared(), prefix)
    }

    fn of(cluster: &'static Cluster, prefix: &str) -> Self {
        let setup = Setup::of(cluster, prefix);
        cluster.install_kustomizations();
        let (old_key, old) = keypair(&setup.world);
        let (new_key, new) = keypair(&setup.world);
        let pruning = Self {
            setup,
            old_key,
            old,
            new_key,
            new,
        };
        pruning.put_keys(&[&pruning.old_key]);
        pruning.rule_for(&pruning.new);
        pruning.encrypt_for(&pruning.new, FILE, SECRET);
        pruning.commit("rotated");
        pruning
    }

    /// The cluster has its current key, and these retired ones.
    fn put_keys(&self, retired: &[&str]) {
        let previous = retired.join("\n");
        let mut entries = vec![("age.agekey", self.new_key.as_str())];
        if !retired.is_empty() {
            entries.push(("age.previous.agekey", previous.as_str()));
        }
        self.put_key(&entries);
    }

    fn rule_for(&self, recipient: &str) {
        let config = format!("creation_rules:\n  - path_regex: secret\n    age: {recipient}\n");
        self.world.write(".sops.yaml", config);
    }

    fn git(&self, arguments: &[&str]) -> String {
        let run = self.world.tool("git", arguments);
        run.assert_code(0).out().trim().to_owned()
    }

    /// Commits everything; the commit.
    fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all", "--force"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// A commit beside the others that has these files, and no name leads to it.
    fn commit_of(&self, files: &[(&str, &[u8])]) -> String {
        let head = self.git(&["rev-parse", "HEAD"]);
        for (name, content) in files {
            self.world.write(name, content);
        }
        let commit = self.commit("beside");
        self.git(&["reset", "--quiet", "--hard", &head]);
        commit
    }

    /// A file that is encrypted for the old key.
    fn old_file(&self) -> Vec<u8> {
        self.encrypt_for(&self.old, "old.yaml", SECRET);
        let content = self.world.read_bytes("old.yaml");
        std::fs::remove_file(self.world.path("old.yaml")).expect("it is there");
        content
    }

    /// A commit with a file that is encrypted for the old key, under this name.
    fn old_commit(&self, name: &str) -> String {
        let old = self.old_file();
        self.commit_of(&[(name, &old)])
    }

    /// Lets a Kustomization have a status.
    fn applied(&self, name: &str, status: &Value) {
        let path = format!(
            "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/{}/kustomizations/{name}",
            self.namespace
        );
        if self.cluster.get(&path).is_none() {
            self.cluster
                .kustomization(&self.namespace, name, "sops-age", None);
        }
        let path = format!("{path}/status");
        self.cluster.patch_merge(&path, &json!({"status": status}));
    }

    fn deployed(&self, commit: &str) {
        let revision = format!("main@sha1:{commit}");
        self.applied("apps", &json!({"lastAppliedRevision": revision}));
    }

    /// Gives the Kustomization's source another kind.
    fn source_kind(&self, name: &str, kind: &str) {
        let path = format!(
            "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/{}/kustomizations/{name}",
            self.namespace
        );
        let spec = json!({"spec": {"sourceRef": {"kind": kind}}});
        self.cluster.patch_merge(&path, &spec);
    }

    fn prune(&self, arguments: &[&str]) -> Run {
        self.secrets(&[&["prune"], arguments].concat())
    }

    /// The verdicts of a dry run, which ends with this exit code.
    #[track_caller]
    fn verdicts(&self, code: i32, arguments: &[&str]) -> Value {
        let options = ["--dry-run", "-o", "json"];
        let run = self.prune(&[&options, arguments].concat());
        run.assert_code(code);
        serde_json::from_str(run.out()).expect("JSON")
    }

    /// The checks that keep the first key.
    #[track_caller]
    fn kept_by(&self, arguments: &[&str]) -> Vec<String> {
        let run = self.prune(&[&["--dry-run", "-o", "json"], arguments].concat());
        let verdicts: Value = serde_json::from_str(run.out()).unwrap_or_else(|_| {
            panic!("no verdicts: {}", run.err());
        });
        let kept = kept_by(&verdicts["keys"][0]);
        assert_eq!(run.code, Some(i32::from(!kept.is_empty())), "{}", run.err());
        kept
    }

    fn retired_entry(&self) -> Option<String> {
        self.entry("age.previous.agekey")
    }
}

/// The checks that keep a key, of its verdict.
fn kept_by(key: &Value) -> Vec<String> {
    let needs = key["needs"].as_array().expect("needs").iter();
    let needs = needs.filter(|need| need["overridden"] == false);
    let mut checks: Vec<String> = needs
        .map(|need| need["check"].as_str().expect("a check").to_owned())
        .collect();
    checks.sort();
    checks.dedup();
    assert_eq!(key["needed"], !checks.is_empty());
    checks
}

/// The files that a verdict names.
fn files(key: &Value) -> Vec<String> {
    let needs = key["needs"].as_array().expect("needs").iter();
    let files = needs.flat_map(|need| need["files"].as_array().expect("files"));
    files
        .map(|file| file.as_str().expect("a path").to_owned())
        .collect()
}
