//! Looks at the cluster and the repository.

use std::path::PathBuf;

use super::{BadKeys, NewKey, Refusal, RotateError, RotateRequest};
use crate::core::cluster::{Cluster, ClusterError, SecretName};
use crate::core::flux_secret::{
    BadLine, ClusterKeys, FetchError, KeySecret, Manager, NEXT_ENTRY, RETIRED_ENTRY, SecretCopy,
    copies, managers,
};
use crate::core::identity::{Identity, Recipient};
use crate::core::manifest::{self, HeldBy};
use crate::core::reencrypt::{Affected, RepositoryFiles, Swap};
use crate::core::scan::Search;
use crate::core::sops_config::{CreationRule, SopsConfig};

/// What was found.
pub struct Situation {
    pub(super) journal: KeySecret,
    pub(super) keys: KeyChange,
    pub(super) affected: Affected,
    /// The Secret and its copies that something else manages.
    pub(super) managed: Vec<(SecretName, Vec<Manager>)>,
    /// The files that hold this very Secret.
    pub(super) manifests: Vec<PathBuf>,
    /// Files with a Secret of that name, for which it cannot be told.
    pub(super) similar: Vec<PathBuf>,
    pub(super) copies: Vec<SecretCopy>,
    /// Whether kb may not list Kustomizations, and so sees no copies.
    pub(super) copies_unseen: bool,
}

/// Which keys go, and which one comes.
pub(super) struct KeyChange {
    pub(super) new: Identity,
    /// Their recipients.
    pub(super) swap: Swap,
    /// Whether a rotation is under way already, and the new key is its.
    pub(super) resumed: bool,
    /// Whether someone has the new key already, because it was imported.
    pub(super) imported: bool,
}

/// Looks at everything that a rotation depends on. `None` if the cluster has no
/// such Secret.
///
/// # Errors
/// See [`RotateError`].
pub fn survey(
    cluster: &Cluster,
    request: &RotateRequest,
) -> Result<Option<Situation>, RotateError> {
    let Some(journal) = KeySecret::read(cluster, &request.secret)? else {
        return Ok(None);
    };
    let keys = KeyChange::new(&request.secret, &journal.keys, &request.key)?;
    let kustomizations = match cluster.kustomizations() {
        Ok(found) => Some(found.unwrap_or_default()),
        Err(ClusterError::Forbidden { .. }) => None,
        Err(error) => return Err(FetchError::from(error).into()),
    };
    let listed = kustomizations.as_deref().unwrap_or_default();
    let copies = copies(cluster, listed, &request.secret, &keys.swap.old)?;
    let mut managed = Vec::new();
    let journals = copies.iter().filter_map(|copy| copy.journal.as_ref());
    for journal in [&journal].into_iter().chain(journals) {
        let found = managers(journal.stored(), &journal.keys.entries_in_use());
        if !found.is_empty() {
            managed.push((journal.secret.clone(), found));
        }
    }
    let held = journal.keys.recipients();
    let job = request.job(keys.swap.clone(), held);
    let affected = job.find(Some(&request.secret.name))?;
    let mut situation = Situation {
        keys,
        affected,
        managed,
        manifests: Vec::new(),
        similar: Vec::new(),
        copies,
        copies_unseen: kustomizations.is_none(),
        journal,
    };
    situation.find_manifests();
    Ok(Some(situation))
}

impl Situation {
    fn find_manifests(&mut self) {
        let identities: Vec<&Identity> = self.journal.keys.identities().collect();
        let recipients = self.journal.keys.recipients();
        for path in &self.affected.with_text {
            match manifest::held_by(path, &self.journal.secret, &identities, &recipients) {
                HeldBy::ThisCluster => self.manifests.push(path.clone()),
                HeldBy::Unknown => self.similar.push(path.clone()),
                HeldBy::Nobody => {}
            }
        }
    }
}

impl KeyChange {
    pub(super) fn new(
        secret: &SecretName,
        keys: &ClusterKeys,
        key: &NewKey,
    ) -> Result<Self, Refusal> {
        let lines = moved_bad_lines(keys);
        if !lines.is_empty() {
            let secret = secret.clone();
            return Err(BadKeys::Lines { secret, lines }.into());
        }
        let recipient_of = |identity: &Identity| identity.recipient().cloned();
        let mut old: Vec<Recipient> = Vec::new();
        for identity in keys.in_use() {
            old.push(recipient_of(identity).ok_or(BadKeys::UnknownRecipient)?);
        }
        old.extend(keys.next().iter().skip(1).filter_map(recipient_of));
        old.extend(keys.retired());
        let (new, resumed, imported) = match (keys.next().first(), key) {
            (None, NewKey::Generate) => (Identity::generate().0, false, false),
            (None, NewKey::Import(key)) => (key.clone(), false, true),
            (Some(next), NewKey::Generate) => (next.clone(), true, false),
            (Some(next), NewKey::Import(key)) => match next.recipient() == key.recipient() {
                true => (next.clone(), true, true),
                false => return Err(BadKeys::OtherUnderWay(recipient_of(next)).into()),
            },
        };
        let unknown = || match resumed {
            true => BadKeys::NextUnknown(secret.clone()),
            false => BadKeys::NewUnknown,
        };
        let new_recipient = recipient_of(&new).ok_or_else(unknown)?;
        if !resumed && old.first() == Some(&new_recipient) && keys.in_use().count() == 1 {
            return Err(BadKeys::Same(new_recipient).into());
        }
        Ok(Self {
            new,
            swap: Swap::new(old, new_recipient),
            resumed,
            imported,
        })
    }
}

/// The lines in the entries that a rotation rewrites which are no identities: they
/// would be lost.
pub(super) fn moved_bad_lines(keys: &ClusterKeys) -> Vec<BadLine> {
    let in_use = keys.entries_in_use();
    let moved =
        |entry: &str| in_use.contains(&entry) || [NEXT_ENTRY, RETIRED_ENTRY].contains(&entry);
    let lines = keys.bad_lines.iter().filter(|bad| moved(&bad.entry));
    lines.cloned().collect()
}

/// Whether a cluster that has no Secret may get a new key: not while files are for
/// a key of `config` that the cluster does not hold, unless it is the one that is
/// imported.
///
/// # Errors
/// [`Refusal::KeyIsMissing`] names those files.
pub fn check_absent(
    config: &SopsConfig,
    tree: &RepositoryFiles,
    imported: Option<&Identity>,
) -> Result<(), RotateError> {
    let imported = imported.and_then(Identity::recipient);
    let keys = config.rules.iter().flat_map(CreationRule::recipients);
    let keys: Vec<Recipient> = keys
        .filter(|key| key.may_be_a_clusters() && Some(key) != imported)
        .collect();
    let search = Search {
        roots: &tree.roots,
        recipients: &keys,
        skip: &tree.skip,
        ..Search::default()
    };
    let found = search.run().files.into_iter();
    let ours = found.filter(|found| found.foreign.is_none());
    let opened_by_import =
        |recipients: &[Recipient]| imported.is_some_and(|imported| recipients.contains(imported));
    let lost = ours.filter(|found| {
        let file = found.file.as_ref();
        !file.is_ok_and(|file| opened_by_import(&file.metadata.recipients()))
    });
    let files: Vec<PathBuf> = lost.map(|found| found.path).collect();
    match files.is_empty() {
        true => Ok(()),
        false => Err(Refusal::KeyIsMissing { files }.into()),
    }
}
