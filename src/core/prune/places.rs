//! Searches all places for files that need the keys: this working tree, commits, other
//! working trees.

use std::path::{Path, PathBuf};

use super::deployed::Deployed;
use super::judge::{Judge, KeyNumbers, Verdict};
use super::revision::Revisions;
use super::tree::{self, InTree};
use super::{Need, NeedReason, NeededAt, PruneCheck, PruneError, PruneRemarks, PruneRequest};
use crate::core::drafts::Draft;
use crate::core::git::{Git, GitError, Upstream, Worktree};
use crate::core::identity::Recipient;
use crate::core::reencrypt::RepositoryFiles;
use crate::core::repository::below;
use crate::core::sops_config::FILE_NAME;

/// What was found of each key, by its number among those that are judged.
#[derive(Default)]
pub(super) struct KeyNeeds {
    pub(super) needs: Vec<(KeyNumbers, Need)>,
}

impl KeyNeeds {
    pub(super) fn add(
        &mut self,
        keys: KeyNumbers,
        check: PruneCheck,
        place: NeededAt,
        why: NeedReason,
    ) {
        if !keys.is_empty() {
            let need = Need {
                check,
                place,
                why,
                is_overridden: false,
            };
            self.needs.push((keys, need));
        }
    }

    /// Adds the files at a place, key by key.
    fn add_files(
        &mut self,
        judge: &Judge,
        files: &[(PathBuf, Verdict)],
        check: PruneCheck,
        place: &NeededAt,
    ) {
        let of = |key: usize, which: fn(&Verdict) -> &KeyNumbers| {
            let files = files
                .iter()
                .filter(|(_, verdict)| which(verdict).contains(&key));
            files
                .map(|(path, _)| path.clone())
                .collect::<Vec<PathBuf>>()
        };
        for key in judge.all() {
            let needed = of(key, |verdict| &verdict.needed);
            if !needed.is_empty() {
                self.add(
                    [key].into(),
                    check,
                    place.clone(),
                    NeedReason::Files(needed),
                );
            }
            let unclear = of(key, |verdict| &verdict.unclear);
            if !unclear.is_empty() {
                let why = NeedReason::Unreadable(unclear);
                self.add([key].into(), PruneCheck::Unreadable, place.clone(), why);
            }
        }
    }
}

/// Looks at all places.
pub(super) struct NeedsSearch<'a> {
    pub(super) request: &'a PruneRequest,
    pub(super) judge: &'a Judge,
    /// The recipients of the keys, in their order.
    pub(super) recipients: &'a [Option<Recipient>],
    /// Those of the keys that are retired.
    pub(super) retired: &'a KeyNumbers,
    pub(super) found: KeyNeeds,
    pub(super) remarks: PruneRemarks,
}

impl NeedsSearch<'_> {
    /// Looks at everything but what is deployed there, if there is no Git.
    pub(super) fn at_all(&mut self, deployed: &[Deployed]) -> Result<(), PruneError> {
        let Some(git) = &self.request.git else {
            self.at_working_tree(&[]);
            for revision in deployed {
                self.cannot_tell(
                    PruneCheck::Deployed,
                    place_of(revision),
                    NeedReason::NotInClone,
                );
            }
            return Ok(());
        };
        let real = |path: &Path| path.canonicalize().ok();
        let top = git.top()?;
        if real(&top) != real(git.root()) {
            return Err(PruneError::NotARepository {
                path: git.root().join(".git"),
                top,
            });
        }
        let worktrees = git.worktrees()?;
        let (own, others) = apart(worktrees, git.root());
        self.at_working_tree(&others);
        let skip = self.relative_skip();
        let mut revisions = Revisions::new(git.at(git.root()), self.judge, skip.clone())?;
        self.at_history(git, &mut revisions, &skip)?;
        for worktree in &others {
            self.at_worktree(git, &mut revisions, worktree, own.as_ref())?;
        }
        for revision in deployed {
            let place = place_of(revision);
            match &revision.commit {
                Some(commit) => self.at_commit(&mut revisions, commit, PruneCheck::Deployed, place),
                None => self.cannot_tell(PruneCheck::Deployed, place, NeedReason::NotACommit),
            }
        }
        self.at_other_refs(git, &mut revisions);
        let top = self.top();
        let is_unfound = |path: &&PathBuf| {
            let inner = path.strip_prefix(top).unwrap_or(path);
            !revisions.has_skipped(inner)
        };
        match self.request.gone.iter().find(is_unfound) {
            None => Ok(()),
            Some(path) => Err(PruneError::SkipsNothing { path: path.clone() }),
        }
    }

    /// Drafts that no key in use opens. Of other repositories too: nothing tells whether
    /// their key is this cluster's alone.
    pub(super) fn at_drafts(&mut self, in_use: &[Option<Recipient>]) {
        let (drafts, _) = self.request.drafts.all();
        for key in self.judge.all() {
            let recipient = &self.recipients[key];
            let is_only_for_it = |draft: &&Draft| {
                let mut named = draft.head.recipients.iter();
                let opens = |key: &Recipient| in_use.iter().flatten().any(|it| it == key);
                recipient
                    .as_ref()
                    .is_some_and(|key| draft.head.recipients.contains(key))
                    && !named.any(opens)
            };
            let needing = drafts.iter().filter(is_only_for_it);
            let files: Vec<PathBuf> = needing.map(|draft| draft.head.target.clone()).collect();
            if !files.is_empty() {
                let why = NeedReason::Files(files);
                self.found
                    .add([key].into(), PruneCheck::WorkingTree, NeededAt::Drafts, why);
            }
        }
    }

    fn cannot_tell(&mut self, check: PruneCheck, place: NeededAt, why: NeedReason) {
        self.found.add(self.judge.all(), check, place, why);
    }

    /// The top of this working tree, as the paths of the request begin.
    fn top(&self) -> &Path {
        let roots = &self.request.tree.roots;
        roots.first().map_or(Path::new(""), PathBuf::as_path)
    }

    /// What is left out, from the top.
    fn relative_skip(&self) -> Vec<PathBuf> {
        let all = self.request.tree.skip.iter().chain(&self.request.gone);
        let inner = all.filter_map(|skip| skip.strip_prefix(self.top()).ok());
        inner.map(Path::to_owned).collect()
    }

    fn at_working_tree(&mut self, others: &[Worktree]) {
        let tree = &self.request.tree;
        // They may lie in this one.
        let others = others
            .iter()
            .filter_map(|other| below(&tree.roots, &other.path));
        let tree = RepositoryFiles {
            roots: tree.roots.clone(),
            config: tree.config.clone(),
            named: None,
            skip: tree.skip.iter().cloned().chain(others).collect(),
            git: None,
        };
        let in_tree = tree::look(&tree, self.judge, self.recipients);
        if in_tree.is_strange() {
            let why = NeedReason::NothingForCluster;
            self.cannot_tell(PruneCheck::WorkingTree, NeededAt::WorkingTree, why);
        }
        self.add_tree(in_tree, PruneCheck::WorkingTree, &NeededAt::WorkingTree);
    }

    fn add_tree(&mut self, in_tree: InTree, check: PruneCheck, place: &NeededAt) {
        let judge = self.judge;
        self.found.add_files(judge, &in_tree.files, check, place);
        for key in judge.all() {
            let configs = in_tree
                .configs
                .iter()
                .filter(|(_, keys)| keys.contains(&key));
            let configs: Vec<PathBuf> = configs.map(|(path, _)| path.clone()).collect();
            if !configs.is_empty() {
                let why = NeedReason::Configs(configs);
                self.found.add([key].into(), check, place.clone(), why);
            }
        }
        if let Some(error) = in_tree.bad_config {
            let why = NeedReason::Failed(error.to_string());
            self.cannot_tell(PruneCheck::Unreadable, place.clone(), why);
        }
        if !in_tree.unread.is_empty() {
            let why = NeedReason::Unreadable(in_tree.unread);
            self.cannot_tell(PruneCheck::Unreadable, place.clone(), why);
        }
    }

    /// HEAD, what is staged, the upstream, and the default branches.
    fn at_history(
        &mut self,
        git: &Git,
        revisions: &mut Revisions<'_>,
        skip: &[PathBuf],
    ) -> Result<(), GitError> {
        match tree::look_at_staged(git, revisions, skip) {
            Ok(staged) => {
                let (judge, check) = (self.judge, PruneCheck::WorkingTree);
                self.found
                    .add_files(judge, &staged, check, &NeededAt::Staged);
            }
            Err(error) => {
                let why = NeedReason::Failed(error.to_string());
                self.cannot_tell(PruneCheck::WorkingTree, NeededAt::Staged, why);
            }
        }
        if let Some(head) = git.head()? {
            let place = NeededAt::Head(head.clone());
            self.at_commit(revisions, &head, PruneCheck::Head, place);
        }
        match git.upstream()? {
            Upstream::None => {}
            Upstream::Detached => self.remarks.is_detached = true,
            Upstream::Missing(name) => self.remarks.not_here.push(name),
            Upstream::Branch(branch) => {
                let place = NeededAt::Upstream(branch.name, branch.commit.clone());
                self.at_commit(revisions, &branch.commit, PruneCheck::Upstream, place);
            }
        }
        self.remarks.last_fetch = git.last_fetch();
        for remote in git.remote_names()? {
            match git.default_branch_of(&remote)? {
                Some(branch) => {
                    let place = NeededAt::DefaultBranch(branch.name, branch.commit.clone());
                    self.at_commit(revisions, &branch.commit, PruneCheck::DefaultBranch, place);
                }
                None if git.was_fetched(&remote)? => self.remarks.no_default_branch.push(remote),
                None => self.remarks.never_fetched.push(remote),
            }
        }
        Ok(())
    }

    fn at_worktree(
        &mut self,
        git: &Git,
        revisions: &mut Revisions<'_>,
        worktree: &Worktree,
        own: Option<&Worktree>,
    ) -> Result<(), GitError> {
        let path = &worktree.path;
        if let Some(head) = &worktree.head {
            let place = NeededAt::WorktreeHead(path.clone(), head.clone());
            self.at_commit(revisions, head, PruneCheck::Worktrees, place);
        }
        let place = NeededAt::Worktree(path.clone());
        if !path.is_dir() {
            // Files that were deleted need nothing.
            if worktree.is_locked {
                let why =
                    NeedReason::Failed("its directory is not there, and it is locked".to_owned());
                self.cannot_tell(PruneCheck::Worktrees, place, why);
            }
            return Ok(());
        }
        let relative = self.relative_skip();
        let skip = relative.iter().map(|skip| path.join(skip));
        let tree = RepositoryFiles {
            roots: vec![path.clone()],
            config: path.join(FILE_NAME),
            named: None,
            skip: skip.chain(own.map(|own| own.path.clone())).collect(),
            git: None,
        };
        let in_tree = tree::look(&tree, self.judge, self.recipients);
        self.add_tree(in_tree, PruneCheck::Worktrees, &place);
        match tree::look_at_staged(&git.at(path), revisions, &relative) {
            Ok(staged) => {
                let judge = self.judge;
                self.found
                    .add_files(judge, &staged, PruneCheck::Worktrees, &place);
            }
            Err(error) => {
                let why = NeedReason::Failed(error.to_string());
                self.cannot_tell(PruneCheck::Worktrees, place, why);
            }
        }
        Ok(())
    }

    fn at_commit(
        &mut self,
        revisions: &mut Revisions<'_>,
        commit: &str,
        check: PruneCheck,
        place: NeededAt,
    ) {
        self.remarks.looked_at.push(place.clone());
        match revisions.look(commit) {
            Ok(Some(seen)) => self.found.add_files(self.judge, &seen, check, &place),
            Ok(None) => self.cannot_tell(check, place, NeedReason::NotInClone),
            Err(error) => self.cannot_tell(check, place, NeedReason::Failed(error.to_string())),
        }
    }

    /// Other branches, tags and stashes are no reason to keep a key.
    fn at_other_refs(&mut self, git: &Git, revisions: &mut Revisions<'_>) {
        let looked_at: Vec<String> = self
            .remarks
            .looked_at
            .iter()
            .filter_map(NeededAt::commit)
            .map(ToOwned::to_owned)
            .collect();
        let refs = match git.all_refs() {
            Ok(refs) => refs,
            Err(error) => {
                self.remarks.refs_unseen = Some(error.to_string());
                return;
            }
        };
        for named in refs {
            if looked_at.contains(&named.commit) {
                continue;
            }
            let is_needed = match revisions.look(&named.commit) {
                Ok(Some(seen)) => seen.iter().any(|(_, verdict)| {
                    let mut keys = verdict.needed.iter().chain(&verdict.unclear);
                    keys.any(|key| self.retired.contains(key))
                }),
                // A tag of a tree or a blob.
                Ok(None) => false,
                Err(error) => {
                    self.remarks.refs_unseen = Some(error.to_string());
                    return;
                }
            };
            if is_needed && !self.remarks.refs.contains(&named.name) {
                self.remarks.refs.push(named.name);
            }
        }
    }
}

impl NeededAt {
    /// The commit, where it is one of the branches that names may lead to.
    fn commit(&self) -> Option<&str> {
        match self {
            Self::Head(commit)
            | Self::Upstream(_, commit)
            | Self::DefaultBranch(_, commit)
            | Self::WorktreeHead(_, commit) => Some(commit),
            _ => None,
        }
    }
}

fn place_of(deployed: &Deployed) -> NeededAt {
    NeededAt::Deployed {
        revision: deployed.revision.clone(),
        said: deployed.commit.clone().filter(|_| deployed.is_said),
        used_by: deployed.used_by.clone(),
    }
}

/// The working tree at the root, and the others.
fn apart(worktrees: Vec<Worktree>, root: &Path) -> (Option<Worktree>, Vec<Worktree>) {
    let real = |path: &Path| path.canonicalize().ok();
    let is_own = |worktree: &Worktree| real(&worktree.path) == real(root);
    let (own, others): (Vec<_>, Vec<_>) = worktrees.into_iter().partition(is_own);
    (own.into_iter().next(), others)
}
