//! Moves the encrypted files of a repository from old recipients to a new one, and
//! the rules of its `.sops.yaml` files with them.
//!
//! [`look()`] finds them, [`Move::prepare`] re-encrypts them into memory, each result
//! checked; [`Ready::stage`] puts the results beside their files. Until then nothing
//! has changed. [`Staged::replace`] then puts them into place, and looks again until
//! no file for an old recipient is left.
//!
//! | module | does |
//! | --- | --- |
//! | `look` | finds the files and rules |
//! | `engine` | re-encrypts one file |
//! | `prepare` | all of them, on all cores, checked |
//! | `place` | puts the results into place |
//! | `error` | what can go wrong |

mod engine;
mod error;
mod look;
mod place;
mod prepare;

use std::path::PathBuf;

use super::data_key::Opener;
use super::identity::{Identity, Recipient};

pub use engine::{By, Choice, Engine};
pub use error::{FileTrouble, ReencryptError, Why};
pub use look::{Affected, AffectedFile, ConfigEdit, Targets, configs, look};
pub use place::{Replaced, Staged};
pub use prepare::Ready;

/// Where the files and rules are.
#[derive(Clone)]
pub struct Tree {
    /// The directories that are looked through; absolute.
    pub roots: Vec<PathBuf>,
    /// The `.sops.yaml` that applies; it may be elsewhere, or not be there.
    pub config: PathBuf,
    /// Files and directories that stay as they are.
    pub skip: Vec<PathBuf>,
}

/// Which recipients go, and which one comes.
#[derive(Clone, Debug)]
pub struct Swap {
    /// Those that go, each once.
    pub old: Vec<Recipient>,
    /// The one that comes.
    pub new: Recipient,
}

impl Swap {
    /// `old` may hold some twice, or the new one.
    pub fn new(old: impl IntoIterator<Item = Recipient>, new: Recipient) -> Self {
        let mut swap = Self {
            old: Vec::new(),
            new,
        };
        for recipient in old {
            if recipient != swap.new && !swap.old.contains(&recipient) {
                swap.old.push(recipient);
            }
        }
        swap
    }
}

/// Someone who watches, and may want it to stop.
pub trait Observer: Sync {
    /// So many files of a stage are done. It comes from several threads, and so not
    /// always in order.
    fn progress(&self, stage: Stage, done: usize, of: usize);
    /// Whether kb is to stop, as long as nothing has changed.
    fn asked_to_stop(&self) -> bool;
}

/// What takes its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Files are re-encrypted in memory.
    Reencrypting,
    /// Files are replaced.
    Replacing,
}

/// Files to be moved, and how.
pub struct Move<'a> {
    /// Where they are.
    pub tree: &'a Tree,
    /// From whom to whom.
    pub swap: Swap,
    /// What re-encrypts one of them.
    pub engine: &'a dyn Engine,
    /// Whether a MAC that does not match is tolerated.
    pub ignore_mac: bool,
    /// Who watches.
    pub observer: &'a dyn Observer,
    new_opener: Opener,
    old_opener: Opener,
}

impl<'a> Move<'a> {
    /// `old` are the identities of the recipients that go, to see that they do
    /// not open the results; `new` is the one that does.
    pub fn new(
        tree: &'a Tree,
        swap: Swap,
        old: &[Identity],
        new: &Identity,
        engine: &'a dyn Engine,
        observer: &'a dyn Observer,
    ) -> Self {
        Self {
            tree,
            swap,
            engine,
            ignore_mac: false,
            observer,
            new_opener: Opener::new([new]),
            old_opener: Opener::new(old),
        }
    }
}
