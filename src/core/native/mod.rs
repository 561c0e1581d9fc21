//! Opens and re-encrypts files without the sops program: starting it costs a hundred
//! times what the work does.
//!
//! Nothing is written anew but what has to be: each encrypted value and the MAC, under
//! a new data key and with fresh nonces, and the data key for each recipient. All other
//! bytes of the file stay. Nothing is taken on trust either: every encrypted value must
//! be authentic where it stands, and the MAC over all values must be the one that kb
//! computes. So where kb sees another value than sops, or another way to it, the two do
//! not match. What no MAC covers has to be known exactly, and is left to sops where it
//! is not: the metadata, the keys of values that are not encrypted, and what makes a
//! file one that sops does not read at all.
//!
//! What it does not do is [`Outside`]: keys that are not age's X25519 ones, selection by
//! comments, constructs of YAML that sops does not write. sops has the last word on
//! those, and on whatever does not match.
//!
//! | module | does |
//! | --- | --- |
//! | `contents` | what stands in a file, and where |
//! | `yaml` | takes YAML and JSON apart |
//! | `lines` | takes dotenv and ini apart |
//! | `scalar` | what a number or a truth value goes into the MAC as |
//! | `metadata` | what the sops metadata says of the values |
//! | `token` | one encrypted value |
//! | `open` | all of them, and the MAC |
//! | `rewrite` | the file under a new data key |

mod contents;
mod lines;
mod metadata;
mod open;
mod rewrite;
mod scalar;
#[cfg(test)]
mod tests;
mod token;
mod yaml;

use memchr::memmem;

use contents::Contents;
use metadata::{AgeKey, Metadata};
use open::Opened;
use token::Kind;

use super::data_key::{DataKey, Opener};
use super::sops_config::Position;
use super::sops_file::{ENCRYPTED_VALUE, Format};

pub use rewrite::Recipients;

/// Why kb does not do it by itself.
#[derive(Debug, thiserror::Error)]
pub enum NotNative {
    /// It is left to sops.
    #[error(transparent)]
    Outside(#[from] Outside),
    /// Something in it is not authentic.
    #[error(transparent)]
    Tampered(#[from] Tampered),
    /// There is nothing to make keys and nonces of.
    #[error("the operating system gives no random numbers")]
    NoRandomness,
}

/// What is left to sops.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Outside {
    /// A parser does not take it, or not as sops's does for certain.
    #[error("kb cannot tell for certain how sops reads it")]
    Syntax,
    /// Something that sops does not write: a tag, an anchor, a flow collection, a key
    /// that is no text or stands there twice, a number that is not decimal.
    #[error("it holds something that sops does not write so")]
    Construct,
    /// A field that kb does not know, or one that is missing.
    #[error("its sops metadata is not what kb knows, or comments decide what is encrypted")]
    Metadata,
    /// KMS, PGP, Vault.
    #[error("a key that is not age's opens it too")]
    OtherKeys,
    /// A recipient that is an ssh, post-quantum or plugin's key.
    #[error("a recipient of it is no X25519 key")]
    OtherRecipients,
    /// Not exactly one recipient goes, or the new one is there already.
    #[error("its list of recipients gets shorter")]
    FewerRecipients,
    /// None of the keys opens it.
    #[error("no X25519 key that kb has opens it")]
    NoKey,
    /// A value is not authentic as far as kb can tell, and sops could open it.
    #[error("kb cannot open a value in it")]
    NotAuthentic,
    /// A value that should be encrypted and is not, or the other way round.
    #[error("a value in it is not as sops writes it")]
    Values,
    /// The MAC is not that of the values.
    #[error("its MAC does not match what kb computes")]
    Mac,
}

/// What is not authentic: it was changed, or moved, or comes from another file.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Tampered {
    /// An encrypted value.
    #[error("the value of {path} is not authentic")]
    Value {
        /// Where it stands.
        position: Position,
        /// Its keys.
        path: String,
    },
    /// An encrypted comment. sops takes such a one for plaintext.
    #[error("an encrypted comment is not authentic")]
    Comment {
        /// Where it stands.
        position: Position,
    },
}

impl Tampered {
    /// Where it stands.
    pub fn position(&self) -> Position {
        match self {
            Self::Value { position, .. } | Self::Comment { position } => *position,
        }
    }
}

/// A file whose every encrypted value was authentic, and whose MAC was right.
pub struct Verified<'t> {
    contents: Contents<'t>,
    metadata: Vec<Metadata>,
    opened: Vec<Opened>,
}

impl<'t> Verified<'t> {
    /// Opens the content of a file, and returns its data key as well.
    ///
    /// # Errors
    /// [`NotNative`]
    pub fn open(
        format: Format,
        content: &'t [u8],
        opener: &Opener,
    ) -> Result<(Self, DataKey), NotNative> {
        let contents = Contents::read(format, content)?;
        let mut metadata: Vec<Metadata> = Vec::new();
        for (number, document) in contents.documents.iter().enumerate() {
            // The first document's counts; sops writes the same into all of them.
            if number > 0 && document.metadata.is_empty() {
                continue;
            }
            let found = Metadata::new(document)?;
            if metadata.first().is_some_and(|first| !first.equals(&found)) {
                return Err(Outside::Metadata.into());
            }
            metadata.push(found);
        }
        let first = metadata.first().ok_or(Outside::Metadata)?;
        let wrapped: Vec<&str> = first.keys.iter().map(|key| &*key.wrapped.text).collect();
        let key = opener.open_any(&wrapped).ok_or(Outside::NoKey)?;
        let opened = open::open(&contents, &metadata, &key)?;
        let verified = Self {
            contents,
            metadata,
            opened,
        };
        Ok((verified, key))
    }

    /// Who can open it, in order.
    pub fn recipients(&self) -> impl Iterator<Item = &str> {
        let first = self.metadata.iter().take(1);
        first.flat_map(|metadata| metadata.keys.iter().map(AgeKey::name))
    }

    /// Whether one of the comments was a ciphertext before it was encrypted.
    pub fn has_comment_of_ciphertext(&self) -> bool {
        let comments = self.opened.iter().filter(|it| it.kind == Kind::Comment);
        let mut texts = comments.map(|comment| &comment.plaintext);
        texts.any(|text| memmem::find(text, ENCRYPTED_VALUE.as_bytes()).is_some())
    }

    /// Whether both hold the same plaintexts, of the same types, in the same places.
    pub fn holds_the_same(&self, other: &Self) -> bool {
        let values = |verified: &Self| verified.opened.len();
        values(self) == values(other)
            && self.opened.iter().zip(&other.opened).all(|(one, other)| {
                one.kind == other.kind
                    && one.additional_data == other.additional_data
                    && one.plaintext == other.plaintext
            })
    }
}
