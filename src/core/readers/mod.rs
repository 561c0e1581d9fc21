//! Who may read: the keys that a file is encrypted for, or that a rule names.
//!
//! A rule of `.sops.yaml` and the metadata of a file are read into the same type, so
//! that comparing them is one function ([`Readers::compare`]). Nothing authenticates a
//! file's metadata: what it names beside its rule is a finding, never an instruction.
//!
//! Formats: sops 3.13, `config/config.go` for rules and `stores/stores.go` for files; the
//! spellings of each kind of key in its package (`kms`, `azkv`, `hcvault`, …).

mod compare;
mod parse;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use super::identity::Recipient;

pub use compare::{ReaderDifference, Sameness};

/// A file or a rule names so many keys at most; kb reads no more. Each key of a file is
/// compared with each of its rule.
pub const MOST_KEYS: usize = 1_000;

/// A key that a file can be encrypted for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reader {
    /// An age recipient: X25519, post-quantum, a plugin's, or an ssh key.
    Age(Recipient),
    /// A PGP fingerprint, in upper case without spaces.
    Pgp(String),
    /// A key of AWS KMS.
    Kms {
        /// Its ARN.
        arn: String,
        /// The role that is assumed; empty for none.
        role: String,
        /// The AWS profile; empty for none.
        profile: String,
        /// The encryption context; `None` where the form cannot say one.
        context: Option<BTreeMap<String, String>>,
    },
    /// A key of GCP KMS, by its resource id.
    Gcp(String),
    /// A key of HuaweiCloud KMS, by its region and id.
    Huawei(String),
    /// A key of Azure Key Vault.
    Azure {
        /// The vault's URL.
        vault: String,
        /// The key's name.
        name: String,
        /// The key's version; empty where a rule leaves it to Azure.
        version: String,
    },
    /// A transit key of HashiCorp Vault.
    Vault {
        /// The server, `scheme://host:port`.
        address: String,
        /// The path of the transit engine.
        engine: String,
        /// The key's name.
        key: String,
    },
    /// Something that kb cannot read as a key of its kind.
    Unreadable {
        /// The kind of key that it stands for, as in the metadata of a file.
        kind: KeyKind,
        /// What stands there.
        text: String,
    },
}

/// A kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyKind {
    /// age, ssh keys too.
    Age,
    /// PGP.
    Pgp,
    /// AWS KMS.
    Kms,
    /// GCP KMS.
    GcpKms,
    /// HuaweiCloud KMS.
    HuaweiKms,
    /// Azure Key Vault.
    AzureKeyVault,
    /// HashiCorp Vault.
    Vault,
}

impl KeyKind {
    /// All of them, in the order in which sops reads the metadata of a file.
    pub const ALL: [Self; 7] = [
        Self::Kms,
        Self::GcpKms,
        Self::HuaweiKms,
        Self::AzureKeyVault,
        Self::Vault,
        Self::Pgp,
        Self::Age,
    ];

    /// The name of its list in the metadata of a file.
    pub fn metadata_name(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Pgp => "pgp",
            Self::Kms => "kms",
            Self::GcpKms => "gcp_kms",
            Self::HuaweiKms => "hckms",
            Self::AzureKeyVault => "azure_kv",
            Self::Vault => "hc_vault",
        }
    }

    /// Whether sops asks a server to use such a key.
    pub fn is_on_a_server(self) -> bool {
        !matches!(self, Self::Age | Self::Pgp)
    }
}

impl Reader {
    /// Several of them in one line.
    pub fn list(readers: &[Self]) -> String {
        let texts: Vec<String> = readers.iter().map(ToString::to_string).collect();
        texts.join(", ")
    }

    /// Its kind.
    pub fn kind(&self) -> KeyKind {
        match self {
            Self::Age(_) => KeyKind::Age,
            Self::Pgp(_) => KeyKind::Pgp,
            Self::Kms { .. } => KeyKind::Kms,
            Self::Gcp(_) => KeyKind::GcpKms,
            Self::Huawei(_) => KeyKind::HuaweiKms,
            Self::Azure { .. } => KeyKind::AzureKeyVault,
            Self::Vault { .. } => KeyKind::Vault,
            Self::Unreadable { kind, .. } => *kind,
        }
    }

    /// The age recipient, if it is one.
    pub fn recipient(&self) -> Option<&Recipient> {
        match self {
            Self::Age(recipient) => Some(recipient),
            _ => None,
        }
    }

    /// What sops contacts to use it: the address of a server, or the name that a cloud
    /// knows the key by. `None` of keys that are used on this machine.
    pub fn server(&self) -> Option<String> {
        match self {
            Self::Vault { address, .. } => Some(address.clone()),
            Self::Azure { vault, .. } => Some(vault.clone()),
            reader => reader.kind().is_on_a_server().then(|| reader.to_string()),
        }
    }
}

impl fmt::Display for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Age(recipient) => write!(f, "{recipient}"),
            Self::Pgp(fingerprint) => write!(f, "PGP {fingerprint}"),
            Self::Kms {
                arn, role, profile, ..
            } => {
                f.write_str(arn)?;
                if !role.is_empty() {
                    write!(f, "+{role}")?;
                }
                if !profile.is_empty() {
                    write!(f, " (profile {profile})")?;
                }
                Ok(())
            }
            Self::Gcp(id) => write!(f, "GCP KMS {id}"),
            Self::Huawei(id) => write!(f, "HuaweiCloud KMS {id}"),
            Self::Azure {
                vault,
                name,
                version,
            } => {
                write!(f, "{vault}/keys/{name}")?;
                if version.is_empty() {
                    Ok(())
                } else {
                    write!(f, "/{version}")
                }
            }
            Self::Vault {
                address,
                engine,
                key,
            } => write!(f, "{address}/v1/{engine}/keys/{key}"),
            Self::Unreadable { kind, text } => {
                write!(f, "an entry of {} that is not a key", kind.metadata_name())?;
                if text.is_empty() {
                    Ok(())
                } else {
                    write!(f, " (\"{text}\")")
                }
            }
        }
    }
}

/// The keys of a file or a rule, by key group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readers {
    /// The key groups, in order. A file or rule without groups has one.
    pub groups: Vec<Vec<Reader>>,
    /// How many groups it takes to open a file of several; `None` or 0 for all of them.
    pub threshold: Option<u64>,
}

impl Readers {
    /// All keys, whatever their group.
    pub fn all(&self) -> impl Iterator<Item = &Reader> {
        self.groups.iter().flatten()
    }

    /// The age recipients, whatever their group.
    pub fn recipients(&self) -> impl Iterator<Item = &Recipient> {
        self.all().filter_map(Reader::recipient)
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.all().next().is_none()
    }

    /// Whether the data key is split among several groups, so that one key alone may not
    /// open a file.
    pub fn is_split(&self) -> bool {
        self.groups.len() > 1
    }

    /// Whether one of the keys may be the same as this one.
    pub fn may_name(&self, reader: &Reader) -> bool {
        self.all()
            .any(|own| own.sameness(reader) != Sameness::Different)
    }

    /// Whether one of the keys is the same as this one, in whatever spelling.
    pub fn names(&self, reader: &Reader) -> bool {
        self.all().any(|own| own.sameness(reader) == Sameness::Same)
    }
}
