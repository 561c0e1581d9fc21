//! Re-encrypts one file.

use std::path::Path;

use secrecy::SecretString;

use super::{Swap, Why};
use crate::core::data_key::{DataKey, Opener};
use crate::core::identity::{Identity, Recipient};
use crate::core::native::{NotNative, Outside, Recipients, Tampered, Verified};
use crate::core::sops::{Keys, Rotate, Sops, SopsError};
use crate::core::sops_file::{Format, Metadata};

/// What re-encrypts one file.
pub trait Engine: Sync {
    /// The content of a file under a new data key: a recipient that is gone must
    /// not find the old one in it. It is for the new recipient, and for all that the
    /// metadata names but those that go. The values are those that it had: every one
    /// was authentic, and its MAC was right.
    ///
    /// # Errors
    /// When it cannot be opened, its MAC does not match, or one of its recipients
    /// cannot be reached.
    fn reencrypt<'c>(&self, file: &Encrypted<'c>, swap: &Swap, how: How) -> Result<Made<'c>, Why>;
}

/// A file that is to be re-encrypted.
pub struct Encrypted<'a> {
    /// Where it is; absolute.
    pub path: &'a Path,
    /// What is in it.
    pub content: &'a [u8],
    /// Who can open it.
    pub metadata: &'a Metadata,
}

/// What became of it.
pub struct Made<'c> {
    /// Its new content.
    pub content: Vec<u8>,
    /// Who made it.
    pub by: By,
    /// What was in it, and its old data key, where kb itself has opened it.
    pub before: Option<(Verified<'c>, DataKey)>,
}

/// Who re-encrypts a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// kb itself.
    Kb,
    /// The sops program; for the reason, where it was left to it.
    Sops(Option<Outside>),
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
pub enum Choice<'a> {
    /// kb itself, and sops for the files that kb leaves to it.
    Auto(&'a Sops),
    /// kb itself, or not at all.
    Native,
    /// sops for all.
    Sops(&'a Sops),
}

impl<'a> Choice<'a> {
    /// The engine, with the keys that open the files: as identities, and as sops takes
    /// them.
    pub fn engine<'i>(
        self,
        identities: impl IntoIterator<Item = &'i Identity>,
        keys: SecretString,
    ) -> Box<dyn Engine + 'a> {
        let native = || NativeEngine(Opener::new(identities));
        match self {
            Self::Auto(sops) => Box::new(AutoEngine {
                native: native(),
                sops: SopsEngine { sops, keys },
            }),
            Self::Native => Box::new(native()),
            Self::Sops(sops) => Box::new(SopsEngine { sops, keys }),
        }
    }
}

/// One sops process for each file.
struct SopsEngine<'a> {
    sops: &'a Sops,
    /// The keys that open the files.
    keys: SecretString,
}

impl SopsEngine<'_> {
    fn rotate<'c>(
        &self,
        file: &Encrypted<'c>,
        swap: &Swap,
        how: How,
        why: Option<Outside>,
    ) -> Result<Made<'c>, SopsError> {
        let there = |recipient: &&Recipient| file.metadata.recipients.contains(recipient);
        let add = [&swap.new].into_iter().filter(|new| !there(new));
        let remove = swap.old.iter().filter(there);
        let request = Rotate {
            file: file.path,
            add: &add.cloned().collect::<Vec<_>>(),
            remove: &remove.cloned().collect::<Vec<_>>(),
            ignore_mac: how.ignore_mac,
            undisturbed: how.undisturbed,
        };
        Ok(Made {
            content: self.sops.rotate(&request, Keys::Cluster(&self.keys))?,
            by: By::Sops(why),
            before: None,
        })
    }
}

impl Engine for SopsEngine<'_> {
    fn reencrypt<'c>(&self, file: &Encrypted<'c>, swap: &Swap, how: How) -> Result<Made<'c>, Why> {
        Ok(self.rotate(file, swap, how, None)?)
    }
}

/// kb itself. It never tolerates a MAC that does not match: a new one would need the
/// values as sops reads them.
struct NativeEngine(Opener);

impl NativeEngine {
    fn try_to<'c>(&self, file: &Encrypted<'c>, swap: &Swap) -> Result<Made<'c>, NotNative> {
        let format = Format::of(file.path);
        let (verified, old_key) =
            Verified::open(format, file.content, |wrapped| self.0.open_any(wrapped))?;
        let recipients = Recipients {
            old: &swap.old,
            new: &swap.new,
        };
        let new_key = DataKey::generate().ok_or(Outside::NoKey)?;
        Ok(Made {
            content: verified.reencrypted(&new_key, &recipients)?,
            by: By::Kb,
            before: Some((verified, old_key)),
        })
    }
}

impl Engine for NativeEngine {
    fn reencrypt<'c>(&self, file: &Encrypted<'c>, swap: &Swap, _: How) -> Result<Made<'c>, Why> {
        Ok(self.try_to(file, swap)?)
    }
}

/// kb itself where it can, else sops.
struct AutoEngine<'a> {
    native: NativeEngine,
    sops: SopsEngine<'a>,
}

impl Engine for AutoEngine<'_> {
    fn reencrypt<'c>(&self, file: &Encrypted<'c>, swap: &Swap, how: How) -> Result<Made<'c>, Why> {
        match self.native.try_to(file, swap) {
            Ok(made) => Ok(made),
            Err(NotNative::Outside(why)) => Ok(self.sops.rotate(file, swap, how, Some(why))?),
            // sops would take the comment for plaintext, and encrypt it once more.
            Err(NotNative::Tampered(comment @ Tampered::Comment { .. })) => {
                Err(NotNative::Tampered(comment).into())
            }
            // sops may see the value under other keys; if not, kb can say where it is.
            Err(NotNative::Tampered(tampered)) => {
                let by_sops = self.sops.rotate(file, swap, how, Some(Outside::Values));
                by_sops.map_err(|_| NotNative::Tampered(tampered).into())
            }
        }
    }
}
