//! Who can read a file after a rotation, what nobody has decided, and how it is settled.

use std::path::Path;

use kb::core::encrypted::EncryptedFile;
use serde_json::Value;
use testkit::Run;

use super::Rotating;
use crate::keypair;

const FILE: &str = "team/app-secret.yaml";
const TEXT: &str =
    "apiVersion: v1\nkind: Secret\nmetadata:\n    name: app\nstringData:\n    a: b\n";

impl Rotating {
    /// A file in a folder of its own, encrypted for these by plain sops.
    fn with_file_for(prefix: &str, recipients: &[&str]) -> Self {
        let rotating = Self::new(prefix);
        rotating.encrypt_for(
            &[&[rotating.old.as_str()], recipients].concat().join(","),
            FILE,
            TEXT,
        );
        rotating
    }

    fn readers(&self) -> Vec<String> {
        let content = self.world.read_bytes(FILE);
        let file = EncryptedFile::parse(Path::new(FILE), &content).expect("an encrypted file");
        let readers = file.metadata.readers();
        let mut readers: Vec<String> = readers.all().map(ToString::to_string).collect();
        readers.sort();
        readers
    }

    fn current(&self) -> String {
        let entry = self.entry("age.agekey").expect("a key");
        crate::recipient_of(&self.world, entry.lines().last().expect("a line"))
    }

    #[track_caller]
    fn assert_readers(&self, others: &[&str]) {
        let mut expected: Vec<String> = others.iter().map(ToString::to_string).collect();
        expected.push(self.current());
        expected.sort();
        assert_eq!(self.readers(), expected);
    }

    /// The file stays for the old key, is named with these words, and the exit code is 3.
    #[track_caller]
    fn assert_file_left(&self, args: &[&str], words: &[&str]) {
        let before = self.world.read_bytes(FILE);
        let run = self.force(&[&["--yes"], args].concat());
        assert_said(
            &run,
            3,
            &[&[FILE, "error: 1 file was left"], words].concat(),
        );
        assert_eq!(self.world.read_bytes(FILE), before);
        assert_eq!(
            self.current(),
            crate::recipient_of(&self.world, run.out().trim())
        );
    }
}

#[track_caller]
fn assert_said(run: &Run, code: i32, words: &[&str]) {
    run.assert_code(code);
    for words in words {
        assert!(run.err().contains(words), "no {words:?} in:\n{}", run.err());
    }
}

/// Who was taken out of the rule is out of the file, and the plan says so.
#[test]
fn one_who_has_left_the_rule_loses_the_file() {
    let setup = Rotating::new("left-rule");
    let (_, ex) = keypair(&setup.world);
    let rotating = Rotating::with_file_for("left-rule", &[&ex]);
    rotating.add_rule("^team/", &[&rotating.old]);
    let run = rotating.force(&["--dry-run", "-o", "json"]);
    let plan: Value = serde_json::from_slice(&run.stdout).expect("a plan");
    let steps = plan["steps"].as_array().expect("steps");
    let step = steps.iter().find(|step| {
        step["path"]
            .as_str()
            .is_some_and(|path| path.ends_with(FILE))
    });
    let step = step.expect("the file");
    assert_eq!(step["leaving"], serde_json::json!([ex]), "{plan:#}");
    assert_eq!(step["joining"], serde_json::json!([]), "{plan:#}");
    let run = rotating.force(&[]);
    run.assert_code(0);
    let words = format!("{ex} loses access to {FILE}");
    assert!(run.err().contains(&words), "{}", run.err());
    rotating.assert_readers(&[]);
}

/// Who was added to the rule does not join by a rotation; `--use-existing` lets them.
#[test]
fn one_who_is_new_in_the_rule_joins_by_use_existing_alone() {
    let rotating = Rotating::with_file_for("new-in-rule", &[]);
    let (_, dev) = keypair(&rotating.world);
    rotating.add_rule("^team/", &[&rotating.old, &dev]);
    rotating.force(&["--yes"]).assert_code(0);
    rotating.assert_readers(&[]);
    let run = rotating.init(&["--use-existing"]);
    let words = format!("{dev} gains access to {FILE}");
    assert!(run.assert_code(0).err().contains(&words), "{}", run.err());
    rotating.assert_readers(&[&dev]);
}

/// A cluster's key leaves only by name.
#[test]
fn a_key_of_another_cluster_leaves_only_when_it_is_named() {
    let setup = Rotating::new("prod");
    let (_, prod) = keypair(&setup.world);
    let rotating = Rotating::with_file_for("prod", &[&prod]);
    rotating.add_rule("^prod/", &[&prod]);
    rotating.add_rule("^team/", &[&rotating.old]);
    rotating.assert_file_left(&[], &[&format!("--drop-reader {prod}")]);
    rotating.init(&["--use-existing"]).assert_code(3);
    rotating
        .init(&["--use-existing", "--drop-reader", &prod])
        .assert_code(0);
    rotating.assert_readers(&[]);
}

/// Without a rule, nobody knows a stranger.
#[test]
fn a_stranger_in_a_file_without_a_rule_is_kept_or_dropped_by_name() {
    for (option, stays) in [("--keep-reader", true), ("--drop-reader", false)] {
        let setup = Rotating::new("no-rule");
        let (_, stranger) = keypair(&setup.world);
        let rotating = Rotating::with_file_for("no-rule", &[&stranger]);
        let config = rotating.world.read(".sops.yaml");
        let config = config.replacen(
            "creation_rules:\n  - ",
            "creation_rules:\n  - path_regex: ^apps/\n    ",
            1,
        );
        let is_for_all = !config.contains("path_regex: (");
        let config = if is_for_all {
            config
        } else {
            let lines = config
                .lines()
                .filter(|line| !line.contains("path_regex: ("));
            lines.map(|line| format!("{line}\n")).collect()
        };
        rotating.world.write(".sops.yaml", config);
        rotating.assert_file_left(&[], &[&format!("--keep-reader {stranger}")]);
        rotating
            .init(&["--use-existing", option, &stranger])
            .assert_code(0);
        let stranger = stranger.as_str();
        rotating.assert_readers(if stays {
            std::slice::from_ref(&stranger)
        } else {
            &[]
        });
    }
}

/// A pull request that adds a reader to a rule and to a file needs a person's consent.
#[test]
fn a_reader_that_only_the_working_tree_names_needs_consent() {
    let rotating = Rotating::with_file_for("unreviewed", &[]);
    rotating.add_rule("^team/", &[&rotating.old]);
    rotating.commit("rules");
    rotating.git(&["remote", "add", "origin", "nowhere"]);
    rotating.git(&["update-ref", "refs/remotes/origin/main", "HEAD"]);
    let (_, dev) = keypair(&rotating.world);
    let config = rotating.world.read(".sops.yaml");
    let rule = format!("age: '{}'", rotating.old);
    assert!(config.contains(&rule), "{config}");
    let config = config.replacen(&rule, &format!("age: '{},{dev}'", rotating.old), 1);
    rotating.world.write(".sops.yaml", config);
    rotating.encrypt_for(&format!("{},{dev}", rotating.old), FILE, TEXT);
    rotating.assert_file_left(&[], &[&format!("--accept-reader {dev}")]);
    rotating
        .init(&["--use-existing", "--accept-reader", &dev])
        .assert_code(0);
    rotating.assert_readers(&[&dev]);
}

/// A config of the repository that was named is a pull request's, too.
#[test]
fn a_named_config_that_was_not_reviewed_needs_consent() {
    let rotating = Rotating::with_file_for("unreviewed-named", &[]);
    rotating.commit("rules");
    rotating.git(&["remote", "add", "origin", "nowhere"]);
    rotating.git(&["update-ref", "refs/remotes/origin/main", "HEAD"]);
    let (_, dev) = keypair(&rotating.world);
    let rule = format!("creation_rules:\n  - age: {},{dev}\n", rotating.old);
    rotating.world.write("ci/rules.yaml", rule);
    rotating.encrypt_for(&format!("{},{dev}", rotating.old), FILE, TEXT);
    let named = ["--config", "ci/rules.yaml"];
    rotating.assert_file_left(&named, &[&format!("--accept-reader {dev}")]);
}

/// A broken rule is not "no rule": its files stay, and the others are rotated.
#[test]
fn files_of_a_broken_rule_stay_and_the_others_are_rotated() {
    let rotating = Rotating::with_file_for("broken-rule", &[]);
    let config = rotating.world.read(".sops.yaml");
    rotating.world.write(
        "team/.sops.yaml",
        format!(
            "creation_rules:\n  - path_regex: (\n    age: {}\n",
            rotating.old
        ),
    );
    rotating.assert_file_left(&[], &["team/.sops.yaml:2:17", "fix .sops.yaml"]);
    rotating.world.write(
        "team/.sops.yaml",
        config.replace(&rotating.old, &rotating.current()),
    );
    rotating.assert_finishes(&[]);
    rotating.assert_readers(&[]);
}

/// What could not be looked at may be for the old key: that is not exit code 0.
#[test]
fn a_directory_that_cannot_be_read_is_not_exit_code_0() {
    let rotating = Rotating::new("unreadable");
    std::fs::create_dir_all(rotating.world.path("closed/in")).expect("mkdir");
    rotating.world.write("closed/in/a.txt", "a");
    // For root, too: a process without the right to pass over permissions.
    let closed = rotating.world.path("closed");
    let mode = |mode| {
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(&closed, permissions).expect("chmod");
    };
    mode(0o000);
    for (options, words) in [
        (&["--force"][..], "files there may still be for the old key"),
        (&["--use-existing"], "files there may not match their rules"),
    ] {
        let options = [&["init"], options].concat();
        let kb = rotating.command(&options);
        let drop = [
            "--bounding-set=-dac_override,-dac_read_search",
            "--inh-caps=-dac_override,-dac_read_search",
        ];
        let mut command = rotating.world.tool_cmd("setpriv", drop);
        command.arg(kb.get_program()).args(kb.get_args());
        let run = rotating.world.run(command);
        mode(0o000);
        assert_said(&run, 1, &[words, "closed", "--skip PATH"]);
    }
    mode(0o755);
}

/// A pull request removes the cluster's key from a file's metadata: no key of the cluster
/// opens the file, and its rule still names the cluster.
#[test]
fn a_file_whose_metadata_lost_the_key_is_named_and_is_not_exit_code_0() {
    let setup = Rotating::new("lost-key");
    let (_, stranger) = keypair(&setup.world);
    let rotating = Rotating::with_file_for("lost-key", &[&stranger]);
    rotating.add_rule("^team/", &[&rotating.old, &stranger]);
    let whole = rotating.world.read(FILE);
    rotating.encrypt_for(&stranger, FILE, TEXT);
    let lost = rotating.world.read(FILE);
    let words = [
        "these files stay as they are:",
        FILE,
        "it is not encrypted for this cluster's key, which its rule names",
        "1 file is not encrypted for this cluster, though its rule names it",
        "k secrets init --use-existing",
    ];
    let run = rotating.force(&["--dry-run", "-o", "json"]);
    run.assert_code(3);
    let plan: Value = serde_json::from_slice(&run.stdout).expect("a plan");
    let left = plan["left"].as_array().expect("a list");
    assert_eq!(left.len(), 1, "{plan:#}");
    assert!(
        left[0]["path"]
            .as_str()
            .is_some_and(|path| path.ends_with(FILE))
    );
    // The others are rotated.
    let before = rotating.current();
    assert_said(&rotating.force(&["--yes"]), 3, &words);
    assert_ne!(rotating.current(), before);
    assert_eq!(rotating.world.read(FILE), lost);
    assert_said(&rotating.init(&["--use-existing"]), 3, &words[..3]);
    // Put back, it is for a key that the cluster has retired, and is finished.
    rotating.world.write(FILE, whole);
    rotating.init(&["--use-existing"]).assert_code(0);
    rotating.assert_readers(&[&stranger]);
}

/// A file whose rule is for other clusters is none of this one's business.
#[test]
fn a_file_of_another_cluster_is_not_left_behind() {
    let setup = Rotating::new("other-cluster");
    let (_, other) = keypair(&setup.world);
    let rotating = Rotating::with_file_for("other-cluster", &[]);
    rotating.add_rule("^team/", &[&other]);
    rotating.encrypt_for(&other, FILE, TEXT);
    let before = rotating.world.read(FILE);
    let run = rotating.force(&["--yes"]);
    assert!(!run.assert_code(0).err().contains(FILE), "{}", run.err());
    assert_eq!(rotating.world.read(FILE), before);
}
