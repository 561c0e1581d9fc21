//! Finds the files and rules that a job is about.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::rulebook::Rulebook;
use super::{
    Decision, FailedFile, FileReencryptError, Job, NewRecipients, ReaderPolicy, ReencryptError,
    RepositoryFiles, Swap,
};
use crate::core::encrypted::{self, EncryptedFile, Format};
use crate::core::identity::Recipient;
use crate::core::parallel;
use crate::core::replace::{self, ReplaceError};
use crate::core::scan::{self, Search, Written};
use crate::core::sops_config::{ConfigError, InsertAt, SopsConfig};

/// What a job is about.
#[derive(Default)]
pub struct Affected {
    /// The files that are to be re-encrypted.
    pub files: Vec<AffectedFile>,
    /// The `.sops.yaml` files that name an old recipient.
    pub configs: Vec<ConfigEdit>,
    /// Files that stay as they are, and why: nobody has decided about their readers, or
    /// kb cannot read them.
    pub left: Vec<FailedFile>,
    /// Files and configs that cannot be replaced.
    pub troubles: Vec<FailedFile>,
    /// The recipients that a rule names, of those that were asked for, and all of the
    /// files that were found.
    pub named: BTreeSet<Recipient>,
    /// The keys of other clusters in the configs.
    pub other_clusters: OtherClusters,
    /// Other people's repositories in this one that hold files for an old
    /// recipient.
    pub foreign: BTreeSet<PathBuf>,
    /// The files that hold the text which was looked for.
    pub with_text: Vec<PathBuf>,
    /// What could not be read.
    pub unread: Vec<PathBuf>,
    /// Temporary files of kb's own, of a run that lives or was killed.
    pub temporary: Vec<PathBuf>,
}

/// A file that is to be re-encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AffectedFile {
    /// Its path.
    pub path: PathBuf,
    /// Its format.
    pub format: Format,
    /// The config of its rule, for sops: how it indents.
    pub config: Option<PathBuf>,
    /// Who can read it now and then.
    pub decision: Decision,
    /// What was read of it, if it was kept.
    pub parsed: Option<Parsed>,
}

/// A file as it was read when it was looked for.
#[derive(Clone, Debug)]
pub struct Parsed(pub(super) Arc<EncryptedFile>);

impl PartialEq for Parsed {
    fn eq(&self, other: &Self) -> bool {
        self.0.text() == other.0.text()
    }
}

impl Eq for Parsed {}

/// Other clusters than the one of the job, as the configs of the repository name them.
#[derive(Debug, Default)]
pub struct OtherClusters {
    /// Recipients that may be another cluster's.
    pub keys: BTreeSet<Recipient>,
    /// Configs that do not parse: they may name more.
    pub unread: Vec<PathBuf>,
}

/// A `.sops.yaml` before and after.
#[derive(Clone, Debug)]
pub struct ConfigEdit {
    /// As it is.
    pub before: SopsConfig,
    /// With the new recipient in the place of the old ones.
    pub after: SopsConfig,
}

/// What is to be re-encrypted.
#[derive(Clone, Default)]
pub struct Targets {
    /// The files.
    pub files: Vec<AffectedFile>,
    /// The configs.
    pub configs: Vec<ConfigEdit>,
    /// What could not be read, and so may belong to it.
    pub unread: Vec<PathBuf>,
}

impl Targets {
    /// These, with what was read of the files. Here it is forgotten: it takes memory.
    pub fn take_parsed(&mut self) -> Self {
        let taken = self.clone();
        self.files.iter_mut().for_each(|file| file.parsed = None);
        taken
    }
}

impl Job<'_> {
    /// Looks which files and rules it is about, notes which of the cluster's recipients
    /// are named anywhere, and which files hold the `text`.
    ///
    /// # Errors
    /// When a `.sops.yaml` names an old recipient and cannot be read or edited, or has
    /// conflict markers.
    pub fn find(&self, text: Option<&str>) -> Result<Affected, ReencryptError> {
        self.find_but(text, None)
    }

    /// Looks again after files were replaced: at all but those that still are as kb has
    /// `written` them.
    ///
    /// # Errors
    /// As for [`Self::find`].
    pub(super) fn find_again(&self, written: &Written) -> Result<Affected, ReencryptError> {
        // Rules that someone has edited meanwhile may want other readers.
        let is_for_good = self.goal == NewRecipients::ReplaceKey;
        self.find_but(None, is_for_good.then_some(written))
    }

    fn find_but(
        &self,
        text: Option<&str>,
        written: Option<&Written>,
    ) -> Result<Affected, ReencryptError> {
        let mut recipients = self.swap.old.clone();
        recipients.extend(self.held.iter().cloned());
        let search = Search {
            roots: &self.tree.roots,
            recipients: &recipients,
            text,
            others: true,
            age_files: false,
            skip: &self.tree.skip,
            keep: true,
            written,
        };
        let scan = search.run();
        let mut affected = Affected {
            with_text: scan.with_text,
            temporary: scan.temporary,
            unread: scan.unread,
            ..Affected::default()
        };
        // A repository that was moved away has no files, and Git cannot look into it.
        if !scan.files.is_empty() || !scan.others.is_empty() {
            let (judged, others) = self.judge_all(scan.files, scan.others, &recipients)?;
            for (found, judged) in judged {
                affected.add(found, judged);
            }
            affected.left.extend(others);
        }
        let (configs, broken) = load_configs(self.tree, scan.configs, &recipients)?;
        affected.other_clusters.unread = broken;
        for config in configs {
            affected.other_clusters.add(&config, |key| {
                recipients.contains(key) || self.swap.new == *key
            });
            let known = recipients.iter().filter(|key| config.mentions(key));
            affected.named.extend(known.cloned());
            let Some(edit) = edit(config, &self.swap)? else {
                continue;
            };
            match replace::check_replaceable(&edit.before.path) {
                Ok(()) => affected.configs.push(edit),
                Err(error) => affected.troubles.push(FailedFile {
                    path: edit.before.path,
                    why: FileReencryptError::Replace(error),
                }),
            }
        }
        Ok(affected)
    }

    fn judge_all(
        &self,
        files: Vec<scan::ScannedFile>,
        others: Vec<(PathBuf, Vec<Recipient>)>,
        held: &[Recipient],
    ) -> Result<AllJudged, ReencryptError> {
        let paths = files.iter().map(|found| found.path.as_path());
        let paths = paths.chain(others.iter().map(|(path, _)| path.as_path()));
        let rulebook = Rulebook::new(self.tree, paths)?;
        let policy = ReaderPolicy {
            goal: self.goal,
            held,
            old: &self.swap.old,
            new: &self.swap.new,
            known: &rulebook.known,
            recovery: &rulebook.recovery,
            consent: self.consent,
        };
        let is_ours = |key: &Recipient| *key == self.swap.new || held.contains(key);
        let is_missed = |(path, named): &(PathBuf, Vec<Recipient>)| {
            !named.iter().any(is_ours) && rulebook.names_any(path, is_ours)
        };
        let missed = others.into_iter().filter(is_missed);
        let missed = missed.map(|(path, _)| FailedFile {
            path,
            why: FileReencryptError::NotForCluster,
        });
        let missed = missed.collect();
        let judged = parallel::map_owned(files, |found| self.judge(found, &rulebook, &policy));
        Ok((judged, missed))
    }

    fn judge(
        &self,
        found: scan::ScannedFile,
        rulebook: &Rulebook,
        policy: &ReaderPolicy<'_>,
    ) -> (scan::ScannedFile, FileDecision) {
        let names_old = found.named.iter().any(|key| self.swap.old.contains(key));
        if found.foreign.is_some() {
            let judged = if names_old {
                FileDecision::Foreign
            } else {
                FileDecision::NotAffected
            };
            return (found, judged);
        }
        let is_wanted = names_old || self.goal == NewRecipients::MatchRules;
        if !is_wanted {
            return (found, FileDecision::NotAffected);
        }
        let Ok(file) = &found.file else {
            return (found, FileDecision::Unread);
        };
        let decided = rulebook.of(&found.path, |rule| policy.decide(file, rule));
        let judged = match decided {
            Err(why) => FileDecision::Left(why.into()),
            Ok(decision) => {
                let difference = decision.after.compare(&decision.before, &[]);
                if !names_old && !difference.is_certain() && decision.leaving.is_empty() {
                    return (found, FileDecision::NotAffected);
                }
                match replace::check_replaceable(&found.path) {
                    Err(obstacle) => FileDecision::Obstacle(obstacle),
                    Ok(()) => FileDecision::File(AffectedFile {
                        path: found.path.clone(),
                        format: file.format,
                        config: rulebook.config_of(&found.path),
                        decision,
                        parsed: file
                            .text()
                            .is_some()
                            .then(|| Parsed(Arc::new(file.clone()))),
                    }),
                }
            }
        };
        (found, judged)
    }
}

/// The files that were found, and those that are not for the cluster though their rules name
/// it.
type AllJudged = (Vec<(scan::ScannedFile, FileDecision)>, Vec<FailedFile>);

/// What becomes of a file that was found.
enum FileDecision {
    File(AffectedFile),
    Left(FileReencryptError),
    Unread,
    Obstacle(ReplaceError),
    Foreign,
    NotAffected,
}

/// The config with the new recipient, or `None` if it names no old one.
fn edit(before: SopsConfig, swap: &Swap) -> Result<Option<ConfigEdit>, ReencryptError> {
    let mut after = before.clone();
    for old in &swap.old {
        if after.mentions(old) {
            after = after.with(&InsertAt::InsteadOf(old.clone()), &swap.new)?;
        }
    }
    let changes = after.text != before.text;
    Ok(changes.then_some(ConfigEdit { before, after }))
}

impl Affected {
    /// All but the files that could not be re-encrypted.
    pub(super) fn without(mut self, failed: &[FailedFile]) -> Self {
        let failed: HashSet<&Path> = failed.iter().map(|failed| &*failed.path).collect();
        self.files.retain(|file| !failed.contains(&*file.path));
        self
    }

    /// What is to be re-encrypted of it.
    pub fn targets(self) -> Targets {
        Targets {
            files: self.files,
            configs: self.configs,
            unread: self.unread,
        }
    }

    fn add(&mut self, found: scan::ScannedFile, judged: FileDecision) {
        let path = found.path;
        match judged {
            FileDecision::Foreign => self.foreign.extend(found.foreign),
            FileDecision::NotAffected if found.foreign.is_some() => {}
            judged => {
                self.named.extend(found.named);
                match judged {
                    FileDecision::File(file) => self.files.push(file),
                    FileDecision::Left(why) => self.left.push(FailedFile { path, why }),
                    FileDecision::Unread => {
                        let why = found.file.err().map(FileReencryptError::File);
                        self.left.extend(why.map(|why| FailedFile { path, why }));
                    }
                    FileDecision::Obstacle(error) => {
                        let why = FileReencryptError::Replace(error);
                        self.troubles.push(FailedFile { path, why });
                    }
                    FileDecision::Foreign | FileDecision::NotAffected => {}
                }
            }
        }
    }
}

impl OtherClusters {
    /// Whether no config names another cluster's key, as far as kb can tell.
    pub fn is_none(&self) -> bool {
        self.keys.is_empty() && self.unread.is_empty()
    }

    /// A person's age key looks like a cluster's. It counts as one, unless a comment marks
    /// it as a recovery key.
    fn add(&mut self, config: &SopsConfig, is_own: impl Fn(&Recipient) -> bool) {
        for rule in config.rules.iter().chain(&config.recreation_rules) {
            let keys = rule.recipients();
            self.keys.extend(keys.filter(|key| {
                key.may_be_a_clusters() && !is_own(key) && !rule.recovery.contains(key)
            }));
        }
    }
}

/// The configs that were `found` in the tree, and the one that applies if it is
/// elsewhere; each once, links or not. One that does not parse is passed over.
///
/// # Errors
/// [`ConfigError`] for one that does not parse and holds one of the recipients.
pub fn configs(
    tree: &RepositoryFiles,
    found: Vec<PathBuf>,
    recipients: &[Recipient],
) -> Result<Vec<SopsConfig>, ConfigError> {
    let (configs, _) = load_configs(tree, found, recipients)?;
    Ok(configs)
}

/// The same, and those that were passed over.
fn load_configs(
    tree: &RepositoryFiles,
    found: Vec<PathBuf>,
    recipients: &[Recipient],
) -> Result<(Vec<SopsConfig>, Vec<PathBuf>), ConfigError> {
    let mut known = HashSet::new();
    let mut broken = Vec::new();
    let mut configs = Vec::new();
    for path in found.into_iter().chain([tree.config.clone()]) {
        let real = path.canonicalize().unwrap_or_else(|_| path.clone());
        if !known.insert(real) {
            continue;
        }
        match SopsConfig::load_or_empty(&path) {
            Ok(config) => configs.push(config),
            Err(error) if names_any(&path, recipients) => return Err(error),
            Err(_) => broken.push(path),
        }
    }
    Ok((configs, broken))
}

/// Whether the text of a file that does not parse names one of the recipients.
fn names_any(path: &Path, recipients: &[Recipient]) -> bool {
    // A pipe in its place could be read forever.
    let bytes = encrypted::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    recipients.iter().any(|key| text.contains(key.as_str()))
}
