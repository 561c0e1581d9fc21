//! `edit`: plaintext in an editor and nowhere else. Editors are scripts, but for
//! `editors`, where the real ones run on a terminal.

mod compare;
mod drafts;
mod editors;
mod files;
mod generated;
mod judged;
mod killed;
mod memory;
mod new_files;
mod readers;
mod refusals;
mod rounds;
mod secrets;
mod signals;
mod unreviewed;
mod unsaved;

use std::path::PathBuf;
use std::process::Command;

use testkit::{Run, Tools};

use crate::Setup;

/// A repository with a key and a rule, memory of its own, and a value that stands
/// nowhere else.
struct Editing {
    setup: Setup,
    canary: String,
    memory: PathBuf,
}

impl std::ops::Deref for Editing {
    type Target = Setup;
    fn deref(&self) -> &Setup {
        &self.setup
    }
}

impl Editing {
    fn new(prefix: &str) -> Self {
        let mut setup = Setup::initialized(prefix);
        let memory = setup.world.runtime_dir();
        setup.world.env("TERM", "xterm");
        Self {
            canary: format!("canary{:016x}", fastrand::u64(..)),
            memory,
            setup,
        }
    }

    /// A Secret with the canary in it.
    fn secret(&self) -> String {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\nstringData:\n  # who\n  user: admin\n  password: {}\n",
            self.canary
        )
    }

    /// The same, encrypted by plain sops as `db-secret.yaml`.
    fn with_secret(self) -> Self {
        let secret = self.secret();
        self.encrypt("db-secret.yaml", &secret);
        self
    }

    /// Commits all files: their data keys are known from now on.
    fn commit(&self) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", "x"]);
    }

    fn git(&self, args: &[&str]) -> Run {
        let name = ["-c", "user.name=x", "-c", "user.email=x@example.org"];
        let run = self.world.tool("git", [&name, args].concat());
        run.assert_code(0);
        run
    }

    /// The editor is a shell script from now on; `$1` is the text.
    fn editor(&mut self, script: &str) -> &mut Self {
        let path = self
            .setup
            .world
            .script("scripted-editor", &format!("#!/bin/sh\n{script}\n"));
        self.setup.world.env("EDITOR", path);
        self
    }

    fn edit(&self, args: &[&str]) -> Run {
        self.secrets(&[&["edit"], args].concat())
    }

    /// `kb k secrets edit db-secret.yaml`, run by another program that takes a
    /// command line at its end.
    fn edit_by<A: AsRef<std::ffi::OsStr>>(
        &self,
        program: &str,
        args: impl IntoIterator<Item = A>,
    ) -> Command {
        let mut command = self.world.tool_cmd(program, args);
        command.arg(env!("CARGO_BIN_EXE_kb"));
        command.args(["k", "secrets", "-n", &self.namespace]);
        command.args(["edit", "db-secret.yaml"]);
        command
    }

    /// The same with mounts of its own, which a shell script makes; `"$@"` is kb.
    fn edit_with_mounts(&self, script: &str) -> Command {
        let shell = ["sh", "-c", script, "sh"];
        self.edit_by("unshare", crate::mount_namespace().into_iter().chain(shell))
    }

    /// The plaintext of a file, by plain sops.
    fn plaintext(&self, name: &str) -> String {
        let mut sops = self.world.tool_cmd("sops", ["decrypt", name]);
        let entry = self.entry("age.agekey").expect("a key");
        sops.env("SOPS_AGE_KEY", entry.lines().last().expect("a line"));
        let run = self.world.run(sops);
        run.assert_code(0).out().to_owned()
    }

    /// No plaintext is on a disk or in memory, no directory of kb's, and no draft.
    #[track_caller]
    fn assert_no_trace(&self) {
        self.assert_none_on_disk();
        let found = self.world.memory_containing(self.canary.as_bytes());
        assert_eq!(found, [] as [PathBuf; 0], "in memory");
        assert_eq!(self.in_memory(), [] as [String; 0]);
        assert_eq!(self.drafts(), [] as [PathBuf; 0]);
    }

    #[track_caller]
    fn assert_none_on_disk(&self) {
        let found = self.world.files_containing(self.canary.as_bytes());
        assert_eq!(found, [] as [PathBuf; 0], "on a disk");
    }

    /// The names in this setup's memory.
    fn in_memory(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.memory).expect("memory").flatten();
        entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect()
    }

    /// The drafts of this setup's person.
    fn drafts(&self) -> Vec<PathBuf> {
        let directory = self.world.home().join(".local/state/kb/drafts");
        let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    }

    /// Exactly one text is kept, and nowhere but as a draft; the text, as age itself
    /// decrypts it with the cluster's key.
    #[track_caller]
    fn draft(&self) -> String {
        self.draft_for(&self.entry("age.agekey").expect("a key"))
    }

    /// The same with another private key.
    #[track_caller]
    fn draft_for(&self, key: &str) -> String {
        assert_eq!(self.in_memory(), [] as [String; 0]);
        self.assert_none_on_disk();
        let drafts = self.drafts();
        assert_eq!(drafts.len(), 1, "{drafts:?}");
        let plaintext = self.decrypt_draft(&drafts[0], key);
        let (line, rest) = plaintext.split_once('\n').expect("a line");
        let length = line.strip_prefix("text 0 ").expect("the text");
        rest[..length.parse().expect("a length")].to_owned()
    }

    /// All that is in a draft.
    fn decrypt_draft(&self, draft: &std::path::Path, key: &str) -> String {
        let identity = self.world.root().join("identity");
        std::fs::write(&identity, key).expect("write");
        let mut age = self
            .world
            .tool_cmd(&Tools::get().age, ["--decrypt", "--identity"]);
        age.arg(&identity).arg(draft);
        let run = self.world.run(age);
        run.assert_code(0);
        String::from_utf8_lossy(&run.stdout).into_owned()
    }
}

/// The lines in which two texts differ: those of the first, then those of the
/// second.
fn changed_lines<'a>(one: &'a str, other: &'a str) -> (Vec<&'a str>, Vec<&'a str>) {
    let only = |of: &'a str, not_in: &str| {
        let lines = of.lines();
        lines
            .filter(|line| !not_in.lines().any(|other| other == *line))
            .collect()
    };
    (only(one, other), only(other, one))
}
