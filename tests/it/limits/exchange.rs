//! A file is saved by someone else between the last look at it and its replacement, and
//! the exchange itself fails. strace stops kb at that moment: it has locked the file by then,
//! and not exchanged it yet.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use testkit::Run;

use crate::Setup;

const FILE: &str = "db-secret.yaml";
const OTHER: &str = "other-secret.yaml";
const MINE: &str = "kind: Secret\nstringData:\n    a: mine\n";
const THEIRS: &str = "kind: Secret\nstringData:\n    a: theirs\n";

/// A repository in which two files are to be rotated.
struct Exchanging(Setup);

impl std::ops::Deref for Exchanging {
    type Target = Setup;
    fn deref(&self) -> &Setup {
        &self.0
    }
}

impl Exchanging {
    fn new() -> Self {
        let setup = Setup::initialized("exchange");
        let recipient = setup.recipient();
        setup.encrypt_for(&recipient, FILE, MINE);
        setup.encrypt_for(&recipient, OTHER, MINE);
        // What someone else is about to save.
        setup.encrypt_for(&recipient, "theirs.yaml", THEIRS);
        let theirs = setup.world.root().join("theirs");
        std::fs::rename(setup.world.path("theirs.yaml"), theirs).expect("rename");
        Self(setup)
    }

    /// A rotation whose calls about [`FILE`] are tampered with as strace's `inject` says;
    /// `save` happens after the last look at it.
    fn rotate(&self, inject: &[&str], save: impl FnOnce()) -> Run {
        let path = self.world.path(FILE);
        let log = self.world.root().join("strace");
        let _ = std::fs::remove_file(&log);
        // Without root's right to read everything.
        let mut command: Command = self.world.tool_cmd(
            "setpriv",
            [
                "--bounding-set=-dac_override,-dac_read_search",
                "--inh-caps=-all",
            ],
        );
        command.args(["strace", "-f", "-qq", "-o"]).arg(&log);
        command.arg("-P").arg(&path);
        command.args(["-e", "trace=flock,renameat2"]);
        command.args(["-e", "inject=flock:signal=SIGSTOP:when=1"]);
        for inject in inject {
            command.args(["-e", &format!("inject=renameat2:{inject}")]);
        }
        command.arg(env!("CARGO_BIN_EXE_kb"));
        command.args(["k", "secrets", "-n", &self.namespace, "init", "--force"]);
        let spawned = self.world.spawn(command);
        let deadline = Instant::now() + Duration::from_secs(30);
        let thread = loop {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            let stopped = text
                .lines()
                .find(|line| line.contains("stopped by SIGSTOP"));
            if let Some(line) = stopped {
                break line.split(' ').next().expect("a thread").to_owned();
            }
            assert!(Instant::now() < deadline, "it did not stop: {text}");
            std::thread::sleep(Duration::from_millis(5));
        };
        save();
        // strace counts for each thread, so another one may stop as well, in the second round.
        let status = std::fs::read_to_string(format!("/proc/{thread}/status"));
        let status = status.expect("it is stopped");
        let pid = status.lines().find_map(|line| line.strip_prefix("Tgid:"));
        let pid = pid.and_then(|pid| Pid::from_raw(pid.trim().parse().ok()?));
        let pid = pid.expect("a process");
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let _ = kill_process(pid, Signal::CONT);
                    std::thread::sleep(Duration::from_millis(20));
                }
            });
            let over = OnDrop(&is_over);
            let run = spawned.finish();
            drop(over);
            run
        })
    }

    /// Someone else saves another version, as editors do.
    fn save(&self, mode: u32) {
        let theirs = self.world.root().join("theirs");
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(&theirs, permissions).expect("chmod");
        std::fs::rename(theirs, self.world.path(FILE)).expect("rename");
    }

    /// The plaintext of a file, by plain sops with any key that the cluster holds.
    fn plaintext(&self, path: &str) -> String {
        let entries = ["age.agekey", "age.next.agekey", "age.previous.agekey"];
        let keys: Vec<String> = entries.iter().filter_map(|name| self.entry(name)).collect();
        let mut sops = self
            .world
            .tool_cmd("sops", ["decrypt", "--input-type", "yaml"]);
        sops.args(["--output-type", "yaml", path]);
        sops.env("SOPS_AGE_KEY", keys.join("\n"));
        self.world.run(sops).assert_code(0).out().to_owned()
    }

    fn readable(&self) {
        let permissions = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(self.world.path(FILE), permissions).expect("chmod");
    }

    /// The files of these names, beside those that belong there.
    fn beside(&self, infix: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.world.repo()).expect("the repository");
        let paths = entries.flatten().map(|entry| entry.path());
        paths
            .filter(|path| path.to_string_lossy().contains(infix))
            .collect()
    }

    /// A run that is not disturbed finishes, and keeps this text.
    fn assert_finishes_with(&self, text: &str) {
        self.readable();
        self.init(&["--force", "--yes"]).assert_code(0);
        let key = self.entry("age.agekey").expect("a key");
        for (name, text) in [(FILE, text), (OTHER, MINE)] {
            let mut sops = self.world.tool_cmd("sops", ["decrypt", name]);
            sops.env("SOPS_AGE_KEY", key.lines().last().expect("a line"));
            assert_eq!(self.world.run(sops).assert_code(0).out(), text, "{name}");
        }
        assert_eq!(self.beside(".kb-tmp-"), [] as [PathBuf; 0]);
    }
}

/// Also where the run fails, so that its test ends.
struct OnDrop<'f>(&'f AtomicBool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn an_exchange_that_fails_overwrites_nothing() {
    for errno in [
        "EIO", "EINTR", "EPERM", "ENOSPC", "EROFS", "ENOENT", "EXDEV",
    ] {
        let exchanging = Exchanging::new();
        let run = exchanging.rotate(&[&format!("error={errno}")], || exchanging.save(0o644));
        assert_ne!(run.code, Some(0), "{errno}: {}", run.err());
        assert!(run.err().contains(FILE), "{errno}: {}", run.err());
        assert_eq!(exchanging.plaintext(FILE), THEIRS, "{errno}");
        exchanging.assert_finishes_with(THEIRS);
    }
}

/// The file system cannot exchange files; then kb looks at the file once more.
#[test]
fn where_nothing_can_be_exchanged_another_version_is_not_overwritten_either() {
    for errno in ["ENOSYS", "EINVAL", "EOPNOTSUPP"] {
        let exchanging = Exchanging::new();
        let inject = format!("error={errno}");
        let run = exchanging.rotate(&[&inject], || exchanging.save(0o644));
        run.assert_code(0);
        assert_eq!(exchanging.plaintext(FILE), THEIRS, "{errno}");
        exchanging.assert_finishes_with(THEIRS);
        // And where nobody saves anything, it works.
        let exchanging = Exchanging::new();
        exchanging.rotate(&[&inject], || ()).assert_code(0);
        exchanging.assert_finishes_with(MINE);
    }
}

#[test]
fn another_version_that_was_exchanged_out_is_put_back_and_rotated() {
    let exchanging = Exchanging::new();
    let run = exchanging.rotate(&[], || exchanging.save(0o644));
    run.assert_code(0);
    assert_eq!(exchanging.plaintext(FILE), THEIRS);
    exchanging.assert_finishes_with(THEIRS);
}

/// It belongs to another user, for instance.
#[test]
fn another_version_that_cannot_be_read_is_put_back_and_named() {
    let exchanging = Exchanging::new();
    let run = exchanging.rotate(&[], || exchanging.save(0o000));
    assert_ne!(run.code, Some(0), "{}", run.err());
    let words = "db-secret.yaml cannot be read any more";
    assert!(run.err().contains(words), "{}", run.err());
    exchanging.readable();
    assert_eq!(exchanging.plaintext(FILE), THEIRS);
    exchanging.assert_finishes_with(THEIRS);
}

/// Not even the next run of kb, which clears away what a killed one has left.
#[test]
fn another_version_that_cannot_be_put_back_is_kept_for_good_and_named() {
    for mode in [0o644, 0o000] {
        let exchanging = Exchanging::new();
        let run = exchanging.rotate(&["error=EIO:when=2+"], || exchanging.save(mode));
        assert_ne!(run.code, Some(0), "{mode:o}: {}", run.err());
        let kept = exchanging.beside(".kb-kept-");
        let [kept] = kept.as_slice() else {
            panic!("{kept:?}: {}", run.err());
        };
        let name = kept.file_name().expect("a name").to_string_lossy();
        assert!(run.err().contains(&*name), "{mode:o}: {}", run.err());
        let permissions = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(kept, permissions).expect("chmod");
        exchanging.assert_finishes_with(MINE);
        assert_eq!(exchanging.plaintext(&name), THEIRS, "{mode:o}");
    }
}
