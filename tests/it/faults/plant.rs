//! A repository in which one fault is planted.

use std::path::{Path, PathBuf};

use testkit::{Cluster, Run};

use super::{Fault, Setup};

pub(super) const MANIFEST: &str = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\nstringData:\n  user: admin\n  password: hunter2\n";
/// The file that is encrypted and committed in each repository.
pub(super) const FILE: &str = "apps/db-secret.yaml";

/// What all repositories share.
pub(super) struct Base {
    cluster: &'static Cluster,
    namespace: String,
    key: String,
    recipient: String,
    encrypted: String,
}

impl Base {
    pub(super) fn new(cluster: &'static Cluster) -> Self {
        let setup = Setup::of(cluster, "faults");
        let (key, recipient) = crate::keypair(&setup.world);
        setup.world.write(".sops.yaml", config(&recipient));
        setup.encrypt(FILE, MANIFEST);
        Self {
            cluster,
            namespace: setup.namespace.clone(),
            key,
            encrypted: setup.world.read(FILE),
            recipient,
        }
    }
}

fn config(recipient: &str) -> String {
    format!(
        "creation_rules:\n  - path_regex: ^apps/[^/]*secret[^/]*$\n    encrypted_regex: ^(data|stringData)$\n    age: {recipient}\n  - path_regex: ^env/\n    age: {recipient}\n"
    )
}

/// The repository of one fault.
pub(super) struct Planted<'b> {
    base: &'b Base,
    setup: Setup,
    secret: String,
}

impl std::ops::Deref for Planted<'_> {
    type Target = Setup;
    fn deref(&self) -> &Setup {
        &self.setup
    }
}

impl<'b> Planted<'b> {
    pub(super) fn new(base: &'b Base, name: &str) -> Self {
        let mut setup = Setup {
            world: crate::bare_world(),
            cluster: base.cluster,
            namespace: base.namespace.clone(),
        };
        setup.world.kubeconfig(&base.cluster.kubeconfig().to_yaml());
        setup.world.runtime_dir();
        let script = setup.world.script(
            "scripted-editor",
            "#!/bin/sh\nsed -i 's/user: admin/user: root/; s/^A=b/A=c/' \"$1\"\n",
        );
        setup.world.env("EDITOR", script);
        let letters = name.chars().map(|c| match c.is_ascii_alphanumeric() {
            true => c.to_ascii_lowercase(),
            false => '-',
        });
        let secret = format!("key-{}", letters.collect::<String>());
        let this = Self {
            base,
            setup,
            secret: secret.trim_matches('-').to_owned(),
        };
        this.put_keys(&[("age.agekey", &base.key)]);
        this.write(".sops.yaml", &config(&base.recipient));
        this.write(FILE, &base.encrypted);
        this.commit();
        this
    }

    pub(super) fn put_keys(&self, data: &[(&str, &str)]) {
        let data: Vec<(&str, &[u8])> = data.iter().map(|(k, v)| (*k, v.as_bytes())).collect();
        self.cluster
            .put_secret(&self.namespace, &self.secret, &data);
    }

    pub(super) fn kb(&self, args: &[&str]) -> Run {
        let of = ["k", "secrets", "-n", &self.namespace, "--secret-name"];
        self.world
            .kb([&of[..], &[self.secret.as_str()], args].concat())
    }

    /// `check --staged`, with all of it staged.
    pub(super) fn staged(&self) -> Run {
        self.git(&["add", "--all", "--force"]);
        self.kb(&["check", "--staged", "-o", "json"])
    }

    pub(super) fn edit(&self, file: &str) -> Run {
        self.kb(&["edit", file])
    }

    /// Plants the fault once more, if `edit` has saved the file.
    pub(super) fn restore_after(&self, run: &Run, fault: &Fault) {
        if run.code == Some(0) {
            self.git(&["reset", "--quiet", "--hard"]);
            self.git(&["clean", "--quiet", "--force", "-d", "-x"]);
            (fault.plant)(self);
        }
    }

    pub(super) fn git(&self, args: &[&str]) {
        let author = ["-c", "user.name=kb", "-c", "user.email=kb@example.org"];
        self.world
            .tool("git", [&author, args].concat())
            .assert_code(0);
    }

    pub(super) fn commit(&self) {
        self.git(&["add", "--all", "--force"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", "x"]);
    }

    pub(super) fn write(&self, name: &str, text: &str) -> PathBuf {
        self.world.write(name, text)
    }

    /// Changes the encrypted file.
    pub(super) fn change(&self, from: &str, to: &str) {
        self.change_file(FILE, from, to);
    }

    pub(super) fn change_file(&self, file: &str, from: &str, to: &str) {
        let text = self.world.read(file);
        assert!(text.contains(from), "no {from:?} in:\n{text}");
        self.write(file, &text.replacen(from, to, 1));
    }

    /// Makes the change to the rules after the file was encrypted by them.
    pub(super) fn change_rules(&self, from: &str, to: &str) {
        self.change_file(".sops.yaml", from, to);
    }

    pub(super) fn key(&self) -> &str {
        &self.base.key
    }

    pub(super) fn recipient(&self) -> &str {
        &self.base.recipient
    }

    /// Another cluster's recipient.
    pub(super) fn other(&self) -> String {
        crate::keypair(&self.world).1
    }

    /// Encrypts a Secret's values for these recipients, whatever the rules say.
    pub(super) fn encrypt_to(&self, recipients: &str, name: &str, text: &str) {
        self.encrypt_by("^(data|stringData)$", recipients, name, text);
    }

    /// The same by another `encrypted_regex`.
    pub(super) fn encrypt_by(&self, regex: &str, recipients: &str, name: &str, text: &str) {
        self.write(name, text);
        let config = self.world.tmp().join("no-rules.yaml");
        std::fs::write(&config, "{}").expect("written");
        let mut sops = self.world.tool_cmd("sops", ["--config"]);
        sops.arg(config).args(["encrypt", "--age", recipients]);
        sops.args(["--encrypted-regex", regex, "--in-place", name]);
        self.world.run(sops).assert_code(0);
    }

    pub(super) fn kustomization(&self, path: &str) {
        let base = format!(
            "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/{}/kustomizations",
            self.namespace
        );
        if self.cluster.get(&format!("{base}/apps")).is_some() {
            self.cluster.delete(&format!("{base}/apps"));
        }
        let spec = serde_json::json!({
            "interval": "10m", "prune": true, "path": path,
            "sourceRef": {"kind": "GitRepository", "name": "fleet"},
            "decryption": {"provider": "sops", "secretRef": {"name": self.secret}},
        });
        self.cluster.post(
            &base,
            &serde_json::json!({
                "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
                "kind": "Kustomization", "metadata": {"name": "apps"}, "spec": spec,
            }),
        );
    }

    pub(super) fn remove(&self, name: impl AsRef<Path>) {
        std::fs::remove_file(self.world.path(name)).expect("removed");
    }
}

impl Planted<'_> {
    /// The line of the encrypted file that begins so.
    pub(super) fn line(&self, start: &str) -> String {
        let text = self.world.read(FILE);
        let mut lines = text.lines();
        let line = lines.find(|line| line.starts_with(start));
        line.expect("a line").to_owned()
    }

    /// Changes a byte of an encrypted value.
    pub(super) fn tamper(&self, start: &str) {
        let line = self.line(start);
        let at = line.find("data:").expect("a value") + "data:".len();
        let other = if line[at..].starts_with('A') {
            "B"
        } else {
            "A"
        };
        let mut tampered = line.clone();
        tampered.replace_range(at..=at, other);
        self.change(&line, &tampered);
    }

    pub(super) fn git_move(&self, to: &str) {
        let directory = self.world.path(to);
        let directory = directory.parent().expect("a directory");
        std::fs::create_dir_all(directory).expect("made");
        self.git(&["mv", FILE, to]);
    }

    /// The manifest of the Secret that holds the cluster's key, encrypted.
    pub(super) fn write_secret_itself(&self, name: &str) {
        let text = format!(
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {}\n  namespace: {}\nstringData:\n  age.agekey: {}\n",
            self.secret, self.namespace, self.base.key
        );
        self.encrypt(name, &text);
    }
}

pub(super) fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// As PowerShell writes it.
pub(super) fn write_utf16(planted: &Planted<'_>, name: &str, text: &str) {
    let units = format!("\u{feff}{text}");
    let bytes: Vec<u8> = units.encode_utf16().flat_map(u16::to_le_bytes).collect();
    planted.world.write(name, bytes);
}
