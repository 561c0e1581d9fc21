//! The editor: which one it is, and how it is run so that the plaintext stays in
//! memory.
//!
//! | module | holds |
//! | --- | --- |
//! | `known` | what the editors that people use leave behind, and what prevents it |
//! | `vim`, `emacs` | their options |
//! | `nano` | nano's configuration, which no option overrides |
//! | `end` | ends the editor |

#![expect(clippy::disallowed_methods, reason = "this is what runs the editor")]

mod emacs;
mod end;
mod known;
mod nano;
mod vim;

use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use rustix::process::getpgrp;
use rustix::termios::{OptionalActions, tcgetattr, tcgetpgrp, tcsetattr};

use super::identity::PRIVATE_KEY_PREFIX;
use super::private_dir::PrivateDir;
use super::signals::{Watch, WatchOutcome};
use known::{EditorProfile, Measure};

/// The variables that name the editor, first of all sops's own.
const VARIABLES: [&str; 3] = ["SOPS_EDITOR", "EDITOR", "VISUAL"];
/// What is looked for where none is named, as sops does.
const DEFAULTS: [&str; 3] = ["vim", "nano", "vi"];

/// Variables that hold age identities, or say where they are.
const KEY_VARIABLES: &[u8] = b"SOPS_AGE_";
/// Where programs put temporary files.
const TEMPORARY_VARIABLES: [&str; 3] = ["TMPDIR", "TMP", "TEMP"];

/// Why the editor did not do it.
#[derive(Debug, thiserror::Error)]
pub enum EditorError {
    /// None is named, and none of the usual ones is there.
    #[error("there is no editor: $EDITOR is not set, and there is no vim, nano or vi")]
    None,
    /// None is named, and the usual ones need a terminal.
    #[error("there is no terminal for an editor, and $EDITOR does not name another program")]
    NoTerminal,
    /// The command is not one that a shell would take.
    #[error("${variable} is not a valid command: a quote in it is not closed")]
    Quotes {
        /// The variable.
        variable: &'static str,
    },
    /// Its program is not there.
    #[error("the editor of ${variable} is not there: {program}")]
    NotFound {
        /// The variable.
        variable: &'static str,
        /// The program.
        program: String,
    },
    /// It would hand the file to another program and end at once.
    #[error("{command} does not wait until the file is closed")]
    DoesNotWait {
        /// The variable.
        variable: &'static str,
        /// The command.
        command: String,
        /// The option with which it does.
        option: &'static str,
    },
    /// It could not be started.
    #[error("cannot start the editor {}", .program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It ended with an error.
    #[error("the editor {program} ended with {}", ending(.status))]
    Failed {
        /// The variable that named it, or would.
        variable: &'static str,
        /// The program.
        program: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// kb was told to end while it ran.
    #[error("kb was stopped by a signal, and ended the editor")]
    Stopped,
}

fn ending(status: &ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "an error".to_owned(),
    }
}

/// How an editor opens a resumed draft.
pub struct Resume<'a> {
    /// A swap file of vim, beside the text, with changes that vim is to recover.
    pub swap: Option<&'a OsStr>,
}

/// The editor that the person wants.
pub struct Editor {
    /// The variable that named it, or would.
    variable: &'static str,
    program: PathBuf,
    arguments: Vec<String>,
    known: Option<&'static EditorProfile>,
    environment: Vec<(OsString, OsString)>,
}

impl Editor {
    /// Finds the editor by the variables and the `PATH` of `environment`, in
    /// which it will run; a relative path is taken from `working_directory`.
    ///
    /// # Errors
    /// See [`EditorError`].
    pub fn find(
        environment: Vec<(OsString, OsString)>,
        working_directory: &Path,
    ) -> Result<Self, EditorError> {
        let get = |name: &str| value(&environment, name);
        let path = get("PATH");
        let which = |program: &str| which::which_in(program, path, working_directory).ok();
        let named = VARIABLES.into_iter().find_map(|variable| {
            let command = get(variable)?.to_string_lossy();
            (!command.trim().is_empty()).then(|| (variable, command.into_owned()))
        });
        let Some((variable, command)) = named else {
            if !io::stdin().is_terminal() {
                return Err(EditorError::NoTerminal);
            }
            let found = DEFAULTS.into_iter().find_map(&which);
            let program = found.ok_or(EditorError::None)?;
            return Ok(Self::new("EDITOR", program, Vec::new(), environment));
        };
        let words = shlex::split(&command).filter(|words| !words.is_empty());
        let mut words = words.ok_or(EditorError::Quotes { variable })?;
        let program = words.remove(0);
        let found = which(&program).ok_or(EditorError::NotFound { variable, program })?;
        let editor = Self::new(variable, found, words, environment);
        match editor.known.and_then(|known| known.waits_with.first()) {
            Some(option) if !editor.waits() => Err(EditorError::DoesNotWait {
                variable,
                command,
                option,
            }),
            _ => Ok(editor),
        }
    }

    fn new(
        variable: &'static str,
        program: PathBuf,
        arguments: Vec<String>,
        environment: Vec<(OsString, OsString)>,
    ) -> Self {
        Self {
            known: known::find(&program, &arguments),
            variable,
            program,
            arguments,
            environment,
        }
    }

    fn waits(&self) -> bool {
        let options = self.known.map_or(&[][..], |known| known.waits_with);
        let given = |option: &&str| self.arguments.iter().any(|given| given == option);
        options.is_empty() || options.iter().any(given)
    }

    /// The name of the program.
    pub fn name(&self) -> String {
        let name = self.program.file_name().unwrap_or(self.program.as_os_str());
        name.to_string_lossy().into_owned()
    }

    /// Whether kb knows what it leaves.
    pub fn is_known(&self) -> bool {
        self.known.is_some()
    }

    /// Whether its window is elsewhere than on this terminal.
    pub fn has_window(&self) -> bool {
        self.known.is_some_and(|known| !known.waits_with.is_empty())
    }

    /// What it leaves on a disk although kb would rather not, as in "keeps
    /// copies of what it opens in …".
    pub fn leaves(&self) -> Option<&'static str> {
        match self.known?.measure {
            Measure::Warn(leaves) => Some(leaves),
            _ => None,
        }
    }

    /// Whether it recovers what is in a swap file of vim.
    pub fn recovers_swap_of_vim(&self) -> bool {
        let measure = self.known.map(|known| &known.measure);
        matches!(measure, Some(Measure::Vim))
    }

    /// Opens the text of a private directory, and waits until it is closed.
    ///
    /// The editor gets no private key in its environment, and the private
    /// directory for its temporary files.
    ///
    /// # Errors
    /// See [`EditorError`]. After [`EditorError::Stopped`] it runs no more.
    pub fn run(
        &self,
        directory: &PrivateDir,
        resume: Option<&Resume<'_>>,
        watch: &mut Watch,
    ) -> Result<(), EditorError> {
        if watch.asked_to_stop() {
            return Err(EditorError::Stopped);
        }
        let start = |source| EditorError::Start {
            program: self.program.clone(),
            source,
        };
        let mut command = self.command(directory, resume).map_err(start)?;
        let terminal = Terminal::remember();
        let mut child = command.spawn().map_err(start)?;
        // In a full memory, the editor has no room for another text either.
        let _ = directory.note_editor(child.id());
        let status = match watch.wait(&mut child).map_err(start)? {
            WatchOutcome::Ended(status) => status,
            WatchOutcome::Stop => {
                end::end(&mut child);
                terminal.restore();
                return Err(EditorError::Stopped);
            }
        };
        if status.success() {
            return Ok(());
        }
        // One that crashed leaves the terminal as it had it.
        terminal.restore();
        Err(EditorError::Failed {
            variable: self.variable,
            program: self.name(),
            status,
        })
    }

    fn command(&self, directory: &PrivateDir, resume: Option<&Resume<'_>>) -> io::Result<Command> {
        let mut command = Command::new(&self.program);
        command.env_clear();
        let keyless = |(name, value): &&(OsString, OsString)| {
            !name.as_encoded_bytes().starts_with(KEY_VARIABLES) && !holds_private_key(value)
        };
        let variables = self.environment.iter().filter(keyless);
        command.envs(variables.map(|(name, value)| (name, value)));
        for name in TEMPORARY_VARIABLES {
            command.env(name, directory.temporary());
        }
        command.args(&self.arguments);
        let text_directory = directory.text_directory();
        // kb uses no directory whose path is not UTF-8.
        let text_directory = text_directory.to_string_lossy();
        // Behind the person's options, of which the last one counts.
        match self.known.map(|known| &known.measure) {
            Some(Measure::Options(options)) => {
                command.args(*options);
            }
            Some(Measure::Vim) => {
                command.args(vim::arguments(&text_directory, resume));
            }
            Some(Measure::Emacs) => {
                command.args(emacs::arguments(&text_directory, resume.is_some()));
            }
            Some(Measure::NanoConfig) => {
                let variable = |name: &str| value(&self.environment, name);
                let config = nano::config(&self.program, variable);
                let path = directory.write_file("nanorc", &config)?;
                command.arg("--rcfile").arg(path);
            }
            Some(Measure::Nothing | Measure::Warn(_)) | None => {}
        }
        command.arg(directory.text());
        if !std::io::stdout().is_terminal() {
            command.stdout(screen());
        }
        Ok(command)
    }
}

fn value<'a>(environment: &'a [(OsString, OsString)], name: &str) -> Option<&'a OsStr> {
    let found = environment.iter().find(|(key, _)| key == name);
    found.map(|(_, value)| value.as_os_str())
}

fn holds_private_key(value: &OsStr) -> bool {
    let prefix = PRIVATE_KEY_PREFIX.as_bytes();
    let mut windows = value.as_encoded_bytes().windows(prefix.len());
    windows.any(|window| window.eq_ignore_ascii_case(prefix))
}

/// Where an editor draws if kb's stdout is no terminal: the terminal itself, so
/// that no plaintext goes to a file or to another program.
fn screen() -> Stdio {
    let terminal = std::fs::OpenOptions::new().write(true).open("/dev/tty");
    terminal.map_or_else(|_| Stdio::null(), Stdio::from)
}

/// How the terminal is set, to be set so again.
struct Terminal(Option<rustix::termios::Termios>);

impl Terminal {
    fn remember() -> Self {
        Self(tcgetattr(rustix::stdio::stdin()).ok())
    }

    /// Only in the foreground: elsewhere the terminal is someone else's, and kb
    /// would be stopped for it.
    fn restore(self) {
        let terminal = rustix::stdio::stdin();
        if let Some(settings) = self.0
            && tcgetpgrp(terminal).is_ok_and(|foreground| foreground == getpgrp())
        {
            let _ = tcsetattr(terminal, OptionalActions::Now, &settings);
        }
    }
}

/// The base name without the directory, links followed: `vi` is often vim.
fn real_name(program: &Path) -> String {
    let real = program
        .canonicalize()
        .unwrap_or_else(|_| program.to_owned());
    let name = real.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}
