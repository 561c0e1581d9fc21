//! Processes that end with the test process, whatever ends that.
//!
//! A destructor does not run when a test process is killed, and asking the
//! kernel to signal a child on its parent's death needs unsafe code and
//! exists on Linux only. So the servers are children of a small shell script
//! that reads orders from a pipe: when the pipe ends, the test process has
//! ended, and the script cleans up.

use std::env;
use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

const SCRIPT: &str = include_str!("supervise.sh");

/// A private directory and the servers that run in it. Dropping it kills the
/// servers, removes the directory, and returns when both are done.
#[derive(Debug)]
pub(crate) struct Supervisor {
    dir: PathBuf,
    shell: Child,
    orders: Mutex<Option<ChildStdin>>,
}

impl Supervisor {
    /// Makes the directory, which only its owner can enter, and starts the
    /// shell that will remove it.
    pub(crate) fn new(prefix: &str) -> Self {
        let dir = tempfile::Builder::new()
            .prefix(prefix)
            .tempdir()
            .unwrap_or_else(|error| panic!("no temporary directory for {prefix}: {error}"))
            .keep();
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "sh"])
            .arg(&dir)
            // etcd takes options from ETCD_*, Go programs from GO*.
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap_or_default())
            .env("HOME", &dir)
            // Out of the terminal's foreground group: Ctrl-C ends the test
            // process, and that is what makes the shell clean up.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            // An inherited stderr would keep `cargo test | tee` waiting.
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("sh could not be started: {error}"));
        let orders = Mutex::new(shell.stdin.take());
        Self { dir, shell, orders }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Starts a program under a name, with an empty environment but `PATH`
    /// and `HOME`, and returns when it has been started.
    pub(crate) fn start(&self, name: &str, program: &Path, args: &[String]) {
        let _ = fs::remove_file(self.file(name, "exit"));
        let program = program.to_str().expect("a program's path is UTF-8");
        let mut order = format!("start {} {}", quoted(name), quoted(program));
        for arg in args {
            order.push(' ');
            order.push_str(&quoted(arg));
        }
        self.order(&order);
        self.wait_for(name, "to start", |this| {
            this.pid(name).is_some() || this.exit_code(name).is_some()
        });
    }

    /// Kills a program, as a crash would end it, and returns when it is gone.
    pub(crate) fn kill(&self, name: &str) {
        self.order(&format!("signal {} KILL", quoted(name)));
        self.wait_for(name, "to end", |this| this.exit_code(name).is_some());
    }

    /// The process id of a running program.
    pub(crate) fn pid(&self, name: &str) -> Option<u32> {
        self.number(name, "pid")
    }

    /// How a program has ended; `None` while it runs.
    pub(crate) fn exit_code(&self, name: &str) -> Option<u32> {
        self.number(name, "exit")
    }

    /// All that a program has written so far, on stdout and stderr.
    pub(crate) fn log(&self, name: &str) -> String {
        let bytes = fs::read(self.file(name, "log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn number(&self, name: &str, kind: &str) -> Option<u32> {
        let text = fs::read_to_string(self.file(name, kind)).ok()?;
        text.trim().parse().ok()
    }

    fn file(&self, name: &str, kind: &str) -> PathBuf {
        self.dir.join(format!("{name}.{kind}"))
    }

    fn order(&self, line: &str) {
        assert!(!line.contains('\n'), "an order is one line: {line}");
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        let pipe = orders.as_mut().expect("the supervisor has not been ended");
        writeln!(pipe, "{line}").unwrap_or_else(|error| panic!("the supervisor is gone: {error}"));
    }

    fn wait_for(&self, name: &str, what: &str, done: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !done(self) {
            assert!(
                Instant::now() < deadline,
                "waited 20 s in vain for {name} {what}"
            );
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        drop(
            self.orders
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        let _ = self.shell.wait();
    }
}

/// A word of a shell's command line.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::{Command, Stdio};

    use super::{Supervisor, quoted};

    fn is_alive(pid: u32) -> bool {
        Command::new("sh")
            .args(["-c", r#"kill -0 "$1""#, "sh"])
            .arg(pid.to_string())
            .stderr(Stdio::null())
            .status()
            .expect("sh starts")
            .success()
    }

    #[test]
    fn words_reach_a_program_as_they_are() {
        let supervisor = Supervisor::new("kb-supervise-");
        let words = [r#"it's "here" $HOME \ `x` ; & *"#, "", "two  spaces"];
        let args: Vec<String> = ["-c", r#"printf '<%s>' "$@""#, "sh"]
            .iter()
            .chain(&words)
            .map(ToString::to_string)
            .collect();
        supervisor.start("echo", Path::new("sh"), &args);
        supervisor.wait_for("echo", "to end", |this| this.exit_code("echo").is_some());
        let expected: String = words.iter().map(|word| format!("<{word}>")).collect();
        assert_eq!(supervisor.log("echo"), expected);
    }

    #[test]
    fn drop_kills_what_runs_and_removes_the_directory() {
        let supervisor = Supervisor::new("kb-supervise-");
        let dir = supervisor.dir().to_owned();
        supervisor.start("sleeper", Path::new("sleep"), &["1000".to_owned()]);
        let pid = supervisor.pid("sleeper").expect("it runs");
        drop(supervisor);
        assert!(!dir.exists());
        assert!(!is_alive(pid));
    }

    #[test]
    fn exit_code_of_a_killed_program_is_recorded() {
        let supervisor = Supervisor::new("kb-supervise-");
        supervisor.start("sleeper", Path::new("sleep"), &["1000".to_owned()]);
        assert_eq!(supervisor.exit_code("sleeper"), None);
        supervisor.kill("sleeper");
        assert_eq!(supervisor.exit_code("sleeper"), Some(128 + 9));
        assert_eq!(supervisor.pid("sleeper"), None);
    }

    #[test]
    fn quotes_in_a_word_are_closed() {
        assert_eq!(quoted("a'b"), r"'a'\''b'");
    }
}
