//! kb on a terminal: `script` (util-linux) gives it one, and prints what stands
//! on it.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use crate::Setup;

/// A terminal on which kb runs.
pub(crate) struct Terminal {
    child: Child,
    screen: ChildStdout,
    keyboard: ChildStdin,
    seen: Vec<u8>,
}

impl Terminal {
    /// Starts `kb k secrets …` in the setup's repository and namespace.
    pub(crate) fn start(setup: &Setup, arguments: &str) -> Self {
        let kb = env!("CARGO_BIN_EXE_kb");
        let line = format!("'{kb}' k secrets -n {} {arguments}", setup.namespace);
        let options = ["--quiet", "--return", "--flush", "--command", &line];
        let mut command = setup.world.tool_cmd("script", options);
        command.arg("/dev/null").stdin(Stdio::piped());
        let mut child = command.spawn().expect("script");
        Self {
            screen: child.stdout.take().expect("stdout"),
            keyboard: child.stdin.take().expect("stdin"),
            child,
            seen: Vec::new(),
        }
    }

    /// Waits until the words stand on the screen; after those of earlier calls.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, words: &str) -> &mut Self {
        let from = self.seen.len();
        while !String::from_utf8_lossy(&self.seen[from..]).contains(words) {
            let mut byte = [0];
            let read = self.screen.read(&mut byte).unwrap_or(0);
            let seen = String::from_utf8_lossy(&self.seen);
            assert!(read == 1, "no {words:?} on the screen:\n{seen}");
            self.seen.extend(byte);
        }
        self
    }

    pub(crate) fn type_line(&mut self, line: &str) -> &mut Self {
        self.type_text(&format!("{line}\n"))
    }

    pub(crate) fn type_text(&mut self, text: &str) -> &mut Self {
        let typed = self.keyboard.write_all(text.as_bytes());
        typed.expect("typing");
        self
    }

    /// Waits for the end. The exit code, and all that stood on the screen.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        // The screen's other end may be reported as an error when it closes.
        let _ = self.screen.read_to_end(&mut self.seen);
        drop(self.keyboard);
        let status = self.child.wait().expect("script ends");
        let seen = String::from_utf8_lossy(&self.seen).replace('\r', "");
        (status.code(), seen)
    }
}
