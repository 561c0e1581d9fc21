//! New files: the public keys of their rule are enough.

use testkit::net::{RequestLog, refused_port};

use super::Editing;
use crate::{assert_fails, keypair};

const NEW: &str = "apps/new-secret.yaml";

impl Editing {
    /// An editor that writes the Secret into an empty text.
    fn typing_secret(&mut self) {
        let typed = self.world.tmp().join("typed");
        self.editor(&format!("cat '{}' > \"$1\"", typed.display()));
    }

    /// Creates [`NEW`] by `kb k secrets edit`; what is said.
    #[track_caller]
    fn create(&self, options: &[&str]) -> String {
        let typed = self.world.tmp().join("typed");
        std::fs::write(&typed, self.secret()).expect("write");
        let run = self.edit(&[&[NEW], options].concat());
        std::fs::remove_file(typed).expect("removed");
        run.assert_code(0);
        self.assert_no_trace();
        run.err().to_owned()
    }
}

#[test]
fn a_new_file_needs_no_cluster_and_sends_no_request() {
    let mut editing = Editing::new("nocluster");
    editing.typing_secret();
    let log = RequestLog::start();
    let kubeconfig = editing.cluster.kubeconfig();
    let server = |port: u16, scheme| {
        let url = format!("{scheme}://127.0.0.1:{port}");
        kubeconfig
            .clone()
            .cluster_field("server", url.as_str())
            .to_yaml()
    };
    let called = editing.world.tmp().join("called");
    let plugin = editing.world.script(
        "plugin",
        &format!("#!/bin/sh\ntouch '{}'\n", called.display()),
    );
    let plugin = serde_json::json!({"exec": {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": plugin.to_str(),
        "interactiveMode": "Never",
    }});
    let recipient = editing.recipient();
    for (what, text) in [
        ("a server that writes down", server(log.port(), "http")),
        ("the same with TLS", server(log.port(), "https")),
        ("a dead server", server(refused_port(), "https")),
        ("a login", kubeconfig.clone().user(plugin).to_yaml()),
        ("not a kubeconfig", "]".to_owned()),
        ("nothing", String::new()),
    ] {
        editing.world.kubeconfig(&text);
        let said = editing.create(&[]);
        let words = format!("Created {NEW}, encrypted for {recipient}.");
        assert!(said.contains(&words), "{what}: {said}");
        assert!(
            editing.plaintext(NEW).contains(&editing.canary),
            "{what}: what sops makes of it"
        );
        std::fs::remove_file(editing.world.path(NEW)).expect("removed");
    }
    editing.create(&["--context", "nowhere", "--secret-name", "nothing"]);
    assert_eq!(log.take(), [] as [String; 0]);
    assert!(!called.exists(), "a credential plugin was run");
    // The file that exists now is decrypted with the cluster's key.
    assert!(editing.edit(&[NEW]).code != Some(0));
}

#[test]
fn a_new_file_of_another_cluster_is_encrypted_by_its_rule() {
    let mut editing = Editing::new("othersnew");
    editing.typing_secret();
    let (private, other) = keypair(&editing.world);
    let config = editing.world.read(".sops.yaml");
    editing
        .world
        .write(".sops.yaml", config.replace(&editing.recipient(), &other));
    let said = editing.create(&[]);
    assert!(
        said.contains(&format!("encrypted for {other}.")),
        "it says for whom: {said}"
    );
    let mut sops = editing.world.tool_cmd("sops", ["decrypt", NEW]);
    sops.env("SOPS_AGE_KEY", private);
    let opened = editing.world.run(sops);
    assert!(opened.assert_code(0).out().contains(&editing.canary));
    assert_fails(&editing.edit(&[NEW]), 1, &["another cluster", &other]);
}

/// Only the draft of a new file needs the key.
#[test]
fn the_draft_of_a_new_file_is_opened_with_the_clusters_key() {
    let mut editing = Editing::new("newdraft");
    let kubeconfig = editing.cluster.kubeconfig();
    let dead = format!("https://127.0.0.1:{}", refused_port());
    editing.server(&dead);
    let (typed, config) = (editing.secret(), editing.world.read(".sops.yaml"));
    let text = editing.world.tmp().join("typed");
    std::fs::write(&text, typed).expect("write");
    editing.editor(&format!(
        "cat '{}' > \"$1\"; echo 'creation_rules: []' > '{}'",
        text.display(),
        editing.world.path(".sops.yaml").display()
    ));
    let run = editing.edit(&[NEW]);
    std::fs::remove_file(text).expect("removed");
    assert_fails(
        &run,
        1,
        &["was changed while the editor was open", "--resume"],
    );
    assert!(editing.draft().contains(&editing.canary));
    editing.world.write(".sops.yaml", config);
    editing.editor("touch \"$1\"");
    assert_fails(&editing.edit(&[NEW, "--resume"]), 1, &[&dead]);
    assert!(
        editing.draft().contains(&editing.canary),
        "it is still there"
    );
    editing.world.kubeconfig(&kubeconfig.to_yaml());
    editing.edit(&[NEW, "--resume"]).assert_code(0);
    assert!(editing.plaintext(NEW).contains(&editing.canary));
    editing.assert_no_trace();
}
