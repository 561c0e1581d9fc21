//! `sops encrypt` for a new file, `sops edit` for one that exists.
//!
//! Both work in a private directory in memory: sops's temporary files, which
//! hold the plaintext, are made there.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};

use secrecy::SecretString;

use super::process::SopsProcess;
use super::{Access, AllowedIdentities, STDIN, Sops, SopsError, with_format};
use crate::core::encrypted::Format;
use crate::core::signals::Watch;

/// The task, in messages.
pub(super) const ENCRYPT: &str = "encrypt";

/// Exit codes of sops that say that it does not take the text (`codes.go`).
const COULD_NOT_READ_INPUT_FILE: i32 = 2;
const ERROR_ENCRYPTING_TREE: i32 = 23;
const NEED_AT_LEAST_ONE_DOCUMENT: i32 = 92;
const FILE_ALREADY_ENCRYPTED: i32 = 203;
/// The editor failed; or it was called a second time, because sops does not take
/// what it was given first.
const NO_EDITOR_FOUND: i32 = 201;
/// What sops puts before the reason.
const UNREADABLE: &str = "Error unmarshalling file: ";

/// A text that is to become the content of an encrypted file. All paths are
/// absolute.
pub struct EncryptRequest<'a> {
    /// The file that it is for, for the creation rule and in messages.
    pub file: &'a Path,
    /// The format of the file.
    pub format: Format,
    /// Where the text is; in memory. It may be gone afterwards.
    pub text: &'a Path,
    /// A directory in memory for sops's own files.
    pub temporary: &'a Path,
}

impl Sops {
    /// Encrypts the text by the creation rule of its file, which is not there
    /// yet.
    ///
    /// # Errors
    /// [`SopsError::Refused`] when the text is not of the file's format,
    /// [`SopsError::Stopped`], else as for [`Sops::decrypt`].
    pub fn encrypt(
        &self,
        edit: &EncryptRequest<'_>,
        access: Access<'_>,
        watch: &mut Watch,
    ) -> Result<Vec<u8>, SopsError> {
        let mut command = self.encrypting(ENCRYPT, access, edit);
        command.arg("--filename-override").arg(edit.file);
        command.arg(edit.text);
        let ended = self.watched(command, watch)?;
        if ended.status.success() {
            return Ok(ended.stdout);
        }
        Err(match refusal(edit.file, &ended) {
            Some(refusal) => refusal,
            None => self.encryption_failure(edit.file, &ended),
        })
    }

    /// Encrypts the content of the file of an absolute path, which is not encrypted, by
    /// its creation rule.
    ///
    /// # Errors
    /// As for [`Sops::decrypt`].
    pub fn encrypt_content(
        &self,
        file: &Path,
        content: &[u8],
        access: Access<'_>,
    ) -> Result<Vec<u8>, SopsError> {
        let mut command = self.subcommand(ENCRYPT, access);
        command.arg("--filename-override").arg(file).arg(STDIN);
        let output = self.output(command, content)?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        self.require_version()?;
        let said = String::from_utf8_lossy(&output.stderr);
        Err(SopsError::new(ENCRYPT, file, output.status, &said))
    }

    /// Puts the text into `staged`, a copy of the encrypted file in memory. The
    /// data key stays, and the ciphertext of each value that did not change.
    ///
    /// # Errors
    /// As for [`Sops::encrypt`]; [`SopsError::MacMismatch`] unless `ignore_mac`.
    pub fn edit(
        &self,
        edit: &EncryptRequest<'_>,
        staged: &Path,
        ignore_mac: bool,
        access: Access<'_>,
        watch: &mut Watch,
    ) -> Result<(), SopsError> {
        let mut command = self.encrypting("edit", access, edit);
        with_format(&mut command, edit.format);
        // sops asks its editor again for as long as it does not take the text:
        // the second time this one finds nothing to move, and fails.
        let text = edit.text.to_string_lossy();
        // Only a NUL cannot be quoted, and no path has one.
        let text = shlex::try_quote(&text).unwrap_or_default();
        // sops before 3.10 knows only the second name.
        for name in ["SOPS_EDITOR", "EDITOR"] {
            command.env(name, format!("mv -f -- {text}"));
        }
        if ignore_mac {
            command.arg("--ignore-mac");
        }
        command.arg(staged);
        let ended = self.watched(command, watch)?;
        if ended.status.success() {
            return Ok(());
        }
        let moved = !edit.text.exists();
        let said = String::from_utf8_lossy(&ended.stderr);
        Err(match (ended.status.code(), logged_error(&said)) {
            (Some(NO_EDITOR_FOUND), Some(said)) if moved => refused(edit.file, &said),
            (Some(ERROR_ENCRYPTING_TREE), _) => refused(edit.file, &said),
            _ => self.encryption_failure(edit.file, &ended),
        })
    }

    fn encrypting(
        &self,
        subcommand: &str,
        access: Access<'_>,
        edit: &EncryptRequest<'_>,
    ) -> Command {
        let mut command = self.subcommand(subcommand, access);
        command.env("TMPDIR", edit.temporary);
        // A terminal that goes away does not stop it halfway. A person's own key
        // may have a passphrase, which only the foreground can ask for.
        if !matches!(access.keys, AllowedIdentities::Own) {
            command.process_group(0);
        }
        command
    }

    fn watched(&self, command: Command, watch: &mut Watch) -> Result<Output, SopsError> {
        let process = SopsProcess {
            command,
            input: &[],
            inherited: None,
        };
        self.run(process, Some(watch))
    }

    pub(super) fn encryption_failure(&self, file: &Path, ended: &Output) -> SopsError {
        match self.require_version() {
            Err(error) => error,
            Ok(_) => {
                let said = String::from_utf8_lossy(&ended.stderr);
                SopsError::new(ENCRYPT, file, ended.status, &said)
            }
        }
    }
}

/// Why `sops encrypt` does not take the text, if that is the trouble.
pub(super) fn refusal(file: &Path, ended: &Output) -> Option<SopsError> {
    let said = String::from_utf8_lossy(&ended.stderr);
    let is_refused = match ended.status.code() {
        Some(COULD_NOT_READ_INPUT_FILE) => said.contains(UNREADABLE),
        Some(ERROR_ENCRYPTING_TREE | NEED_AT_LEAST_ONE_DOCUMENT | FILE_ALREADY_ENCRYPTED) => true,
        _ => false,
    };
    is_refused.then(|| refused(file, &said.replace(UNREADABLE, "")))
}

fn refused(file: &Path, said: &str) -> SopsError {
    SopsError::Refused {
        file: file.to_owned(),
        said: SecretString::from(said.trim()),
    }
}

/// The field `error` of the first error in sops's log, `… level=error msg="…"
/// error="…"`: quoted as in Go, or a bare word.
fn logged_error(said: &str) -> Option<String> {
    let line = said.lines().find(|line| line.contains(" level=error "))?;
    let (_, value) = line.rsplit_once(" error=")?;
    let quoted = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
    let Some(quoted) = quoted else {
        return Some(value.to_owned());
    };
    let unescaped = quoted.replace("\\n", "\n").replace("\\t", " ");
    Some(unescaped.replace("\\\"", "\"").replace("\\\\", "\\"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_read_from_the_log() {
        let said = "[CMD]\t time=\"now\" level=error msg=\"Could not.\" error=\"yaml: line 2:\\n key \\\"a\\\"\"\nmv: no\n";
        assert_eq!(
            logged_error(said).as_deref(),
            Some("yaml: line 2:\n key \"a\"")
        );
        let said = "[CMD] time=\"now\" level=error msg=\"Could not.\" error=EOF\n";
        assert_eq!(logged_error(said).as_deref(), Some("EOF"));
        assert_eq!(logged_error("mv: no such file\n"), None);
    }
}
