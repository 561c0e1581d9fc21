//! The types of a verdict: what needs a retired key, where, and which check found it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::core::identity::Recipient;

/// A check that keeps keys, by the name that `--despite` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PruneCheck {
    /// Files and rules of this working tree, what is staged, and drafts.
    WorkingTree,
    /// The commit that is checked out.
    Head,
    /// The upstream of the branch that is checked out.
    Upstream,
    /// The default branch of each remote.
    DefaultBranch,
    /// The other working trees of this repository, and what is checked out there.
    Worktrees,
    /// The revisions that Kustomizations apply.
    Deployed,
    /// What cannot be read.
    Unreadable,
    /// Kustomizations that cannot be listed.
    FluxUnseen,
}

impl PruneCheck {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::WorkingTree,
        Self::Head,
        Self::Upstream,
        Self::DefaultBranch,
        Self::Worktrees,
        Self::Deployed,
        Self::Unreadable,
        Self::FluxUnseen,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::WorkingTree => "working-tree",
            Self::Head => "head",
            Self::Upstream => "upstream",
            Self::DefaultBranch => "default-branch",
            Self::Worktrees => "worktrees",
            Self::Deployed => "deployed",
            Self::Unreadable => "unreadable",
            Self::FluxUnseen => "flux-unseen",
        }
    }
}

/// Where a key is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NeededAt {
    /// This working tree.
    WorkingTree,
    /// The index.
    Staged,
    /// The commit that is checked out.
    Head(String),
    /// The upstream of the branch, and its commit.
    Upstream(String, String),
    /// The default branch of a remote, and its commit.
    DefaultBranch(String, String),
    /// Another working tree.
    Worktree(PathBuf),
    /// What is checked out there.
    WorktreeHead(PathBuf, String),
    /// A revision that Kustomizations apply.
    Deployed {
        /// As Flux names it.
        revision: String,
        /// The commit, if a person said which one it is.
        said: Option<String>,
        /// The Kustomizations, as `namespace/name`.
        used_by: Vec<String>,
    },
    /// The list of Kustomizations.
    Kustomizations,
    /// The entry of retired keys.
    Secret,
    /// Texts that could not be saved.
    Drafts,
}

/// Why it is needed there, or may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NeedReason {
    /// These files are encrypted for it.
    Files(Vec<PathBuf>),
    /// These `.sops.yaml` name it.
    Configs(Vec<PathBuf>),
    /// These cannot be read, or not for certain, and may be encrypted for it. The empty
    /// path is the place itself.
    Unreadable(Vec<PathBuf>),
    /// The commit is not in this clone.
    NotInClone,
    /// The revision is not a commit.
    NotACommit,
    /// kb may not list them.
    MayNotList,
    /// It could not be looked at.
    Failed(String),
    /// Nothing there is for this cluster: it may be another cluster's repository.
    NothingForCluster,
    /// Its public key cannot be computed, so that nobody can tell what is for it.
    UnknownRecipient,
}

/// Something that needs a retired key, or may need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// The check that found it.
    pub check: PruneCheck,
    /// Where.
    pub place: NeededAt,
    /// Why.
    pub why: NeedReason,
    /// Whether a person has overridden the check.
    pub is_overridden: bool,
}

/// What is known of a retired key.
#[derive(Debug, PartialEq, Eq)]
pub struct RetiredKey {
    /// Its public key; `None` if kb cannot compute it: it is a post-quantum key, or a
    /// line that is not a key.
    pub recipient: Option<Recipient>,
    /// The number of lines in the entry that are not keys.
    pub bad_lines: usize,
    /// What needs it, or may.
    pub needs: Vec<Need>,
}

impl RetiredKey {
    /// Whether something needs it that nobody has overridden.
    pub fn is_needed(&self) -> bool {
        self.needs.iter().any(|need| !need.is_overridden)
    }

    /// The checks that keep it.
    pub fn kept_by(&self) -> BTreeSet<PruneCheck> {
        let needs = self.needs.iter().filter(|need| !need.is_overridden);
        needs.map(|need| need.check).collect()
    }
}
