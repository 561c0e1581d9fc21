//! Who may read a file that is edited, and who knows its data key.

use std::io::Read;
use std::path::Path;

use kb::core::encrypted::EncryptedFile;
use testkit::net::RequestLog;

use super::Editing;
use crate::{Setup, assert_fails, keypair};

const FILE: &str = "db-secret.yaml";

impl Editing {
    /// The data key of a file, by age itself and the cluster's key.
    #[track_caller]
    fn data_key(&self, name: &str) -> Vec<u8> {
        let entry = self.entry("age.agekey").expect("a key");
        unwrapped(self, name, entry.lines().last().expect("a line")).expect("it opens")
    }

    /// The remote's default branch is what HEAD is now.
    fn push(&self) {
        self.git(&["update-ref", "refs/remotes/origin/main", "HEAD"]);
    }

    /// Whether the file has a new data key after an edit that changes a value.
    #[track_caller]
    fn renews(&mut self, name: &str) -> bool {
        self.editor("sed -i 's/admin/owned/; t; s/owned/admin/' \"$1\"");
        let (key, text) = (self.data_key(name), self.plaintext(name));
        self.edit(&[name]).assert_code(0);
        assert_ne!(self.plaintext(name), text);
        self.data_key(name) != key
    }

    /// The file for someone else too, by plain sops.
    fn shared_with(&self, recipient: &str) {
        let both = format!("{},{recipient}", self.recipient());
        encrypt_for_secrets(self, &both, FILE, &self.secret());
    }
}

/// As the rule that `init` makes selects values.
pub(super) fn encrypt_for_secrets(setup: &Setup, recipients: &str, name: &str, text: &str) {
    setup.world.write(name, text);
    let config = setup.world.tmp().join("no-rules.yaml");
    std::fs::write(&config, "{}\n").expect("write");
    let mut sops = setup.world.tool_cmd("sops", ["--config"]);
    sops.arg(config).args(["encrypt", "--in-place"]);
    sops.args(["--encrypted-regex", "^(data|stringData)$"]);
    sops.args(["--age", recipients, name]);
    setup.world.run(sops).assert_code(0);
}

/// What a private key makes of the data keys in a file, by age itself.
fn unwrapped(setup: &Setup, name: &str, private_key: &str) -> Option<Vec<u8>> {
    let identity: age::x25519::Identity = private_key.trim().parse().expect("an identity");
    let bytes = setup.world.read_bytes(name);
    let file = EncryptedFile::parse(Path::new(name), &bytes).expect("an encrypted file");
    let wrapped = file.metadata.wrapped_keys();
    wrapped.iter().find_map(|wrapped| {
        let armor = age::armor::ArmoredReader::new(wrapped.as_bytes());
        let decryptor = age::Decryptor::new(armor).ok()?;
        let identity: &dyn age::Identity = &identity;
        let mut reader = decryptor.decrypt(std::iter::once(identity)).ok()?;
        let mut key = Vec::new();
        reader.read_to_end(&mut key).ok()?;
        Some(key)
    })
}

/// An editor that would be noticed.
fn watched(editing: &mut Editing) {
    let opened = editing.world.tmp().join("opened");
    editing.editor(&format!("touch '{}'", opened.display()));
}

#[track_caller]
fn assert_not_opened(editing: &Editing, args: &[&str], words: &[&str]) {
    let before = editing.world.read_bytes(FILE);
    assert_fails(&editing.edit(args), 1, words);
    let opened = editing.world.tmp().join("opened");
    assert!(!opened.exists(), "the editor was opened");
    assert_eq!(editing.world.read_bytes(FILE), before);
    editing.assert_no_trace();
}

#[test]
fn a_file_with_other_readers_than_its_rule_is_not_opened() {
    let mut editing = Editing::new("drift").with_secret();
    let stranger = keypair(&editing.world).1;
    watched(&mut editing);
    editing.shared_with(&stranger);
    let refusal = [
        "is encrypted otherwise than its rule .sops.yaml:2:5 says",
        &stranger,
        "init --use-existing",
        "--keep-readers",
    ];
    assert_not_opened(&editing, &[FILE], &refusal);
    // One too few: the rule got one more.
    let config = editing.world.read(".sops.yaml");
    let own = editing.recipient();
    let both = config.replace(&own, &format!("{own},{stranger}"));
    let editing = editing.with_secret();
    editing.world.write(".sops.yaml", both);
    assert_not_opened(&editing, &[FILE], &refusal);
    // Other values.
    editing.world.write(".sops.yaml", &config);
    let encrypted = editing.world.read(FILE);
    editing.world.write(
        FILE,
        encrypted.replace("encrypted_regex: ", "unencrypted_regex: "),
    );
    let refusal = [
        "otherwise than its rule",
        "unencrypted_regex",
        "--keep-readers",
    ];
    assert_not_opened(&editing, &[FILE], &refusal);
    editing.world.write(
        FILE,
        encrypted.replace("    mac: ", "    mac_only_encrypted: true\n    mac: "),
    );
    assert_not_opened(&editing, &[FILE], &["mac_only_encrypted"]);
}

#[test]
fn keep_readers_edits_a_file_as_it_is() {
    let mut editing = Editing::new("keep");
    let (private, stranger) = keypair(&editing.world);
    editing.shared_with(&stranger);
    editing.commit();
    editing.editor("sed -i s/admin/owner/ \"$1\"");
    let run = editing.edit(&[FILE, "--keep-readers"]);
    assert!(
        run.assert_code(0).err().contains(&stranger),
        "{}",
        run.err()
    );
    assert!(editing.plaintext(FILE).contains("owner"));
    assert_eq!(
        unwrapped(&editing, FILE, &private).as_ref(),
        Some(&editing.data_key(FILE))
    );
    editing.assert_no_trace();
}

/// Its address comes from the file, and the data key would go there.
#[test]
fn keep_readers_does_not_keep_a_server() {
    let log = RequestLog::start();
    let mut editing = Editing::new("server").with_secret();
    editing.setup.world.env("VAULT_TOKEN", "hvs.victim");
    watched(&mut editing);
    let entry = format!(
        "    hc_vault:\n        - vault_address: http://127.0.0.1:{}\n          engine_path: transit\n          key_name: k\n          created_at: \"2026-11-29T20:55:16Z\"\n          enc: vault:v1:AAAA\n",
        log.port()
    );
    let sound = editing.world.read(FILE);
    let added = sound.replacen("sops:\n", &format!("sops:\n{entry}"), 1);
    let damaged = added.replace("YWdlLWVuY3J5cHRpb24", "YWdlLWVuY3J5cHRpb25");
    for text in [added.clone(), damaged] {
        editing.world.write(FILE, text);
        for args in [&[FILE][..], &[FILE, "--keep-readers"]] {
            assert_not_opened(&editing, args, &["/v1/transit/keys/k"]);
        }
    }
    // No rule is for it: the server is taken out, which is said.
    editing.world.write("elsewhere/db.yaml", &added);
    editing.editor("sed -i s/admin/owner/ \"$1\"");
    let run = editing.edit(&["elsewhere/db.yaml"]);
    assert!(
        run.assert_code(0).err().contains("saving takes it out"),
        "{}",
        run.err()
    );
    assert!(!editing.world.read("elsewhere/db.yaml").contains("vault"));
    assert_eq!(log.take(), [] as [String; 0]);
}

#[test]
fn a_file_gets_a_new_data_key_unless_it_has_the_reviewed_one() {
    let mut editing = Editing::new("datakey").with_secret();
    // Nobody has reviewed it: it is not committed.
    assert!(editing.renews(FILE));
    editing.commit();
    assert!(!editing.renews(FILE), "HEAD has it");
    // Of a remote its default branch counts.
    editing.git(&["remote", "add", "origin", "nowhere"]);
    assert!(!editing.renews(FILE), "it was never fetched");
    editing.commit();
    editing.push();
    assert!(!editing.renews(FILE), "the default branch has it");
    let reviewed = editing.world.read(FILE);
    let editing = &mut editing.with_secret();
    editing.commit();
    assert!(editing.renews(FILE), "only HEAD has it");
    // The same stanza beside another is not the same either.
    editing.world.write(FILE, &reviewed);
    assert!(!editing.renews(FILE));
    let stanza = |text: &str| {
        let (start, end) = (
            text.find("        - enc:"),
            text.find("    encrypted_regex"),
        );
        text[start.expect("a stanza")..end.expect("an end")].to_owned()
    };
    let other = {
        editing.encrypt("other-secret.yaml", &editing.secret());
        stanza(&editing.world.read("other-secret.yaml"))
    };
    let own = stanza(&reviewed);
    editing
        .world
        .write(FILE, reviewed.replace(&own, &format!("{own}{other}")));
    assert!(editing.renews(FILE));
    // Where there is no repository there is nothing to compare with.
    let editing = &mut Editing::new("norepo").with_secret();
    std::fs::remove_dir_all(editing.world.path(".git")).expect("removed");
    assert!(!editing.renews(FILE));
}

#[test]
fn the_data_key_is_new_in_every_format() {
    let mut editing = Editing::new("formats");
    let recipient = editing.recipient();
    let config = format!("creation_rules:\n  - age: {recipient}\n");
    editing.world.write(".sops.yaml", config);
    for (name, text) in [
        ("s.yaml", "user: admin\nlist: [a]\n"),
        ("two.yaml", "user: admin\n---\na: b\n"),
        ("s.json", "{\"user\": \"admin\"}\n"),
        ("s.env", "USER=admin\n"),
        ("s.ini", "[a]\nuser = admin\n"),
        ("s.bin", "admin\n"),
    ] {
        editing.encrypt(name, text);
        assert!(editing.renews(name), "{name}");
        editing.commit();
        assert!(!editing.renews(name), "{name}");
    }
}

/// plan-security 1: who made a file knows its data key, and would read what is typed into
/// it later, although nobody but the cluster is among its recipients.
#[test]
fn who_made_a_file_cannot_read_what_is_typed_into_it() {
    let mut editing = Editing::new("template");
    editing.world.write("README.md", "x\n");
    editing.commit();
    editing.git(&["remote", "add", "origin", "nowhere"]);
    editing.push();
    let (private, attacker) = keypair(&editing.world);
    // The template is for both, and then the attacker's own stanza goes.
    let template = editing.secret().replace(&editing.canary, "CHANGE-ME");
    let both = format!("{attacker},{}", editing.recipient());
    encrypt_for_secrets(&editing, &both, FILE, &template);
    let whole = editing.world.read(FILE);
    let start = whole.find("        - enc:").expect("a stanza");
    let second = start + 1 + whole[start + 1..].find("        - enc:").expect("another");
    let theirs = whole[start..second].to_owned();
    assert!(theirs.contains(&attacker));
    editing.world.write(FILE, whole.replacen(&theirs, "", 1));
    editing.commit();
    let check = editing.world.kb(["k", "secrets", "check"]);
    check.assert_code(0);
    // The operator fills it in, and the attacker has the stanza still.
    editing.editor(&format!("sed -i s/CHANGE-ME/{}/ \"$1\"", editing.canary));
    editing.edit(&[FILE]).assert_code(0);
    assert!(editing.plaintext(FILE).contains(&editing.canary));
    let saved = editing.world.read(FILE);
    let again = saved.replacen("    age:\n", &format!("    age:\n{theirs}"), 1);
    editing.world.write("stolen.yaml", again);
    let mut sops = editing.world.tool_cmd("sops", ["decrypt", "--ignore-mac"]);
    sops.arg("stolen.yaml").env("SOPS_AGE_KEY", private);
    let stolen = editing.world.run(sops);
    assert_ne!(stolen.code, Some(0), "{}", stolen.out());
    assert!(!stolen.out().contains(&editing.canary));
}

#[test]
fn a_rule_that_changes_while_the_editor_is_open_keeps_the_text() {
    let mut editing = Editing::new("midway").with_secret();
    editing.commit();
    let (_, stranger) = keypair(&editing.world);
    let config = editing.world.read(".sops.yaml");
    let own = editing.recipient();
    for (changed, name) in [
        (config.replace(&own, &format!("{own},{stranger}")), FILE),
        (config.replace("^(data|stringData)$", "^data$"), FILE),
        (config.replace("secret", "geheim"), FILE),
        (
            config.replace(&own, &format!("{own},{stranger}")),
            "new-secret.yaml",
        ),
    ] {
        let before = std::fs::read(editing.world.path(name)).ok();
        let text = editing.secret().replace("admin", "owner");
        let (typed, rules) = (
            editing.world.tmp().join("typed"),
            editing.world.tmp().join("rules"),
        );
        std::fs::write(&typed, &text).expect("write");
        std::fs::write(&rules, &changed).expect("write");
        editing.editor(&format!(
            "cat '{}' > \"$1\"; cat '{}' > '{}'",
            typed.display(),
            rules.display(),
            editing.world.path(".sops.yaml").display()
        ));
        let run = editing.edit(&[name]);
        std::fs::remove_file(&typed).expect("removed");
        assert_fails(
            &run,
            1,
            &["was changed while the editor was open", "--resume"],
        );
        assert_eq!(std::fs::read(editing.world.path(name)).ok(), before);
        let kept = editing.draft();
        assert!(kept.contains("owner") && kept.contains(&editing.canary));
        // As the rules were it can be saved.
        editing.world.write(".sops.yaml", &config);
        editing.editor("touch \"$1\"");
        editing.edit(&[name, "--resume"]).assert_code(0);
        assert!(editing.plaintext(name).contains("owner"));
        assert!(!editing.world.read(name).contains(&stranger));
        editing.assert_no_trace();
        editing.git(&["checkout", "-q", "--", FILE]);
    }
}

/// Where kb stands says nothing of a file's rule.
#[test]
fn the_rule_is_that_of_the_nearest_config_above_the_file() {
    let mut editing = Editing::new("nearest");
    let (_, stranger) = keypair(&editing.world);
    let config = editing.world.read(".sops.yaml");
    let other = config.replace(&editing.recipient(), &stranger);
    editing.world.write("apps/.sops.yaml", &config);
    editing.world.write(".sops.yaml", &other);
    editing.world.write("other/x", "");
    let text = editing.secret();
    let typed = editing.world.tmp().join("typed");
    std::fs::write(&typed, &text).expect("write");
    editing.editor(&format!("cat '{}' > \"$1\"", typed.display()));
    for (number, directory) in ["", "apps", "other"].iter().enumerate() {
        let name = format!("apps/new{number}-secret.yaml");
        let mut command = editing.command(&["edit"]);
        let path = editing.world.path(&name);
        let directory = editing.world.path(directory);
        command
            .arg(path)
            .current_dir(&directory)
            .env("PWD", directory);
        editing.world.run(command).assert_code(0);
        assert!(!editing.world.read(&name).contains(&stranger));
    }
    std::fs::remove_file(typed).expect("removed");
    editing.editor("sed -i s/admin/owner/ \"$1\"");
    editing.edit(&["apps/new0-secret.yaml"]).assert_code(0);
    // Another config that is named is for all files.
    let refused = editing.edit(&["apps/new0-secret.yaml", "--config", ".sops.yaml"]);
    assert_fails(
        &refused,
        1,
        &["otherwise than its rule .sops.yaml:2:5", &stranger],
    );
}
