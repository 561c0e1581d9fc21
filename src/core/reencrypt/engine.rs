//! Re-encrypts one file.

use std::collections::HashSet;

use secrecy::{ExposeSecret, SecretString};

use super::{AffectedFile, FileReencryptError};
use crate::core::data_key::{DataKey, Opener};
use crate::core::encrypted::{
    self, EncryptedFile, Metadata, OpenError, Recipients, Tampered, Unsupported, Verified, stripped,
};
use crate::core::flux_secret::ClusterKeys;
use crate::core::identity::{Identity, Recipient};
use crate::core::readers::{KeyKind, Reader, Readers};
use crate::core::sops::{
    Access, AllowedIdentities, EncryptFor, Rotate, Sops, SopsDecrypt, kinds_of, stores_of,
};

/// What re-encrypts one file.
pub trait Engine: Sync {
    /// The content of a file under a new data key, for the readers that were decided: a
    /// reader that is gone must not find the old one in it. The values are those that it
    /// had: every one was authentic, and its MAC was right.
    ///
    /// # Errors
    /// When it cannot be opened, its MAC does not match, or one of its readers
    /// cannot be reached.
    fn reencrypt<'c>(
        &self,
        file: FileToReencrypt<'c>,
        how: How,
    ) -> Result<Made<'c>, FileReencryptError>;
}

/// A file that is to be re-encrypted.
#[derive(Clone, Copy)]
pub struct FileToReencrypt<'a> {
    /// What was decided of it.
    pub file: &'a AffectedFile,
    /// What is in it.
    pub content: &'a [u8],
    /// The same, taken apart, if it was kept.
    pub parsed: Option<&'a EncryptedFile>,
}

/// What became of it.
pub struct Made<'c> {
    /// Its new content.
    pub content: Vec<u8>,
    /// Who made it.
    pub by: EngineKind,
    /// What it was before.
    pub before: Before<'c>,
}

/// What a file was, as far as its engine knows.
pub enum Before<'c> {
    /// All of it, and its data key.
    Verified(Verified<'c>, DataKey),
    /// Who could open it.
    Metadata(Metadata),
}

/// Who re-encrypts a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineKind {
    /// kb itself.
    Kb,
    /// The sops program; for the reason, where it was left to it.
    Sops(Option<Unsupported>),
}

/// How a file is re-encrypted.
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// Whether a MAC that does not match is tolerated.
    pub ignore_mac: bool,
    /// Whether Ctrl-C must not disturb it.
    pub undisturbed: bool,
}

/// Which engine is wanted.
#[derive(Clone, Copy)]
pub enum EngineChoice<'a> {
    /// kb itself, and sops for the files that kb leaves to it.
    Auto(&'a Sops),
    /// kb itself, or not at all.
    Native,
    /// sops for all.
    Sops(&'a Sops),
}

impl<'a> EngineChoice<'a> {
    /// The engine, with the keys that open the files; the `new` one opens the results.
    pub fn engine(self, keys: &ClusterKeys, new: &Identity) -> Box<dyn Engine + 'a> {
        let native = || NativeEngine(Opener::new(keys.identities()));
        let sops = |sops: &'a Sops| {
            let mut held = keys.recipients();
            held.extend(new.recipient().cloned());
            SopsEngine {
                sops,
                keys: keys.for_sops_with(new),
                held,
            }
        };
        match self {
            Self::Auto(program) => Box::new(AutoEngine {
                native: native(),
                sops: sops(program),
            }),
            Self::Native => Box::new(native()),
            Self::Sops(program) => Box::new(sops(program)),
        }
    }
}

/// One sops process for each file, or three where `sops rotate` does not do it.
struct SopsEngine<'a> {
    sops: &'a Sops,
    /// The keys that open the files, the new one among them.
    keys: SecretString,
    held: Vec<Recipient>,
}

impl SopsEngine<'_> {
    fn run<'c>(
        &self,
        encrypted: FileToReencrypt<'c>,
        how: How,
        why: Option<Unsupported>,
    ) -> Result<Made<'c>, FileReencryptError> {
        let FileToReencrypt { file, content, .. } = encrypted;
        let decision = &file.decision;
        let metadata = EncryptedFile::parse_as(file.format, &file.path, content)?.metadata;
        if metadata.readers() != decision.before {
            return Err(FileReencryptError::Changed);
        }
        let is_held = |reader: &Reader| {
            reader
                .recipient()
                .is_some_and(|key| self.held.contains(key))
        };
        // sops takes out only one of two equal ones.
        let mut seen: HashSet<Reader> = HashSet::new();
        let (copy, _) = stripped(file.format, content, |entry| {
            let is_first = seen.insert(entry.reader.clone());
            is_first && (decision.after.names(&entry.reader) || is_held(&entry.reader))
        })
        .map_err(FileReencryptError::Unsure)?;
        let sops = match &file.config {
            Some(config) => self.sops.with_config(config.clone()),
            None => self.sops.without_rules(),
        };
        let joins_by_age = decision.joining.iter().all(|it| it.kind() == KeyKind::Age);
        let is_split = decision.before.is_split() || decision.after.is_split();
        let content = if joins_by_age && !is_split {
            self.rotate(&sops, file, &copy, how)?
        } else {
            self.encrypt_anew(&sops, file, &copy, &metadata, how)?
        };
        if how.ignore_mac {
            // The new MAC must be right, or the file would be called done and not open.
            let request = SopsDecrypt {
                file: &file.path,
                format: file.format,
                content: &content,
                extract: None,
                ignore_mac: false,
            };
            sops.decrypt(&request, self.access(&kinds_of(&decision.after)))?;
        }
        Ok(Made {
            content,
            by: EngineKind::Sops(why),
            before: Before::Metadata(metadata),
        })
    }

    /// By `sops rotate`: the copy's readers, but for the old ones, and those who join.
    fn rotate(
        &self,
        sops: &Sops,
        file: &AffectedFile,
        copy: &[u8],
        how: How,
    ) -> Result<Vec<u8>, FileReencryptError> {
        let there = EncryptedFile::parse_as(file.format, &file.path, copy)?.metadata;
        let (there, after) = (there.readers(), &file.decision.after);
        let remove = there.recipients();
        let remove = remove.filter(|key| !after.names(&Reader::Age((*key).clone())));
        let add = after.recipients();
        let add = add.filter(|key| !there.names(&Reader::Age((*key).clone())));
        let request = Rotate {
            file: &file.path,
            format: file.format,
            content: copy,
            add: &add.cloned().collect::<Vec<_>>(),
            remove: &remove.cloned().collect::<Vec<_>>(),
            ignore_mac: how.ignore_mac,
            undisturbed: how.undisturbed,
        };
        Ok(sops.rotate(&request, self.access(&kinds_of(after)))?)
    }

    /// Decrypts, and encrypts again under a new data key: for key groups, of which `sops
    /// rotate` changes only the first, and for readers that it cannot add.
    fn encrypt_anew(
        &self,
        sops: &Sops,
        file: &AffectedFile,
        copy: &[u8],
        metadata: &Metadata,
        how: How,
    ) -> Result<Vec<u8>, FileReencryptError> {
        let after = &file.decision.after;
        let kinds = kinds_of(after);
        let decrypt = |content: &[u8], ignore_mac| {
            let request = SopsDecrypt {
                file: &file.path,
                format: file.format,
                content,
                extract: None,
                ignore_mac,
            };
            sops.decrypt(&request, self.access(&kinds))
        };
        let plaintext = decrypt(copy, how.ignore_mac)?.plaintext;
        let config = file.config.as_ref();
        let config = config.and_then(|config| encrypted::read(config).ok());
        let stores = config.and_then(|config| stores_of(&config));
        let selection: Vec<(&str, String)> = metadata.selection_fields.clone();
        let request = EncryptFor {
            file: &file.path,
            format: file.format,
            plaintext: &plaintext,
            readers: after,
            selection: &selection,
            mac_only_encrypted: metadata.mac_only_encrypted,
            stores: stores.as_ref(),
            undisturbed: how.undisturbed,
        };
        let encrypted = sops.encrypt_for(&request, self.access(&kinds), None)?;
        let again = decrypt(&encrypted, false)?.plaintext;
        if again.expose_secret() == plaintext.expose_secret() {
            Ok(encrypted)
        } else {
            Err(FileReencryptError::OtherValues)
        }
    }

    /// What sops may use.
    fn access<'a>(&'a self, kinds: &'a [KeyKind]) -> Access<'a> {
        Access {
            keys: AllowedIdentities::Cluster(&self.keys),
            kinds,
        }
    }
}

impl Engine for SopsEngine<'_> {
    fn reencrypt<'c>(
        &self,
        file: FileToReencrypt<'c>,
        how: How,
    ) -> Result<Made<'c>, FileReencryptError> {
        self.run(file, how, None)
    }
}

/// kb itself. It never tolerates a MAC that does not match: a new one would need the
/// values as sops reads them.
struct NativeEngine(Opener);

impl NativeEngine {
    fn run<'c>(&self, encrypted: FileToReencrypt<'c>) -> Result<Made<'c>, FileReencryptError> {
        let FileToReencrypt {
            file,
            content,
            parsed,
        } = encrypted;
        let decision = &file.decision;
        let recipients = native_recipients(&decision.after)?;
        let (verified, old_key) = match parsed {
            Some(parsed) => Verified::of(parsed, &self.0)?,
            None => Verified::open(file.format, content, &self.0)?,
        };
        if verified.readers() != decision.before {
            return Err(FileReencryptError::Changed);
        }
        let new_key = DataKey::generate().ok_or(OpenError::NoRandomness)?;
        let content = verified.reencrypted(&new_key, &Recipients(&recipients))?;
        Ok(Made {
            content,
            by: EngineKind::Kb,
            before: Before::Verified(verified, old_key),
        })
    }
}

/// The readers, if kb can encrypt for all of them by itself.
fn native_recipients(readers: &Readers) -> Result<Vec<Recipient>, OpenError> {
    let recipient = |reader: &Reader| reader.recipient().cloned();
    let recipients: Option<Vec<Recipient>> = readers.all().map(recipient).collect();
    match recipients {
        Some(recipients) if !readers.is_split() => Ok(recipients),
        _ => Err(Unsupported::OtherKeys.into()),
    }
}

impl Engine for NativeEngine {
    fn reencrypt<'c>(
        &self,
        file: FileToReencrypt<'c>,
        _: How,
    ) -> Result<Made<'c>, FileReencryptError> {
        self.run(file)
    }
}

/// kb itself where it can, else sops.
struct AutoEngine<'a> {
    native: NativeEngine,
    sops: SopsEngine<'a>,
}

impl Engine for AutoEngine<'_> {
    fn reencrypt<'c>(
        &self,
        file: FileToReencrypt<'c>,
        how: How,
    ) -> Result<Made<'c>, FileReencryptError> {
        match self.native.run(file) {
            Err(FileReencryptError::Open(OpenError::Unsupported(why))) => {
                self.sops.run(file, how, Some(why))
            }
            // sops may see the value under other keys; if not, kb can say where it is.
            Err(FileReencryptError::Open(OpenError::Tampered(
                tampered @ Tampered::Value { .. },
            ))) => {
                let by_sops = self.sops.run(file, how, Some(Unsupported::NotAuthentic));
                by_sops.map_err(|why| match why {
                    FileReencryptError::Sops(error) if error.is_of_a_value() => {
                        OpenError::Tampered(tampered).into()
                    }
                    why => why,
                })
            }
            // A comment: sops would take it for plaintext, and encrypt it once more.
            made => made,
        }
    }
}
