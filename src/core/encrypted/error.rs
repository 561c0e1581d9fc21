//! Why a file cannot be taken for an encrypted one.

use std::io;
use std::path::PathBuf;

use super::Format;
use crate::core::conflict;
use crate::core::readers::MOST_KEYS;
use crate::core::yaml::Encoding;

/// Why a file cannot be taken for an encrypted one.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It is not there.
    #[error("there is no file {}", .path.display())]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// It is one file for the shell, and another for sops.
    #[error("{} leads through a link: here it is {}, and for sops {}", .path.display(), .here.display(), .sops.display())]
    Ambiguous {
        /// The path as it was typed.
        path: PathBuf,
        /// What it is for the kernel.
        here: PathBuf,
        /// What it is for sops, which takes `..` off as text.
        sops: PathBuf,
    },
    /// It is a directory.
    #[error("{} is a directory, not a file", .path.display())]
    Directory {
        /// The path.
        path: PathBuf,
    },
    /// It is a pipe or a device, which could be read only once, or never ends.
    #[error("{} is a pipe or a device, not a file", .path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// It cannot be read.
    #[error("cannot read {}", .path.display())]
    Read {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It has no content.
    #[error("{} is empty", .path.display())]
    Empty {
        /// The path.
        path: PathBuf,
    },
    /// It has no SOPS metadata.
    #[error("{} is not encrypted", .path.display())]
    Plaintext {
        /// The path.
        path: PathBuf,
    },
    /// It has no SOPS metadata, and does not parse either.
    #[error("{}{} is not encrypted, and does not parse", .path.display(), place(.line_column))]
    NotParsed {
        /// The path.
        path: PathBuf,
        /// Line and column, from 1, where they are known.
        line_column: Option<(u64, u64)>,
    },
    /// Git could not finish a merge of it, and nobody has since.
    #[error("{}:{line} has {}", .path.display(), conflict::FOUND)]
    Conflict {
        /// The path.
        path: PathBuf,
        /// The line of the first marker, from 1.
        line: u64,
        /// Whether there are encrypted values in it.
        is_encrypted: bool,
    },
    /// It is encrypted, and begins with a byte order mark that sops does not take in its
    /// format.
    #[error("{} is in {}, which sops reads in YAML alone, not in {}", .path.display(), .encoding.name(), .format.name())]
    Encoding {
        /// The path.
        path: PathBuf,
        /// What the mark announces.
        encoding: Encoding,
        /// The format.
        format: Format,
    },
    /// Its first document is not encrypted, and a later one is.
    #[error("{}: document {document} is encrypted, and the first document is not: Flux decrypts each document by itself, and sops cannot open such a file", .path.display())]
    PlainFirst {
        /// The path.
        path: PathBuf,
        /// The number of the first document with metadata, from 1.
        document: usize,
    },
    /// It holds encrypted values, and is not whole. The reason quotes nothing:
    /// what does not parse may be plaintext.
    #[error("{}{} is damaged: {reason}", .path.display(), place(.line_column))]
    Damaged {
        /// The path.
        path: PathBuf,
        /// Line and column, from 1, where they are known.
        line_column: Option<(u64, u64)>,
        /// What is wrong.
        reason: Damage,
    },
}

/// What keeps a file from telling who can open it.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Damage {
    /// It is not of the format that its name says.
    #[error("it does not parse")]
    NotParsed,
    /// There is no metadata where the format has it.
    #[error("it holds encrypted values, and no sops metadata for a file of this name's ending")]
    NoMetadata,
    /// What sops sees in it may be something else than what kb sees.
    #[error("kb cannot tell for certain how sops reads it")]
    Uncertain,
    /// There is metadata with no key in it.
    #[error("its sops metadata names no key")]
    NoKey,
    /// There is metadata with no MAC in it.
    #[error("its sops metadata has no MAC")]
    NoMac,
    /// The data key for an age key is not an age file.
    #[error("a data key in its sops metadata is not an age file")]
    DataKey,
    /// There are more keys in it than kb compares with a rule.
    #[error("its sops metadata names more than {MOST_KEYS} keys, and kb does not read so many")]
    TooManyKeys,
    /// What it unfolds to is larger than kb follows.
    #[error(
        "it is nested too deeply, or aliases, merge keys or long keys make it too large to read"
    )]
    TooLarge,
    /// By its metadata, the values of an expression are encrypted that is too large to
    /// apply.
    #[error("kb cannot tell which values the expression in its sops metadata selects")]
    Expression,
}

impl Damage {
    /// Whether the file may name keys that kb does not see.
    pub fn may_hide_keys(self) -> bool {
        match self {
            Self::NotParsed
            | Self::Uncertain
            | Self::TooManyKeys
            | Self::TooLarge
            | Self::Expression => true,
            Self::NoMetadata | Self::NoKey | Self::NoMac | Self::DataKey => false,
        }
    }
}

impl FileError {
    /// Whether it is an encrypted file that may name keys that kb does not see.
    pub fn may_hide_keys(&self) -> bool {
        match self {
            Self::Damaged { reason, .. } => reason.may_hide_keys(),
            Self::Encoding { .. } => true,
            Self::Conflict { is_encrypted, .. } => *is_encrypted,
            _ => false,
        }
    }

    /// Whether there are encrypted values in it.
    pub fn is_of_encrypted(&self) -> bool {
        match self {
            Self::Damaged { .. } | Self::Encoding { .. } | Self::PlainFirst { .. } => true,
            Self::Conflict { is_encrypted, .. } => *is_encrypted,
            _ => false,
        }
    }
}

fn place(line_column: &Option<(u64, u64)>) -> String {
    let known = line_column.map(|(line, column)| format!(":{line}:{column}"));
    known.unwrap_or_default()
}
