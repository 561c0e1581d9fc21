//! kb on a terminal: `script` (util-linux) gives it one, and prints what stands
//! on it.

use std::io::{BufReader, Read, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use testkit::World;

use crate::Setup;

/// How long kb may be silent before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(30);

/// A terminal on which kb runs.
pub(crate) struct Terminal {
    child: Child,
    screen: Receiver<u8>,
    keyboard: Option<ChildStdin>,
    seen: Vec<u8>,
}

impl Terminal {
    /// Starts `kb k secrets …` in the setup's repository and namespace.
    pub(crate) fn start(setup: &Setup, arguments: &str) -> Self {
        let kb = env!("CARGO_BIN_EXE_kb");
        // Where the tests run in the background, signals may be ignored from the start.
        let line = format!(
            "exec env --default-signal=INT,QUIT,HUP '{kb}' k secrets -n {} {arguments}",
            setup.namespace
        );
        Self::run(setup, &line)
    }

    /// Starts a command line in the setup's repository.
    pub(crate) fn run(setup: &Setup, line: &str) -> Self {
        Self::run_in(&setup.world, line)
    }

    /// Starts a command line in the world's repository.
    pub(crate) fn run_in(world: &World, line: &str) -> Self {
        let line = format!("stty rows 24 cols 100; {line}");
        let options = ["--quiet", "--return", "--flush", "--command", &line];
        let mut command = world.tool_cmd("script", options);
        command.arg("/dev/null").stdin(Stdio::piped());
        let mut child = command.spawn().expect("script");
        let stdout = child.stdout.take().expect("stdout");
        let (sender, screen) = mpsc::channel();
        // Ends with the screen, which may be reported as an error.
        std::thread::spawn(move || {
            for byte in BufReader::new(stdout).bytes().map_while(Result::ok) {
                if sender.send(byte).is_err() {
                    break;
                }
            }
        });
        Self {
            screen,
            keyboard: child.stdin.take(),
            child,
            seen: Vec::new(),
        }
    }

    /// Waits until the words stand on the screen; after those of earlier calls.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, words: &str) -> &mut Self {
        let from = self.seen.len();
        while !String::from_utf8_lossy(&self.seen[from..]).contains(words) {
            match self.screen.recv_timeout(PATIENCE) {
                Ok(byte) => self.seen.push(byte),
                Err(_) => panic!("no {words:?} on the screen:\n{}", self.text()),
            }
        }
        self
    }

    pub(crate) fn type_line(&mut self, line: &str) -> &mut Self {
        self.type_text(&format!("{line}\n"))
    }

    pub(crate) fn type_text(&mut self, text: &str) -> &mut Self {
        let keyboard = self.keyboard.as_mut().expect("a keyboard");
        keyboard.write_all(text.as_bytes()).expect("typing");
        self
    }

    /// Waits for the end. The exit code, and all that stood on the screen.
    #[track_caller]
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        loop {
            match self.screen.recv_timeout(PATIENCE) {
                Ok(byte) => self.seen.push(byte),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("it hangs:\n{}", self.text()),
            }
        }
        drop(self.keyboard.take());
        let status = self.child.wait().expect("script ends");
        (status.code(), self.text())
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.seen).replace('\r', "")
    }
}

impl Drop for Terminal {
    /// A test that fails leaves nothing running.
    fn drop(&mut self) {
        drop(self.keyboard.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
