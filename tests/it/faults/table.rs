//! The table.

use super::Cell::{Finds, Passes, Refuses, Warns};
use super::plant::{FILE, MANIFEST, base64, write_utf16};
use super::{Fault, Why};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "a plaintext Secret under its rule",
        plant: |it| {
            it.write("apps/one-secret.yaml", MANIFEST);
        },
        file: "apps/one-secret.yaml",
        check: Finds(&["not-encrypted"]),
        staged: Finds(&["not-encrypted"]),
        status: Finds(&["not-encrypted"]),
        edit: Refuses(1, "is not encrypted"),
        plan: Passes(Why::NotItsFile),
    },
    Fault {
        name: "a plaintext Secret without a rule",
        plant: |it| {
            it.write("other/one.yaml", MANIFEST);
        },
        file: "other/one.yaml",
        check: Warns("no rule of .sops.yaml is for it"),
        staged: Warns("no rule of .sops.yaml is for it"),
        status: Warns("no rule of .sops.yaml is for it"),
        edit: Refuses(1, "is not encrypted"),
        plan: Passes(Why::NotItsFile),
    },
    Fault {
        name: "a plaintext Secret in UTF-16",
        plant: |it| {
            write_utf16(it, "apps/one-secret.yaml", MANIFEST);
        },
        file: "apps/one-secret.yaml",
        check: Finds(&["not-encrypted"]),
        staged: Finds(&["not-encrypted"]),
        status: Finds(&["not-encrypted"]),
        edit: Refuses(1, "is not encrypted"),
        plan: Passes(Why::NotItsFile),
    },
    Fault {
        name: "a plaintext Secret in a List",
        plant: |it| {
            it.write(
                "apps/one-secret.yaml",
                &format!(
                    "apiVersion: v1\nkind: List\nitems:\n- {}",
                    MANIFEST.trim_end().replace('\n', "\n  ")
                ),
            );
        },
        file: "apps/one-secret.yaml",
        check: Finds(&["not-encrypted"]),
        staged: Finds(&["not-encrypted"]),
        status: Finds(&["not-encrypted"]),
        edit: Refuses(1, "is not encrypted"),
        plan: Passes(Why::NotItsFile),
    },
    Fault {
        name: "a kind in the next line",
        plant: |it| {
            it.write(
                "apps/one-secret.yaml",
                &MANIFEST.replace("kind: Secret", "kind:\n  Secret"),
            );
        },
        file: "apps/one-secret.yaml",
        check: Finds(&["not-encrypted"]),
        staged: Finds(&["not-encrypted"]),
        status: Finds(&["not-encrypted"]),
        edit: Refuses(1, "is not encrypted"),
        plan: Passes(Why::NotItsFile),
    },
    Fault {
        name: "a JSON key twice",
        plant: |it| {
            it.write("apps/one-secret.json", "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"x\"},\"stringData\":{\"a\":\"hunter2\"}}\n");
        },
        file: "apps/one-secret.json",
        check: Finds(&["not-encrypted"]),
        staged: Finds(&["not-encrypted"]),
        status: Finds(&["not-encrypted"]),
        edit: Refuses(1, "is not encrypted"),
        plan: Passes(Why::NotItsFile),
    },
    Fault {
        name: "a value under a mistyped field",
        plant: |it| {
            it.write(
                "apps/one-secret.yaml",
                &MANIFEST.replace("stringData", "stringDate"),
            );
        },
        file: "apps/one-secret.yaml",
        check: Finds(&["not-encrypted"]),
        staged: Finds(&["not-encrypted"]),
        status: Finds(&["not-encrypted"]),
        edit: Refuses(1, "is not encrypted"),
        plan: Passes(Why::NotItsFile),
    },
    Fault {
        name: "a plaintext Secret in an editor's copy",
        plant: |it| {
            it.write("apps/one-secret.yaml.orig", MANIFEST);
        },
        file: "apps/one-secret.yaml.orig",
        check: Finds(&["not-encrypted"]),
        staged: Finds(&["not-encrypted"]),
        status: Finds(&["not-encrypted"]),
        edit: Refuses(1, "is not encrypted"),
        plan: Passes(Why::NotItsFile),
    },
    Fault {
        name: "a plaintext dotenv file under its rule",
        plant: |it| {
            it.write("env/app.env", "A=hunter2\n");
        },
        file: "env/app.env",
        check: Finds(&["not-encrypted"]),
        staged: Finds(&["not-encrypted"]),
        status: Finds(&["not-encrypted"]),
        edit: Refuses(1, "is not encrypted"),
        plan: Passes(Why::NotItsFile),
    },
    Fault {
        name: "a plaintext file that does not parse",
        plant: |it| {
            it.write("apps/one-secret.yaml", &format!("{MANIFEST}  a: [\n"));
        },
        file: "apps/one-secret.yaml",
        check: Finds(&["not-parsed"]),
        staged: Finds(&["not-parsed"]),
        status: Finds(&["not-parsed"]),
        edit: Refuses(1, "is not encrypted, and does not parse"),
        plan: Passes(Why::NotItsFile),
    },
    Fault {
        name: "a placeholder where a value belongs",
        plant: |it| {
            it.write(
                "apps/one-secret.yaml",
                &MANIFEST.replace("hunter2", "${PASSWORD}"),
            );
        },
        file: "apps/one-secret.yaml",
        check: Warns("1 file holds placeholders instead of values"),
        staged: Warns("1 file holds placeholders instead of values"),
        status: Warns("1 file holds placeholders instead of values"),
        edit: Refuses(1, "is not encrypted"),
        plan: Passes(Why::NotItsFile),
    },
    Fault {
        name: "a plaintext Secret that .kbignore names",
        plant: |it| {
            it.write("apps/one-secret.yaml", MANIFEST);
            it.write(".kbignore", "one-secret.yaml\n");
        },
        file: "apps/one-secret.yaml",
        check: Warns("1 file was left out by .kbignore"),
        staged: Warns("1 file was left out by .kbignore"),
        status: Warns("1 file was left out by .kbignore"),
        edit: Refuses(1, "is not encrypted"),
        plan: Passes(Why::NotItsFile),
    },
    Fault {
        name: "a YAML key twice in an encrypted file",
        plant: |it| {
            let line = it.line("    password:");
            it.change(&line, &format!("{line}\n{line}"));
        },
        file: FILE,
        check: Finds(&["damaged"]),
        staged: Finds(&["damaged"]),
        status: Finds(&["damaged"]),
        edit: Refuses(1, "it cannot read the file or its sops metadata"),
        plan: Refuses(1, "a file cannot be re-encrypted"),
    },
    Fault {
        name: "a plaintext value in an encrypted file",
        plant: |it| {
            it.change("stringData:\n", "stringData:\n    token: hunter3\n");
        },
        file: FILE,
        check: Finds(&["values-not-encrypted"]),
        staged: Finds(&["values-not-encrypted"]),
        status: Finds(&["values-not-encrypted"]),
        edit: Refuses(1, "a value in it was damaged, or typed in without sops"),
        plan: Refuses(3, "a value in it was damaged"),
    },
    Fault {
        name: "a comment with a value in an encrypted file",
        plant: |it| {
            it.change("stringData:\n", "stringData:\n    # token: hunter3\n");
        },
        file: FILE,
        check: Finds(&["values-not-encrypted"]),
        staged: Finds(&["values-not-encrypted"]),
        status: Finds(&["values-not-encrypted"]),
        edit: Warns("Found possibly unencrypted comment"),
        plan: Passes(Why::KeepsValues),
    },
    Fault {
        name: "a value that only looks encrypted",
        plant: |it| {
            it.change(
                "stringData:\n",
                "stringData:\n    token: ENC[AES256_GCM,data:hunter3]\n",
            );
        },
        file: FILE,
        check: Finds(&["value-looks-encrypted"]),
        staged: Finds(&["value-looks-encrypted"]),
        status: Finds(&["does-not-open", "value-looks-encrypted"]),
        edit: Refuses(1, "a value in it was damaged, or typed in without sops"),
        plan: Refuses(3, "a value in it was damaged"),
    },
    Fault {
        name: "a value encrypted where sops decrypts nothing",
        plant: |it| {
            let value = it.line("    password:").replace("    password: ", "");
            it.change(
                "metadata:\n",
                &format!("metadata:\n    annotations:\n        x: {value}\n"),
            );
        },
        file: FILE,
        check: Finds(&["value-looks-encrypted"]),
        staged: Finds(&["value-looks-encrypted"]),
        status: Finds(&["value-looks-encrypted", "wrong-mac"]),
        edit: Refuses(1, "does not match: it was changed without sops"),
        plan: Refuses(3, "does not match"),
    },
    Fault {
        name: "a number in stringData",
        plant: |it| {
            it.encrypt("apps/one-secret.yaml", &MANIFEST.replace("hunter2", "5432"));
        },
        file: "apps/one-secret.yaml",
        check: Finds(&["value-not-text"]),
        staged: Finds(&["value-not-text"]),
        status: Finds(&["value-not-text"]),
        edit: Refuses(1, "is read as a number: put it in quotes"),
        plan: Passes(Why::KeepsValues),
    },
    Fault {
        name: "nothing encrypted in an encrypted file",
        plant: |it| {
            it.encrypt(
                "apps/one-secret.yaml",
                "other:\n  user: admin\n  password: hunter2\n",
            );
        },
        file: "apps/one-secret.yaml",
        check: Finds(&["nothing-encrypted"]),
        staged: Finds(&["nothing-encrypted"]),
        status: Finds(&["nothing-encrypted"]),
        edit: Refuses(1, "nothing in it would be encrypted"),
        plan: Passes(Why::KeepsValues),
    },
    Fault {
        name: "a last-applied annotation in an encrypted file",
        plant: |it| {
            it.change("metadata:\n", "metadata:\n    annotations:\n        kubectl.kubernetes.io/last-applied-configuration: '{\"stringData\":{\"password\":\"hunter2\"}}'\n");
        },
        file: FILE,
        check: Finds(&["values-not-encrypted"]),
        staged: Finds(&["values-not-encrypted"]),
        status: Finds(&["values-not-encrypted", "wrong-mac"]),
        edit: Refuses(1, "does not match: it was changed without sops"),
        plan: Refuses(3, "does not match"),
    },
    Fault {
        name: "a value in the metadata of sops",
        plant: |it| {
            it.change("sops:\n", "sops:\n    note: hunter3\n");
        },
        file: FILE,
        check: Finds(&["values-not-encrypted"]),
        staged: Finds(&["values-not-encrypted"]),
        status: Finds(&["values-not-encrypted"]),
        edit: Passes(Why::Repairs),
        plan: Passes(Why::KeepsValues),
    },
    Fault {
        name: "an encrypted name",
        plant: |it| {
            it.change_rules("^(data|stringData)$", "^(data|stringData|name)$");
            it.encrypt("apps/one-secret.yaml", MANIFEST);
            it.change_rules("|name)$", ")$");
        },
        file: "apps/one-secret.yaml",
        check: Finds(&["other-selection"]),
        staged: Finds(&["other-selection"]),
        status: Finds(&["head-encrypted", "other-selection"]),
        edit: Refuses(1, "it encrypts by"),
        plan: Passes(Why::KeepsValues),
    },
    Fault {
        name: "a reader that the rule does not name",
        plant: |it| {
            let both = format!("{},{}", it.recipient(), it.other());
            it.encrypt_to(&both, FILE, MANIFEST);
        },
        file: FILE,
        check: Finds(&["other-recipients"]),
        staged: Finds(&["other-recipients"]),
        status: Finds(&["other-recipients"]),
        edit: Refuses(1, "which its rule .sops.yaml:2:5 does not name"),
        plan: Warns("loses access to apps/db-secret.yaml"),
    },
    Fault {
        name: "a reader that is missing",
        plant: |it| {
            let both = format!("age: {},{}", it.recipient(), it.other());
            let one = format!("age: {}", it.recipient());
            it.change_rules(&one, &both);
        },
        file: FILE,
        check: Finds(&["other-recipients"]),
        staged: Finds(&["other-recipients"]),
        status: Finds(&["other-recipients"]),
        edit: Refuses(1, "is not encrypted"),
        plan: Passes(Why::KeepsReaders),
    },
    Fault {
        name: "another selection",
        plant: |it| {
            it.encrypt_by(
                "^(data|stringData|binaryData)$",
                it.recipient(),
                FILE,
                MANIFEST,
            );
        },
        file: FILE,
        check: Finds(&["other-selection"]),
        staged: Finds(&["other-selection"]),
        status: Finds(&["other-selection"]),
        edit: Refuses(1, "it encrypts by"),
        plan: Passes(Why::KeepsValues),
    },
    Fault {
        name: "a rule that was lost",
        plant: |it| {
            it.change_rules("^apps/", "^app/");
        },
        file: FILE,
        check: Finds(&["rule-lost"]),
        staged: Finds(&["rule-lost"]),
        status: Finds(&["rule-lost"]),
        edit: Passes(Why::KeepsReaders),
        plan: Passes(Why::KeepsReaders),
    },
    Fault {
        name: "a file that was moved out of its rule",
        plant: |it| {
            it.git_move("moved/db.yaml");
        },
        file: "moved/db.yaml",
        check: Finds(&["rule-lost"]),
        staged: Finds(&["rule-lost"]),
        status: Finds(&["rule-lost"]),
        edit: Passes(Why::KeepsReaders),
        plan: Passes(Why::KeepsReaders),
    },
    Fault {
        name: "a file that was moved under another cluster's rule",
        plant: |it| {
            let rule = format!(
                "  - path_regex: ^other/\n    encrypted_regex: ^(data|stringData)$\n    age: {}\n",
                it.other()
            );
            let rules = it.world.read(".sops.yaml");
            it.write(".sops.yaml", &format!("{rules}{rule}"));
            it.git_move("other/db-secret.yaml");
        },
        file: "other/db-secret.yaml",
        check: Finds(&["other-recipients"]),
        staged: Finds(&["other-recipients"]),
        status: Finds(&["other-recipients"]),
        edit: Refuses(1, "is not encrypted"),
        plan: Refuses(3, "does not name this cluster"),
    },
    Fault {
        name: "a file for a retired key",
        plant: |it| {
            let (key, recipient) = crate::keypair(&it.world);
            it.put_keys(&[("age.agekey", it.key()), ("age.previous.agekey", &key)]);
            it.encrypt_to(&recipient, FILE, MANIFEST);
        },
        file: FILE,
        check: Finds(&["other-recipients"]),
        staged: Finds(&["other-recipients"]),
        status: Finds(&["other-recipients", "retired-key"]),
        edit: Refuses(1, "is still encrypted for a retired key of the cluster"),
        plan: Warns("apps/db-secret.yaml"),
    },
    Fault {
        name: "a file for an unknown key",
        plant: |it| {
            let other = it.other();
            it.encrypt_to(&other, FILE, MANIFEST);
        },
        file: FILE,
        check: Finds(&["other-recipients"]),
        staged: Finds(&["other-recipients"]),
        status: Finds(&["unknown-keys"]),
        edit: Refuses(1, "is encrypted for another cluster"),
        plan: Refuses(3, "it is not encrypted for this cluster"),
    },
    Fault {
        name: "a key server of the file's own",
        plant: |it| {
            it.change("sops:\n", "sops:\n    hc_vault:\n        - vault_address: http://127.0.0.1:9\n          engine_path: transit\n          key_name: x\n          created_at: \"2026-01-01T00:00:00Z\"\n          enc: vault:v1:x\n");
        },
        file: FILE,
        check: Finds(&["other-recipients"]),
        staged: Finds(&["other-recipients"]),
        status: Finds(&["other-recipients"]),
        edit: Refuses(1, "which its rule .sops.yaml:2:5 does not name"),
        plan: Warns("loses access to apps/db-secret.yaml"),
    },
    Fault {
        name: "a private key in a text",
        plant: |it| {
            it.write("notes.txt", it.key());
        },
        file: "notes.txt",
        check: Finds(&["private-key"]),
        staged: Finds(&["private-key"]),
        status: Finds(&["private-key"]),
        edit: Refuses(1, "is not encrypted"),
        plan: Passes(Why::NotItsFile),
    },
    Fault {
        name: "a private key in base64",
        plant: |it| {
            it.write("notes.txt", &base64(&format!("{}\n", it.key())));
        },
        file: "notes.txt",
        check: Finds(&["private-key"]),
        staged: Finds(&["private-key"]),
        status: Finds(&["private-key"]),
        edit: Refuses(1, "is not encrypted"),
        plan: Passes(Why::NotItsFile),
    },
    Fault {
        name: "a private key in UTF-16",
        plant: |it| {
            write_utf16(it, "notes.txt", it.key());
        },
        file: "notes.txt",
        check: Finds(&["private-key"]),
        staged: Finds(&["private-key"]),
        status: Finds(&["private-key"]),
        edit: Refuses(1, "is not encrypted"),
        plan: Passes(Why::NotItsFile),
    },
    Fault {
        name: "a private key under a temporary name of kb's",
        plant: |it| {
            it.write("apps/.db-secret.yaml.kb-tmp-AbCd1234", it.key());
        },
        file: "apps/.db-secret.yaml.kb-tmp-AbCd1234",
        check: Finds(&["private-key"]),
        staged: Finds(&["private-key"]),
        status: Finds(&["private-key"]),
        edit: Refuses(1, "is not encrypted"),
        plan: Passes(Why::NotItsFile),
    },
    Fault {
        name: "the cluster's Secret in the repository",
        plant: |it| {
            it.write_secret_itself("apps/key-secret.yaml");
        },
        file: "apps/key-secret.yaml",
        check: Passes(Why::NeedsCluster),
        staged: Passes(Why::NeedsCluster),
        status: Finds(&["secret-in-repository"]),
        edit: Passes(Why::KeepsValues),
        plan: Refuses(1, "Flux would put the old key back"),
    },
    Fault {
        name: "no .sops.yaml",
        plant: |it| {
            it.remove(".sops.yaml");
        },
        file: FILE,
        check: Finds(&["rule-lost"]),
        staged: Finds(&["rule-lost"]),
        status: Finds(&["config-missing", "rule-lost"]),
        edit: Passes(Why::KeepsReaders),
        plan: Passes(Why::KeepsReaders),
    },
    Fault {
        name: ".sops.yml alone",
        plant: |it| {
            std::fs::rename(it.world.path(".sops.yaml"), it.world.path(".sops.yml"))
                .expect("renamed");
        },
        file: FILE,
        check: Finds(&["config-misnamed", "rule-lost"]),
        staged: Finds(&["config-misnamed", "rule-lost"]),
        status: Finds(&["config-misnamed", "rule-lost"]),
        edit: Refuses(1, "sops does not read .sops.yml"),
        plan: Refuses(1, "sops does not read .sops.yml"),
    },
    Fault {
        name: "a config that does not parse",
        plant: |it| {
            it.write(".sops.yaml", "creation_rules: {\n");
        },
        file: FILE,
        check: Refuses(1, ".sops.yaml:1:"),
        staged: Refuses(1, ".sops.yaml:1:"),
        status: Finds(&["config-broken"]),
        edit: Refuses(1, "not YAML"),
        plan: Refuses(1, "not YAML"),
    },
    Fault {
        name: "a broken rule",
        plant: |it| {
            it.change_rules("^env/", "^env(/");
        },
        file: FILE,
        check: Finds(&["config-broken"]),
        staged: Finds(&["config-broken"]),
        status: Finds(&["config-broken"]),
        edit: Passes(Why::NotItsRule),
        plan: Passes(Why::NotItsRule),
    },
    Fault {
        name: "an unknown field of a rule",
        plant: |it| {
            it.change_rules(
                "path_regex: ^env/",
                "path_regexp: ^x\n    path_regex: ^env/",
            );
        },
        file: FILE,
        check: Warns("unknown field path_regexp"),
        staged: Warns("unknown field path_regexp"),
        status: Warns("unknown field path_regexp"),
        edit: Passes(Why::NotItsRule),
        plan: Passes(Why::NotItsRule),
    },
    Fault {
        name: "conflict markers in .sops.yaml",
        plant: |it| {
            let rules = it.world.read(".sops.yaml");
            it.write(
                ".sops.yaml",
                &format!("<<<<<<< HEAD\n{rules}=======\n{rules}>>>>>>> other\n"),
            );
        },
        file: FILE,
        check: Refuses(1, ".sops.yaml:1:"),
        staged: Refuses(1, ".sops.yaml:1:"),
        status: Finds(&["config-broken"]),
        edit: Refuses(1, "a merge conflict"),
        plan: Refuses(1, "a merge conflict"),
    },
    Fault {
        name: "a rule that never applies",
        plant: |it| {
            let rules = it.world.read(".sops.yaml");
            it.write(
                ".sops.yaml",
                &format!(
                    "{rules}  - path_regex: ^env/x\n    age: {}\n",
                    it.recipient()
                ),
            );
        },
        file: FILE,
        check: Passes(Why::FluxAlone),
        staged: Passes(Why::FluxAlone),
        status: Finds(&["rule-never-applies"]),
        edit: Passes(Why::NotItsRule),
        plan: Passes(Why::NotItsRule),
    },
    Fault {
        name: "a rule for a kustomization",
        plant: |it| {
            it.write("env/kustomization.yaml", "resources: []\n");
        },
        file: "env/kustomization.yaml",
        check: Passes(Why::FluxAlone),
        staged: Passes(Why::FluxAlone),
        status: Finds(&["rule-covers-kustomization"]),
        edit: Refuses(1, "is not encrypted"),
        plan: Passes(Why::NotItsFile),
    },
    Fault {
        name: "a rule for a retired key",
        plant: |it| {
            let (key, recipient) = crate::keypair(&it.world);
            it.put_keys(&[("age.agekey", it.key()), ("age.previous.agekey", &key)]);
            let rules = it.world.read(".sops.yaml");
            it.write(
                ".sops.yaml",
                &format!("{rules}  - path_regex: ^old/\n    age: {recipient}\n"),
            );
        },
        file: FILE,
        check: Passes(Why::NeedsCluster),
        staged: Passes(Why::NeedsCluster),
        status: Finds(&["retired-key", "retired-key-named"]),
        edit: Passes(Why::NotItsRule),
        plan: Warns(".sops.yaml"),
    },
    Fault {
        name: "rules that do not name the cluster's key",
        plant: |it| {
            let other = it.other();
            let rules = it.world.read(".sops.yaml");
            it.write(".sops.yaml", &rules.replace(it.recipient(), &other));
        },
        file: FILE,
        check: Finds(&["other-recipients"]),
        staged: Finds(&["other-recipients"]),
        status: Finds(&["key-not-named", "other-recipients"]),
        edit: Refuses(1, "is not encrypted"),
        plan: Refuses(3, "does not name this cluster"),
    },
    Fault {
        name: "conflict markers in an encrypted file",
        plant: |it| {
            let text = it.world.read(FILE);
            it.write(
                FILE,
                &format!("<<<<<<< HEAD\n{text}=======\n{text}>>>>>>> other\n"),
            );
        },
        file: FILE,
        check: Finds(&["merge-conflict"]),
        staged: Finds(&["merge-conflict"]),
        status: Finds(&["merge-conflict"]),
        edit: Refuses(1, "has a merge conflict"),
        plan: Refuses(3, "has a merge conflict"),
    },
    Fault {
        name: "damaged metadata",
        plant: |it| {
            it.change("-----BEGIN AGE ENCRYPTED FILE-----", "-----BEGIN AGE-----");
        },
        file: FILE,
        check: Finds(&["damaged"]),
        staged: Finds(&["damaged"]),
        status: Finds(&["damaged", "does-not-open"]),
        edit: Refuses(1, "with any key it found"),
        plan: Refuses(3, "with any key it found"),
    },
    Fault {
        name: "metadata without a MAC",
        plant: |it| {
            let line = it.line("    mac:");
            it.change(&format!("{line}\n"), "");
        },
        file: FILE,
        check: Finds(&["damaged"]),
        staged: Finds(&["damaged"]),
        status: Finds(&["damaged", "wrong-mac"]),
        edit: Refuses(1, "does not match: it was changed without sops"),
        plan: Refuses(3, "does not match"),
    },
    Fault {
        name: "a wrong MAC",
        plant: |it| {
            let line = it.line("    user:");
            it.change(&format!("{line}\n"), "");
        },
        file: FILE,
        check: Passes(Why::NeedsKey),
        staged: Passes(Why::NeedsKey),
        status: Finds(&["wrong-mac"]),
        edit: Refuses(1, "does not match: it was changed without sops"),
        plan: Refuses(3, "does not match"),
    },
    Fault {
        name: "a tampered value",
        plant: |it| {
            it.tamper("    password:");
        },
        file: FILE,
        check: Passes(Why::NeedsKey),
        staged: Passes(Why::NeedsKey),
        status: Finds(&["does-not-open"]),
        edit: Refuses(1, "a value in it was damaged, or typed in without sops"),
        plan: Refuses(3, "is not authentic"),
    },
    Fault {
        name: "a plain document before an encrypted one",
        plant: |it| {
            let text = it.world.read(FILE);
            it.write(FILE, &format!("{MANIFEST}---\n{text}"));
        },
        file: FILE,
        check: Finds(&["plain-document-first"]),
        staged: Finds(&["plain-document-first"]),
        status: Finds(&["plain-document-first"]),
        edit: Refuses(1, "the first document is not"),
        plan: Refuses(3, "the first document is not"),
    },
    Fault {
        name: "an encrypted JSON file with a byte order mark",
        plant: |it| {
            it.encrypt("env/app.json", "{\"a\": \"hunter2\"}");
            let text = it.world.read("env/app.json");
            it.write("env/app.json", &format!("\u{feff}{text}"));
        },
        file: "env/app.json",
        check: Finds(&["other-encoding"]),
        staged: Finds(&["other-encoding"]),
        status: Finds(&["other-encoding"]),
        edit: Refuses(1, "byte order mark"),
        plan: Refuses(3, "byte order mark"),
    },
    Fault {
        name: "a prefix of sops's in a dotenv file",
        plant: |it| {
            it.encrypt("env/app.env", "A=b\n");
            let text = it.world.read("env/app.env");
            it.write("env/app.env", &format!("sops_x=hunter3\n{text}"));
        },
        file: "env/app.env",
        check: Finds(&["values-not-encrypted"]),
        staged: Finds(&["values-not-encrypted"]),
        status: Finds(&["values-not-encrypted"]),
        edit: Passes(Why::Repairs),
        plan: Passes(Why::KeepsValues),
    },
    Fault {
        name: "a ; comment in a dotenv file",
        plant: |it| {
            it.encrypt("env/app.env", "A=b\n");
            let text = it.world.read("env/app.env");
            it.write("env/app.env", &format!("; password=hunter3\n{text}"));
        },
        file: "env/app.env",
        check: Finds(&["values-not-encrypted"]),
        staged: Finds(&["values-not-encrypted"]),
        status: Finds(&["values-not-encrypted"]),
        edit: Refuses(1, "a value in it was damaged, or typed in without sops"),
        plan: Refuses(3, "a value in it was damaged"),
    },
    Fault {
        name: "an encrypted kustomization",
        plant: |it| {
            it.encrypt_by(
                ".*",
                it.recipient(),
                "apps/kustomization.yaml",
                "resources: [db-secret.yaml]\n",
            );
        },
        file: "apps/kustomization.yaml",
        check: Passes(Why::FluxAlone),
        staged: Passes(Why::FluxAlone),
        status: Finds(&["kustomization-encrypted", "no-rule"]),
        edit: Passes(Why::KeepsReaders),
        plan: Passes(Why::KeepsValues),
    },
    Fault {
        name: "a file without a rule",
        plant: |it| {
            it.encrypt_to(it.recipient(), "other/db.yaml", MANIFEST);
        },
        file: "other/db.yaml",
        check: Passes(Why::KeepsReaders),
        staged: Passes(Why::KeepsReaders),
        status: Finds(&["no-rule"]),
        edit: Passes(Why::KeepsReaders),
        plan: Passes(Why::KeepsReaders),
    },
    Fault {
        name: "flux: two kustomizations in a directory",
        plant: |it| {
            it.write("apps/kustomization.yaml", "resources: [db-secret.yaml]\n");
            it.write("apps/kustomization.yml", "resources: []\n");
            it.kustomization("./apps");
        },
        file: FILE,
        check: Passes(Why::NeedsCluster),
        staged: Passes(Why::NeedsCluster),
        status: Finds(&["not-built"]),
        edit: Passes(Why::NeedsCluster),
        plan: Passes(Why::FluxAlone),
    },
    Fault {
        name: "flux: what a configMapGenerator reads",
        plant: |it| {
            it.encrypt("env/app.env", "A=b\n");
            it.write(
                "conf/kustomization.yaml",
                "configMapGenerator:\n- name: x\n  files: [../env/app.env]\n",
            );
            it.kustomization("./conf");
        },
        file: "env/app.env",
        check: Passes(Why::NeedsCluster),
        staged: Passes(Why::NeedsCluster),
        status: Finds(&["not-decrypted"]),
        edit: Passes(Why::NeedsCluster),
        plan: Passes(Why::FluxAlone),
    },
    Fault {
        name: "flux: a document that is no object",
        plant: |it| {
            it.encrypt(
                "apps/two-secret.yaml",
                &format!("{MANIFEST}---\nstringData: {{a: b}}\n"),
            );
            it.write("apps/kustomization.yaml", "resources: [two-secret.yaml]\n");
            it.kustomization("./apps");
        },
        file: "apps/two-secret.yaml",
        check: Passes(Why::NeedsCluster),
        staged: Passes(Why::NeedsCluster),
        status: Finds(&["not-an-object"]),
        edit: Refuses(1, "each document needs apiVersion, kind and metadata.name"),
        plan: Passes(Why::FluxAlone),
    },
];
