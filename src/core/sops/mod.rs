//! The `sops` process. The real binary does all encryption and decryption that kb does
//! not do itself; this module starts it, gives it the cluster's keys, and tells its
//! failures apart by exit code (`cmd/sops/codes` in its source).
//!
//! It gets the content of a file, not its path: the very bytes that kb has looked at, from
//! which the caller removes the entries that no rule names. And it runs in a closed
//! environment ([`Access`]).
//!
//! | module | holds |
//! | --- | --- |
//! | `access` | what it can reach: its environment |
//! | `decrypt` | `sops decrypt` |
//! | `encrypt` | `sops encrypt` for new files, `sops edit` for those that exist |
//! | `encrypt_for` | `sops encrypt` of a text for given keys |
//! | `one_rule` | the config for that |
//! | `process` | runs it |
//! | `rotate` | `sops rotate`: a new data key, for other recipients |
//! | `error` | what its exit codes mean |

#![expect(clippy::disallowed_methods, reason = "this is what runs sops")]

mod access;
mod decrypt;
mod encrypt;
mod encrypt_for;
mod error;
mod one_rule;
mod process;
mod rotate;

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::core::encrypted::Format;

pub use access::{Access, AllowedIdentities, kinds_of};
pub use decrypt::SopsDecrypt;
pub use encrypt::EncryptRequest;
pub use encrypt_for::EncryptFor;
pub use error::SopsError;
pub use one_rule::stores_of;
pub use rotate::Rotate;

/// The oldest sops that kb works with: 3.9.0 brought the subcommands `decrypt`,
/// `encrypt`, `edit` and `rotate`, and ignored `--config` before them.
pub const MINIMUM_VERSION: SopsVersion = SopsVersion(3, 9, 1);

/// sops's variable for age identities, separated by white space.
pub const KEY_VARIABLE: &str = "SOPS_AGE_KEY";
/// All variables by which sops finds age identities (`age/keysource.go`).
pub const IDENTITY_VARIABLES: [&str; 5] = [
    KEY_VARIABLE,
    "SOPS_AGE_KEY_CMD",
    "SOPS_AGE_KEY_FILE",
    "SOPS_AGE_SSH_PRIVATE_KEY_CMD",
    "SOPS_AGE_SSH_PRIVATE_KEY_FILE",
];
/// Where sops finds what it gets on its stdin. (`decrypt` and `encrypt` read it without
/// being told since 3.10, `rotate` never.)
const STDIN: &str = "/dev/stdin";

/// A version of sops: major, minor, patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SopsVersion(pub u32, pub u32, pub u32);

impl fmt::Display for SopsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// The program, and the environment it runs in.
pub struct Sops {
    program: PathBuf,
    environment: Vec<(OsString, OsString)>,
    config: Option<PathBuf>,
    /// Whether the program only looks for sops.
    is_shim: bool,
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
            is_shim: access::is_shim(&program),
            program,
            environment,
            config,
        })
    }

    /// The same sops with a config without rules.
    pub fn without_rules(&self) -> Self {
        self.with_config("/dev/null".into())
    }

    /// The same sops with another config.
    pub fn with_config(&self, config: PathBuf) -> Self {
        Self {
            program: self.program.clone(),
            environment: self.environment.clone(),
            config: Some(config),
            is_shim: self.is_shim,
        }
    }

    /// Asks sops for its version. That costs as much as a decryption.
    ///
    /// # Errors
    /// [`SopsError::TooOld`] below [`MINIMUM_VERSION`].
    pub fn require_version(&self) -> Result<SopsVersion, SopsError> {
        let mut command = self.command(Access::age(AllowedIdentities::None));
        command.args(["--disable-version-check", "--version"]);
        let output = self.output(command, &[])?;
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

    /// The one place that builds a sops command. Its `Debug` would print the
    /// key: it is never formatted.
    fn command(&self, access: Access<'_>) -> Command {
        let mut command = Command::new(&self.program);
        command
            .env_clear()
            .envs(self.variables(access))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// A subcommand, with the config that was named.
    fn subcommand(&self, name: &str, access: Access<'_>) -> Command {
        let mut command = self.command(access);
        if let Some(config) = &self.config {
            command.arg("--config").arg(config);
        }
        command.arg(name);
        command
    }

    fn start_error(&self, source: io::Error) -> SopsError {
        SopsError::Start {
            program: self.program.clone(),
            source,
        }
    }
}

/// The options that say what format is read and written, whatever the file's name.
fn with_format(command: &mut Command, format: Format) {
    let name = format.name();
    command.args(["--input-type", name, "--output-type", name]);
}

/// The version in the first line of `sops --version`, as in `sops 3.13.2`.
fn parse_version(text: &str) -> Option<SopsVersion> {
    let version = text.strip_prefix("sops ")?.split_whitespace().next()?;
    // A pre-release such as 3.9.0-rc.1 counts as its release.
    let mut numbers = version.split(['.', '-', '+']).map(str::parse);
    let mut next = || numbers.next()?.ok();
    Some(SopsVersion(next()?, next()?, next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_the_first_line() {
        assert_eq!(parse_version("sops 3.13.2\n"), Some(SopsVersion(3, 13, 2)));
        assert_eq!(
            parse_version("sops 3.9.0-rc.1 (latest)\n"),
            Some(SopsVersion(3, 9, 0))
        );
        assert_eq!(parse_version("sops 3.8\n"), None);
        assert_eq!(parse_version("kubectl 3.13.2\n"), None);
        assert!(SopsVersion(3, 10, 0) > MINIMUM_VERSION);
        assert!(SopsVersion(3, 8, 1) < MINIMUM_VERSION);
    }
}
