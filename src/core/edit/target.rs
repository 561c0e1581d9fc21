//! What is edited: a file that exists, or a new one and the rule that is for it.

use std::path::{Path, PathBuf};

use super::{EditError, Unsaved};
use crate::core::audit::Mismatch;
use crate::core::cluster::{Cluster, SecretName};
use crate::core::decrypt;
use crate::core::encrypted::{self, EncryptedFile, FileError, Format};
use crate::core::flux_secret::ClusterKeys;
use crate::core::git::Git;
use crate::core::identity::{Recipient, RecipientKind};
use crate::core::readers::{Reader, Readers};
use crate::core::replace;
use crate::core::repository::FoundConfig;
use crate::core::reviewed::{self, AcceptReaders, Reviewed, ReviewedReaders};
use crate::core::rules::{RuleOf, Rules};
use crate::core::servers::Servers;
use crate::core::sops_config::{FILE_NAME, RuleSummary};

/// A file, before the cluster is asked.
pub struct EditedFile {
    /// The file as sops is to see it: absolute, links as they were typed.
    pub(super) path: PathBuf,
    /// The same file under the one name that it has for every run.
    pub(super) identity: PathBuf,
    /// Its content; `None` if it is not there.
    pub(super) before: Option<Vec<u8>>,
    pub(super) kind: FileState,
    /// The rules that may be for it.
    rules: Rules,
    /// The config that was named.
    named: Option<FoundConfig>,
    /// Whether someone else may know its data key: it is not that of the reviewed file.
    pub(super) wants_new_data_key: bool,
    /// Who can read it where it was reviewed, if it gets a data key; `None` where nothing
    /// was reviewed.
    reviewed: Option<ReviewedReaders>,
}

/// What there is to look at beside the file itself.
pub struct Surroundings<'a> {
    /// The config that was named.
    pub named: Option<&'a FoundConfig>,
    /// The repository of the file, where it has one.
    pub git: Option<&'a Git>,
}

/// Whether there is a file already.
pub(super) enum FileState {
    /// An encrypted file.
    Existing(EncryptedFile),
    /// None, or an empty one: a rule tells who it will be for.
    New(NewFileRule),
}

/// The creation rule of a new file.
pub(super) struct NewFileRule {
    summary: RuleSummary,
    /// Who can read the file.
    readers: Readers,
    /// Whether it says which values are encrypted, as for manifests.
    pub(super) selects_values: bool,
}

impl EditedFile {
    /// Looks at the file at `path`, which is absolute, and at its rule: in the config that
    /// was named, else in the nearest one above it.
    ///
    /// # Errors
    /// [`EditError`]: it is no file that could be edited, or no rule is for it.
    pub fn look(path: &Path, around: &Surroundings<'_>) -> Result<Self, EditError> {
        let path = path.to_owned();
        if path.file_name().is_some_and(|name| name == FILE_NAME) {
            // sops must read it.
            return Err(FileError::Plaintext { path }.into());
        }
        let rules = Rules::of_working_tree(path.parent(), around.named);
        let new = |path: &Path| rule(path, &rules).map(FileState::New);
        let (before, kind) = match encrypted::read(&path) {
            Ok(bytes) => match EncryptedFile::parse(&path, &bytes) {
                Ok(file) => (Some(bytes), FileState::Existing(file)),
                Err(FileError::Empty { .. }) => (Some(bytes), new(&path)?),
                Err(error) => return Err(error.into()),
            },
            Err(FileError::Missing { .. }) if path.is_symlink() => {
                return Err(EditError::DanglingLink { path });
            }
            Err(FileError::Missing { .. }) => (None, new(&path)?),
            Err(error) => return Err(error.into()),
        };
        replace::check_writable(&path)?;
        let wants_new_data_key = match (&kind, around.git) {
            (FileState::Existing(file), Some(git)) => {
                !reviewed::has_same_data_key(git, &path, file)?
            }
            _ => false,
        };
        let gets_data_key = wants_new_data_key || matches!(kind, FileState::New(_));
        let reviewed = match around.git.filter(|_| gets_data_key) {
            Some(git) => Reviewed::load(git)?
                .map(|reviewed| reviewed.readers_of(&path, around.named))
                .transpose()?,
            None => None,
        };
        Ok(Self {
            identity: identity(&path),
            path,
            before,
            kind,
            rules,
            named: around.named.cloned(),
            wants_new_data_key,
            reviewed,
        })
    }

    /// Whether the file is as its rule says; all recipients that the cluster has `held`
    /// count as the same. With `keep_readers` it may be for others, but for servers that
    /// its rule does not name.
    pub(super) fn check_rule_of_existing(
        &self,
        file: &EncryptedFile,
        held: &[Recipient],
        keep_readers: bool,
    ) -> Result<(), EditError> {
        let rule = match self.rules.of(&self.path) {
            RuleOf::Rule(rule) => rule,
            RuleOf::Broken { error, .. } if !keep_readers => return Err(error.clone().into()),
            RuleOf::None | RuleOf::Broken { .. } => return Ok(()),
        };
        let Some(mismatch) = Mismatch::of(file, rule, held) else {
            return Ok(());
        };
        let mut extra = mismatch.readers.extra.iter();
        let is_certain = mismatch.readers.is_certain() || mismatch.selection.is_some();
        // One that the rule may not name never gets a new data key.
        let is_too_unclear = self.wants_new_data_key && !mismatch.readers.unclear.is_empty();
        let keeps = keep_readers && !extra.any(|reader| reader.server().is_some());
        if keeps || !is_certain && !is_too_unclear {
            return Ok(());
        }
        Err(EditError::OtherThanRule {
            path: self.path.clone(),
            mismatch: Box::new(mismatch),
        })
    }

    /// The readers of its rule; those of the file itself with `keep_readers`.
    pub(super) fn allowed_readers(&self, keep_readers: bool) -> Option<Readers> {
        match &self.kind {
            FileState::New(rule) => Some(rule.readers.clone()),
            FileState::Existing(file) => {
                let rule = self.rules.of(&self.path).usable()?.rule;
                let mut readers = rule.readers.clone();
                if keep_readers {
                    readers.groups.extend(file.metadata.readers().groups);
                }
                Some(readers)
            }
        }
    }

    /// Who can open a draft of its text: the age keys of its rule that can read the file, and
    /// those of the file that the cluster holds, as far as kb can encrypt for them. None if
    /// that would give the text to someone who cannot open the file alone, or if no key that
    /// the cluster has `held` could open the draft.
    pub(super) fn draft_recipients(&self, held: Option<&[Recipient]>) -> Vec<Recipient> {
        let rule = self.allowed_readers(false).unwrap_or_default();
        let own = match &self.kind {
            FileState::Existing(file) => file.metadata.readers(),
            FileState::New(_) => Readers::default(),
        };
        let needs_several = |readers: &Readers| readers.is_split() && readers.threshold != Some(1);
        if needs_several(&rule) || needs_several(&own) {
            return Vec::new();
        }
        let is_held = |key: &Recipient| held.is_some_and(|held| held.contains(key));
        let can_read = |key: &&Recipient| self.is_new() || own.recipients().any(|it| it == *key);
        let by_rule = rule.recipients().filter(can_read);
        let held_keys = own.recipients().filter(|key| is_held(key));
        let mut recipients: Vec<Recipient> = by_rule.chain(held_keys).cloned().collect();
        recipients.retain(|key| key.kind() == RecipientKind::X25519);
        recipients.sort();
        recipients.dedup();
        if held.is_some() && !recipients.iter().any(is_held) {
            recipients.clear();
        }
        recipients
    }

    /// The readers that its data key will be encrypted for anew, and the rule that names
    /// them: of a new file, and of one that gets a new data key.
    pub fn readers_of_new_data_key(&self) -> Option<(Readers, RuleSummary)> {
        match &self.kind {
            FileState::New(rule) => Some((rule.readers.clone(), rule.summary.clone())),
            FileState::Existing(file) if self.wants_new_data_key => {
                let rule = self.rules.of(&self.path).usable()?.rule;
                Some((self.kept_readers(file, false), rule.summary()))
            }
            FileState::Existing(_) => None,
        }
    }

    /// The readers of a file that it keeps: those that its rule does not name only with
    /// `keep_readers`, and without a rule all that are not on a server.
    fn kept_readers(&self, file: &EncryptedFile, keep_readers: bool) -> Readers {
        let rule = self.allowed_readers(keep_readers);
        let is_kept = |reader: &&Reader| match &rule {
            Some(rule) => rule.may_name(reader),
            None => reader.server().is_none(),
        };
        let own = file.metadata.readers();
        let group = |group: &Vec<Reader>| group.iter().filter(is_kept).cloned().collect();
        Readers {
            groups: own.groups.iter().map(group).collect(),
            threshold: own.threshold,
        }
    }

    /// The config of its rule.
    pub fn config(&self) -> Option<&Path> {
        let rule = self.rules.of(&self.path).matching()?;
        Some(&rule.config.path)
    }

    /// Checks that each server that the data key would be sent to was accepted.
    ///
    /// # Errors
    /// [`EditError::Servers`]
    pub(super) fn check_servers(&self, servers: &Servers) -> Result<(), EditError> {
        let readers = self.readers_of_new_data_key();
        let readers = readers.map(|(readers, _)| readers).unwrap_or_default();
        let not_accepted = readers.all().filter(|reader| !servers.accepts(reader));
        let not_accepted: Vec<Reader> = not_accepted.cloned().collect();
        if not_accepted.is_empty() {
            Ok(())
        } else {
            Err(EditError::Servers {
                path: self.path.clone(),
                servers: not_accepted,
            })
        }
    }

    /// Checks that those who could not read it where it was reviewed may do so from now on.
    /// `accept` decides, and returns those who may not. The cluster's own keys are `held`.
    ///
    /// # Errors
    /// [`EditError::Unreviewed`]
    pub(super) fn check_review(
        &self,
        held: &[Recipient],
        keep_readers: bool,
        accept: &AcceptReaders<'_>,
    ) -> Result<(), EditError> {
        let Some(reviewed) = &self.reviewed else {
            return Ok(());
        };
        let readers = match &self.kind {
            FileState::New(rule) => rule.readers.clone(),
            FileState::Existing(file) => self.kept_readers(file, keep_readers),
        };
        let newcomers = reviewed.newcomers(&readers, held);
        let refused = match newcomers.is_empty() {
            true => newcomers,
            false => accept(reviewed, newcomers),
        };
        Ok(reviewed.check_none(refused)?)
    }

    /// Checks that its rule, read again, names the readers and values that it did when the
    /// editor was opened.
    ///
    /// # Errors
    /// [`EditError::RuleChanged`]
    pub(super) fn check_rule_again(&self) -> Result<(), EditError> {
        let now = Rules::of_working_tree(self.path.parent(), self.named.as_ref());
        let said = |rules: &Rules| {
            let rule = rules.of(&self.path).usable()?.rule;
            let selection = (rule.selection_fields.clone(), rule.mac_only_encrypted);
            Some((rule.readers.clone(), selection))
        };
        if said(&now) == said(&self.rules) {
            Ok(())
        } else {
            Err(EditError::RuleChanged {
                path: self.path.clone(),
            })
        }
    }

    /// Which of its values are encrypted, and whether the MAC is over those alone: as its
    /// rule says, or the file itself.
    pub(super) fn selection(&self) -> (&[(&'static str, String)], bool) {
        match &self.kind {
            FileState::Existing(file) => {
                let metadata = &file.metadata;
                (&metadata.selection_fields, metadata.mac_only_encrypted)
            }
            FileState::New(_) => match self.rules.of(&self.path).usable() {
                Some(found) => {
                    let rule = found.rule;
                    (&rule.selection_fields, rule.mac_only_encrypted)
                }
                None => (&[], false),
            },
        }
    }

    /// Whether there is no encrypted file yet.
    pub fn is_new(&self) -> bool {
        matches!(self.kind, FileState::New(_))
    }

    /// The encrypted file as it is; `None` if there is none yet.
    pub(super) fn encrypted(&self) -> Option<&[u8]> {
        self.before.as_deref().filter(|_| !self.is_new())
    }

    pub(super) fn format(&self) -> Format {
        match &self.kind {
            FileState::Existing(file) => file.format,
            FileState::New(_) => Format::of(&self.path),
        }
    }

    pub(super) fn recipients(&self) -> Vec<Recipient> {
        match &self.kind {
            FileState::Existing(file) => file.metadata.recipients(),
            FileState::New(rule) => rule.readers.recipients().cloned().collect(),
        }
    }

    /// Whether it takes a private key of the cluster to edit it: not for a new file, nor for
    /// one that only developers' own keys open. A draft is opened with such a key.
    pub fn needs_cluster(&self, resumed: Option<&Unsaved>) -> bool {
        let is_needed = match resumed {
            Some(Unsaved::Draft(_)) => true,
            Some(Unsaved::Plain(..)) | None => !self.is_new(),
        };
        is_needed && self.recipients().iter().any(Recipient::may_be_a_clusters)
    }

    /// The cluster's keys: of a file that exists, if it is for one that is in use.
    pub(super) fn fetch_keys(
        &self,
        cluster: &Cluster,
        secret: &SecretName,
    ) -> Result<ClusterKeys, EditError> {
        let FileState::Existing(file) = &self.kind else {
            return Ok(decrypt::fetch(cluster, secret)?);
        };
        let keys = decrypt::fetch_keys(cluster, secret, &self.path, &file.metadata)?;
        let retired = keys.retired();
        let mut recipients = self.recipients().into_iter();
        match recipients.find(|key| retired.contains(key)) {
            None => Ok(keys),
            Some(retired) => Err(EditError::Retired {
                path: self.path.clone(),
                retired,
            }),
        }
    }
}

fn rule(path: &Path, rules: &Rules) -> Result<NewFileRule, EditError> {
    let path = || path.to_owned();
    let found = match rules.of(&path()) {
        RuleOf::Rule(found) => found,
        RuleOf::Broken { error, .. } => return Err(error.clone().into()),
        RuleOf::None => {
            let Some(config) = rules.configs().next() else {
                return Err(EditError::NoConfig { path: path() });
            };
            return Err(EditError::NoRule {
                path: path(),
                config_path: config.path.clone(),
                rules: config.rules.iter().map(|rule| rule.summary()).collect(),
            });
        }
    };
    let config_path = found.config.path.clone();
    let rule = found.rule;
    // Misspelled fields, too, without which it says too little.
    found.config.check_rules(std::slice::from_ref(rule))?;
    if rule.has_no_key() {
        return Err(EditError::RuleWithoutKey {
            path: path(),
            config_path,
            rule: rule.summary(),
        });
    }
    Ok(NewFileRule {
        summary: rule.summary(),
        readers: rule.readers.clone(),
        selects_values: rule.selection.is_explicit(),
    })
}

/// The path that a file has for every run, from whatever directory and through
/// whatever links it was named. Of one that is not there yet, the links of the
/// directories above it that are there.
pub fn identity(path: &Path) -> PathBuf {
    let known = path.ancestors().find_map(|above| {
        let rest = path.strip_prefix(above).ok()?;
        let real = above.canonicalize().ok()?;
        // Joined with nothing, a path would end in a slash.
        Some(real.components().chain(rest.components()).collect())
    });
    known.unwrap_or_else(|| path.to_owned())
}
