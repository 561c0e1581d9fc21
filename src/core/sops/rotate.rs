//! `sops rotate`: the same values under a new data key, for other recipients.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use super::{Access, STDIN, Sops, SopsError, with_format};
use crate::core::encrypted::Format;
use crate::core::identity::Recipient;

/// The task, in messages.
pub(super) const ROTATE: &str = "re-encrypt";

/// One start of sops is over before Go's garbage collector pays: without it, it
/// takes a sixth less time (measured with sops 3.13). A large file must not take
/// all memory, though.
const WITHOUT_COLLECTOR: [(&str, &str); 2] = [("GOGC", "off"), ("GOMEMLIMIT", "256MiB")];

/// A config without rules.
const NO_RULES: &str = "/dev/null";

/// A file that is to be for other recipients.
pub struct Rotate<'a> {
    /// The encrypted file; absolute. Its name is for messages and creation rules.
    pub file: &'a Path,
    /// The format of its content.
    pub format: Format,
    /// Its content, as sops is to read it.
    pub content: &'a [u8],
    /// The recipients that are to be added.
    pub add: &'a [Recipient],
    /// The recipients that are to go. Each must be in the file.
    pub remove: &'a [Recipient],
    /// Whether a MAC that does not match is tolerated. The result has a new one.
    pub ignore_mac: bool,
    /// Whether Ctrl-C on the terminal is kept from it. Else it ends, with kb.
    pub undisturbed: bool,
}

impl Sops {
    /// The content under a new data key. All recipients but those that go stay.
    ///
    /// # Errors
    /// See [`SopsError`].
    pub fn rotate(&self, request: &Rotate<'_>, access: Access<'_>) -> Result<Vec<u8>, SopsError> {
        if !request.ignore_mac {
            return self.run_rotate(self.subcommand("rotate", access), request);
        }
        // The subcommand has no such option (3.13), only the older form, which wants
        // a creation rule for the file. Without rules it wants none; but without
        // the config it does not know the person's indentation.
        let rotated = self.run_rotate(self.subcommand("--rotate", access), request);
        match rotated {
            Err(SopsError::Failed { status, .. }) if status.code() == Some(1) => {
                let without_rules = self.with_config(NO_RULES.into());
                without_rules.run_rotate(without_rules.subcommand("--rotate", access), request)
            }
            rotated => rotated,
        }
    }

    fn run_rotate(&self, mut command: Command, request: &Rotate<'_>) -> Result<Vec<u8>, SopsError> {
        if request.ignore_mac {
            command.arg("--ignore-mac");
        }
        with_list(&mut command, "--add-age", request.add);
        with_list(&mut command, "--rm-age", request.remove);
        with_format(&mut command, request.format);
        command.arg("--filename-override").arg(request.file);
        command.arg(STDIN);
        for (name, value) in WITHOUT_COLLECTOR {
            if !self.environment.iter().any(|(known, _)| known == name) {
                command.env(name, value);
            }
        }
        if request.undisturbed {
            command.process_group(0);
        }
        let output = self.output(command, request.content)?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(SopsError::new(ROTATE, request.file, output.status, &said))
    }
}

fn with_list(command: &mut Command, option: &str, recipients: &[Recipient]) {
    let texts: Vec<&str> = recipients.iter().map(Recipient::as_str).collect();
    if !texts.is_empty() {
        command.args([OsStr::new(option), OsStr::new(&texts.join(","))]);
    }
}
