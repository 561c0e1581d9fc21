//! The `sops` process. The real binary does all encryption and decryption;
//! this module starts it, gives it the cluster's keys, and tells its failures
//! apart by exit code (`cmd/sops/codes` in its source).
//!
//! | module | holds |
//! | --- | --- |
//! | `decrypt` | `sops decrypt` |
//! | `encrypt` | `sops encrypt` for new files, `sops edit` for those that exist |
//! | `rotate` | `sops rotate`: a new data key, for other recipients |
//! | `error` | what its exit codes mean |

#![expect(clippy::disallowed_methods, reason = "this is what runs sops")]

mod decrypt;
mod encrypt;
mod error;
mod rotate;

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use secrecy::{ExposeSecret, SecretString};

pub use decrypt::{Decrypt, Decrypted};
pub use encrypt::Edit;
pub use error::SopsError;
pub use rotate::Rotate;

/// The oldest sops that kb works with: 3.9.0 brought the subcommands
/// `decrypt`, `encrypt`, `edit` and `rotate`.
pub const MINIMUM_VERSION: Version = Version(3, 9, 0);

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

/// Whose keys sops may use.
#[derive(Clone, Copy)]
pub enum Keys<'a> {
    /// The cluster's identities, and no other age key from the environment.
    Cluster(&'a SecretString),
    /// The person's own, wherever sops finds them.
    Own,
    /// None: to encrypt needs no private key.
    None,
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

    /// The same sops with another config.
    pub fn with_config(&self, config: PathBuf) -> Self {
        Self {
            program: self.program.clone(),
            environment: self.environment.clone(),
            config: Some(config),
        }
    }

    /// Asks sops for its version. That costs as much as a decryption.
    ///
    /// # Errors
    /// [`SopsError::TooOld`] below [`MINIMUM_VERSION`].
    pub fn require_version(&self) -> Result<Version, SopsError> {
        let mut command = self.command(Keys::None);
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

    /// A subcommand, with the config that was named.
    fn subcommand(&self, name: &str, keys: Keys<'_>) -> Command {
        let mut command = self.command(keys);
        if let Some(config) = &self.config {
            command.arg("--config").arg(config);
        }
        command.arg(name);
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

/// The version in the first line of `sops --version`, as in `sops 3.13.2`.
fn parse_version(text: &str) -> Option<Version> {
    let version = text.strip_prefix("sops ")?.split_whitespace().next()?;
    // A pre-release such as 3.9.0-rc.1 counts as its release.
    let mut numbers = version.split(['.', '-', '+']).map(str::parse);
    let mut next = || numbers.next()?.ok();
    Some(Version(next()?, next()?, next()?))
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
}
