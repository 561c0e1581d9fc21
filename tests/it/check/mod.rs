//! `check`: the guard against plaintext in Git, without any cluster.

mod bounds;
mod configs;
mod content;
mod fix;
mod generated;
mod guard;
mod ignored;
mod protection;
mod readers;
mod staged;

use testkit::{Run, World};

use crate::{bare_world, keypair};

const MANIFEST: &str =
    "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\nstringData:\n  password: hunter2\n";
/// As kb writes it.
const RULE: &str =
    "path_regex: (^|/)[^/]*secret[^/]*\\.ya?ml$\n    encrypted_regex: ^(data|stringData)$";

/// A repository; there is no cluster, and no kubeconfig.
struct Repository {
    world: World,
    recipient: String,
}

impl Repository {
    /// Its one rule is the usual one.
    fn new() -> Self {
        Self::with_rules(&[RULE])
    }

    /// With these rules, each for the same key.
    fn with_rules(rules: &[&str]) -> Self {
        let world = bare_world();
        let (_, recipient) = keypair(&world);
        let rules = rules
            .iter()
            .map(|rule| format!("  - {rule}\n    age: {recipient}\n"));
        let config = format!("creation_rules:\n{}", rules.collect::<String>());
        world.write(".sops.yaml", config);
        Self { world, recipient }
    }

    fn check(&self, args: &[&str]) -> Run {
        self.world.kb([&["k", "secrets", "check"], args].concat())
    }

    fn git(&self, args: &[&str]) -> Run {
        self.world.run(self.git_cmd(args))
    }

    fn git_cmd(&self, args: &[&str]) -> std::process::Command {
        let author = ["-c", "user.name=kb", "-c", "user.email=kb@example.org"];
        self.world.tool_cmd("git", [&author, args].concat())
    }

    fn commit_all(&self) {
        self.git(&["add", "--all"]).assert_code(0);
        self.git(&["commit", "--quiet", "--message", "all"])
            .assert_code(0);
    }

    fn encrypt(&self, name: &str, plaintext: &str) {
        self.world.write(name, plaintext);
        let sops = self.world.tool("sops", ["encrypt", "--in-place", name]);
        sops.assert_code(0);
    }

    #[track_caller]
    fn assert_clean(&self, args: &[&str]) {
        let run = self.check(args);
        assert_eq!(run.assert_code(0).out(), "");
        assert!(
            run.err().contains("no plaintext, no private key")
                || run.err().contains("There is nothing"),
            "{}",
            run.err()
        );
    }

    /// Just these lines are found, and each has a hint.
    #[track_caller]
    fn assert_found(&self, args: &[&str], lines: &[&str]) -> Run {
        let run = self.check(args);
        let headings = [
            "error: this must not be committed:",
            "error: the readers of these files differ from their rules:",
            "error: these files are not encrypted as their rules say:",
            "error: these files have no rule any more:",
            "error: kb cannot read these files:",
            "error: problems were found:",
        ];
        let is_known = |heading: &&&str| run.err().contains(**heading);
        assert_eq!(headings.iter().filter(is_known).count(), 1, "{}", run.err());
        crate::assert_fails(&run, 3, &[]);
        let found = run.err().lines().filter_map(|line| line.strip_prefix("  "));
        let found: Vec<&str> = found.collect();
        assert_eq!(found, lines, "{}", run.err());
        assert!(!run.err().contains("hunter"), "{}", run.err());
        run
    }
}

#[test]
fn a_repository_without_plaintext_is_clean() {
    let repository = Repository::new();
    repository.encrypt("apps/db-secret.yaml", MANIFEST);
    repository
        .world
        .write("apps/kustomization.yaml", "resources: []\n");
    repository.assert_clean(&[]);
    repository.assert_clean(&["apps"]);
    repository.git(&["add", "--all"]).assert_code(0);
    repository.assert_clean(&["--staged"]);
    repository.commit_all();
    repository.assert_clean(&["--staged"]);
    // Where nothing is staged, nothing is missing.
    assert_eq!(
        repository.check(&["--staged"]).err(),
        "There is nothing to look at.\n"
    );
}

#[test]
fn what_was_found_is_printed_for_machines() {
    let repository = Repository::new();
    repository.world.write("db-secret.yaml", MANIFEST);
    repository.world.write("other.yaml", MANIFEST);
    let run = repository.check(&["-o", "json"]);
    let json: serde_json::Value = serde_json::from_str(run.assert_code(3).out()).expect("JSON");
    assert_eq!(json["version"], 1);
    assert_eq!(json["ok"], false);
    assert_eq!(json["files"], 3);
    assert_eq!(json["problems"][0]["kind"], "not-encrypted");
    assert!(
        json["unruled"][0]
            .as_str()
            .expect("a path")
            .ends_with("/other.yaml")
    );
    repository.encrypt("db-secret.yaml", MANIFEST);
    let run = repository.check(&["-o", "json"]);
    let json: serde_json::Value = serde_json::from_str(run.assert_code(0).out()).expect("JSON");
    assert_eq!(json["ok"], true);
    assert_eq!(json["problems"], serde_json::json!([]));
}

#[test]
fn what_cannot_be_looked_at_is_a_failure_and_no_finding() {
    let repository = Repository::new();
    crate::assert_fails(
        &repository.check(&["nowhere.yaml"]),
        1,
        &["there is no", "nowhere.yaml"],
    );
    let config = repository.world.read(".sops.yaml");
    repository.world.write(".sops.yaml", "creation_rules: {\n");
    crate::assert_fails(&repository.check(&[]), 1, &[".sops.yaml:1"]);
    repository
        .world
        .write(".sops.yaml", config.replace("ya?ml", "ya?m(l"));
    crate::assert_fails(
        &repository.check(&[]),
        3,
        &["kb cannot tell which files the path_regex"],
    );
    std::fs::remove_file(repository.world.path(".sops.yaml")).expect("removed");
    repository.world.write("README.md", "x\n");
    let run = repository.check(&[]);
    assert!(
        run.assert_code(0).err().contains("there is no .sops.yaml"),
        "{}",
        run.err()
    );
    std::fs::remove_dir_all(repository.world.path(".git")).expect("removed");
    crate::assert_fails(
        &repository.check(&["--staged"]),
        1,
        &["not a git repository"],
    );
}

/// pre-commit passes the names of the staged files, and hides what is not staged.
#[test]
fn the_hooks_for_pre_commit_run_the_check() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(".pre-commit-hooks.yaml");
    let text = std::fs::read(file).expect("the hooks");
    let documents = kb::core::yaml::values(&text).expect("YAML");
    let hooks = documents[0].as_array().expect("a list");
    assert_eq!(hooks.len(), 2);
    let repository = Repository::new();
    repository.world.write("db-secret.yaml", MANIFEST);
    repository.world.write("README.md", "x\n");
    for hook in hooks {
        for field in ["id", "name", "description", "language"] {
            assert!(hook[field].is_string(), "{hook}");
        }
        assert_eq!(hook["require_serial"], true);
        let entry = hook["entry"].as_str().expect("an entry");
        let words: Vec<&str> = entry.split(' ').skip(1).collect();
        let run = |files: &[&str]| repository.world.kb([words.as_slice(), files].concat());
        run(&["README.md", "db-secret.yaml"]).assert_code(3);
        run(&["README.md"]).assert_code(0);
    }
}
