//! A Secret is judged as the cluster will judge it, wherever it is in the file, and nothing
//! of it is saved in plaintext.

use testkit::Run;

use super::Editing;
use crate::assert_fails;

const HEAD: &str = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n";

impl Editing {
    /// Types the text into the file, once.
    fn type_into(&mut self, name: &str, text: &str) -> Run {
        let typed = self.world.tmp().join("typed");
        std::fs::write(&typed, text).expect("write");
        let typed = typed.display();
        self.editor(&format!("[ ! -e '{typed}' ] || mv '{typed}' \"$1\""));
        self.edit(&[name])
    }

    /// The text is refused, for reasons with these words, and no file is made.
    #[track_caller]
    fn assert_not_saved(&mut self, text: &str, words: &[&str]) {
        let run = self.type_into("new-secret.yaml", text);
        assert_fails(&run, 1, words);
        assert!(!run.err().contains("hunter2"), "{}", run.err());
        assert!(!self.world.path("new-secret.yaml").exists(), "{text}");
        self.assert_no_trace();
    }

    /// The text is saved; what sops opens it to.
    #[track_caller]
    fn assert_saved(&mut self, text: &str) -> String {
        let path = self.world.path("new-secret.yaml");
        let run = self.type_into("new-secret.yaml", text);
        run.assert_code(0);
        let plaintext = self.plaintext("new-secret.yaml");
        std::fs::remove_file(path).expect("removed");
        plaintext
    }

    fn rule(&self, from: &str, to: &str) {
        let config = self.world.read(".sops.yaml");
        assert!(config.contains(from), "{config}");
        self.world.write(".sops.yaml", config.replace(from, to));
    }
}

#[test]
fn what_the_api_server_refuses_comes_back_with_its_place() {
    let mut editing = Editing::new("refused");
    for (rest, words) in [
        (
            "name: x\nstringData:\n  \"my key\": hunter2",
            "line 6, column 3: the key stringData.my key is invalid",
        ),
        (
            "name: Db_hunter2\nstringData:\n  a: v",
            "line 4, column 3: metadata.name is invalid",
        ),
        (
            "name: x\n  labels: {a: 1}\nstringData:\n  a: v",
            "line 5, column 12: metadata.labels.a is read as a number",
        ),
        (
            "name: x\n  annotations:\n    port: 0x1F\nstringData:\n  a: v",
            "line 6, column 5: metadata.annotations.port is read as a number",
        ),
        (
            "name: x\nimmutable: \"true\"\nstringData:\n  a: v",
            "line 5, column 1: immutable is not a truth value",
        ),
        (
            "name: x\ntype: kubernetes.io/tls\nstringData:\n  tls.crt: x",
            "a Secret of type kubernetes.io/tls needs tls.key",
        ),
        (
            "name: x\n  label: {}\nstringData:\n  a: 010",
            "line 5, column 3: metadata has no field label",
        ),
        (
            "name: x\nstringData:\n  a: 010",
            "line 6, column 3: stringData.a is read as a number",
        ),
    ] {
        let text = format!("apiVersion: v1\nkind: Secret\nmetadata:\n  {rest}\n");
        editing.assert_not_saved(&text, &[words]);
    }
    let json = r#"{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"},
  "stringData": {"a": "hunter2", "a": "b"}}"#;
    editing.rule("\\.ya?ml", "\\.(json|ya?ml)");
    let run = editing.type_into("new-secret.json", json);
    assert_fails(&run, 1, &["line 2, column 34: duplicate key"]);
    assert!(!editing.world.path("new-secret.json").exists());
}

#[test]
fn all_problems_are_named_at_once() {
    let mut editing = Editing::new("several");
    let text = format!(
        "{HEAD}  labels: {{a: 1}}\nstringdata: {{a: hunter2}}\n---\n{}data: {{a: hunter2}}\n",
        HEAD.replace("db", "other")
    );
    editing.assert_not_saved(
        &text,
        &[
            "3 problems",
            "- line 5, column 12: metadata.labels.a is read as a number",
            "- line 6, column 1: a Secret has no field stringdata: write stringData",
            "- line 12, column 8: data.a is not base64",
        ],
    );
}

#[test]
fn a_secret_in_a_list_is_judged_as_one_at_the_top() {
    let mut editing = Editing::new("lists");
    let list = |kind: &str, head: &str, rest: &str| {
        format!(
            "apiVersion: v1\nkind: {kind}\nitems:\n- {head}metadata: {{name: a}}\n  data: {{b: aGk=}}\n  {rest}\n"
        )
    };
    let head = "apiVersion: v1\n  kind: Secret\n  ";
    for (kind, head) in [("List", head), ("SecretList", "")] {
        let bad = list(kind, head, "stringData: {a: 5, b: hunter2}");
        editing.assert_not_saved(&bad, &["stringData.a is read as a number"]);
        let good = list(kind, head, "stringData: {a: b}");
        assert!(editing.assert_saved(&good).contains("a: b"));
    }
    editing.rule("^(data|stringData)$", "^data$");
    let plain = list("List", head, "stringData: {a: hunter2}");
    let words = "column 16: stringData.a would stay in plaintext";
    editing.assert_not_saved(&plain, &[words]);
}

/// kubectl passes over them; for each sops would write `{}`, which Flux refuses.
#[test]
fn a_document_without_a_value_makes_no_document() {
    let mut editing = Editing::new("empty");
    let one = format!("{HEAD}stringData:\n  p: one\n");
    let other = one.replace("name: db", "name: other");
    for (text, documents) in [
        (format!("{one}---\n"), 1),
        (format!("---\n---\n{one}"), 1),
        (format!("{one}---\n# between\n---\n{other}"), 2),
        (
            format!("{one}---\n{{}}\n--- # between\n~\n---\n{other}---\n"),
            2,
        ),
        (format!("---\n# between\n---\n{one}---\n---\n"), 1),
        (format!("{one}---\n# between\n"), 1),
    ] {
        let plaintext = editing.assert_saved(&text);
        let heads = plaintext.matches("kind: Secret").count();
        assert_eq!(heads, documents, "{text}\n{plaintext}");
        let all = plaintext.lines().filter(|line| line.starts_with("---"));
        assert_eq!(all.count() + 1, documents, "{text}\n{plaintext}");
        assert!(!plaintext.contains("{}"), "{text}\n{plaintext}");
        assert_eq!(
            text.contains("between"),
            plaintext.contains("between"),
            "{plaintext}"
        );
    }
    // Problems are those of the text as it was typed.
    let bad = format!("---\n---\n{other}---\n---\n{HEAD}stringData: {{a: 0x1F}}\n");
    editing.assert_not_saved(
        &bad,
        &["line 15, column 14: stringData.a is read as a number"],
    );
}

#[test]
fn a_commented_out_value_is_refused_wherever_it_is() {
    let mut editing = Editing::new("comments");
    for text in [
        format!("{HEAD}#  password: hunter2\nstringData:\n  p: one\n"),
        format!("{HEAD}  # password: hunter2\nstringData:\n  p: one\n"),
        format!("# password: hunter2\n{HEAD}stringData:\n  p: one\n"),
        format!("{HEAD}#  user: hunter2\nstringData:\n  p: one\n"),
        format!("{HEAD}# p: hunter2\nstringData:\n  p: one\n"),
        format!("{HEAD}# data: {{user: hunter2}}\nstringData:\n  p: one\n"),
        format!("{HEAD}stringData:\n  p: one\n#  user: hunter2\n"),
        format!("{HEAD}stringData:\n  p: one\n# data:\n#   a: b\n#   user: hunter2\n"),
        format!("{HEAD}# stringData:\n#   user: hunter2\ndata:\n  p: aGk=\n"),
    ] {
        editing.assert_not_saved(&text, &["a comment would stay in plaintext"]);
    }
    for text in [
        format!("# owner: team-a\n{HEAD}stringData:\n  p: one\n"),
        format!("{HEAD}  # owner: team-a\nstringData:\n  # user: hunter2\n  p: one\n"),
        format!("# the password: see the wiki\n{HEAD}# docs: here\nstringData:\n  p: one\n"),
    ] {
        editing.assert_saved(&text);
    }
}

#[test]
fn a_text_without_any_value_is_refused() {
    let mut editing = Editing::new("novalue");
    for text in [
        "apiVersion: v1\n",
        HEAD,
        "apiVersion: v1\nkind: List\nitems: []\n",
        "{}\n",
    ] {
        editing.assert_not_saved(text, &["there is no value in it to encrypt"]);
    }
    // A pipe whose other end died.
    editing.setup.world.env("EDITOR", "cp /dev/stdin");
    let command = editing.command(&["edit", "new-secret.yaml"]);
    let run = editing.world.run_with_stdin(command, b"apiVersion: v1\n");
    assert_fails(&run, 1, &["there is no value in it to encrypt"]);
    assert!(!editing.world.path("new-secret.yaml").exists());
}

#[test]
fn a_file_in_which_nothing_is_encrypted_is_not_written() {
    let mut editing = Editing::new("nothing");
    editing.encrypt("values-secret.yaml", "password: hunter2\n");
    let before = editing.world.read("values-secret.yaml");
    editing.editor("sed -i 's/hunter2/hunter3/' \"$1\"");
    let run = editing.edit(&["values-secret.yaml"]);
    assert_fails(&run, 1, &["nothing in it would be encrypted", ".sops.yaml"]);
    assert_eq!(editing.world.read("values-secret.yaml"), before);
    editing.rule("^(data|stringData)$", "^spec$");
    let secret = editing.secret();
    editing.encrypt("db-secret.yaml", &secret);
    let run = editing.type_into("db-secret.yaml", &secret.replace("admin", "hunter2"));
    let words = "stringData.user would stay in plaintext";
    assert_fails(&run, 1, &[words, "stringData.password would"]);
}

#[test]
fn no_secret_is_made_whose_kind_is_encrypted() {
    let mut editing = Editing::new("head");
    let secret = format!("{HEAD}stringData:\n  p: hunter2\n");
    let list = format!(
        "apiVersion: v1\nkind: List\nitems:\n- {}",
        secret.replace('\n', "\n  ")
    );
    editing.rule(
        "encrypted_regex: ^(data|stringData)$",
        "encrypted_regex: ''",
    );
    for text in [&secret, list.trim_end()] {
        editing.assert_not_saved(text, &["apiVersion of the Secret would be encrypted"]);
    }
    editing.rule(
        "encrypted_regex: ''",
        "encrypted_regex: ^(data|stringData|name)$",
    );
    for text in [&secret, list.trim_end()] {
        editing.assert_not_saved(text, &["metadata.name of the Secret would be encrypted"]);
    }
    // One that was so before is not the edit's doing, nor is another file.
    editing.rule(
        "encrypted_regex: ^(data|stringData|name)$",
        "mac_only_encrypted: false",
    );
    editing.assert_saved("apiVersion: v1\nkind: Config\ntoken: one\n");
    editing.encrypt("db-secret.yaml", &secret);
    editing.editor("sed -i 's/hunter2/hunter3/' \"$1\"");
    editing.edit(&["db-secret.yaml"]).assert_code(0);
    assert!(editing.plaintext("db-secret.yaml").contains("hunter3"));
    editing.rule(
        "mac_only_encrypted: false",
        "encrypted-regex: ^(data|stringData)$",
    );
    let run = editing.type_into("new-secret.yaml", &secret);
    assert_fails(&run, 1, &["encrypted-regex"]);
    assert!(!editing.world.path("new-secret.yaml").exists());
}

#[test]
fn what_was_in_plaintext_before_is_not_refused() {
    let mut editing = Editing::new("before");
    editing.rule("^(data|stringData)$", "^data$");
    let comment = "# password: one\n";
    let text = format!("{comment}{HEAD}stringData:\n  p: one\ndata:\n  q: aGk=\n");
    editing.encrypt("db-secret.yaml", &text);
    let save = |editing: &mut Editing, text: &str| editing.type_into("db-secret.yaml", text);
    save(&mut editing, &text.replace("aGk=", "aGkK")).assert_code(0);
    assert!(editing.plaintext("db-secret.yaml").contains("q: aGkK"));
    let more = text.replace("  p: one", "  p: one\n  r: hunter2");
    let run = save(&mut editing, &more);
    assert_fails(
        &run,
        1,
        &["line 8, column 3: stringData.r would stay in plaintext"],
    );
    assert!(!run.err().contains("stringData.p"), "{}", run.err());
    let twice = text.replace(comment, &comment.repeat(2));
    assert_fails(
        &save(&mut editing, &twice),
        1,
        &["a comment would stay in plaintext"],
    );
}

#[test]
fn what_flux_fills_in_is_saved() {
    let mut editing = Editing::new("flux");
    let text = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: ${APP}-secret\n  namespace: ${NAMESPACE:=default}\n  labels:\n    app: ${APP}\nstringData:\n  p: one\n";
    assert_eq!(
        editing.assert_saved(text).lines().count(),
        text.lines().count()
    );
    let bad = text.replace("${APP}-secret", "${APP}_secret");
    editing.assert_not_saved(&bad, &["line 4, column 3: metadata.name is invalid"]);
}
