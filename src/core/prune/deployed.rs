//! The revisions that Flux applies.

use std::collections::BTreeMap;

use crate::core::cluster::{GIT_SOURCE, Kustomization};
use crate::core::git::commit_of;

/// A commit that a person says is deployed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaidDeployed {
    /// The Kustomization, as `namespace/name`; `None` for all whose own commit is not known.
    pub kustomization: Option<String>,
    /// The full name of the commit.
    pub commit: String,
}

/// A revision that Kustomizations apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Deployed {
    /// As Flux names it, `main@sha1:…`; what a person said instead.
    pub revision: String,
    /// Its commit; `None` if it is not one of Git's, and nobody has said which one it is.
    pub commit: Option<String>,
    /// Whether a person has said it.
    pub is_said: bool,
    /// The Kustomizations, as `namespace/name`.
    pub used_by: Vec<String>,
}

/// What was said of what is deployed, and is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SaidError {
    /// There is no such Kustomization that decrypts with the Secret.
    #[error("no Kustomization {0} decrypts with this Secret")]
    Unknown(String),
    /// The cluster says it itself.
    #[error("the Kustomization {kustomization} has applied {revision}, which names its commit")]
    Known {
        /// The Kustomization.
        kustomization: String,
        /// The revision.
        revision: String,
    },
    /// It is for all whose commit is not known, and there are none.
    #[error("every Kustomization that decrypts with this Secret names its commit")]
    NotNeeded,
}

/// The revisions that the Kustomizations apply, or try to, each once.
///
/// # Errors
/// [`SaidError`]
pub(super) fn revisions(
    kustomizations: &[&Kustomization],
    said: &[SaidDeployed],
) -> Result<Vec<Deployed>, SaidError> {
    let mut used = vec![false; said.len()];
    // By revision, commit, and whether it was said.
    let mut all: BTreeMap<(String, Option<String>, bool), Vec<String>> = BTreeMap::new();
    for found in kustomizations {
        let user = format!("{}/{}", found.namespace, found.name);
        let mut add = |revision: &str, commit: Option<&str>, is_said| {
            let key = (revision.to_owned(), commit.map(ToOwned::to_owned), is_said);
            let users = all.entry(key).or_default();
            if !users.contains(&user) {
                users.push(user.clone());
            }
        };
        let own = own_revisions(found);
        let named = said
            .iter()
            .position(|said| said.kustomization.as_ref() == Some(&user));
        let known = own.iter().find(|(_, commit)| commit.is_some());
        if let (Some(_), Some((revision, _))) = (named, known)
            && own.iter().all(|(_, commit)| commit.is_some())
        {
            return Err(SaidError::Known {
                kustomization: user,
                revision: (*revision).to_owned(),
            });
        }
        if let Some(named) = named {
            used[named] = true;
        }
        let general = said.iter().position(|said| said.kustomization.is_none());
        for (revision, commit) in own {
            match (commit, named.or(general)) {
                (None, Some(index)) => {
                    used[index] = true;
                    add(revision, Some(&said[index].commit), true);
                }
                (commit, _) => add(revision, commit, false),
            }
        }
    }
    if let Some(unused) = used.iter().position(|used| !used) {
        let kustomization = said[unused].kustomization.clone();
        return Err(kustomization.map_or(SaidError::NotNeeded, SaidError::Unknown));
    }
    let deployed = all
        .into_iter()
        .map(|((revision, commit, is_said), used_by)| Deployed {
            revision,
            commit,
            is_said,
            used_by,
        });
    Ok(deployed.collect())
}

/// The revisions that a Kustomization has applied, and tries to apply, each with its commit
/// where it names one. Only a Git source's own revision is a commit: the digest of another
/// artifact looks like one.
fn own_revisions(found: &Kustomization) -> Vec<(&str, Option<&str>)> {
    let of_git =
        |revision: &'_ str| found.source.kind == GIT_SOURCE && commit_of(revision).is_some();
    let own = |revision| {
        (
            revision,
            if of_git(revision) {
                commit_of(revision)
            } else {
                None
            },
        )
    };
    let mut revisions: Vec<(&str, Option<&str>)> = Vec::new();
    let applied = found.applied_revision.as_deref();
    let origin = found.applied_origin.as_deref();
    match (origin, origin.and_then(commit_of)) {
        (Some(origin), Some(commit)) => {
            revisions.push((origin, Some(commit)));
            // Both are looked at where both can be.
            revisions.extend(applied.map(own).filter(|(_, commit)| commit.is_some()));
        }
        _ => revisions.extend(applied.map(own)),
    }
    // Flux goes on trying that one; of the applied one it is the same.
    let attempted = found.attempted_revision.as_deref();
    revisions.extend(attempted.filter(|it| Some(*it) != applied).map(own));
    revisions.dedup();
    revisions
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::cluster::SourceRef;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
    const OTHER: &str = "fedcba9876543210fedcba9876543210fedcba98";
    const DIGEST: &str =
        "latest@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn kustomization(kind: &str, applied: &str, origin: Option<&str>) -> Kustomization {
        Kustomization {
            namespace: "a".into(),
            name: "b".into(),
            decrypts: true,
            secret: None,
            applied_revision: Some(applied.into()),
            applied_origin: origin.map(Into::into),
            attempted_revision: Some(applied.into()),
            path: String::new(),
            components: Vec::new(),
            source: SourceRef {
                kind: kind.into(),
                ..SourceRef::default()
            },
            failure: None,
        }
    }

    fn commits(
        of: &Kustomization,
        said: &[SaidDeployed],
    ) -> Result<Vec<Option<String>>, SaidError> {
        let found = revisions(&[of], said)?;
        Ok(found.into_iter().map(|deployed| deployed.commit).collect())
    }

    #[test]
    fn the_commit_is_that_of_the_origin_else_of_a_git_source() {
        let main = format!("main@sha1:{COMMIT}");
        let some = |commit: &str| Ok(vec![Some(commit.to_owned())]);
        for (kind, applied, origin, expected) in [
            (GIT_SOURCE, main.as_str(), None, some(COMMIT)),
            ("OCIRepository", DIGEST, Some(main.as_str()), some(COMMIT)),
            ("OCIRepository", DIGEST, None, Ok(vec![None])),
            ("OCIRepository", DIGEST, Some("v1.2"), Ok(vec![None])),
            // Its name looks like a commit, and whoever pushed it chose it.
            ("OCIRepository", main.as_str(), None, Ok(vec![None])),
        ] {
            let found = kustomization(kind, applied, origin);
            assert_eq!(
                commits(&found, &[]),
                expected,
                "{kind} {applied} {origin:?}"
            );
        }
        let mut trying = kustomization(GIT_SOURCE, &main, None);
        trying.attempted_revision = Some(format!("main@sha1:{OTHER}"));
        assert_eq!(commits(&trying, &[]).map(|found| found.len()), Ok(2));
    }

    #[test]
    fn what_a_person_says_never_takes_the_place_of_what_the_cluster_says() {
        let said = |name: Option<&str>| SaidDeployed {
            kustomization: name.map(Into::into),
            commit: OTHER.into(),
        };
        let main = format!("main@sha1:{COMMIT}");
        let git = kustomization(GIT_SOURCE, &main, None);
        let digest = kustomization("Bucket", DIGEST, None);
        let other = || Ok(vec![Some(OTHER.to_owned())]);
        assert_eq!(commits(&digest, &[said(None)]), other());
        assert_eq!(commits(&digest, &[said(Some("a/b"))]), other());
        assert_eq!(commits(&git, &[said(None)]), Err(SaidError::NotNeeded));
        let known = commits(&git, &[said(Some("a/b"))]);
        assert!(matches!(known, Err(SaidError::Known { .. })), "{known:?}");
        let unknown = commits(&digest, &[said(Some("a/c"))]);
        assert_eq!(unknown, Err(SaidError::Unknown("a/c".into())));
    }
}
