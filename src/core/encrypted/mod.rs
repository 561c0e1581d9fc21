//! Encrypted files: who can open them, and their values without the sops program, whose
//! start costs a hundred times what the work does.
//!
//! One reading serves all. [`EncryptedFile`] says who can open a file, generously: what
//! sops would read must not be missed. [`Verified`] opens and re-encrypts its values, and
//! insists on certainty. Nothing is written anew but what has to be: each encrypted value
//! and the MAC, under a new data key and with fresh nonces, and the data key for each
//! recipient. All other bytes of the file stay. Nothing is taken on trust either: every
//! encrypted value must be authentic where it stands, and the MAC over all values must be
//! the one that kb computes. So where kb sees another value than sops, or another way to
//! it, the two do not match. What no MAC covers has to be known exactly, and is left to
//! sops where it is not: the metadata, the keys of values that are not encrypted, and what
//! makes a file one that sops does not read at all.
//!
//! What is not done here is [`Unsupported`]: keys that are not age's X25519 ones, selection
//! by comments, constructs of YAML that sops does not write. sops has the last word on
//! those, and on whatever does not match. What sops gets is a [`stripped`] copy: nothing
//! authenticates the metadata, and an entry of it can name a server.
//!
//! | module | does |
//! | --- | --- |
//! | `format` | which format a file has |
//! | `file` | whether it is encrypted |
//! | `error` | what keeps kb from reading it |
//! | `contents` | what stands in a file, and where |
//! | `inspect` | values, Secrets and comments, for those who judge them |
//! | `yaml` | takes YAML and JSON apart |
//! | `lines` | takes dotenv and ini apart |
//! | `traces` | what shows that a text is encrypted, whether it parses or not |
//! | `metadata` | who can open a file, and which of its values are encrypted |
//! | `copy` | a copy for sops, without the keys that it must not use |
//! | `scalar` | what a number or a truth value goes into the MAC as |
//! | `token` | one encrypted value |
//! | `openable` | which keys of a file sops may use |
//! | `open` | all of them, and the MAC |
//! | `rewrite` | the file under a new data key |

mod contents;
mod copy;
mod error;
mod file;
mod format;
pub mod inspect;
mod lines;
mod metadata;
mod open;
mod openable;
mod rewrite;
mod scalar;
#[cfg(test)]
mod tests;
mod token;
mod traces;
mod yaml;

use std::ops::Deref;

use memchr::memmem;

use contents::Contents;
use open::OpenedValue;
use token::ValueType;

use super::data_key::{DataKey, Opener};
use super::readers::Readers;
use super::sops_config::Position;

pub use copy::stripped;
pub use error::{Damage, FileError};
pub use file::{EncryptedFile, LARGEST, read};
pub use format::Format;
pub use metadata::{Metadata, WrappedKey};
pub use openable::KeyPolicy;
pub use rewrite::Recipients;
pub use traces::{ARMOR_LINE, Traces, in_base64};

/// What begins each encrypted value.
pub const ENCRYPTED_VALUE: &str = "ENC[AES256_GCM,";

/// Why kb does not do it by itself.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is left to sops.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// Something in it is not authentic.
    #[error(transparent)]
    Tampered(#[from] Tampered),
    /// There is nothing to make keys and nonces of.
    #[error("the operating system gives no random numbers")]
    NoRandomness,
}

/// What is left to sops.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Unsupported {
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
    #[error("one of its recipients is not an X25519 key")]
    OtherRecipients,
    /// Its list of recipients gets longer or shorter, in a format or a form in which kb
    /// does not edit lists.
    #[error("its list of recipients changes in length")]
    OtherRecipientCount,
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
    contents: ContentsRef<'t>,
    metadata: Vec<Metadata>,
    opened: Vec<OpenedValue>,
}

/// What stands in a file: read for this, or before.
enum ContentsRef<'t> {
    Own(Contents<'t>),
    Shared(&'t Contents<'t>),
}

impl<'t> Deref for ContentsRef<'t> {
    type Target = Contents<'t>;

    fn deref(&self) -> &Contents<'t> {
        match self {
            Self::Own(contents) => contents,
            Self::Shared(contents) => contents,
        }
    }
}

impl<'t> Verified<'t> {
    /// Opens the content of a file, and returns its data key as well.
    ///
    /// # Errors
    /// [`OpenError`]
    pub fn open(
        format: Format,
        content: &'t [u8],
        opener: &Opener,
    ) -> Result<(Self, DataKey), OpenError> {
        let text = str::from_utf8(content).map_err(|_| Unsupported::Syntax)?;
        let contents = Contents::read(format, text).map_err(|_| Unsupported::Syntax)?;
        contents.check_certain()?;
        let documents = contents.documents.iter().enumerate();
        // The first document's counts; sops writes the same into all of them.
        let documents = documents.filter(|(at, document)| *at == 0 || document.has_metadata);
        let metadata = documents
            .map(|(_, document)| Metadata::of(document))
            .collect();
        Self::verify(ContentsRef::Own(contents), metadata, opener)
    }

    /// As [`Self::open`], of a file that [`EncryptedFile::parse_and_keep`] has read.
    ///
    /// # Errors
    /// [`OpenError`]
    pub fn of(file: &'t EncryptedFile, opener: &Opener) -> Result<(Self, DataKey), OpenError> {
        let source = file.source.as_ref().ok_or(Unsupported::Syntax)?;
        let contents = source.borrow_dependent();
        contents.check_certain()?;
        let metadata = [&file.metadata].into_iter().chain(&file.others);
        Self::verify(
            ContentsRef::Shared(contents),
            metadata.cloned().collect(),
            opener,
        )
    }

    fn verify(
        contents: ContentsRef<'t>,
        metadata: Vec<Metadata>,
        opener: &Opener,
    ) -> Result<(Self, DataKey), OpenError> {
        let certain: Result<Vec<_>, _> = metadata.iter().map(Metadata::certain).collect();
        let certain = certain?;
        let (first, others) = metadata.split_first().ok_or(Unsupported::Metadata)?;
        if !others.iter().all(|other| other.equals(first)) {
            return Err(Unsupported::Metadata.into());
        }
        let wrapped: Vec<&str> = certain[0]
            .keys
            .iter()
            .map(|key| &*key.wrapped.text)
            .collect();
        let key = opener.open_any(&wrapped).ok_or(Unsupported::NoKey)?;
        let opened = open::open(&contents, &certain, &key)?;
        let verified = Self {
            contents,
            metadata,
            opened,
        };
        Ok((verified, key))
    }

    /// Who can open it.
    pub fn readers(&self) -> Readers {
        let first = self.metadata.first();
        first.map(Metadata::readers).unwrap_or_default()
    }

    /// The age recipients that can open it, in order.
    pub fn recipients(&self) -> impl Iterator<Item = &str> {
        let first = self.metadata.first().and_then(|first| first.certain().ok());
        let keys = first.map(|first| first.keys).unwrap_or_default();
        keys.into_iter().map(|key| key.name())
    }

    /// Whether one of the comments was a ciphertext before it was encrypted.
    pub fn has_comment_of_ciphertext(&self) -> bool {
        let comments = self
            .opened
            .iter()
            .filter(|it| it.kind == ValueType::Comment);
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
