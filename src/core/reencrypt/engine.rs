//! Re-encrypts one file.

use std::path::Path;

use secrecy::SecretString;

use super::{Swap, Why};
use crate::core::data_key::{DataKey, Opener};
use crate::core::identity::{Identity, Recipient};
use crate::core::native::{NotNative, Outside, Recipients, Tampered, Verified};
use crate::core::sops::{Keys, Rotate, Sops};
use crate::core::sops_file::{Format, Metadata};

/// What re-encrypts one file.
pub trait Engine: Sync {
    /// The content of a file under a new data key: a recipient that is gone must
    /// not find the old one in it. It is for the new recipient, and for all that the
    /// file names but those that go. The values are those that it had: every one was
    /// authentic, and its MAC was right. `None` if it is for none of those that go.
    ///
    /// # Errors
    /// When it cannot be opened, its MAC does not match, or one of its recipients
    /// cannot be reached.
    fn reencrypt<'c>(
        &self,
        file: Encrypted<'c>,
        swap: &Swap,
        how: How,
    ) -> Result<Option<Made<'c>>, Why>;
}

/// A file that is to be re-encrypted.
#[derive(Clone, Copy)]
pub struct Encrypted<'a> {
    /// Where it is; absolute.
    pub path: &'a Path,
    /// What is in it.
    pub content: &'a [u8],
}

/// What became of it.
pub struct Made<'c> {
    /// Its new content.
    pub content: Vec<u8>,
    /// Who made it.
    pub by: By,
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
        file: Encrypted<'c>,
        swap: &Swap,
        how: How,
        why: Option<Outside>,
    ) -> Result<Option<Made<'c>>, Why> {
        let metadata = Metadata::parse(file.path, file.content)?;
        let recipients = &metadata.recipients;
        let count = |key: &Recipient| recipients.iter().filter(|found| *found == key).count();
        let there: Vec<&Recipient> = swap.old.iter().filter(|key| count(key) > 0).collect();
        if there.is_empty() {
            return Ok(None);
        }
        if there.iter().any(|key| count(key) > 1) {
            return Err(Why::Doubled);
        }
        let add = [&swap.new].into_iter().filter(|new| count(new) == 0);
        let request = Rotate {
            file: file.path,
            add: &add.cloned().collect::<Vec<_>>(),
            remove: &there.into_iter().cloned().collect::<Vec<_>>(),
            ignore_mac: how.ignore_mac,
            undisturbed: how.undisturbed,
        };
        Ok(Some(Made {
            content: self.sops.rotate(&request, Keys::Cluster(&self.keys))?,
            by: By::Sops(why),
            before: Before::Metadata(metadata),
        }))
    }
}

impl Engine for SopsEngine<'_> {
    fn reencrypt<'c>(
        &self,
        file: Encrypted<'c>,
        swap: &Swap,
        how: How,
    ) -> Result<Option<Made<'c>>, Why> {
        self.rotate(file, swap, how, None)
    }
}

/// kb itself. It never tolerates a MAC that does not match: a new one would need the
/// values as sops reads them.
struct NativeEngine(Opener);

impl NativeEngine {
    fn try_to<'c>(&self, file: Encrypted<'c>, swap: &Swap) -> Result<Option<Made<'c>>, NotNative> {
        let format = Format::of(file.path);
        let (verified, old_key) = Verified::open(format, file.content, &self.0)?;
        let is_old = |name: &str| swap.old.iter().any(|old| old.as_str() == name);
        if !verified.recipients().any(is_old) {
            return Ok(None);
        }
        let recipients = Recipients {
            old: &swap.old,
            new: &swap.new,
        };
        let new_key = DataKey::generate().ok_or(NotNative::NoRandomness)?;
        Ok(Some(Made {
            content: verified.reencrypted(&new_key, &recipients)?,
            by: By::Kb,
            before: Before::Verified(verified, old_key),
        }))
    }
}

impl Engine for NativeEngine {
    fn reencrypt<'c>(
        &self,
        file: Encrypted<'c>,
        swap: &Swap,
        _: How,
    ) -> Result<Option<Made<'c>>, Why> {
        Ok(self.try_to(file, swap)?)
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
        file: Encrypted<'c>,
        swap: &Swap,
        how: How,
    ) -> Result<Option<Made<'c>>, Why> {
        match self.native.try_to(file, swap) {
            Ok(made) => Ok(made),
            Err(NotNative::Outside(why)) => self.sops.rotate(file, swap, how, Some(why)),
            // sops may see the value under other keys; if not, kb can say where it is.
            Err(NotNative::Tampered(tampered @ Tampered::Value { .. })) => {
                let by_sops = self
                    .sops
                    .rotate(file, swap, how, Some(Outside::NotAuthentic));
                by_sops.map_err(|why| match why {
                    Why::Sops(error) if error.is_of_a_value() => {
                        NotNative::Tampered(tampered).into()
                    }
                    why => why,
                })
            }
            // A comment: sops would take it for plaintext, and encrypt it once more.
            Err(why) => Err(why.into()),
        }
    }
}
