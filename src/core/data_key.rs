//! A file's data key, as it stands in the file: encrypted to each recipient.
//!
//! sops keeps it as an armored age file (<https://age-encryption.org/v1>) of 32
//! bytes, `age/keysource.go` in its source.

use std::io::Read;

use age::armor::ArmoredReader;
use age::{DecryptError, Decryptor};
use secrecy::{ExposeSecret, SecretBox};

use super::identity::Identity;

/// The length of a data key, in bytes.
const LENGTH: usize = 32;

/// The key that the values of a file are encrypted with.
pub struct DataKey(SecretBox<[u8; LENGTH]>);

impl PartialEq for DataKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }
}

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

    /// The data key in the first of the wrapped keys that one of them opens, or `None`
    /// if they open none.
    pub fn open_any(&self, wrapped_keys: &[String]) -> Option<DataKey> {
        let mut wrapped_keys = wrapped_keys.iter();
        wrapped_keys.find_map(|wrapped| self.open(wrapped).ok())
    }

    fn open(&self, wrapped: &str) -> Result<DataKey, DecryptError> {
        let decryptor = Decryptor::new_buffered(ArmoredReader::new(wrapped.as_bytes()))?;
        let identities = self.0.iter().map(|identity| identity as &dyn age::Identity);
        let mut reader = decryptor.decrypt(identities)?;
        let mut failed = None;
        let key = SecretBox::init_with_mut(|key: &mut [u8; LENGTH]| {
            failed = reader.read_exact(key).err();
        });
        match failed {
            None => Ok(DataKey(key)),
            Some(error) => Err(error.into()),
        }
    }
}
