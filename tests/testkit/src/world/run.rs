//! One run of a program: watched, and checked for what must never happen.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};
use std::str;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use regex::Regex;

use super::redact::Redactor;

/// How long a program may take before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(60);

/// Texts that are on stderr only if something is wrong whatever the test is
/// about: a panic, a value printed with `{:?}`.
const NEVER_ON_STDERR: &[&str] = &[
    "panicked at",
    "RUST_BACKTRACE",
    "Os { code:",
    "Error {",
    "Status {",
    "Err(",
    "Some(",
];

/// What a program has left behind.
#[derive(Clone, Debug)]
pub struct Run {
    /// How it has ended; never by a signal.
    pub status: ExitStatus,
    /// Its exit code.
    pub code: Option<i32>,
    /// What it wrote to stdout; empty if the test sent that elsewhere.
    pub stdout: Vec<u8>,
    /// What it wrote to stderr; empty if the test sent that elsewhere.
    pub stderr: Vec<u8>,
    /// Program and arguments, for messages. Not `Command`'s `Debug` text,
    /// which may show the environment, and with it a key.
    line: String,
    redactor: Redactor,
}

/// A process that does not outlive the test, whatever becomes of that.
#[derive(Debug)]
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program that runs. Dropped, it is killed.
#[derive(Debug)]
pub struct Spawned {
    child: Guard,
    stdout: Receiver<Vec<u8>>,
    stderr: Receiver<Vec<u8>>,
    line: String,
    redactor: Redactor,
}

impl Spawned {
    pub(super) fn new(mut command: Command, stdin: Option<&[u8]>, redactor: Redactor) -> Self {
        let line = line(&command);
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{line} could not be started: {error}"));
        // The command holds the pipes' other ends if the test has put them in.
        drop(command);
        let stdout = collect(child.stdout.take());
        let stderr = collect(child.stderr.take());
        if let Some(text) = stdin {
            feed(&mut child, text.to_owned());
        }
        Self {
            child: Guard(child),
            stdout,
            stderr,
            line,
            redactor,
        }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.0.id()
    }

    /// Waits until it stops itself (SIGSTOP).
    ///
    /// # Panics
    /// If it ends instead, or does neither within a minute.
    #[track_caller]
    pub fn wait_until_stopped(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid()));
            let stat = stat.unwrap_or_default();
            // The name in parentheses may hold anything.
            let state = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
            if state.starts_with('T') {
                return;
            }
            let ended = self.child.0.try_wait().expect("a child can be waited for");
            assert!(ended.is_none(), "{} did not stop: {ended:?}", self.line);
            assert!(Instant::now() < deadline, "{} did not stop", self.line);
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Ends it at once, as a crash would (SIGKILL). Says whether it was still
    /// running, and what it wrote to stdout.
    pub fn kill(mut self) -> (bool, Vec<u8>) {
        let _ = self.child.0.kill();
        let status = self.child.0.wait().expect("a killed child ends");
        let stdout = self.stdout.recv_timeout(PATIENCE).unwrap_or_default();
        (status.signal().is_some(), stdout)
    }

    /// Waits for its end, and checks what must hold for every run.
    ///
    /// # Panics
    /// As [`World::run`](super::World::run).
    pub fn finish(self) -> Run {
        let Self {
            mut child,
            stdout,
            stderr,
            line,
            redactor,
        } = self;
        let deadline = Instant::now() + PATIENCE;
        let child = &mut child.0;
        let status = wait(child, deadline);
        let finished = status.is_some();
        let status = status.unwrap_or_else(|| {
            let _ = child.kill();
            child.wait().expect("a killed child ends")
        });
        // A grandchild that lives on may hold the pipes.
        let patience = deadline.saturating_duration_since(Instant::now());
        let mut held = false;
        let mut receive = |from: Receiver<Vec<u8>>| {
            from.recv_timeout(patience.max(Duration::from_secs(1)))
                .unwrap_or_else(|_| {
                    held = true;
                    Vec::new()
                })
        };
        let run = Run {
            status,
            code: status.code(),
            stdout: receive(stdout),
            stderr: receive(stderr),
            line,
            redactor,
        };
        let seconds = PATIENCE.as_secs();
        assert!(
            finished,
            "killed, since it took more than {seconds} s: {}",
            run.all()
        );
        assert!(
            !held,
            "a process that it has started lives on and holds stdout or stderr: {}",
            run.all()
        );
        run.check();
        run
    }
}

impl Run {
    /// What must hold for every run.
    fn check(&self) {
        assert!(
            self.status.signal().is_none(),
            "ended by a signal: {}",
            self.all()
        );
        let stderr = String::from_utf8_lossy(&self.stderr);
        // The words alone, as in "AGE-SECRET-KEY-1…", are no key.
        let key = Regex::new("AGE-SECRET-KEY-(PQ-)?1[0-9A-Z]{8}").expect("a regex");
        assert!(
            !key.is_match(&stderr),
            "a private key on stderr: {}",
            self.all()
        );
        for text in NEVER_ON_STDERR {
            assert!(!stderr.contains(text), "{text:?} on stderr: {}", self.all());
        }
    }

    /// stdout as text.
    ///
    /// # Panics
    /// If it is not UTF-8.
    pub fn out(&self) -> &str {
        str::from_utf8(&self.stdout).unwrap_or_else(|_| panic!("no text: {}", self.all()))
    }

    /// stderr as text.
    ///
    /// # Panics
    /// If it is not UTF-8.
    pub fn err(&self) -> &str {
        str::from_utf8(&self.stderr).unwrap_or_else(|_| panic!("no text: {}", self.all()))
    }

    /// The same run, if it ended with this code.
    ///
    /// # Panics
    /// If not; the text shows all of the run.
    #[track_caller]
    pub fn assert_code(&self, code: i32) -> &Self {
        assert!(
            self.code == Some(code),
            "expected exit code {code}: {}",
            self.all()
        );
        self
    }

    /// Exit code, stdout and stderr as one text, with what differs from run
    /// to run replaced: `[REPO]`, `[HOME]`, `[WORLD]`, `[CLUSTER]` for paths,
    /// `127.0.0.1:[PORT]`, `[NS]` for a namespace of
    /// [`Cluster::new_namespace`](crate::Cluster::new_namespace),
    /// `[RECIPIENT]`, `[PRIVATE KEY]`.
    pub fn snapshot(&self) -> String {
        self.redactor.redact(&self.transcript())
    }

    fn transcript(&self) -> String {
        let mut text = match self.code {
            Some(code) => format!("exit code: {code}\n"),
            None => format!("{}\n", self.status),
        };
        for (name, bytes) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            let _ = writeln!(text, "----- {name} -----");
            text.push_str(&String::from_utf8_lossy(bytes));
            if bytes.last().is_some_and(|last| *last != b'\n') {
                text.push_str("[no newline]\n");
            }
        }
        text
    }

    fn all(&self) -> String {
        format!("{}\n{}", self.line, self.transcript())
    }
}

/// Reads a pipe to its end on a thread of its own; nothing if there is none.
fn collect(pipe: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        let _ = send.send(bytes);
    });
    receive
}

/// Writes stdin on a thread of its own. A program need not read it all.
fn feed(child: &mut Child, text: Vec<u8>) {
    let pipe = child.stdin.take();
    thread::spawn(move || {
        if let Some(mut pipe) = pipe {
            let _ = pipe.write_all(&text);
        }
    });
}

/// The child's status, or `None` at the deadline.
fn wait(child: &mut Child, deadline: Instant) -> Option<ExitStatus> {
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return Some(status);
        }
        if Instant::now() >= deadline {
            return None;
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

fn line(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for arg in command.get_args() {
        line.push(' ');
        line.push_str(&arg.to_string_lossy());
    }
    line
}
