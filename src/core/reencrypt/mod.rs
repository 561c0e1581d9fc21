//! Re-encrypts the encrypted files of a repository for other readers, and puts a new key
//! in the place of old ones in its `.sops.yaml` files.
//!
//! [`Job::find`] finds them and decides by their rules who can read each from now on;
//! [`Move::prepare`] re-encrypts them into memory, each result checked; [`Ready::stage`]
//! puts the results beside their files. Until then nothing has changed.
//! [`StagedResults::replace`] then puts them into place, and looks again until there is nothing
//! left to do. What nobody has decided, and what cannot be re-encrypted, is left behind
//! and named: one such file does not stop the others.
//!
//! | module | does |
//! | --- | --- |
//! | `look` | finds the files and rules |
//! | `decide` | who can read a file from now on |
//! | `rulebook` | the rules of the files, and the reviewed ones |
//! | `engine` | re-encrypts one file |
//! | `prepare` | all of them, on all cores, checked |
//! | `place` | puts the results into place |
//! | `error` | what can go wrong |

mod decide;
#[cfg(test)]
mod decide_tests;
mod engine;
mod error;
mod look;
mod place;
mod prepare;
mod rulebook;

use std::path::PathBuf;

use super::data_key::Opener;
use super::git::Git;
use super::identity::{Identity, Recipient};
use super::readers::Reader;
use super::repository::FoundConfig;
use super::servers::Servers;

pub use decide::{Decision, FileRule, NewRecipients, UndecidedReason};
pub use engine::{Engine, EngineChoice, EngineKind};
pub use error::{FailedFile, FileReencryptError, ReencryptError};
#[cfg(test)]
pub use look::ConfigEdit;
pub use look::{Affected, AffectedFile, OtherClusters, Targets, configs};
pub use place::{Replaced, StagedResults};
pub use prepare::Ready;

/// Where the files and rules are.
pub struct RepositoryFiles {
    /// The directories that are looked through; absolute.
    pub roots: Vec<PathBuf>,
    /// The `.sops.yaml` that applies; it may be elsewhere, or not be there.
    pub config: PathBuf,
    /// The config that was named: its rules are for all files.
    pub named: Option<FoundConfig>,
    /// Files and directories that stay as they are.
    pub skip: Vec<PathBuf>,
    /// The history of the repository, where it has one: it tells which rules were
    /// reviewed.
    pub git: Option<Git>,
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

/// What a person has decided of readers, by options or in advance.
#[derive(Clone, Default)]
pub struct Consent {
    /// Readers that may leave although they are a cluster's or for recovery, or that
    /// leave files without a rule.
    pub drop: Vec<Reader>,
    /// Readers that files without a rule keep.
    pub keep: Vec<Reader>,
    /// Readers that only the working tree's rules name.
    pub accept: Vec<Reader>,
    /// Whether the plan is shown to someone who is asked.
    pub asks: bool,
    /// The key servers that may be used.
    pub servers: Servers,
}

/// Which files are re-encrypted, and for whom.
#[derive(Clone)]
pub struct Job<'a> {
    /// Where they are.
    pub tree: &'a RepositoryFiles,
    /// Which of the cluster's keys go, and which comes.
    pub swap: Swap,
    /// The recipients of all keys that the cluster holds.
    pub held: Vec<Recipient>,
    /// What they are re-encrypted for.
    pub goal: NewRecipients,
    /// What a person has decided.
    pub consent: &'a Consent,
}

/// How the readers of files are decided.
#[derive(Clone, Copy)]
pub struct ReaderPolicy<'a> {
    /// What files are re-encrypted for.
    pub goal: NewRecipients,
    /// The recipients of all keys that the cluster holds.
    pub held: &'a [Recipient],
    /// Those of them that go.
    pub old: &'a [Recipient],
    /// The cluster's key from now on.
    pub new: &'a Recipient,
    /// All readers that reviewed rules name.
    pub known: &'a [Reader],
    /// The recipients that are marked as recovery keys.
    pub recovery: &'a [Recipient],
    /// What a person has decided.
    pub consent: &'a Consent,
}

/// Files to be re-encrypted, and by what.
pub struct Move<'a> {
    /// Which files, and for whom.
    pub job: Job<'a>,
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
        job: Job<'a>,
        old: &[Identity],
        new: &Identity,
        engine: &'a dyn Engine,
        observer: &'a dyn Observer,
    ) -> Self {
        Self {
            job,
            engine,
            ignore_mac: false,
            observer,
            new_opener: Opener::new([new]),
            old_opener: Opener::new(old),
        }
    }
}
