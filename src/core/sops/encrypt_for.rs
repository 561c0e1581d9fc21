//! `sops encrypt` of a text for given keys, whatever rules there are.

use std::os::unix::process::CommandExt;
use std::path::Path;

use secrecy::{ExposeSecret, SecretBox};
use serde_json::Value;

use super::encrypt::{ENCRYPT, refusal};
use super::one_rule::OneRuleConfig;
use super::process::SopsProcess;
use super::{Access, STDIN, Sops, SopsError, with_format};
use crate::core::encrypted::Format;
use crate::core::readers::Readers;
use crate::core::signals::Watch;

/// A text, and who is to read it.
pub struct EncryptFor<'a> {
    /// The file that it is for, for messages.
    pub file: &'a Path,
    /// Its format, before and after.
    pub format: Format,
    /// The text.
    pub plaintext: &'a SecretBox<Vec<u8>>,
    /// Who can read it, by key group.
    pub readers: &'a Readers,
    /// Which values are encrypted: fields of a rule, such as `encrypted_regex`. sops takes
    /// one at most; without any, all whose keys do not end in `_unencrypted` are.
    pub selection: &'a [(&'a str, String)],
    /// Whether the MAC is over the encrypted values alone.
    pub mac_only_encrypted: bool,
    /// The `stores` of the person's config, which say how far the result is indented: see
    /// [`super::stores_of`].
    pub stores: Option<&'a Value>,
    /// Whether Ctrl-C on the terminal is kept from it. Else it ends, with kb.
    pub undisturbed: bool,
}

impl Sops {
    /// The text, encrypted under a new data key. The plaintext is on no disk and in no
    /// argument. `access` needs no age identity, and those kinds of keys that are among
    /// the readers.
    ///
    /// # Errors
    /// [`SopsError::NotAKey`] for a reader that kb cannot read, [`SopsError::Refused`]
    /// when the text is not of its format, [`SopsError::Stopped`] where someone watches,
    /// else as for [`Sops::decrypt`].
    pub fn encrypt_for(
        &self,
        request: &EncryptFor<'_>,
        access: Access<'_>,
        watch: Option<&mut Watch>,
    ) -> Result<Vec<u8>, SopsError> {
        let config = OneRuleConfig::new(request)?;
        let config = config.map_err(|source| self.start_error(source))?;
        let mut command = self.command(access);
        command.arg("--config").arg(config.path()).arg(ENCRYPT);
        with_format(&mut command, request.format);
        command.arg("--filename-override").arg(request.file);
        command.arg(STDIN);
        if request.undisturbed {
            command.process_group(0);
        }
        let process = SopsProcess {
            command,
            input: request.plaintext.expose_secret(),
            inherited: config.inherited(),
        };
        let ended = self.run(process, watch)?;
        if ended.status.success() {
            return Ok(ended.stdout);
        }
        Err(match refusal(request.file, &ended) {
            Some(refusal) => refusal,
            None => self.encryption_failure(request.file, &ended),
        })
    }
}
