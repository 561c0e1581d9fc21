//! The revisions that Kustomizations have applied.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::files_for;
use crate::core::cluster::Kustomization;
use crate::core::git::{Git, commit_of};
use crate::core::identity::Recipient;

/// A revision that is deployed, and needs a retired key or may do so.
#[derive(Debug, PartialEq, Eq)]
pub struct Deployed {
    /// As Flux names it, `main@sha1:…`.
    pub revision: String,
    /// The Kustomizations that have applied it, as `namespace/name`.
    pub used_by: Vec<String>,
    /// What is known of it.
    pub state: State,
}

/// What is known of a revision.
#[derive(Debug, PartialEq, Eq)]
pub enum State {
    /// These files of it are for a retired key.
    Needs(Vec<PathBuf>),
    /// Its commit is not in this clone, or it is none of Git's.
    NotHere,
    /// git could not tell.
    Failed(String),
}

/// The revisions that need one of the `retired` keys, or may.
pub(super) fn needing(
    kustomizations: &[&Kustomization],
    git: Option<&Git>,
    retired: &[Recipient],
) -> Vec<Deployed> {
    let mut revisions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for found in kustomizations {
        let user = format!("{}/{}", found.namespace, found.name);
        // What has applied nothing yet begins with the newest revision.
        if let Some(revision) = &found.applied_revision {
            revisions.entry(revision.clone()).or_default().push(user);
        }
    }
    let needing = revisions.into_iter().filter_map(|(revision, used_by)| {
        let state = state(&revision, git, retired)?;
        Some(Deployed {
            revision,
            used_by,
            state,
        })
    });
    needing.collect()
}

/// `None` if the revision needs no retired key.
fn state(revision: &str, git: Option<&Git>, retired: &[Recipient]) -> Option<State> {
    let (Some(git), Some(commit)) = (git, commit_of(revision)) else {
        return Some(State::NotHere);
    };
    match git.has_commit(commit) {
        Ok(true) => {}
        Ok(false) => return Some(State::NotHere),
        Err(error) => return Some(State::Failed(error.to_string())),
    }
    match files_for(git, commit, retired) {
        Ok(files) if files.is_empty() => None,
        Ok(files) => Some(State::Needs(files)),
        Err(error) => Some(State::Failed(error.to_string())),
    }
}
