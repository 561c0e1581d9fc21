//! `init --force`: a rotation, and what may come between.

mod copies;
mod engines;
mod kill;
mod others;
mod plan;
mod readers;
mod refusals;
mod retired;
mod troubles;

use std::path::PathBuf;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use testkit::{Run, Spawned};

use crate::{Setup, recipient_of};

/// A repository with files of every format for the cluster's key, and one that is
/// another cluster's.
struct Rotating {
    setup: Setup,
    /// The names and plaintexts of the cluster's files.
    files: Vec<(String, String)>,
    /// The other cluster's file, byte for byte.
    foreign: Vec<u8>,
    /// The cluster's first recipient, and its private key.
    old: String,
    first_key: String,
}

impl std::ops::Deref for Rotating {
    type Target = Setup;
    fn deref(&self) -> &Setup {
        &self.setup
    }
}

/// No rule is for it: a rule that named this cluster would make it one that was missed.
const OTHER_CLUSTERS: &str = "clusters/other/db.yaml";

impl Rotating {
    fn new(prefix: &str) -> Self {
        Self::of(testkit::Cluster::shared(), prefix)
    }

    fn of(cluster: &'static testkit::Cluster, prefix: &str) -> Self {
        let setup = Setup::of(cluster, prefix);
        setup.init(&[]).assert_code(0);
        let old = setup.recipient();
        let manifest = |name: &str| {
            format!(
                "apiVersion: v1\nkind: Secret\nmetadata:\n    name: {name}\nstringData:\n    # who\n    user: {name}\n    empty: \"\"\n"
            )
        };
        let documents = format!("{}---\n{}", manifest("one"), manifest("two"));
        let files: Vec<(String, String)> = [
            ("apps/db-secret.yaml", manifest("db").as_str()),
            ("apps/two-secret.yml", &documents),
            ("apps/values.json", "{\n\t\"a\": \"b\",\n\t\"n\": 1\n}\n"),
            ("apps/app.env", "A=b\n# c\nC=d\n"),
            ("apps/app.ini", "[a]\nb = c\n"),
            ("deep/er/blob", "binary\n"),
        ]
        .map(|(name, text)| (name.to_owned(), text.to_owned()))
        .to_vec();
        for (name, text) in &files {
            setup.encrypt_for(&old, name, text);
        }
        let (_, other) = crate::keypair(&setup.world);
        setup.encrypt_for(&other, OTHER_CLUSTERS, &manifest("other"));
        Self {
            foreign: setup.world.read_bytes(OTHER_CLUSTERS),
            first_key: setup
                .entry("age.agekey")
                .expect("a key")
                .lines()
                .last()
                .expect("a line")
                .to_owned(),
            files,
            old,
            setup,
        }
    }

    fn force(&self, args: &[&str]) -> Run {
        self.init(&[&["--force"], args].concat())
    }

    fn git(&self, args: &[&str]) -> String {
        let run = self.world.tool("git", args);
        run.assert_code(0).out().trim().to_owned()
    }

    /// Commits everything; the commit.
    fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all", "--force"]);
        self.git(&["commit", "--quiet", "--message", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// Puts a rule for these recipients before the others of `.sops.yaml`.
    fn add_rule(&self, path_regex: &str, recipients: &[&str]) {
        let rule = format!(
            "  - path_regex: '{path_regex}'\n    age: '{}'\n",
            recipients.join(",")
        );
        self.add_rule_text(&rule);
    }

    /// Puts a rule before the others of `.sops.yaml`.
    fn add_rule_text(&self, rule: &str) {
        let config = self.world.read(".sops.yaml");
        let first = config.find("  - ").expect("a rule");
        let config = format!("{}{rule}{}", &config[..first], &config[first..]);
        self.world.write(".sops.yaml", config);
    }

    /// Encrypts a file with plain sops, by the rules of a config that is elsewhere.
    fn encrypt_by(&self, config: &str, name: &str) {
        let path = self.world.tmp().join("config.yaml");
        std::fs::write(&path, config).expect("write");
        let mut sops = self.world.tool_cmd("sops", ["--config"]);
        sops.arg(path).args(["encrypt", "--in-place", name]);
        self.world.run(sops).assert_code(0);
    }

    /// A rotation that has stopped itself at a point.
    #[track_caller]
    fn paused_at(&self, point: &str, args: &[&str]) -> Spawned {
        let mut spawned = self.world.spawn(self.pausing(point, args));
        spawned.wait_until_stopped();
        spawned
    }

    fn pausing(&self, point: &str, args: &[&str]) -> Command {
        // Where the tests run in the background, Ctrl-C is ignored from the start.
        let mut command = self.world.tool_cmd("env", ["--default-signal=INT,QUIT"]);
        command.arg(env!("CARGO_BIN_EXE_kb"));
        command.args(["k", "secrets", "-n", &self.namespace, "init", "--force"]);
        command.args(args).args(crate::engine(args));
        command.env("KB_TEST_PAUSE_AT", point);
        command
    }

    /// The Secret, as the server has it.
    fn object(&self) -> Value {
        let path = self.path();
        self.cluster.get(&path).expect("the Secret")
    }

    fn path(&self) -> String {
        format!("/api/v1/namespaces/{}/secrets/sops-age", self.namespace)
    }

    /// The entries that Flux reads, of a Secret of this name and namespace.
    fn keys_of(&self, namespace: &str) -> String {
        let data = self.cluster.secret(namespace, "sops-age");
        let data = data.expect("the Secret").into_iter();
        let read = data.filter(|(name, _)| name.ends_with(".agekey"));
        let texts = read.map(|(_, value)| String::from_utf8(value).expect("text"));
        texts.collect::<Vec<_>>().join("\n")
    }

    /// The private keys that the cluster holds, as sops takes them.
    fn keys(&self) -> String {
        let text = self.keys_of(&self.namespace);
        let keys = text.lines().filter(|line| line.starts_with("AGE-SECRET"));
        keys.collect::<Vec<_>>().join("\n")
    }

    /// A file's plaintext, by plain sops with these keys alone.
    fn plaintext(&self, name: &str, keys: &str) -> Run {
        let mut sops = self.world.tool_cmd("sops", ["decrypt", name]);
        sops.env("SOPS_AGE_KEY", keys);
        self.world.run(sops)
    }

    /// Each file of the cluster opens with one of the keys that it holds, and its
    /// plaintext and the other cluster's file are as before.
    #[track_caller]
    fn assert_all_open(&self) {
        self.assert_open_with(&self.keys());
    }

    #[track_caller]
    fn assert_open_with(&self, keys: &str) {
        for (name, text) in &self.files {
            let run = self.plaintext(name, keys);
            assert_eq!(run.assert_code(0).out(), text, "{name}");
        }
        assert_eq!(self.world.read_bytes(OTHER_CLUSTERS), self.foreign);
        let config = self.world.read(".sops.yaml");
        let mut held = keys
            .lines()
            .filter(|line| line.starts_with("AGE-SECRET"))
            .map(|key| recipient_of(&self.world, key));
        assert!(held.any(|held| config.contains(&held)), "{config}");
    }

    /// The rotation is finished: everything is for the new key, which was printed,
    /// and nothing else is left. Returns the new recipient.
    #[track_caller]
    fn assert_rotated(&self, run: &Run) -> String {
        run.assert_code(0);
        self.assert_rotated_but(run, &[])
    }

    /// The same but for these files, which are byte for byte as they were: they are named
    /// in a warning, the old key stays in the cluster for them and cannot be pruned, and
    /// the exit code is 3.
    #[track_caller]
    fn assert_left(&self, run: &Run, left: &[(&str, &[u8])]) -> String {
        run.assert_code(3);
        let new = self.assert_rotated_but(run, left);
        for (name, before) in left {
            assert_eq!(self.world.read_bytes(name), *before, "{name}");
            assert!(run.err().contains(name), "{name}: {}", run.err());
        }
        let count = match left.len() {
            1 => "error: 1 file was left for the old key".to_owned(),
            count => format!("error: {count} files were left for the old key"),
        };
        for words in ["these files stay as they are", &count, "--use-existing"] {
            assert!(run.err().contains(words), "{words}: {}", run.err());
        }
        let prune = self.secrets(&["prune", "--dry-run"]);
        prune.assert_code(1);
        let said = "may still be needed";
        assert!(prune.err().contains(said), "{}", prune.err());
        new
    }

    #[track_caller]
    fn assert_rotated_but(&self, run: &Run, left: &[(&str, &[u8])]) -> String {
        let printed = run.out().trim().to_owned();
        let current = self.entry("age.agekey").expect("a current key");
        assert_eq!(current.lines().last(), Some(printed.as_str()));
        let new = recipient_of(&self.world, &printed);
        assert_eq!(self.entry("age.next.agekey"), None);
        let retired = self.entry("age.previous.agekey").expect("retired keys");
        assert!(!retired.contains(&printed), "{}", run.err());
        assert!(retired.contains(&self.first_key), "{}", run.err());
        let retired = self.world.redact(&retired);
        assert!(retired.contains("[PRIVATE KEY]"), "{retired}");
        let is_left = |name: &str| left.iter().any(|(left, _)| *left == name);
        for (name, text) in self.files.iter().filter(|(name, _)| !is_left(name)) {
            let opened = self.plaintext(name, &printed);
            assert_eq!(opened.assert_code(0).out(), text, "{name}");
            let text = self.world.read(name);
            assert!(!text.contains(&self.old), "{name} is for the old key");
        }
        assert_eq!(self.world.read_bytes(OTHER_CLUSTERS), self.foreign);
        let config = self.world.read(".sops.yaml");
        assert!(
            config.contains(&new) && !config.contains(&self.old),
            "{config}"
        );
        self.assert_no_stray();
        // Neither key has touched a disk.
        for key in [printed.as_str(), self.first_key.as_str()] {
            let found = self.world.files_containing(key.as_bytes());
            assert_eq!(found, [] as [PathBuf; 0], "a private key");
        }
        new
    }

    /// `--use-existing` moves what a rotation has left, once that is settled; nothing is
    /// for an old key then.
    #[track_caller]
    fn assert_finishes(&self, args: &[&str]) {
        let run = self.init(&[&["--use-existing"], args].concat());
        run.assert_code(0);
        let current = self.entry("age.agekey").expect("a key");
        self.assert_open_with(current.lines().last().expect("a line"));
        for (name, _) in &self.files {
            let text = self.world.read(name);
            assert!(!text.contains(&self.old), "{name} is for the old key");
        }
    }

    /// Nothing has changed, in the cluster and here.
    #[track_caller]
    fn assert_untouched(&self) {
        let held = self.keys();
        assert_eq!(held.lines().count(), 1, "other keys");
        assert_eq!(self.entry("age.next.agekey"), None);
        assert_eq!(recipient_of(&self.world, &held), self.old);
        self.assert_all_open();
        assert!(self.world.read(".sops.yaml").contains(&self.old));
        self.assert_no_stray();
    }

    /// kb's temporary files.
    fn strays(&self) -> Vec<PathBuf> {
        let find = ["-name", "*.kb-tmp-*"];
        let run = self.world.tool("find", find);
        run.assert_code(0)
            .out()
            .lines()
            .map(PathBuf::from)
            .collect()
    }

    #[track_caller]
    fn assert_no_stray(&self) {
        assert_eq!(self.strays(), [] as [PathBuf; 0]);
    }
}

/// Lets a program go on that has stopped itself.
pub(crate) fn go_on(spawned: Spawned) -> Run {
    signal(&spawned, Signal::CONT);
    spawned.finish()
}

fn signal(spawned: &Spawned, signal: Signal) {
    let pid = i32::try_from(spawned.pid()).ok().and_then(Pid::from_raw);
    kill_process(pid.expect("a process id"), signal).expect("it runs");
}

/// What may come between is the same for both engines: without an option it is kb
/// itself that re-encrypts, and here it is sops.
#[test]
fn all_of_this_holds_with_sops_as_the_engine() {
    if std::env::var_os(crate::ENGINE).is_some() {
        return;
    }
    let mut tests = Command::new(std::env::current_exe().expect("the tests"));
    tests.args(["rotate::", "--skip", "all_of_this_holds"]);
    let run = tests
        .env(crate::ENGINE, "sops")
        .output()
        .expect("the tests");
    let (said, errors) = (
        String::from_utf8_lossy(&run.stdout),
        String::from_utf8_lossy(&run.stderr),
    );
    assert!(run.status.success(), "{said}{errors}");
    assert!(said.contains("0 failed; 0 ignored"), "{said}");
}
