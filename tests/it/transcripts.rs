//! Whole transcripts of each command's main paths and errors, one file for each command, so
//! that all sentences can be read in review and none breaks unseen.

use testkit::World;

use crate::{Setup, bare_world, keypair};

const MANIFEST: &str =
    "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\nstringData:\n  password: hunter2\n";

/// What was typed, and what kb answered.
struct Transcript<'w> {
    world: &'w World,
    namespace: Option<&'w str>,
    text: String,
}

impl<'w> Transcript<'w> {
    fn new(world: &'w World) -> Self {
        Self {
            world,
            namespace: None,
            text: String::new(),
        }
    }

    fn of_cluster(setup: &'w Setup) -> Self {
        Self {
            namespace: Some(&setup.namespace),
            ..Self::new(&setup.world)
        }
    }

    fn secrets(&mut self, arguments: &[&str]) -> &mut Self {
        self.kb(&[&["k", "secrets"], arguments].concat(), "")
    }

    fn secrets_with_stdin(&mut self, arguments: &[&str], stdin: &str) -> &mut Self {
        self.kb(&[&["k", "secrets"], arguments].concat(), stdin)
    }

    fn kb(&mut self, arguments: &[&str], stdin: &str) -> &mut Self {
        let mut typed = arguments.to_vec();
        if let Some(namespace) = self.namespace {
            typed.splice(2..2, ["-n", namespace]);
        }
        let run = self
            .world
            .run_with_stdin(self.world.kb_cmd(typed), stdin.as_bytes());
        let line = shlex::try_join(arguments.iter().copied()).expect("words of a shell");
        self.text
            .push_str(&format!("$ kb {line}\n{}\n", run.snapshot()));
        self
    }
}

/// A repository with a rule for the usual files; there is no cluster.
fn repository() -> World {
    let world = bare_world();
    let (_, recipient) = keypair(&world);
    world.write(
        ".sops.yaml",
        format!(
            "creation_rules:\n  - path_regex: (^|/)[^/]*secret[^/]*\\.ya?ml$\n    encrypted_regex: ^(data|stringData)$\n    age: {recipient}\n"
        ),
    );
    world
}

#[test]
fn words_that_kb_does_not_have() {
    let world = bare_world();
    let mut transcript = Transcript::new(&world);
    for word in [
        "updatekeys",
        "rotate",
        "rekey",
        "encrypt",
        "set",
        "get",
        "exec-env",
        "nonsense",
    ] {
        transcript.secrets(&[word]);
    }
    insta::assert_snapshot!("usage", transcript.text);
}

#[test]
fn check() {
    let world = repository();
    let mut transcript = Transcript::new(&world);
    transcript.secrets(&["check"]);
    world.write("apps/db-secret.yaml", MANIFEST);
    world.write("elsewhere/db.yaml", MANIFEST);
    transcript.secrets(&["check"]);
    transcript.secrets(&["check", "--fix"]);
    transcript.secrets(&["check"]);
    let encrypted = world.read("apps/db-secret.yaml");
    world.write(
        "apps/db-secret.yaml",
        encrypted.replace("stringData:\n", "stringData:\n    token: hunter3\n"),
    );
    world.write("apps/broken-secret.yaml", "kind: Secret\ndata: [\n");
    world.write("apps/empty-secret.yaml", "sops: {}\n");
    transcript.secrets(&["check"]);
    transcript.secrets(&["check", "missing.yaml"]);
    world.write(".sops.yaml", "creation_rules:\n  - path_regex: '('\n");
    transcript.secrets(&["check"]);
    insta::assert_snapshot!("check", transcript.text);
}

#[test]
fn edit() {
    let mut world = repository();
    world.env("EDITOR", "cp /dev/stdin");
    let mut transcript = Transcript::new(&world);
    transcript.secrets_with_stdin(&["edit", "apps/db-secret.yaml"], MANIFEST);
    transcript.secrets_with_stdin(&["edit", "apps/db.txt"], MANIFEST);
    transcript.secrets_with_stdin(
        &["edit", "apps/other-secret.yaml"],
        "kind: Secret\ndata: [\n",
    );
    transcript.secrets(&["edit", "apps"]);
    transcript.secrets(&["edit", "apps/db-secret.yaml", "--discard"]);
    transcript.secrets(&["edit", "apps/db-secret.yaml", "--resume"]);
    world.write("apps/plain-secret.yaml", MANIFEST);
    transcript.secrets(&["edit", "apps/plain-secret.yaml"]);
    transcript.secrets(&["drafts"]);
    transcript.secrets(&["drafts", "--discard"]);
    insta::assert_snapshot!("edit", transcript.text);
}

#[test]
fn decrypt() {
    let setup = Setup::initialized("transcript");
    let mut transcript = Transcript::of_cluster(&setup);
    setup.world.write("plain-secret.yaml", MANIFEST);
    transcript.secrets(&["decrypt", "missing.yaml"]);
    transcript.secrets(&["decrypt", "plain-secret.yaml"]);
    transcript.secrets(&["check", "--fix"]);
    transcript.secrets(&["decrypt", "plain-secret.yaml"]);
    let value = r#"["stringData"]["password"]"#;
    transcript.secrets(&["decrypt", "--extract", value, "plain-secret.yaml"]);
    let none = r#"["stringData"]["user"]"#;
    transcript.secrets(&["decrypt", "--extract", none, "plain-secret.yaml"]);
    let encrypted = setup.world.read("plain-secret.yaml");
    let renamed = encrypted.replace("name: db", "name: web");
    setup.world.write("plain-secret.yaml", renamed);
    transcript.secrets(&["decrypt", "plain-secret.yaml"]);
    transcript.secrets(&["decrypt", "--context", "other", "plain-secret.yaml"]);
    insta::assert_snapshot!("decrypt", transcript.text);
}

#[test]
fn init_prune_and_the_key() {
    let setup = Setup::new("transcript");
    let mut transcript = Transcript::of_cluster(&setup);
    transcript.secrets(&["key"]);
    transcript.secrets(&["prune"]);
    transcript.secrets(&["init", "--use-existing"]);
    transcript.secrets_with_stdin(&["init", "--import"], "hunter2\n");
    transcript.secrets(&["init", "--dry-run"]);
    transcript.secrets(&["init"]);
    transcript.secrets(&["init"]);
    transcript.secrets(&["init", "--path-regex", "^apps/", "--use-existing"]);
    transcript.secrets(&["exec", "--", "no-such-program"]);
    transcript.secrets(&["prune", "--dry-run"]);
    insta::assert_snapshot!("init", transcript.text);
}
