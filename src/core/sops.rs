//! The `sops` process. The real binary does all encryption and decryption;
//! this module starts it, gives it the cluster's keys, and tells its failures
//! apart by exit code (`cmd/sops/codes` in its source).

#![expect(clippy::disallowed_methods, reason = "this is what runs sops")]

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use secrecy::{ExposeSecret, SecretBox, SecretString};

/// The oldest sops that kb works with: 3.9.0 brought the subcommands
/// `decrypt`, `encrypt`, `edit` and `rotate`.
pub const MINIMUM_VERSION: Version = Version(3, 9, 0);

/// sops's variable for age identities, separated by white space.
const KEY_VARIABLE: &str = "SOPS_AGE_KEY";
/// Beginning of all variables by which sops would find further age keys.
const KEY_VARIABLES: &str = "SOPS_AGE_";

/// A version of sops: major, minor, patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32, pub u32);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// Why sops did not do it.
#[derive(Debug, thiserror::Error)]
pub enum SopsError {
    /// It is not on `PATH`.
    #[error("sops is not installed: there is no such program on PATH")]
    NotInstalled,
    /// It could not be started.
    #[error("cannot start {}", .program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is too old.
    #[error("{} is version {found}, and kb needs {MINIMUM_VERSION} or newer", .program.display())]
    TooOld {
        /// The program.
        program: PathBuf,
        /// Its version.
        found: Version,
    },
    /// What it answers to `--version` is not sops's answer.
    #[error("{} does not say its version as sops does", .program.display())]
    NotSops {
        /// The program.
        program: PathBuf,
    },
    /// Exit 51: the file was changed by hand after it was encrypted.
    #[error("the MAC of {} does not match: it was changed without sops", .file.display())]
    MacMismatch {
        /// The file.
        file: PathBuf,
    },
    /// Exit 128: none of the keys opened it.
    #[error("sops cannot open {} with any key it found:\n{said}", .file.display())]
    NoKey {
        /// The file.
        file: PathBuf,
        /// What became of each key, as sops says it.
        said: String,
    },
    /// `--extract` names something that is not in the file, or is no path.
    #[error("--extract {expression} names nothing in {}", .file.display())]
    Extract {
        /// The file.
        file: PathBuf,
        /// What was asked for.
        expression: String,
    },
    /// Anything else. What sops said is not repeated: many of its messages
    /// quote the file, and where a person typed a plaintext into an encrypted
    /// file that is the plaintext.
    #[error("sops cannot decrypt {}: {reason} ({status})", .file.display())]
    Failed {
        /// The file.
        file: PathBuf,
        /// How it ended.
        status: ExitStatus,
        /// What the exit code means.
        reason: &'static str,
    },
}

/// Whose keys sops may use.
#[derive(Clone, Copy)]
pub enum Keys<'a> {
    /// The cluster's identities, and no other age key from the environment.
    Cluster(&'a SecretString),
    /// The person's own, wherever sops finds them.
    Own,
}

/// What to decrypt, and how much of it.
pub struct Decrypt<'a> {
    /// The encrypted file; absolute.
    pub file: &'a Path,
    /// sops's `--extract` expression, such as `["data"]["password"]`.
    pub extract: Option<&'a str>,
    /// Whether a MAC that does not match is tolerated.
    pub ignore_mac: bool,
}

/// What sops printed: plaintext, and any warnings beside it.
pub struct Decrypted {
    /// The plaintext, byte for byte as from sops.
    pub plaintext: SecretBox<Vec<u8>>,
    /// The messages of sops's log, without the fields that quote the file.
    pub warnings: Vec<String>,
}

/// The program, and the environment it runs in.
pub struct Sops {
    program: PathBuf,
    environment: Vec<(OsString, OsString)>,
    config: Option<PathBuf>,
}

impl Sops {
    /// Looks for `sops` on the `PATH` of `environment`, from which its own
    /// variables are taken too. `config` is passed on as `--config`; without
    /// it sops looks for `.sops.yaml` upward from the working directory.
    ///
    /// # Errors
    /// [`SopsError::NotInstalled`].
    pub fn find(
        environment: Vec<(OsString, OsString)>,
        config: Option<PathBuf>,
    ) -> Result<Self, SopsError> {
        let path = environment.iter().find(|(name, _)| name == "PATH");
        let path = path.map(|(_, value)| value.as_os_str());
        let program = which::which_in_global("sops", path)
            .ok()
            .and_then(|mut found| found.next())
            .ok_or(SopsError::NotInstalled)?;
        Ok(Self {
            program,
            environment,
            config,
        })
    }

    /// Asks sops for its version. That costs as much as a decryption.
    ///
    /// # Errors
    /// [`SopsError::TooOld`] below [`MINIMUM_VERSION`].
    pub fn require_version(&self) -> Result<Version, SopsError> {
        let mut command = self.command(Keys::Own);
        command.args(["--disable-version-check", "--version"]);
        let output = self.output(command)?;
        let text = String::from_utf8_lossy(&output.stdout);
        match parse_version(&text) {
            None => Err(SopsError::NotSops {
                program: self.program.clone(),
            }),
            Some(found) if found < MINIMUM_VERSION => Err(SopsError::TooOld {
                program: self.program.clone(),
                found,
            }),
            Some(found) => Ok(found),
        }
    }

    /// Decrypts a file into memory.
    ///
    /// # Errors
    /// See [`SopsError`]. A failure is traced to a sops that is too old where
    /// that is the cause.
    pub fn decrypt(&self, request: &Decrypt<'_>, keys: Keys<'_>) -> Result<Decrypted, SopsError> {
        let mut command = self.command(keys);
        if let Some(config) = &self.config {
            command.arg("--config").arg(config);
        }
        command.arg("decrypt");
        if let Some(expression) = request.extract {
            command.arg("--extract").arg(expression);
        }
        if request.ignore_mac {
            command.arg("--ignore-mac");
        }
        command.arg(request.file);
        let output = self.output(command)?;
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            return Ok(Decrypted {
                plaintext: SecretBox::new(Box::new(output.stdout)),
                warnings: said
                    .lines()
                    .filter_map(log_message)
                    .map(ToOwned::to_owned)
                    .collect(),
            });
        }
        self.require_version()?;
        Err(failure(request, output.status, &said))
    }

    /// The one place that builds a sops command. Its `Debug` would print the
    /// key: it is never formatted.
    fn command(&self, keys: Keys<'_>) -> Command {
        let mut command = Command::new(&self.program);
        command.env_clear();
        for (name, value) in &self.environment {
            // A personal key must not stand in for the cluster's, and
            // SOPS_AGE_KEY_CMD would run a second program for each file.
            if matches!(keys, Keys::Own) || !starts_with(name, KEY_VARIABLES) {
                command.env(name, value);
            }
        }
        // Whatever it says, the answer to --version must not come from the net.
        command.env_remove("SOPS_DISABLE_VERSION_CHECK");
        if let Keys::Cluster(identities) = keys {
            command.env(KEY_VARIABLE, identities.expose_secret());
            // Below it sops would find the person's own sops/age/keys.txt.
            command.env("XDG_CONFIG_HOME", "/nonexistent");
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn output(&self, mut command: Command) -> Result<std::process::Output, SopsError> {
        command.output().map_err(|source| SopsError::Start {
            program: self.program.clone(),
            source,
        })
    }
}

fn starts_with(name: &OsStr, prefix: &str) -> bool {
    name.as_encoded_bytes().starts_with(prefix.as_bytes())
}

fn failure(request: &Decrypt<'_>, status: ExitStatus, said: &str) -> SopsError {
    let file = request.file.to_owned();
    let code = status.code();
    if let Some(expression) = request.extract {
        let names_nothing = match code {
            Some(91) => true,
            Some(1) => said.contains("error truncating tree"),
            // A path through a scalar makes sops panic, which is exit 2.
            Some(2) => said.contains("panic: "),
            _ => false,
        };
        if names_nothing {
            return SopsError::Extract {
                file,
                expression: expression.to_owned(),
            };
        }
    }
    let reason = match code {
        Some(51) => return SopsError::MacMismatch { file },
        Some(128) => {
            // The lines between quote the metadata, where anything may stand.
            let of_keys = |line: &&str| line.ends_with(": FAILED") || line.ends_with(": SUCCESS");
            let said: Vec<&str> = said.lines().filter(of_keys).collect();
            let said = said.join("\n");
            return SopsError::NoKey { file, said };
        }
        Some(1) => "it cannot read the file or its sops metadata",
        Some(4) => "the plaintext does not fit the file's format",
        Some(24) => "its MAC is damaged",
        Some(25) => "a value in it was damaged, or typed in without sops",
        Some(52) => "it has no MAC",
        _ => "it does not say why by its exit code",
    };
    SopsError::Failed {
        file,
        status,
        reason,
    }
}

/// The version in the first line of `sops --version`, as in `sops 3.13.2`.
fn parse_version(text: &str) -> Option<Version> {
    let version = text.strip_prefix("sops ")?.split_whitespace().next()?;
    // A pre-release such as 3.9.0-rc.1 counts as its release.
    let mut numbers = version.split(['.', '-', '+']).map(str::parse);
    let mut next = || numbers.next()?.ok();
    Some(Version(next()?, next()?, next()?))
}

/// The message of a line of sops's log, `… level=warning msg="…" comment="…"`,
/// or `None` for any other line. The fields behind the message quote the file.
fn log_message(line: &str) -> Option<&str> {
    let (_, rest) = line
        .split_once(" msg=\"")
        .filter(|_| line.contains(" level="))?;
    let mut escaped = false;
    let end = rest.find(|c| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    Some(&rest[..end.unwrap_or(rest.len())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_the_first_line() {
        assert_eq!(parse_version("sops 3.13.2\n"), Some(Version(3, 13, 2)));
        assert_eq!(
            parse_version("sops 3.9.0-rc.1 (latest)\n"),
            Some(Version(3, 9, 0))
        );
        assert_eq!(parse_version("sops 3.8\n"), None);
        assert_eq!(parse_version("kubectl 3.13.2\n"), None);
        assert!(Version(3, 10, 0) > MINIMUM_VERSION);
        assert!(Version(3, 8, 1) < MINIMUM_VERSION);
    }

    #[test]
    fn of_a_log_line_only_the_message_is_kept() {
        let line = r#"[SOPS]	 time="now" level=warning msg="A \"b\"." comment="hunter2""#;
        assert_eq!(log_message(line), Some(r#"A \"b\"."#));
        assert_eq!(log_message("Input string hunter2 does not match"), None);
    }
}
