//! A file's data key, as it stands in the file: encrypted to each recipient.
//!
//! sops keeps it as an armored age file (<https://age-encryption.org/v1>) of 32
//! bytes, `age/keysource.go` in its source.

use std::io::{ErrorKind, Read};

use age::armor::ArmoredReader;
use age::{DecryptError, Decryptor};
use secrecy::{ExposeSecret, SecretBox};

use super::identity::Identity;

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod x25519;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
use age::x25519;

/// The length of a data key, in bytes.
const LENGTH: usize = 32;

/// The key that the values of a file are encrypted with.
pub struct DataKey(SecretBox<[u8; LENGTH]>);

/// Why a data key is not encrypted to a recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrapError {
    /// It is no X25519 key, or not in its one canonical form.
    NotX25519,
    /// The operating system gives no random numbers.
    NoRandomness,
}

impl PartialEq for DataKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }
}

impl DataKey {
    /// Makes a new one from the operating system's randomness. `None` if that gives
    /// none.
    pub fn generate() -> Option<Self> {
        let mut failed = false;
        let key = SecretBox::init_with_mut(|key: &mut [u8; LENGTH]| {
            failed = getrandom::fill(key).is_err();
        });
        (!failed).then_some(Self(key))
    }

    /// Encrypts it to a recipient, as an armored age file.
    ///
    /// # Errors
    /// See [`WrapError`].
    pub fn wrap(&self, recipient: &str) -> Result<String, WrapError> {
        let parsed: x25519::X25519Recipient =
            recipient.parse().map_err(|_| WrapError::NotX25519)?;
        // Two names must not be the same key.
        if parsed.to_string() != recipient {
            return Err(WrapError::NotX25519);
        }
        let wrapped = age::encrypt_and_armor(&parsed, self.expose());
        wrapped.map_err(|_| WrapError::NoRandomness)
    }

    /// The key itself, for the one who encrypts with it.
    pub(super) fn expose(&self) -> &[u8; LENGTH] {
        self.0.expose_secret()
    }
}

/// Identities, made ready to open data keys.
pub struct Opener(Vec<x25519::X25519Identity>);

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
    pub fn open_any(&self, wrapped_keys: &[impl AsRef<str>]) -> Option<DataKey> {
        let mut wrapped_keys = wrapped_keys.iter();
        wrapped_keys.find_map(|wrapped| self.open(wrapped.as_ref()).ok())
    }

    /// Whether one of them opens an age file, which is not armored. Its content may be a
    /// part of a data key that is split among key groups.
    pub fn opens(&self, age_file: &[u8]) -> bool {
        let identities = self.0.iter().map(|identity| identity as &dyn age::Identity);
        let decryptor = Decryptor::new_buffered(age_file);
        decryptor.is_ok_and(|decryptor| decryptor.decrypt(identities).is_ok())
    }

    fn open(&self, wrapped: &str) -> Result<DataKey, DecryptError> {
        let decryptor = Decryptor::new_buffered(ArmoredReader::new(wrapped.as_bytes()))?;
        let identities = self.0.iter().map(|identity| identity as &dyn age::Identity);
        let mut reader = decryptor.decrypt(identities)?;
        let mut failed = None;
        let key = SecretBox::init_with_mut(|key: &mut [u8; LENGTH]| {
            let end = reader.read_exact(key).and_then(|()| reader.read(&mut [0]));
            failed = match end {
                // sops takes no longer one either, and only at its end it is authentic.
                Ok(1..) => Some(ErrorKind::InvalidData.into()),
                end => end.err(),
            };
        });
        match failed {
            None => Ok(DataKey(key)),
            Some(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// sops takes no other one, and the end of what is encrypted is authentic only when
    /// it was read.
    #[test]
    fn only_a_key_of_the_right_length_is_opened() {
        let (identity, recipient) = Identity::generate();
        let to: x25519::X25519Recipient = recipient.as_str().parse().expect("a recipient");
        let opener = Opener::new([&identity]);
        for (length, opens) in [(31, false), (32, true), (33, false)] {
            let wrapped = age::encrypt_and_armor(&to, &vec![7; length]).expect("encrypt");
            assert_eq!(opener.open_any(&[wrapped]).is_some(), opens, "{length}");
        }
    }
}
