//! `init --force`: a cluster's keypair is replaced, and every file that the old one
//! opens is re-encrypted. It can be killed at any moment. Who else can read a file is
//! decided by its rule ([`reencrypt`](super::reencrypt)); files about which nobody has
//! decided stay for the old key, which the cluster keeps, and are named.
//!
//! [`survey()`] looks at the cluster and the repository, [`plan()`] decides without
//! looking at anything, and [`Rotation`] carries it out. Everything that can fail
//! without a change comes first: all files are re-encrypted into memory, checked,
//! and lie beside their targets, before the cluster hears of the new key. Then:
//!
//! 1. [`Rotation::commit`] puts the new key into the cluster, beside the old one
//!    (`age.next.agekey`), bound to the Secret as it was read: of two people one is
//!    first, and the other joins. From here on the way is forward only: whoever
//!    runs it again goes on with that same key.
//! 2. The files are replaced, then the rules of `.sops.yaml`.
//! 3. The private key is shown.
//! 4. [`Unfinished::finish`] makes the new key the current one, in one update; the
//!    old one stays, retired, for the revision that is deployed now.
//!
//! At every instant every file opens with some key that the cluster holds.
//!
//! | module | does |
//! | --- | --- |
//! | `survey` | looks |
//! | `plan` | decides |
//! | `run` | carries it out |
//! | `error` | what can go wrong |

mod error;
mod plan;
mod run;
mod survey;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use super::cluster::SecretName;
use super::identity::{Identity, Recipient};
use super::reencrypt::{AffectedFile, Consent, Job, NewRecipients, RepositoryFiles, Swap};

pub use error::{BadKeys, Refusal, RotateError, UnfitCopy};
pub use plan::{RotationPlan, plan};
pub use run::{Done, Point, Prepared, Rotation, Unfinished};
pub use survey::{check_absent, survey};

/// What is asked for.
pub struct RotateRequest {
    /// The Secret that Flux decrypts with.
    pub secret: SecretName,
    /// Where the files are.
    pub tree: RepositoryFiles,
    /// Where the new key comes from.
    pub key: NewKey,
    /// What becomes of copies of the Secret.
    pub copies: CopyPolicy,
    /// Whether files whose MAC does not match are moved all the same.
    pub ignore_mac: bool,
    /// What a person has decided of the files' readers.
    pub consent: Consent,
}

impl RotateRequest {
    /// The files that this is about.
    fn job(&self, swap: Swap, held: Vec<Recipient>) -> Job<'_> {
        Job {
            tree: &self.tree,
            swap,
            held,
            goal: NewRecipients::ReplaceKey,
            consent: &self.consent,
        }
    }
}

/// Where the new key comes from.
pub enum NewKey {
    /// It is made.
    Generate,
    /// It was made before.
    Import(Identity),
}

/// What becomes of copies of the Secret that Kustomizations decrypt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyPolicy {
    /// If there are any, nothing is done.
    Refuse,
    /// They get the new key too.
    All,
    /// They stay as they are.
    OnlyThis,
}

/// A step of a rotation, as it is planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The new key goes into the Secret, beside the old one.
    AddKey(SecretName),
    /// A file is re-encrypted.
    Reencrypt(AffectedFile),
    /// The new recipient takes the place of the old ones in a `.sops.yaml`.
    EditConfig(PathBuf),
    /// The private key is shown.
    ShowKey,
    /// The new key takes the old one's place in the Secret.
    Promote(SecretName),
}
