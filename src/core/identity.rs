//! age identities (private keys) and recipients (public keys) as text.
//!
//! Formats: the age specification, <https://age-encryption.org/v1>, and the
//! key file of `age-keygen` (`key_file`): one identity per line, `#` starts a comment line.

mod key_file;

use std::fmt;
use std::str::FromStr;

use bech32::Bech32;
use bech32::primitives::decode::UncheckedHrpstring;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

pub use key_file::KeyFile;

/// What the text form of every age identity begins with.
pub const PRIVATE_KEY_PREFIX: &str = "AGE-SECRET-KEY-";

/// A private key in its text form, `AGE-SECRET-KEY-1…`.
///
/// There is no `Display`, and `Debug` shows nothing of it.
#[derive(Clone, Debug)]
pub struct PrivateKey(SecretString);

impl PrivateKey {
    /// The key itself. Every caller is a place where the key leaves kb's hands:
    /// the Secret, the environment of `sops`, or stdout.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// What kind of key stands behind a recipient's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecipientKind {
    /// `age1…`: the native kind that a cluster holds.
    X25519,
    /// `age1pq1…`: native and post-quantum (age 1.3). A cluster may hold one;
    /// kb cannot compute the recipient of its identity.
    PostQuantum,
    /// `age1NAME1…`: a plugin's key, such as a hardware token. A person's.
    Plugin,
    /// `ssh-ed25519 …` or `ssh-rsa …`: a developer's own key.
    Ssh,
}

/// A public key as it stands in `.sops.yaml` and in a file's SOPS metadata.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Recipient(String);

impl Recipient {
    /// The text form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Several of them in one line.
    pub fn list(recipients: &[Self]) -> String {
        let texts: Vec<&str> = recipients.iter().map(Self::as_str).collect();
        texts.join(", ")
    }

    /// Which kind of key it is.
    pub fn kind(&self) -> RecipientKind {
        let text = self.as_str();
        if text.starts_with("ssh-") {
            RecipientKind::Ssh
        } else if text.starts_with("age1pq1") {
            RecipientKind::PostQuantum
        } else if text["age1".len()..].contains('1') {
            RecipientKind::Plugin
        } else {
            RecipientKind::X25519
        }
    }

    /// Whether an identity in a cluster's Secret could belong to it. A plugin's
    /// or an ssh key is a person's own and never stands in for a cluster's.
    pub fn may_be_a_clusters(&self) -> bool {
        matches!(
            self.kind(),
            RecipientKind::X25519 | RecipientKind::PostQuantum
        )
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is no recipient.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum RecipientError {
    /// It does not begin as any kind of recipient does.
    #[error("it is neither an age recipient (age1…) nor an ssh public key")]
    Unknown,
    /// It begins as an age recipient, and its length or checksum is wrong.
    #[error("it begins like an age recipient, but is mistyped or cut short")]
    Damaged,
}

impl FromStr for Recipient {
    type Err = RecipientError;

    /// Accepts what sops 3.13 accepts, in `age/keysource.go`. The checksum is
    /// verified for X25519 recipients; of the other kinds only the characters.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let recipient = || Recipient(text.to_owned());
        if text.starts_with("ssh-ed25519 ") || text.starts_with("ssh-rsa ") {
            return Ok(recipient());
        }
        let Some(rest) = text.strip_prefix("age1") else {
            return Err(RecipientError::Unknown);
        };
        let bech32 = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if rest.is_empty() || !rest.chars().all(bech32) {
            return Err(RecipientError::Damaged);
        }
        if recipient().kind() == RecipientKind::X25519 {
            age::x25519::Recipient::from_str(text).map_err(|_| RecipientError::Damaged)?;
        }
        Ok(recipient())
    }
}

/// An identity: a private key, and its recipient where kb can compute it.
#[derive(Clone, Debug)]
pub struct Identity {
    key: PrivateKey,
    recipient: Option<Recipient>,
}

impl Identity {
    /// Makes a new X25519 keypair from the operating system's randomness.
    pub fn generate() -> (Self, Recipient) {
        Self::from_x25519(&age::x25519::Identity::generate())
    }

    fn from_x25519(identity: &age::x25519::Identity) -> (Self, Recipient) {
        let recipient = Recipient(identity.to_public().to_string());
        let pair = Self {
            key: PrivateKey(identity.to_string()),
            recipient: Some(recipient.clone()),
        };
        (pair, recipient)
    }

    /// Whether it is the same private key.
    pub fn is_same(&self, other: &Self) -> bool {
        self.key.expose() == other.key.expose()
    }

    /// The private key.
    pub fn key(&self) -> &PrivateKey {
        &self.key
    }

    /// The recipient, or `None` for a post-quantum identity
    /// (`AGE-SECRET-KEY-PQ-1…`), which the age crate does not know yet.
    pub fn recipient(&self) -> Option<&Recipient> {
        self.recipient.as_ref()
    }
}

/// Why a line, or a whole file, is no identity. It never carries the text.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone, Copy)]
pub enum IdentityError {
    /// A public key stands where a private one belongs.
    #[error("it is a public key (age1…), not a private one")]
    PublicKey,
    /// It begins as a private key, and its length or checksum is wrong.
    #[error("it begins like a private key, but is mistyped or cut short")]
    Damaged,
    /// A plugin's identity works only where the plugin and its hardware are.
    #[error("it is the identity of an age plugin, which Flux cannot use")]
    Plugin,
    /// An age file, armored or not: a key file that is encrypted itself.
    #[error(
        "it is an encrypted age file, most often a key file with a passphrase, not a private key"
    )]
    Encrypted,
    /// A manifest that may contain one.
    #[error("it is a Kubernetes manifest, not a key file")]
    Manifest,
    /// An identity in Base64.
    #[error("it is a private key in base64")]
    Base64,
    /// A key of OpenSSH.
    #[error("it is an ssh key, which cannot be a cluster's: Flux reads age's own keys alone")]
    Ssh,
    /// A key of PGP.
    #[error("it is a PGP key, not one of age")]
    Pgp,
    /// A text that age does not take.
    #[error("it begins with a byte order mark, or is in UTF-16, which age and Flux do not read")]
    ByteOrderMark,
    /// Anything else.
    #[error("it is not an age private key (AGE-SECRET-KEY-1…)")]
    Unknown,
}

impl FromStr for Identity {
    type Err = IdentityError;

    fn from_str(line: &str) -> Result<Self, Self::Err> {
        if line.starts_with("AGE-SECRET-KEY-PQ-1") {
            let unchecked = UncheckedHrpstring::new(line).map_err(|_| IdentityError::Damaged)?;
            unchecked
                .validate_checksum::<Bech32>()
                .map_err(|_| IdentityError::Damaged)?;
            let key = PrivateKey(SecretString::from(line));
            return Ok(Self {
                key,
                recipient: None,
            });
        }
        if line.starts_with("AGE-PLUGIN-") {
            return Err(IdentityError::Plugin);
        }
        if line.starts_with("AGE-SECRET-KEY-1") {
            let identity =
                age::x25519::Identity::from_str(line).map_err(|_| IdentityError::Damaged)?;
            return Ok(Self::from_x25519(&identity).0);
        }
        if line.starts_with("age1") {
            return Err(IdentityError::PublicKey);
        }
        if line.starts_with("ssh-") {
            return Err(IdentityError::Ssh);
        }
        Err(IdentityError::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_of_an_identity_omits_the_private_key() {
        let (identity, _) = Identity::generate();
        let text = format!("{identity:?} {:?}", identity.key());
        assert!(!text.contains(identity.key().expose()), "{text}");
        assert!(!text.contains("AGE-SECRET-KEY"), "{text}");
        assert!(text.contains("REDACTED"), "{text}");
    }

    #[test]
    fn a_generated_identity_survives_its_text_form() {
        let (identity, recipient) = Identity::generate();
        let again: Identity = identity.key().expose().parse().expect("own text form");
        assert_eq!(again.recipient(), Some(&recipient));
        assert!(identity.key().expose().starts_with("AGE-SECRET-KEY-1"));
    }

    #[test]
    fn recipients_are_told_apart_by_kind() {
        let (_, x25519) = Identity::generate();
        assert_eq!(x25519.kind(), RecipientKind::X25519);
        assert!(x25519.may_be_a_clusters());
        for (text, kind) in [
            ("age1pq1qqqq", RecipientKind::PostQuantum),
            ("age1yubikey1qqqq", RecipientKind::Plugin),
            ("ssh-ed25519 AAAA dev@example", RecipientKind::Ssh),
        ] {
            assert_eq!(text.parse::<Recipient>().expect(text).kind(), kind);
        }
    }

    #[test]
    fn a_mistyped_recipient_is_refused() {
        let mut text = Identity::generate().1.to_string();
        let last = text.pop().expect("not empty");
        assert_eq!(text.parse::<Recipient>(), Err(RecipientError::Damaged));
        text.push(if last == 'q' { 'p' } else { 'q' });
        assert_eq!(text.parse::<Recipient>(), Err(RecipientError::Damaged));
        assert_eq!("age1".parse::<Recipient>(), Err(RecipientError::Damaged));
        assert_eq!("AGE1".parse::<Recipient>(), Err(RecipientError::Unknown));
    }
}
