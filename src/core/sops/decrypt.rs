//! `sops decrypt`: plaintext into memory.

use std::path::Path;
use std::process::ExitStatus;

use secrecy::SecretBox;

use super::{Access, STDIN, Sops, SopsError, with_format};
use crate::core::encrypted::Format;

/// What to decrypt, and how much of it.
pub struct SopsDecrypt<'a> {
    /// The encrypted file, for messages.
    pub file: &'a Path,
    /// The format of its content.
    pub format: Format,
    /// Its content, as sops is to read it.
    pub content: &'a [u8],
    /// sops's `--extract` expression, such as `["data"]["password"]`.
    pub extract: Option<&'a str>,
    /// Whether a MAC that does not match is tolerated.
    pub ignore_mac: bool,
}

/// What sops printed: plaintext, and any warnings beside it.
pub struct SopsOutput {
    /// The plaintext, byte for byte as from sops.
    pub plaintext: SecretBox<Vec<u8>>,
    /// The messages of sops's log, without the fields that quote the file.
    pub warnings: Vec<String>,
}

impl Sops {
    /// Decrypts the content of a file into memory.
    ///
    /// # Errors
    /// See [`SopsError`]. A failure is traced to a sops that is too old where
    /// that is the cause.
    pub fn decrypt(
        &self,
        request: &SopsDecrypt<'_>,
        access: Access<'_>,
    ) -> Result<SopsOutput, SopsError> {
        let mut command = self.subcommand("decrypt", access);
        with_format(&mut command, request.format);
        if let Some(expression) = request.extract {
            command.arg("--extract").arg(expression);
        }
        if request.ignore_mac {
            command.arg("--ignore-mac");
        }
        command.arg(STDIN);
        let output = self.output(command, request.content)?;
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            return Ok(SopsOutput {
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
}

fn failure(request: &SopsDecrypt<'_>, status: ExitStatus, said: &str) -> SopsError {
    if let Some(expression) = request.extract {
        let names_nothing = match status.code() {
            Some(91) => true,
            Some(1) => said.contains("error truncating tree"),
            // A path through a scalar makes sops panic, which is exit 2.
            Some(2) => said.contains("panic: "),
            _ => false,
        };
        if names_nothing {
            return SopsError::Extract {
                file: request.file.to_owned(),
                expression: expression.to_owned(),
            };
        }
    }
    SopsError::new("decrypt", request.file, status, said)
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
    fn of_a_log_line_only_the_message_is_kept() {
        let line = r#"[SOPS]	 time="now" level=warning msg="A \"b\"." comment="hunter2""#;
        assert_eq!(log_message(line), Some(r#"A \"b\"."#));
        assert_eq!(log_message("Input string hunter2 does not match"), None);
    }
}
