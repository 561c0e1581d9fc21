//! Flux itself as the judge: the real kustomize-controller applies what kb writes,
//! through a rotation and after it; and says what is wrong where `status` says it too.

mod reading;

use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use testkit::sample::{CANARY, SECRET};
use testkit::{Cluster, Flux, Run, World};

use crate::rotate::go_on;
use crate::{bare_world, keypair, recipient_of};

const URL: &str = "https://git.example.org/platform/fleet.git";
const APPLIED: &str = "/api/v1/namespaces/apps/secrets/db";
const KEY: &str = "/api/v1/namespaces/flux-system/secrets/sops-age";

/// A repository that Flux applies to a cluster.
struct Fleet<'c> {
    world: World,
    cluster: &'c Cluster,
    flux: Flux<'c>,
}

impl<'c> Fleet<'c> {
    fn new(cluster: &'c Cluster) -> Self {
        let world = bare_world();
        world.kubeconfig(&cluster.kubeconfig().to_yaml());
        cluster.create_namespace("apps");
        let fleet = Self {
            world,
            cluster,
            flux: cluster.start_flux(),
        };
        fleet.git(&[
            "remote",
            "add",
            "origin",
            "git@git.example.org:platform/fleet.git",
        ]);
        fleet.flux.git_repository("fleet", URL);
        fleet
    }

    fn kb(&self, args: &[&str]) -> Run {
        self.world.kb([&["k", "secrets"], args].concat())
    }

    fn git(&self, args: &[&str]) -> String {
        let author = ["-c", "user.name=kb", "-c", "user.email=kb@example.org"];
        let run = self.world.tool("git", [&author, args].concat());
        run.assert_code(0).out().trim().to_owned()
    }

    /// Commits everything, and "pushes" it: Flux has it as an artifact. The revision.
    fn push(&self) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", "a change"]);
        let archive = self.world.tmp().join("archive.tar.gz");
        let file = archive.to_str().expect("UTF-8");
        self.git(&["archive", "--format=tar.gz", "--output", file, "HEAD"]);
        let commit = self.git(&["rev-parse", "HEAD"]);
        let bytes = std::fs::read(&archive).expect("the archive");
        self.flux.fetch("fleet", &commit, bytes)
    }

    /// Edits a Secret to this password, by an editor that is a script.
    fn edit(&self, before: &str, after: &str) {
        let mut edit = self
            .world
            .kb_cmd(["k", "secrets", "edit", "apps/db-secret.yaml"]);
        edit.env("EDITOR", format!("sed -i s/{before}/{after}/"));
        self.world.run(edit).assert_code(0);
    }

    /// Edits the Secret to this text.
    fn edit_to(&self, text: &str) {
        let mut edit = self
            .world
            .kb_cmd(["k", "secrets", "edit", "apps/db-secret.yaml"]);
        edit.env("EDITOR", "cp /dev/stdin");
        let run = self.world.run_with_stdin(edit, text.as_bytes());
        run.assert_code(0);
    }

    /// Takes away what Flux has applied, has it reconcile, and checks that it decrypts
    /// to this password again.
    #[track_caller]
    fn assert_decrypts_to(&self, password: &str) {
        self.cluster.delete(APPLIED);
        self.flux.reconcile("apps", true);
        // It was ready before: what it has applied tells that it has reconciled.
        for _ in 0..600 {
            if self.cluster.get(APPLIED).is_some() {
                break;
            }
            thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(self.applied_password(), password);
    }

    fn applied_password(&self) -> String {
        let secret = self.cluster.get(APPLIED).expect("Flux has applied it");
        let text = secret["data"]["password"].as_str().expect("a password");
        String::from_utf8(STANDARD.decode(text).expect("base64")).expect("text")
    }

    /// Flux fails, and says these words; `status` exits 3 and names it in Flux's own
    /// words, and in its own.
    #[track_caller]
    fn assert_fails(&self, of_flux: &str, of_status: &[&str]) {
        let message = self.flux.reconcile("apps", false);
        assert!(message.contains(of_flux), "{message}");
        let status = self.kb(&["status"]);
        status.assert_code(3);
        for words in [&["flux-system/apps: Flux says: ", of_flux], of_status].concat() {
            assert!(
                status.out().contains(words),
                "no {words:?} in:\n{}",
                status.out()
            );
        }
    }

    #[track_caller]
    fn assert_in_line(&self) {
        self.flux.reconcile("apps", true);
        let status = self.kb(&["status"]);
        assert!(
            status.assert_code(0).out().contains("All is in line."),
            "{}",
            status.out()
        );
    }

    fn set_entries(&self, entries: &[(&str, Option<&str>)]) {
        let data = entries.iter().map(|(name, text)| {
            let value = text.map_or(Value::Null, |text| STANDARD.encode(text).into());
            ((*name).to_owned(), value)
        });
        let data: serde_json::Map<String, Value> = data.collect();
        self.cluster.patch_merge(KEY, &json!({"data": data}));
    }
}

#[test]
fn flux_reads_what_kb_writes_before_during_and_after_a_rotation() {
    let cluster = Cluster::start();
    let fleet = Fleet::new(&cluster);
    let decryption = json!({"provider": "sops", "secretRef": {"name": "sops-age"}});

    // After init and edit, the decrypted Secret appears in the cluster.
    fleet.kb(&["init"]).assert_code(0);
    fleet.edit_to(SECRET);
    let first = fleet.push();
    fleet
        .flux
        .kustomization("apps", "fleet", "./apps", decryption.clone());
    fleet.flux.wait_until_applied("apps", &first);
    assert_eq!(fleet.applied_password(), CANARY);
    fleet.assert_in_line();
    fleet.edit(CANARY, "second-password");
    let second = fleet.push();
    fleet.flux.wait_until_applied("apps", &second);
    assert_eq!(fleet.applied_password(), "second-password");

    // During a rotation both keys are there: what is deployed opens.
    let mut force = fleet.world.kb_cmd(["k", "secrets", "init", "--force"]);
    force.env("KB_TEST_PAUSE_AT", "begun");
    let mut rotation = fleet.world.spawn(force);
    rotation.wait_until_stopped();
    let entries = cluster
        .secret("flux-system", "sops-age")
        .expect("the Secret");
    assert!(entries.contains_key("age.next.agekey"));
    fleet.assert_decrypts_to("second-password");
    go_on(rotation).assert_code(0);

    // After it, before and after the re-encrypted files are pushed.
    fleet.assert_decrypts_to("second-password");
    let before_push = fleet.kb(&["prune", "--yes"]);
    before_push.assert_code(1);
    let third = fleet.push();
    fleet.flux.wait_until_applied("apps", &third);
    fleet.assert_decrypts_to("second-password");

    // And when the old key is gone.
    fleet.kb(&["prune", "--yes"]).assert_code(0);
    let entries = cluster
        .secret("flux-system", "sops-age")
        .expect("the Secret");
    assert_eq!(entries.keys().collect::<Vec<_>>(), ["age.agekey"]);
    fleet.assert_decrypts_to("second-password");
    fleet.assert_in_line();

    // Without a decryption block Flux applies the ciphertext of stringData as it is, and
    // is ready: status alone notices.
    fleet
        .flux
        .change("apps", &json!({"spec": {"decryption": null}}));
    fleet.flux.reconcile("apps", true);
    let no_decryption =
        "applies apps/db-secret.yaml, which is encrypted, and has no spec.decryption";
    let status = fleet.kb(&["status"]);
    assert!(
        status.assert_code(3).out().contains(no_decryption),
        "{}",
        status.out()
    );
    assert!(fleet.applied_password().starts_with("ENC["));
    // The ciphertext of data is no base64, which Flux does notice.
    let data = SECRET
        .replace("stringData", "data")
        .replace("admin", "YWRtaW4=");
    let data = data.replace(CANARY, "c2Vjb25kLXBhc3N3b3Jk");
    fleet.edit_to(&data);
    let fourth = fleet.push();
    fleet.assert_fails("configuring decryption is required", &[no_decryption]);
    fleet
        .flux
        .change("apps", &json!({"spec": {"decryption": decryption}}));
    fleet.flux.wait_until_applied("apps", &fourth);
    assert_eq!(fleet.applied_password(), "second-password");
    fleet.assert_in_line();

    // A wrong key.
    let right = entries.get("age.agekey").expect("the key").clone();
    let right = String::from_utf8(right).expect("text");
    let (other, other_recipient) = keypair(&fleet.world);
    fleet.set_entries(&[("age.agekey", Some(&other))]);
    fleet.assert_fails(
        "identity did not match any of the recipients",
        &[&format!(
            "no rule names the cluster's key {other_recipient}"
        )],
    );

    // The mistake that is reported most.
    fleet.set_entries(&[("age.agekey", None), ("age.key", Some(&right))]);
    fleet.assert_fails(
        "failed to load age identities",
        &["age.key holds a key, and Flux does not read it: it should be called age.agekey"],
    );
    fleet.set_entries(&[("age.agekey", Some("no key")), ("age.key", None)]);
    fleet.assert_fails(
        "failed to import 'age.agekey' data",
        &["age.agekey, line 1"],
    );
    fleet.set_entries(&[("age.agekey", Some(&right))]);
    fleet.assert_in_line();

    // Another Secret.
    let elsewhere = json!({"provider": "sops", "secretRef": {"name": "elsewhere"}});
    fleet
        .flux
        .change("apps", &json!({"spec": {"decryption": elsewhere}}));
    fleet.assert_fails(
        "elsewhere",
        &["decrypts with the Secret flux-system/elsewhere, which is not there"],
    );
    fleet
        .flux
        .change("apps", &json!({"spec": {"decryption": decryption}}));
    fleet.assert_in_line();
    let recipient = recipient_of(&fleet.world, &right);
    assert!(fleet.kb(&["status"]).out().contains(&recipient));
}

/// What kustomize-controller decrypts in ways that no file name tells, keeps the key.
#[test]
fn prune_keeps_the_key_for_whatever_flux_decrypts_with_it() {
    let cluster = Cluster::start();
    let fleet = Fleet::new(&cluster);
    let decryption = json!({"provider": "sops", "secretRef": {"name": "sops-age"}});
    fleet.kb(&["init"]).assert_code(0);
    let old = cluster.secret("flux-system", "sops-age").expect("a Secret");
    let old = String::from_utf8(old["age.agekey"].clone()).expect("text");
    let old_key = old.lines().last().expect("a key").to_owned();
    let recipient = recipient_of(&fleet.world, &old_key);

    let encrypted = |format: &str, selection: &[&str], plaintext: &str| {
        let config = fleet.world.tmp().join("no-rules.yaml");
        std::fs::write(&config, "{}").expect("write");
        let mut sops = fleet.world.tool_cmd("sops", ["--config"]);
        sops.arg(config).args(["encrypt", "--age", &recipient]);
        sops.args(selection).args(["--filename-override", "x"]);
        sops.args(["--input-type", format, "--output-type", format]);
        let run = fleet.world.run_with_stdin(sops, plaintext.as_bytes());
        run.assert_code(0).out().to_owned()
    };
    let data = ["--encrypted-regex", "^(data|stringData)$"];
    let manifest = |name: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata:\n    name: {name}\nstringData:\n    password: {CANARY}\n"
        )
    };
    // A generator takes `envs` of any name for dotenv, and a file for what its key says.
    let env = encrypted("dotenv", &[], &format!("password={CANARY}\n"));
    fleet.world.write("apps/db.conf", env);
    let inner = encrypted("yaml", &[], &format!("password: {CANARY}\n"));
    fleet.world.write("apps/plain.txt", inner);
    // An item of a list, and a document behind one that is not encrypted.
    let item = encrypted("yaml", &data, &manifest("item"));
    let item = item.trim_end().replace('\n', "\n    ");
    let list = format!("apiVersion: v1\nkind: List\nitems:\n  - {item}\n");
    fleet.world.write("apps/list.yaml", list);
    let second = encrypted("yaml", &data, &manifest("second"));
    let config_map = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n    name: first\n";
    let documents = format!("{config_map}---\n{second}");
    fleet.world.write("apps/documents.yaml", documents);
    // A file in the data of a Secret.
    let nested = encrypted("yaml", &[], &format!("password: {CANARY}\n"));
    let nested = STANDARD.encode(nested);
    let nested = format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n    name: nested\ndata:\n    x.yaml: {nested}\n"
    );
    fleet.world.write("apps/nested.yaml", &nested);
    // The same, brought into a Secret by a patch, which is no Secret itself.
    let value = nested.lines().last().expect("a value").trim();
    let patch = format!("- op: add\n  path: /data\n  value: {{{value}}}\n");
    fleet.world.write("apps/patch.yaml", patch);
    fleet.world.write(
        "apps/patched.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata:\n    name: patched\n",
    );
    let kustomization = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: apps\nresources: [list.yaml, documents.yaml, nested.yaml, patched.yaml]\npatches:\n- path: patch.yaml\n  target: {kind: Secret, name: patched}\ngeneratorOptions: {disableNameSuffixHash: true}\nsecretGenerator:\n- name: env\n  envs: [db.conf]\n- name: generated\n  files: [x.yaml=plain.txt]\n";
    fleet.world.write("apps/kustomization.yaml", kustomization);
    let revision = fleet.push();
    fleet
        .flux
        .kustomization("apps", "fleet", "./apps", decryption);
    fleet.flux.wait_until_applied("apps", &revision);
    for (name, entry) in [
        ("env", "password"),
        ("generated", "x.yaml"),
        ("item", "password"),
        ("second", "password"),
        ("nested", "x.yaml"),
        ("patched", "x.yaml"),
    ] {
        let secret = cluster.secret("apps", name).expect(name);
        let text = String::from_utf8_lossy(&secret[entry]);
        assert!(
            text.contains(CANARY),
            "Flux has not decrypted {name}: {text}"
        );
    }

    // It is retired, and only what is deployed needs it.
    let (new_key, new) = keypair(&fleet.world);
    fleet.set_entries(&[
        ("age.agekey", Some(&new_key)),
        ("age.previous.agekey", Some(&old_key)),
    ]);
    fleet.git(&["rm", "-q", "-r", "apps"]);
    let config = fleet.world.read(".sops.yaml").replace(&recipient, &new);
    fleet.world.write(".sops.yaml", config);
    fleet.git(&["add", "--all"]);
    fleet.git(&["commit", "-q", "-m", "not applied yet"]);
    let run = fleet.kb(&["prune", "--dry-run", "-o", "json"]);
    run.assert_code(1);
    let verdicts: Value = serde_json::from_str(run.out()).expect("JSON");
    let needs = verdicts["keys"][0]["needs"].as_array().expect("needs");
    assert_eq!(needs.len(), 1, "{verdicts:#}");
    assert_eq!(needs[0]["check"], "deployed");
    assert_eq!(
        needs[0]["files"],
        json!([
            "apps/db.conf",
            "apps/documents.yaml",
            "apps/list.yaml",
            "apps/nested.yaml",
            "apps/patch.yaml",
            "apps/plain.txt",
        ])
    );
}
