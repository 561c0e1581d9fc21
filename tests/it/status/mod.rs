//! `status`: each fault is planted alone on a repository where all is in line, is
//! named, and all is in line again when its hint was followed.

mod cluster;
mod config;
mod controller;
mod files;
mod flux;

use std::sync::OnceLock;

use serde_json::Value;
use testkit::{Cluster, Run};

use crate::Setup;

const MANIFEST: &str =
    "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\nstringData:\n  password: hunter2\n";

/// A cluster and a repository that are in line.
struct InLine {
    setup: Setup,
    /// The Secret's name: no other namespace has one of it.
    name: String,
}

impl std::ops::Deref for InLine {
    type Target = Setup;
    fn deref(&self) -> &Setup {
        &self.setup
    }
}

/// A cluster without other tests' Kustomizations.
fn quiet() -> &'static Cluster {
    static QUIET: OnceLock<Cluster> = OnceLock::new();
    QUIET.get_or_init(|| {
        // As for the shared one: Go does not build beside the tests.
        testkit::Tools::get().kustomize_controller();
        Cluster::start()
    })
}

impl InLine {
    fn new(prefix: &str) -> Self {
        let this = Self::on(quiet(), prefix);
        this.assert_in_line();
        this
    }

    fn on(cluster: &'static Cluster, prefix: &str) -> Self {
        let setup = Setup::of(cluster, prefix);
        let name = format!("key-of-{}", setup.namespace);
        let this = Self { setup, name };
        // Hints are typed into a shell.
        let link = this.world.bin().join("kb");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_kb"), link).expect("a link");
        let kubectl = testkit::Tools::get().kubectl();
        std::os::unix::fs::symlink(kubectl, this.world.bin().join("kubectl")).expect("a link");
        this.kb(&["init"]).assert_code(0);
        this.encrypt("apps/db-secret.yaml", MANIFEST);
        this.world.write("README.md", "A repository.\n");
        this.world
            .write("apps/kustomization.yaml", "resources: [db-secret.yaml]\n");
        this.git(&["add", "--all"]);
        this
    }

    fn kb(&self, args: &[&str]) -> Run {
        self.world.run(self.kb_cmd(args))
    }

    fn kb_cmd(&self, args: &[&str]) -> std::process::Command {
        let cluster = [
            "k",
            "secrets",
            "-n",
            &self.namespace,
            "--secret-name",
            &self.name,
        ];
        self.world.kb_cmd([&cluster, args].concat())
    }

    fn git(&self, args: &[&str]) -> Run {
        let author = ["-c", "user.name=kb", "-c", "user.email=kb@example.org"];
        let run = self.world.tool("git", [&author, args].concat());
        run.assert_code(0);
        run
    }

    /// The text of an entry of the cluster's Secret.
    fn entry(&self, name: &str) -> Option<String> {
        let data = self.cluster.secret(&self.namespace, &self.name)?;
        Some(String::from_utf8(data.get(name)?.clone()).expect("text"))
    }

    fn key(&self) -> String {
        self.entry("age.agekey").expect("a key")
    }

    fn recipient(&self) -> String {
        crate::recipient_of(&self.world, &self.key())
    }

    fn put(&self, data: &[(&str, &str)]) {
        let data: Vec<(&str, &[u8])> = data.iter().map(|(k, v)| (*k, v.as_bytes())).collect();
        self.cluster.put_secret(&self.namespace, &self.name, &data);
    }

    #[track_caller]
    fn assert_in_line(&self) {
        let run = self.kb(&["status"]);
        assert!(
            run.assert_code(0).out().contains("All is in line."),
            "{}",
            run.out()
        );
        assert_eq!(run.err(), "");
    }

    /// One problem is found, of this kind, in these words. Returns the screen.
    #[track_caller]
    fn assert_found(&self, kind: &str, words: &[&str]) -> String {
        self.assert_all_found(&[kind], words)
    }

    /// Problems of just these kinds are found.
    #[track_caller]
    fn assert_all_found(&self, kinds: &[&str], words: &[&str]) -> String {
        let run = self.kb(&["status", "-o", "json"]);
        let json: Value = serde_json::from_str(run.assert_code(3).out()).expect("JSON");
        assert_eq!((&json["version"], &json["ok"]), (&1.into(), &false.into()));
        let sections = json["problems"].as_object().expect("sections").values();
        let problems = sections.flat_map(|section| section.as_array().expect("a list"));
        let found: Vec<&str> = problems
            .clone()
            .filter_map(|it| it["kind"].as_str())
            .collect();
        assert_eq!(found, kinds, "{json:#}");
        for problem in problems {
            assert!(
                !problem["hints"].as_array().expect("hints").is_empty(),
                "{problem:#}"
            );
        }
        let run = self.kb(&["status"]);
        let screen = run.assert_code(3).out();
        for word in words {
            assert!(screen.contains(word), "no {word:?} in:\n{screen}");
        }
        assert_eq!(run.err(), "");
        screen.to_owned()
    }

    /// No private key is on a disk, as it is or as the cluster's Secret has it.
    #[track_caller]
    fn assert_no_key_on_disk(&self, key: &str) {
        use base64::Engine as _;
        let private = key.lines().find(|line| line.starts_with("AGE-SECRET"));
        let encoded = base64::engine::general_purpose::STANDARD.encode(key);
        for text in [private.expect("a key"), &encoded[..60]] {
            let found = self.world.files_containing(text.as_bytes());
            assert_eq!(found, [] as [std::path::PathBuf; 0]);
        }
    }

    /// Types what the hint for this purpose says into a shell.
    #[track_caller]
    fn follow(&self, screen: &str, purpose: &str) -> Run {
        self.follow_with_stdin(screen, purpose, "")
    }

    /// Stages everything, and drops the retired keys.
    #[track_caller]
    fn prune(&self) {
        self.world.tool("git", ["add", "--all"]).assert_code(0);
        self.kb(&["prune", "--yes"]).assert_code(0);
    }

    #[track_caller]
    fn follow_with_stdin(&self, screen: &str, purpose: &str, stdin: &str) -> Run {
        let run = self.try_to_follow(screen, purpose, stdin);
        run.assert_code(0);
        run
    }

    #[track_caller]
    fn try_to_follow(&self, screen: &str, purpose: &str, stdin: &str) -> Run {
        let shell = self.shell_for(screen, purpose);
        self.world.run_with_stdin(shell, stdin.as_bytes())
    }

    /// A shell that runs what the hint says.
    #[track_caller]
    fn shell_for(&self, screen: &str, purpose: &str) -> std::process::Command {
        let mut hints = screen
            .lines()
            .filter_map(|line| line.trim().strip_prefix("hint: "));
        let hint = hints.find_map(|hint| hint.strip_prefix(purpose));
        let command = hint.unwrap_or_else(|| panic!("no hint {purpose:?} in:\n{screen}"));
        self.world.tool_cmd("bash", ["-ec", command.trim()])
    }
}

#[test]
fn what_is_in_line_is_said_in_one_screen() {
    let in_line = InLine::new("in-line");
    let run = in_line.kb(&["status"]);
    insta::assert_snapshot!(
        in_line
            .world
            .redact(run.out())
            .replace(&in_line.recipient(), "[RECIPIENT]")
            .replace(&in_line.namespace, "[NS]")
    );
    let json: Value =
        serde_json::from_str(in_line.kb(&["status", "-o", "json"]).out()).expect("JSON");
    let keys: Vec<&String> = json.as_object().expect("an object").keys().collect();
    assert_eq!(
        keys,
        [
            "configs",
            "context",
            "controllers",
            "files",
            "keys",
            "kustomizations",
            "ok",
            "pending",
            "problems",
            "remarks",
            "secret",
            "server",
            "unseen",
            "version"
        ]
    );
    assert_eq!(json["ok"], true);
    assert_eq!(json["files"]["for_this_cluster"], 1);
    assert_eq!(
        json["keys"]["current"],
        serde_json::json!([in_line.recipient()])
    );
    assert_eq!(json["kustomizations"], Value::Null);
    assert_eq!(in_line.kb(&["status", "--quiet"]).assert_code(0).out(), "");
    // Neither a private key nor a plaintext is in any of it.
    assert!(!run.out().contains("AGE-SECRET-KEY") && !run.out().contains("hunter2"));
}

#[test]
fn what_cannot_be_looked_at_is_no_all_clear() {
    let in_line = InLine::new("unseen");
    let elsewhere = in_line.cluster.kubeconfig().cluster_field(
        "server",
        format!("https://127.0.0.1:{}", testkit::net::refused_port()),
    );
    in_line.world.kubeconfig(&elsewhere.to_yaml());
    crate::assert_fails(
        &in_line.kb(&["status"]),
        1,
        &["cannot reach the API server"],
    );
    in_line
        .world
        .kubeconfig(&in_line.cluster.kubeconfig().to_yaml());
    in_line.assert_in_line();
    // Of two faults at once both are named, whatever else cannot be looked at.
    in_line.world.write("apps/one-secret.yaml", MANIFEST);
    in_line.world.write(
        "notes",
        format!("{}\n", in_line.key().lines().last().expect("a key")),
    );
    let screen = in_line.assert_all_found(
        &["not-encrypted", "private-key"],
        &[
            "apps/one-secret.yaml: not encrypted: the Secret db",
            "notes:1: it contains an age private key",
        ],
    );
    assert!(!screen.contains("AGE-SECRET-KEY-1"), "{screen}");
}

#[test]
fn kustomizations_that_may_not_be_listed_are_said_to_be_unseen() {
    let cluster = Box::leak(Box::new(Cluster::start()));
    cluster.install_kustomizations();
    let in_line = InLine::on(cluster, "unseen");
    let token = cluster.service_account_token(&in_line.namespace, "reader");
    cluster.grant(
        &in_line.namespace,
        testkit::UserKind::ServiceAccount,
        "reader",
        &["get"],
    );
    let reader = cluster
        .kubeconfig()
        .user(serde_json::json!({"token": token}));
    in_line.world.kubeconfig(&reader.to_yaml());
    let run = in_line.kb(&["status"]);
    run.assert_code(1);
    for words in [
        "kb may not list Kustomizations",
        "hint: ask for a ClusterRole",
        "No problem was found in what could be looked at.",
    ] {
        assert!(run.out().contains(words), "{}", run.out());
    }
    cluster.allow_kustomizations(&in_line.namespace, "reader");
    in_line.assert_in_line();
    // Nor may it read every Secret that Kustomizations decrypt with.
    let elsewhere = cluster.new_namespace("elsewhere");
    cluster.kustomization(&elsewhere, "apps", "other-key", None);
    let run = in_line.kb(&["status"]);
    run.assert_code(1);
    let words = format!("{elsewhere}/apps: kb may not read the Secret {elsewhere}/other-key");
    assert!(run.out().contains(&words), "{}", run.out());
}
