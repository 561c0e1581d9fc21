//! The revisions that Kustomizations have applied.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::files_for;
use crate::core::cluster::Kustomization;
use crate::core::git::Git;
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

/// The commit of a revision as Flux writes it (RFC-0005 of Flux): `main@sha1:…`,
/// `v1.0@sha1:…` or `sha1:…`; before Flux 2.0 `main/…`. An artifact that is not
/// Git's has a `sha256:` of its own, which is a commit only in a repository of that
/// object format.
fn commit_of(revision: &str) -> Option<&str> {
    let digest = revision.rsplit([':', '/']).next()?;
    let is_hex = |digest: &str| digest.chars().all(|c| c.is_ascii_hexdigit());
    (matches!(digest.len(), 40 | 64) && is_hex(digest)).then_some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_read_from_every_form_of_a_revision() {
        let hex = "0123456789abcdef0123456789abcdef01234567";
        for revision in [
            format!("main@sha1:{hex}"),
            format!("feature/x@sha1:{hex}"),
            format!("sha1:{hex}"),
            format!("main/{hex}"),
            hex.to_owned(),
        ] {
            assert_eq!(commit_of(&revision), Some(hex), "{revision}");
        }
        for revision in ["main", "latest@sha256:abc", "main@sha1:--upload-pack=x"] {
            assert_eq!(commit_of(revision), None, "{revision}");
        }
    }
}
