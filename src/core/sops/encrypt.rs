//! `sops encrypt` for a new file, `sops edit` for one that exists.
//!
//! Both work in a private directory in memory: sops's temporary files, which
//! hold the plaintext, are made there.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};

use secrecy::SecretString;

use super::{Keys, Sops, SopsError};

/// The task, in messages.
pub(super) const ENCRYPT: &str = "encrypt";

/// With any of these sops encrypts for the keys named there, whatever the
/// creation rule says (`cmd/sops/main.go`, `getEncryptConfig`).
const RECIPIENT_VARIABLES: [&str; 7] = [
    "SOPS_AGE_RECIPIENTS",
    "SOPS_AZURE_KEYVAULT_URLS",
    "SOPS_GCP_KMS_IDS",
    "SOPS_HUAWEICLOUD_KMS_IDS",
    "SOPS_KMS_ARN",
    "SOPS_PGP_FP",
    "SOPS_VAULT_URIS",
];

/// A text that is to become the content of an encrypted file. All paths are
/// absolute.
pub struct Edit<'a> {
    /// The file that it is for, for the creation rule and in messages.
    pub file: &'a Path,
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
    /// [`SopsError::Refused`] when the text is not of the file's format, else as
    /// for [`Sops::decrypt`].
    pub fn encrypt(&self, edit: &Edit<'_>) -> Result<Vec<u8>, SopsError> {
        let mut command = self.encrypting("encrypt", Keys::Own, edit);
        // A creation rule needs no private key.
        for (name, _) in &self.environment {
            if super::starts_with(name, super::KEY_VARIABLES) {
                command.env_remove(name);
            }
        }
        command.arg("--filename-override").arg(edit.file);
        command.arg(edit.text);
        let output = self.output(command)?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let refused = match output.status.code() {
            Some(2) => said
                .contains("Error unmarshalling file: ")
                .then_some(&*said),
            Some(92 | 203) => Some(&*said),
            _ => None,
        };
        match refused {
            Some(said) => Err(refusal(
                edit,
                said.replace("Error unmarshalling file: ", ""),
            )),
            None => Err(self.encryption_failure(edit, &output)),
        }
    }

    /// Puts the text into `staged`, a copy of the encrypted file in memory. The
    /// data key stays, and the ciphertext of each value that did not change.
    ///
    /// # Errors
    /// As for [`Sops::encrypt`]; [`SopsError::MacMismatch`] unless `ignore_mac`.
    pub fn edit(
        &self,
        edit: &Edit<'_>,
        staged: &Path,
        ignore_mac: bool,
        keys: Keys<'_>,
    ) -> Result<(), SopsError> {
        let mut command = self.encrypting("edit", keys, edit);
        // sops asks its editor again for as long as it does not take the text:
        // the second time this one finds nothing to move, and fails.
        let text = edit.text.to_string_lossy();
        // Only a NUL cannot be quoted, and no path has one.
        let text = shlex::try_quote(&text).unwrap_or_default();
        command.env("SOPS_EDITOR", format!("mv -f -- {text}"));
        if ignore_mac {
            command.arg("--ignore-mac");
        }
        command.arg(staged);
        let output = self.output(command)?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        // 201: the editor failed.
        let moved = !edit.text.exists();
        match (output.status.code(), logged_error(&said)) {
            (Some(201), Some(said)) if moved => Err(refusal(edit, said)),
            _ => Err(self.encryption_failure(edit, &output)),
        }
    }

    fn encrypting(&self, subcommand: &str, keys: Keys<'_>, edit: &Edit<'_>) -> Command {
        let mut command = self.subcommand(subcommand, keys);
        for name in RECIPIENT_VARIABLES {
            command.env_remove(name);
        }
        command.env("TMPDIR", edit.temporary);
        // A terminal that goes away does not stop it halfway.
        command.process_group(0);
        command
    }

    fn encryption_failure(&self, edit: &Edit<'_>, output: &Output) -> SopsError {
        let said = String::from_utf8_lossy(&output.stderr);
        match self.require_version() {
            Err(error) => error,
            Ok(_) => SopsError::new(ENCRYPT, edit.file, output.status, &said),
        }
    }
}

fn refusal(edit: &Edit<'_>, said: impl Into<String>) -> SopsError {
    SopsError::Refused {
        file: edit.file.to_owned(),
        said: SecretString::from(said.into().trim()),
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
