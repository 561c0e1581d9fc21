//! age's X25519 keys, with a faster multiplication where the processor allows it.
//!
//! A rotation would spend half of its time in the age crate's X25519 (RFC 7748), three
//! times for each file. It takes three times as long as that of graviola, which is
//! assembler from s2n-bignum with proofs, for processors from about 2014 on. Only the
//! multiplication is replaced: the rest of the stanza is done with age's own primitives
//! (<https://age-encryption.org/v1>, "The X25519 recipient type"), the rest of the file
//! by the age crate, and what is not plainly a stanza for this is left to it as well.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use age::{DecryptError, EncryptError};
use age_core::format::{FILE_KEY_BYTES, FileKey, Stanza};
use age_core::primitives::{aead_decrypt, aead_encrypt, hkdf};
use age_core::secrecy::ExposeSecret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bech32::primitives::decode::CheckedHrpstring;
use graviola::key_agreement::x25519::{PrivateKey, PublicKey, StaticPrivateKey};
use zeroize::Zeroizing;

/// Whether the processor has what graviola wants; without it, it panics.
#[cfg(target_arch = "x86_64")]
fn is_fast() -> bool {
    is_x86_feature_detected!("adx")
        && is_x86_feature_detected!("aes")
        && is_x86_feature_detected!("avx")
        && is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("pclmulqdq")
}

/// As above.
#[cfg(target_arch = "aarch64")]
fn is_fast() -> bool {
    use std::arch::is_aarch64_feature_detected;
    is_aarch64_feature_detected!("aes")
        && is_aarch64_feature_detected!("neon")
        && is_aarch64_feature_detected!("pmull")
        && is_aarch64_feature_detected!("sha2")
}

/// What a stanza begins with.
const TAG: &str = "X25519";
/// The length of a stanza's body, in bytes: the file's key and its authentication tag.
const BODY: usize = FILE_KEY_BYTES + 16;
const LABEL: &[u8] = b"age-encryption.org/v1/X25519";

/// An identity.
pub(super) struct X25519Identity {
    age: age::x25519::Identity,
    fast: Option<Fast>,
}

struct Fast {
    private: StaticPrivateKey,
    public: [u8; 32],
}

impl FromStr for X25519Identity {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fast = || {
            let private = StaticPrivateKey::from_array(&*bytes(text)?);
            let public = private.public_key().as_bytes();
            Some(Fast { private, public })
        };
        Ok(Self {
            age: text.parse()?,
            fast: is_fast().then(fast).flatten(),
        })
    }
}

impl age::Identity for X25519Identity {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        match self.fast.as_ref().zip(share(stanza)) {
            Some((fast, share)) => fast.unwrap(&share, &stanza.body),
            None => self.age.unwrap_stanza(stanza),
        }
    }
}

/// The ephemeral share of a stanza for an X25519 key, if it is one, and well-formed.
fn share(stanza: &Stanza) -> Option<[u8; 32]> {
    let [share] = stanza.args.as_slice() else {
        return None;
    };
    let share = STANDARD_NO_PAD.decode(share).ok()?.try_into().ok();
    share.filter(|_| stanza.tag == TAG)
}

impl Fast {
    fn unwrap(&self, share: &[u8; 32], body: &[u8]) -> Option<Result<FileKey, DecryptError>> {
        let shared = self.private.diffie_hellman(&PublicKey::from_array(share));
        let Some(shared) = shared.ok().filter(|_| body.len() == BODY) else {
            return Some(Err(DecryptError::InvalidHeader));
        };
        let shared = Zeroizing::new(shared.as_bytes());
        let key = wrapping_key(share, &self.public, &shared);
        // Else it is for someone else.
        let opened = Zeroizing::new(aead_decrypt(&key, FILE_KEY_BYTES, body).ok()?);
        Some(Ok(FileKey::init_with_mut(|key| {
            key.copy_from_slice(&opened)
        })))
    }
}

/// A recipient.
pub(super) struct X25519Recipient {
    age: age::x25519::Recipient,
    public: Option<[u8; 32]>,
}

impl FromStr for X25519Recipient {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let public = || bytes(text).map(|bytes| *bytes);
        Ok(Self {
            age: text.parse()?,
            public: is_fast().then(public).flatten(),
        })
    }
}

/// Its one canonical text.
impl fmt::Display for X25519Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.age.fmt(f)
    }
}

impl age::Recipient for X25519Recipient {
    fn wrap_file_key(
        &self,
        file_key: &FileKey,
    ) -> Result<(Vec<Stanza>, HashSet<String>), EncryptError> {
        match self.public.and_then(|public| wrap(&public, file_key)) {
            Some(stanza) => Ok((vec![stanza], HashSet::new())),
            None => self.age.wrap_file_key(file_key),
        }
    }
}

/// `None` if the operating system gives no random numbers, or the key is none to share
/// a secret with.
fn wrap(public: &[u8; 32], file_key: &FileKey) -> Option<Stanza> {
    let ephemeral = PrivateKey::new_random().ok()?;
    let share = ephemeral.public_key().as_bytes();
    let shared = ephemeral.diffie_hellman(&PublicKey::from_array(public));
    let shared = Zeroizing::new(shared.ok()?.as_bytes());
    let key = wrapping_key(&share, public, &shared);
    Some(Stanza {
        tag: TAG.to_owned(),
        args: vec![STANDARD_NO_PAD.encode(share)],
        body: aead_encrypt(&key, file_key.expose_secret()),
    })
}

/// What the file's key is encrypted with.
fn wrapping_key(share: &[u8; 32], public: &[u8; 32], shared: &[u8; 32]) -> Zeroizing<[u8; 32]> {
    let salt = [*share, *public].concat();
    Zeroizing::new(hkdf(&salt, LABEL, shared))
}

/// The bytes of a key in its text form (BIP 173).
fn bytes(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let checked = CheckedHrpstring::new::<bech32::Bech32>(text).ok()?;
    let mut bytes = Zeroizing::new([0; 32]);
    let mut count = 0;
    for byte in checked.byte_iter() {
        *bytes.get_mut(count)? = byte;
        count += 1;
    }
    (count == bytes.len()).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn the_fast_multiplication_is_taken_where_it_can_be() {
        let fast = keys()
            .0
            .parse::<X25519Identity>()
            .expect("an identity")
            .fast;
        assert_eq!(fast.is_some(), is_fast());
    }

    fn keys() -> (String, age::x25519::Identity, String) {
        let age = age::x25519::Identity::generate();
        let recipient = age.to_public().to_string();
        (age.to_string().expose_secret().to_owned(), age, recipient)
    }

    #[test]
    fn what_age_encrypts_is_opened_and_the_other_way_round() {
        for _ in 0..200 {
            let (text, age, recipient) = keys();
            let fast = text.parse::<X25519Identity>().expect("an identity");
            let theirs = age::encrypt_and_armor(&age.to_public(), b"secret").expect("encrypt");
            assert_eq!(
                age::decrypt(&fast, theirs.as_bytes()).expect("open"),
                b"secret"
            );
            let to = recipient.parse::<X25519Recipient>().expect("a recipient");
            let ours = age::encrypt_and_armor(&to, b"secret").expect("encrypt");
            assert_eq!(
                age::decrypt(&age, ours.as_bytes()).expect("open"),
                b"secret"
            );
            assert_eq!(
                age::decrypt(&fast, ours.as_bytes()).expect("open"),
                b"secret"
            );
            let (_, other, _) = keys();
            assert!(age::decrypt(&other, ours.as_bytes()).is_err());
        }
    }

    #[test]
    fn a_key_for_another_opens_nothing() {
        let (_, age, _) = keys();
        let theirs = age::encrypt_and_armor(&age.to_public(), b"secret").expect("encrypt");
        let other = keys().0.parse::<X25519Identity>().expect("an identity");
        assert!(age::decrypt(&other, theirs.as_bytes()).is_err());
    }

    /// A share of small order would make a secret that everyone knows.
    #[test]
    fn a_share_of_small_order_is_refused() {
        let (text, _, recipient) = keys();
        let public = *bytes(&recipient).expect("a recipient");
        let stanza = Stanza {
            tag: TAG.to_owned(),
            args: vec![STANDARD_NO_PAD.encode([0; 32])],
            body: aead_encrypt(
                &wrapping_key(&[0; 32], &public, &[0; 32]),
                &[0; FILE_KEY_BYTES],
            ),
        };
        let identity = text.parse::<X25519Identity>().expect("an identity");
        let opened = age::Identity::unwrap_stanza(&identity, &stanza);
        assert!(matches!(opened, Some(Err(_))));
        assert!(wrap(&[0; 32], &FileKey::init_with_mut(|_| ())).is_none());
    }
}
