//! Opens what sops makes of a text although no key that kb may use opens it.
//!
//! A file may be for other people alone, or for someone whose key asks for a passphrase.
//! What sops does to the values does not depend on who can read them: so the same text is
//! encrypted, by the same rule, for a recipient that exists for this alone, and decrypted
//! again. Its private key, and the copy, never leave the memory of kb and of sops, and the
//! file itself never names it.

use std::path::Path;

use secrecy::{SecretBox, SecretString};

use crate::core::encrypted::Format;
use crate::core::identity::Identity;
use crate::core::readers::{Reader, Readers};
use crate::core::signals::Watch;
use crate::core::sops::{Access, AllowedIdentities, EncryptFor, Sops, SopsDecrypt, SopsError};

/// A text, and how it is encrypted for its readers.
pub struct Trial<'a> {
    /// The file that it is for.
    pub file: &'a Path,
    /// Its format.
    pub format: Format,
    /// The text itself.
    pub text: &'a SecretBox<Vec<u8>>,
    /// Which values are encrypted: see [`EncryptFor`].
    pub selection: &'a [(&'static str, String)],
    /// Whether the MAC is over the encrypted values alone.
    pub mac_only_encrypted: bool,
}

impl Trial<'_> {
    /// What sops prints of the encrypted text.
    ///
    /// # Errors
    /// As for [`Sops::encrypt_for`] and [`Sops::decrypt`]: [`SopsError::MacMismatch`] where
    /// sops does not take the MAC that it has written.
    pub fn decrypted(
        &self,
        sops: &Sops,
        watch: Option<&mut Watch>,
    ) -> Result<SecretBox<Vec<u8>>, SopsError> {
        let (identity, recipient) = Identity::generate();
        let readers = Readers {
            groups: vec![vec![Reader::Age(recipient)]],
            threshold: None,
        };
        let request = EncryptFor {
            file: self.file,
            format: self.format,
            plaintext: self.text,
            readers: &readers,
            selection: self.selection,
            mac_only_encrypted: self.mac_only_encrypted,
            // It says how the result is indented, and nobody sees it.
            stores: None,
            undisturbed: true,
        };
        let encrypted = sops.encrypt_for(&request, Access::age(AllowedIdentities::None), watch)?;
        let identity = SecretString::from(identity.key().expose());
        let request = SopsDecrypt {
            file: self.file,
            format: self.format,
            content: &encrypted,
            extract: None,
            ignore_mac: false,
        };
        let decrypted =
            sops.decrypt(&request, Access::age(AllowedIdentities::Cluster(&identity)))?;
        Ok(decrypted.plaintext)
    }
}
