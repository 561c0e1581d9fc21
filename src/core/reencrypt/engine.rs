//! Re-encrypts one file.

use std::path::Path;

use secrecy::SecretString;

use super::Swap;
use crate::core::identity::Recipient;
use crate::core::sops::{Keys, Rotate, Sops, SopsError};
use crate::core::sops_file::Metadata;

/// What re-encrypts one file.
pub trait Engine: Sync {
    /// The content of `file` under a new data key: a recipient that is gone must
    /// not find the old one in it. It is for the new recipient, and for all that
    /// `metadata` names but those that go.
    ///
    /// # Errors
    /// When it cannot be opened, its MAC does not match, or one of its recipients
    /// cannot be reached.
    fn reencrypt(
        &self,
        file: &Path,
        metadata: &Metadata,
        swap: &Swap,
        how: How,
    ) -> Result<Vec<u8>, SopsError>;
}

/// How a file is re-encrypted.
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// Whether a MAC that does not match is tolerated.
    pub ignore_mac: bool,
    /// Whether Ctrl-C must not disturb it.
    pub undisturbed: bool,
}

/// One sops process for each file.
pub struct SopsEngine<'a> {
    /// The program.
    pub sops: &'a Sops,
    /// The keys that open the files.
    pub keys: SecretString,
}

impl Engine for SopsEngine<'_> {
    fn reencrypt(
        &self,
        file: &Path,
        metadata: &Metadata,
        swap: &Swap,
        how: How,
    ) -> Result<Vec<u8>, SopsError> {
        let there = |recipient: &&Recipient| metadata.recipients.contains(recipient);
        let add = [&swap.new].into_iter().filter(|new| !there(new));
        let remove = swap.old.iter().filter(there);
        let request = Rotate {
            file,
            add: &add.cloned().collect::<Vec<_>>(),
            remove: &remove.cloned().collect::<Vec<_>>(),
            ignore_mac: how.ignore_mac,
            undisturbed: how.undisturbed,
        };
        self.sops.rotate(&request, Keys::Cluster(&self.keys))
    }
}
