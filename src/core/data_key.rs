//! A file's data key, as it stands in the file: encrypted to each recipient.
//!
//! sops keeps it as an armored age file (<https://age-encryption.org/v1>) of 32
//! bytes, `age/keysource.go` in its source.

use std::io::Read;

use age::armor::ArmoredReader;
use age::{DecryptError, Decryptor};
use secrecy::SecretBox;

use super::identity::Identity;

/// The length of a data key, in bytes.
const LENGTH: usize = 32;

/// Identities, made ready to open data keys.
pub struct Opener(Vec<age::x25519::Identity>);

impl Opener {
    /// Takes the X25519 ones among the identities; kb knows no others.
    pub fn new<'a>(identities: impl IntoIterator<Item = &'a Identity>) -> Self {
        let parsed = identities.into_iter();
        Self(
            parsed
                .filter_map(|it| it.key().expose().parse().ok())
                .collect(),
        )
    }

    /// Whether one of them opens one of the wrapped keys, and a data key is in it.
    pub fn opens_any(&self, wrapped_keys: &[String]) -> bool {
        wrapped_keys
            .iter()
            .any(|wrapped| self.open(wrapped).is_ok())
    }

    fn open(&self, wrapped: &str) -> Result<SecretBox<[u8; LENGTH]>, DecryptError> {
        let decryptor = Decryptor::new_buffered(ArmoredReader::new(wrapped.as_bytes()))?;
        let identities = self.0.iter().map(|identity| identity as &dyn age::Identity);
        let mut reader = decryptor.decrypt(identities)?;
        let mut failed = None;
        let key = SecretBox::init_with_mut(|key: &mut [u8; LENGTH]| {
            failed = reader.read_exact(key).err();
        });
        match failed {
            None => Ok(key),
            Some(error) => Err(error.into()),
        }
    }
}
