//! Decides, without looking at anything.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::survey::{KeyChange, Situation, moved_bad_lines};
use super::{CopyPolicy, Refusal, RotateRequest, Step, UnfitCopy};
use crate::core::cluster::SecretName;
use crate::core::flux_secret::{BadLine, KeySecret, SecretCopy};
use crate::core::identity::{Identity, Recipient};
use crate::core::reencrypt::{Affected, FailedFile, OtherClusters, Targets};

/// What a rotation will do.
pub struct RotationPlan {
    pub(super) keys: KeyChange,
    pub(super) journal: KeySecret,
    /// The copies of the Secret that get the new key too.
    pub(super) copies: Vec<KeySecret>,
    /// Temporary files that a killed run may have left.
    pub(super) temporary: Vec<PathBuf>,
    /// What is to be re-encrypted.
    pub targets: Targets,
    /// Files that stay for the old key, and why.
    pub left: Vec<FailedFile>,
    /// What to know before it begins.
    pub remarks: RotationRemarks,
}

/// What does not stop a rotation.
#[derive(Default)]
pub struct RotationRemarks {
    /// Copies of the Secret that stay as they are.
    pub copies_left: Vec<SecretCopy>,
    /// Whether kb may not see Kustomizations, and so no copies.
    pub copies_unseen: bool,
    /// Other people's repositories in this one that hold files for the old key.
    pub foreign: BTreeSet<PathBuf>,
    /// Files with a Secret of the same name, encrypted for others.
    pub similar: Vec<PathBuf>,
    /// Lines in other entries of the Secret that are no identity.
    pub bad_lines: Vec<BadLine>,
    /// The other clusters that the configs of the repository name.
    pub other_clusters: OtherClusters,
}

/// Decides what to do in a situation.
///
/// # Errors
/// [`Refusal`]
pub fn plan(situation: Situation, request: &RotateRequest) -> Result<RotationPlan, Refusal> {
    let Situation {
        journal,
        keys,
        affected,
        managed,
        manifests,
        similar,
        copies,
        copies_unseen,
    } = situation;
    check_cluster(&journal, &keys, &affected)?;
    let changes =
        |secret: &SecretName| *secret == journal.secret || request.copies == CopyPolicy::All;
    let mut managed = managed.into_iter();
    if let Some((secret, managers)) = managed.find(|(secret, _)| changes(secret)) {
        return Err(Refusal::Managed { secret, managers });
    }
    if !manifests.is_empty() {
        return Err(Refusal::InRepository {
            secret: journal.secret,
            files: manifests,
        });
    }
    if !affected.troubles.is_empty() {
        return Err(Refusal::Files(affected.troubles));
    }
    let mut remarks = RotationRemarks {
        copies_unseen,
        foreign: affected.foreign,
        similar,
        bad_lines: journal.keys.bad_lines.clone(),
        other_clusters: affected.other_clusters,
        ..RotationRemarks::default()
    };
    let mut rotated = Vec::new();
    match request.copies {
        _ if copies.is_empty() => {}
        CopyPolicy::Refuse => return Err(Refusal::Copies(copies)),
        CopyPolicy::OnlyThis => remarks.copies_left = copies,
        CopyPolicy::All => {
            let unreadable = |copy: &SecretCopy| copy.journal.is_none();
            if copies.iter().any(unreadable) {
                let copies = copies.into_iter().filter(unreadable).collect();
                return Err(Refusal::UnreadableCopies(copies));
            }
            rotated.extend(copies.into_iter().filter_map(|copy| copy.journal));
        }
    }
    for copy in &rotated {
        check_copy(copy, &keys)?;
    }
    for changed in [&journal].into_iter().chain(&rotated) {
        if changed.stored().is_immutable() {
            return Err(Refusal::Immutable {
                secret: changed.secret.clone(),
                is_copy: changed.secret != journal.secret,
            });
        }
    }
    Ok(RotationPlan {
        keys,
        journal,
        copies: rotated,
        targets: Targets {
            files: affected.files,
            configs: affected.configs,
            unread: affected.unread,
        },
        left: affected.left,
        temporary: affected.temporary,
        remarks,
    })
}

/// Whether the repository knows the cluster: if not, the context is most likely
/// wrong.
fn check_cluster(
    journal: &KeySecret,
    keys: &KeyChange,
    affected: &Affected,
) -> Result<(), Refusal> {
    let named = &affected.named;
    let held = journal.keys.recipients();
    let (secret, retired) = (journal.secret.clone(), journal.keys.retired());
    let known: Vec<&Recipient> = held.iter().filter(|key| named.contains(key)).collect();
    if known.is_empty() {
        let unread = affected.unread.clone();
        return Err(Refusal::WrongCluster {
            secret,
            held,
            unread,
        });
    }
    // A key that comes back is no sign of an older clone.
    let is_retired = |key: &&&Recipient| retired.contains(key) && ***key != keys.swap.new;
    let has_others = journal.keys.active().next().is_some();
    // All keys of one that is under way are in the cluster: any clone can finish it.
    if has_others && !keys.resumed && known.iter().all(|key| is_retired(&key)) {
        return Err(Refusal::Behind {
            secret,
            current: journal
                .keys
                .active()
                .filter_map(|it| it.recipient().cloned())
                .collect(),
        });
    }
    Ok(())
}

/// Whether the rotation can run in a copy of the Secret too: nothing else may be in
/// use there, for files of that would be left behind.
fn check_copy(copy: &KeySecret, keys: &KeyChange) -> Result<(), Refusal> {
    let unfit = |why| {
        Err(Refusal::UnfitCopy {
            secret: copy.secret.clone(),
            why,
        })
    };
    let other = |identity: &Identity| {
        let recipient = identity.recipient();
        recipient.is_none_or(|key| *key != keys.swap.new && !keys.swap.old.contains(key))
    };
    let next = copy.keys.next();
    if next
        .iter()
        .any(|next| next.recipient() != Some(&keys.swap.new))
    {
        return unfit(UnfitCopy::UnderWay);
    }
    if copy.keys.in_use().any(other) {
        return unfit(UnfitCopy::OtherKeys);
    }
    if !moved_bad_lines(&copy.keys).is_empty() {
        return unfit(UnfitCopy::BadLines);
    }
    Ok(())
}

impl RotationPlan {
    /// The recipients that go.
    pub fn old(&self) -> &[Recipient] {
        &self.keys.swap.old
    }

    /// The one that comes.
    pub fn new_recipient(&self) -> &Recipient {
        &self.keys.swap.new
    }

    /// Whether a rotation is under way already, and this goes on with it.
    pub fn is_resumed(&self) -> bool {
        self.keys.resumed
    }

    /// Whether the new key was imported, so that it is not shown.
    pub fn is_imported(&self) -> bool {
        self.keys.imported
    }

    /// The Secrets that change: the cluster's, and the copies.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretName> {
        let all = [&self.journal].into_iter().chain(&self.copies);
        all.map(|journal| &journal.secret)
    }

    /// The steps, in order.
    pub fn steps(&self) -> Vec<Step> {
        let all = [&self.journal].into_iter().chain(&self.copies);
        let new = all.filter(|journal| journal.keys.next().is_empty());
        let mut steps: Vec<Step> = new
            .map(|journal| Step::AddKey(journal.secret.clone()))
            .collect();
        let files = self.targets.files.iter().cloned();
        steps.extend(files.map(Step::Reencrypt));
        let configs = self.targets.configs.iter();
        steps.extend(configs.map(|edit| Step::EditConfig(edit.before.path.clone())));
        if !self.is_imported() {
            steps.push(Step::ShowKey);
        }
        // The Secret itself comes last: as long as its entry is there, a run that
        // follows finishes the copies as well.
        let copies = self.copies.iter().rev();
        steps.extend(copies.map(|copy| Step::Promote(copy.secret.clone())));
        steps.push(Step::Promote(self.journal.secret.clone()));
        steps
    }
}
