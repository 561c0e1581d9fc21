//! Commits that Flux has not applied yet, as far as this clone knows them.

use std::collections::BTreeMap;

use super::StatusRequest;
use crate::core::cluster::Kustomization;
use crate::core::git::{Branch, Git, commit_of};

/// Commits of a branch that Kustomizations have not applied yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The Kustomizations, as `namespace/name`.
    pub kustomizations: Vec<String>,
    /// The branch, as in `origin/main`: as of the last fetch.
    pub branch: String,
    /// How many commits; `None` if the applied one is not in this clone.
    pub count: Option<usize>,
}

/// What these Kustomizations, which apply this repository, have not applied yet. What Git
/// cannot tell is left out: it is only for information.
pub(super) fn find<'k>(
    request: &StatusRequest<'_>,
    kustomizations: impl Iterator<Item = &'k Kustomization>,
) -> Vec<Pending> {
    let Some(git) = &request.git else {
        return Vec::new();
    };
    let branches = git.all_refs().unwrap_or_default();
    let remotes = git.remote_names().unwrap_or_default();
    let mut counts: BTreeMap<(&str, &str), Option<usize>> = BTreeMap::new();
    let mut found: BTreeMap<(&str, Option<usize>), Vec<String>> = BTreeMap::new();
    for kustomization in kustomizations {
        // Of an artifact that is no Git commit, its origin is one.
        let origin = kustomization.applied_origin.as_deref();
        let revision = origin.or(kustomization.applied_revision.as_deref());
        let Some((revision, applied)) = revision.and_then(|it| Some((it, commit_of(it)?))) else {
            continue;
        };
        let Some((branch, _)) = revision.split_once('@') else {
            continue;
        };
        let Some(tip) = tip_of(branch, &branches, &remotes) else {
            continue;
        };
        let count = counts
            .entry((applied, tip.commit.as_str()))
            .or_insert_with(|| count(git, applied, &tip.commit));
        if *count != Some(0) {
            let name = format!("{}/{}", kustomization.namespace, kustomization.name);
            found
                .entry((tip.name.as_str(), *count))
                .or_default()
                .push(name);
        }
    }
    let found = found.into_iter();
    let found = found.map(|((branch, count), kustomizations)| Pending {
        kustomizations,
        branch: branch.to_owned(),
        count,
    });
    found.collect()
}

fn count(git: &Git, applied: &str, tip: &str) -> Option<usize> {
    git.count_commits(applied, tip).ok()
}

/// The branch as it was pushed, else the local one.
fn tip_of<'b>(name: &str, branches: &'b [Branch], remotes: &[String]) -> Option<&'b Branch> {
    let remote = |branch: &&Branch| {
        let mut remotes = remotes.iter();
        remotes.any(|remote| {
            let rest = branch.name.strip_prefix(remote.as_str());
            rest.and_then(|rest| rest.strip_prefix('/')) == Some(name)
        })
    };
    let mut all = branches.iter();
    let local = || branches.iter().find(|branch| branch.name == name);
    all.find(remote).or_else(local)
}
