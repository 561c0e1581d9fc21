//! Who can read a file from now on. It is decided by the file's rule, not by what the
//! file says of itself: nothing authenticates that.

use super::ReaderPolicy;
use crate::core::encrypted::{EncryptedFile, WrappedKey};
use crate::core::identity::Recipient;
use crate::core::readers::{Reader, Readers, Sameness};

/// What files are re-encrypted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewRecipients {
    /// A cluster's key is replaced: the readers that file and rule have in common, with
    /// the new key in the place of the old ones. Nobody joins.
    ReplaceKey,
    /// Files are to match their rules, joiners included.
    MatchRules,
}

/// What is known of the rule of a file.
#[derive(Clone, Copy, Debug)]
pub struct FileRule<'r> {
    /// Its readers; `None` if no rule is for the file, or the rule has no key yet.
    pub readers: Option<&'r Readers>,
    /// The rule, as `FILE:LINE:COLUMN`.
    pub place: Option<&'r str>,
    /// Those that the file's rule names where it was reviewed; `None` where nothing was.
    pub reviewed: Option<&'r Readers>,
}

/// What becomes of the readers of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Who can read it now.
    pub before: Readers,
    /// Who can read it then.
    pub after: Readers,
    /// Those who cannot any more, but for keys of the cluster itself.
    pub leaving: Vec<Reader>,
    /// Those who could not before, but for the cluster's new key.
    pub joining: Vec<Reader>,
    /// Those of `after` that its rule names only in the working tree, not where it was
    /// reviewed.
    pub unreviewed: Vec<Reader>,
    /// The rule, where it is for others than this cluster: `FILE:LINE:COLUMN`.
    pub other_rule: Option<String>,
}

/// Why a file stays as it is until someone has decided.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum UndecidedReason {
    /// A cluster's key, or a recovery key, would lose the file.
    #[error("{} could not read it any more, because the file's rule does not name it", Reader::list(.0))]
    ClusterLeaves(Vec<Reader>),
    /// No rule is for it, and no reviewed rule names some of its readers.
    #[error("no rule is for it, and no rule names its reader {}", Reader::list(.0))]
    UnknownReaders(Vec<Reader>),
    /// Only the working tree's rule names a reader.
    #[error("its rule names {} in the working tree only, which nobody has reviewed", Reader::list(.0))]
    Unreviewed(Vec<Reader>),
    /// kb cannot tell whether the rule names a reader.
    #[error("kb cannot tell whether its rule names {}", Reader::list(.0))]
    Unclear(Vec<Reader>),
    /// Its rule is for other readers than the key that opens it.
    #[error("its rule {0} does not name this cluster's key")]
    OtherRule(String),
    /// Its rule, or the whole config, cannot be used; where that stands is in it.
    #[error("nobody can tell its rule: {0}")]
    Broken(String),
    /// Its rule names a key server that nobody has accepted.
    #[error("the data key would be sent to {}", Reader::list(.0))]
    Server(Vec<Reader>),
}

impl ReaderPolicy<'_> {
    /// Decides who can read a file.
    ///
    /// # Errors
    /// [`UndecidedReason`]
    pub fn decide(
        &self,
        file: &EncryptedFile,
        rule: FileRule<'_>,
    ) -> Result<Decision, UndecidedReason> {
        let before = file.metadata.readers();
        let rule_readers = rule.readers.filter(|readers| !readers.is_empty());
        let is_for_us = rule_readers.is_none_or(|readers| readers.all().any(|it| self.is_ours(it)));
        let mut decision = Decision {
            other_rule: (!is_for_us).then(|| rule.place.unwrap_or_default().to_owned()),
            ..Decision::default()
        };
        let has_no_old_key = self.goal == NewRecipients::MatchRules && !self.is_for_old(file);
        decision.after = match rule_readers {
            Some(readers) if self.goal == NewRecipients::MatchRules && is_for_us => {
                self.check_clear(&before, readers)?;
                self.with_new_key(readers)
            }
            Some(_) if has_no_old_key => {
                let place = rule.place.unwrap_or_default().to_owned();
                return Err(UndecidedReason::OtherRule(place));
            }
            // There is nothing that it is to match.
            None if has_no_old_key => before.clone(),
            readers => self.kept(&before, readers)?,
        };
        let after = &decision.after;
        for entry in all_entries(file) {
            let reader = &entry.reader;
            if !self.is_ours(reader) && !after.names(reader) {
                add(&mut decision.leaving, reader);
            }
        }
        for reader in after.all() {
            if !self.is_ours(reader) && !before.names(reader) {
                add(&mut decision.joining, reader);
            }
        }
        decision.before = before;
        if rule_readers.is_some() {
            self.check_leaving(&decision)?;
        }
        self.check_review(&mut decision, rule)?;
        self.check_servers(&decision)?;
        Ok(decision)
    }

    fn is_ours(&self, reader: &Reader) -> bool {
        reader
            .recipient()
            .is_some_and(|key| key == self.new || self.held.contains(key))
    }

    /// Whether an old key opens the file, or seems to.
    fn is_for_old(&self, file: &EncryptedFile) -> bool {
        let mut recipients = all_entries(file).filter_map(|entry| entry.reader.recipient());
        recipients.any(|key| self.old.contains(key))
    }

    /// Where kb cannot tell whether a rule names a reader, the file gets no new data key.
    fn check_clear(&self, before: &Readers, rule: &Readers) -> Result<(), UndecidedReason> {
        let unclear = rule.compare(before, &[]).unclear;
        let dropped = |reader: &Reader| same_as_one_of(reader, &self.consent.drop);
        let unclear: Vec<Reader> = unclear.into_iter().filter(|it| !dropped(it)).collect();
        if unclear.is_empty() {
            Ok(())
        } else {
            Err(UndecidedReason::Unclear(unclear))
        }
    }

    /// The readers of a rule, with the new key in the place of the cluster's others.
    fn with_new_key(&self, readers: &Readers) -> Readers {
        let group = |group: &Vec<Reader>| {
            let mut keys = Vec::new();
            for reader in group {
                let reader = if self.is_ours(reader) {
                    Reader::Age(self.new.clone())
                } else {
                    reader.clone()
                };
                add(&mut keys, &reader);
            }
            keys
        };
        Readers {
            groups: readers.groups.iter().map(group).collect(),
            threshold: readers.threshold,
        }
    }

    /// The readers of a file that stay, with the new key in the place of the old ones.
    fn kept(&self, before: &Readers, rule: Option<&Readers>) -> Result<Readers, UndecidedReason> {
        let mut unclear = Vec::new();
        let mut unknown = Vec::new();
        let mut after = Readers {
            groups: Vec::new(),
            // That of the file, anyone could have lowered.
            threshold: rule.map_or(before.threshold, |rule| rule.threshold),
        };
        for (at, group) in before.groups.iter().enumerate() {
            let mut keys = Vec::new();
            for reader in group {
                if self.is_ours(reader) {
                    add(&mut keys, &Reader::Age(self.new.clone()));
                    continue;
                }
                let is_dropped = same_as_one_of(reader, &self.consent.drop);
                let stays = match rule {
                    Some(rule) => {
                        let named = rule.groups.get(at).map_or(&[][..], Vec::as_slice);
                        let has = |wanted| named.iter().any(|own| own.sameness(reader) == wanted);
                        if has(Sameness::Unclear) && !has(Sameness::Same) && !is_dropped {
                            add(&mut unclear, reader);
                        }
                        as_named(reader, named)
                    }
                    None if is_dropped => None,
                    None => {
                        let named = as_named(reader, &self.consent.keep);
                        let named = named.or_else(|| as_named(reader, self.known));
                        if named.is_none() {
                            add(&mut unknown, reader);
                        }
                        named
                    }
                };
                if let Some(reader) = stays {
                    add(&mut keys, &reader);
                }
            }
            after.groups.push(keys);
        }
        if !unclear.is_empty() {
            return Err(UndecidedReason::Unclear(unclear));
        }
        if !unknown.is_empty() {
            return Err(UndecidedReason::UnknownReaders(unknown));
        }
        // A group that nobody is left in would make the file one that nothing opens.
        after.groups.retain(|group| !group.is_empty());
        let groups = after.groups.len() as u64;
        after.threshold = after.threshold.filter(|_| groups > 1);
        after.threshold = after.threshold.map(|threshold| threshold.min(groups));
        if !after.all().any(|reader| self.is_ours(reader)) {
            let new = Reader::Age(self.new.clone());
            match after.groups.first_mut() {
                Some(group) => group.push(new),
                None => after.groups.push(vec![new]),
            }
        }
        Ok(after)
    }

    /// A cluster's key or a recovery key leaves only by name. Without a rule, those who
    /// leave were named already.
    fn check_leaving(&self, decision: &Decision) -> Result<(), UndecidedReason> {
        let is_precious = |reader: &&Reader| {
            let recipient = reader.recipient();
            let is_clusters = recipient.is_some_and(Recipient::may_be_a_clusters)
                && same_as_one_of(reader, self.known);
            let is_recovery = recipient.is_some_and(|key| self.recovery.contains(key));
            (is_clusters || is_recovery) && !same_as_one_of(reader, &self.consent.drop)
        };
        let leaving = decision.leaving.iter().filter(is_precious);
        let leaving: Vec<Reader> = leaving.cloned().collect();
        if leaving.is_empty() {
            Ok(())
        } else {
            Err(UndecidedReason::ClusterLeaves(leaving))
        }
    }

    /// Who stays or joins, and is named by the working tree's rule alone, wants a person's
    /// consent.
    fn check_review(
        &self,
        decision: &mut Decision,
        rule: FileRule<'_>,
    ) -> Result<(), UndecidedReason> {
        let Some(reviewed) = rule.reviewed else {
            return Ok(());
        };
        // Without a rule, they were looked up in all rules, or named.
        if rule.readers.is_some() {
            let own: Vec<Recipient> = self.held.iter().chain([self.new]).cloned().collect();
            let newcomers = reviewed.newcomers(&decision.after, &own).into_iter();
            decision.unreviewed = newcomers.cloned().collect();
        }
        let not_accepted = decision.unreviewed.iter();
        let not_accepted =
            not_accepted.filter(|reader| !same_as_one_of(reader, &self.consent.accept));
        let not_accepted: Vec<Reader> = not_accepted.cloned().collect();
        if self.consent.asks || not_accepted.is_empty() {
            Ok(())
        } else {
            Err(UndecidedReason::Unreviewed(not_accepted))
        }
    }

    fn check_servers(&self, decision: &Decision) -> Result<(), UndecidedReason> {
        let servers = decision.after.all();
        let servers = servers.filter(|reader| !self.consent.servers.accepts(reader));
        let servers: Vec<Reader> = servers.cloned().collect();
        if servers.is_empty() {
            Ok(())
        } else {
            Err(UndecidedReason::Server(servers))
        }
    }
}

/// The entries of all documents.
fn all_entries(file: &EncryptedFile) -> impl Iterator<Item = &WrappedKey> {
    let others = file.others.iter();
    let all = [&file.metadata].into_iter().chain(others);
    all.flat_map(|metadata| metadata.entries())
}

/// A file's reader as one of these names it. The comment of an ssh key does not count, and
/// in a file anyone may have written it: sops would take what stands behind a comma in it
/// for one more recipient.
fn as_named(reader: &Reader, named: &[Reader]) -> Option<Reader> {
    let mut same = named
        .iter()
        .filter(|other| other.sameness(reader) == Sameness::Same);
    let own = same.next()?;
    Some(match own {
        Reader::Age(_) => own.clone(),
        // What a rule leaves open, such as the version of a key, the file says.
        _ => reader.clone(),
    })
}

fn same_as_one_of(reader: &Reader, readers: &[Reader]) -> bool {
    readers
        .iter()
        .any(|other| other.sameness(reader) == Sameness::Same)
}

fn add(list: &mut Vec<Reader>, reader: &Reader) {
    if !list.contains(reader) {
        list.push(reader.clone());
    }
}
