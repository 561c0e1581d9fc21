//! What stands in the Secret that Flux's kustomize-controller decrypts with.
//!
//! Flux reads every data entry whose name ends in `.agekey`; each may hold
//! several identities and comments. All of them are the cluster's keys.
//!
//! So the Secret itself is the [`KeySecret`] of a rotation, and the keys of before
//! and after can serve while one lasts.
//!
//! | module | holds |
//! | --- | --- |
//! | this one | the keys; creating the Secret |
//! | `journal` | the updates of a rotation, each bound to the Secret as it was read |
//! | `retired` | the text of the entry of retired keys |
//! | `copies` | other Secrets that Kustomizations decrypt with |
//! | `managers` | who else manages it |

mod copies;
mod journal;
mod managers;
mod retired;

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};

use super::cluster::{Cluster, ClusterError, Created, Mode, SecretName, StoredSecret};
use super::identity::{Identity, IdentityError, KeyFile, Recipient, RecipientKind};

pub use copies::{SecretCopy, copies};
pub use journal::{BeginOutcome, Dropped, JournalError, KeySecret};
pub use managers::{Manager, managers};

/// The data entry of the current key.
pub const CURRENT_ENTRY: &str = "age.agekey";
/// The data entry of the key that a rotation brings in, as long as one is under
/// way.
pub const NEXT_ENTRY: &str = "age.next.agekey";
/// The data entry of the keys that rotations have retired.
pub const RETIRED_ENTRY: &str = "age.previous.agekey";
/// The ending of the data entries that Flux reads as age identities.
pub const ENTRY_ENDING: &str = ".agekey";
/// Flux's most reported mistake: an entry of this name is not read.
pub const MISNAMED_ENTRY: &str = "age.key";

/// Flux reconciles again as soon as a Secret with this label changes; without
/// it a new key is noticed only at the next interval.
const WATCH_LABEL: (&str, &str) = ("reconcile.fluxcd.io/watch", "Enabled");
const MANAGED_BY_LABEL: (&str, &str) = ("app.kubernetes.io/managed-by", "kb");

/// A line of a `.agekey` entry that is no identity. Flux refuses the whole
/// Secret for it; kb passes the good lines on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// The data entry.
    pub entry: String,
    /// The line in it, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: IdentityError,
    /// Whether the entry contains no key beside such lines.
    pub is_all: bool,
    /// The `resourceVersion` of the Secret in which it is this line.
    pub version: String,
}

/// The keys that a cluster holds: all identities of all `.agekey` entries.
#[derive(Debug)]
pub struct ClusterKeys {
    entries: BTreeMap<String, Vec<Identity>>,
    /// Lines that are no identity.
    pub bad_lines: Vec<BadLine>,
}

/// Why a Secret gives no key.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeysError {
    /// No entry ends in `.agekey`.
    #[error("the Secret {secret} has no data entry that ends in {ENTRY_ENDING}")]
    NoEntry {
        /// The Secret.
        secret: SecretName,
        /// The entries that are there instead.
        entries: Vec<String>,
    },
    /// The entry that holds the key has a name that Flux ignores, most often `age.key`.
    #[error("the Secret {secret} holds its key as {entry}, which Flux does not read")]
    Misnamed {
        /// The Secret.
        secret: SecretName,
        /// The entry.
        entry: String,
        /// A name that Flux reads, and that no other entry has.
        right: String,
    },
    /// There are such entries, and no identity in any of them.
    #[error("the Secret {secret} holds no usable key: {}", first_reason(.bad_lines, .entries))]
    NoIdentity {
        /// The Secret.
        secret: SecretName,
        /// The `.agekey` entries.
        entries: Vec<String>,
        /// What stands in them.
        bad_lines: Vec<BadLine>,
    },
}

fn first_reason(bad_lines: &[BadLine], entries: &[String]) -> String {
    match bad_lines.first() {
        Some(bad) => format!("{}, line {}: {}", bad.entry, bad.line, bad.reason),
        None => format!("{} is empty", entries.join(", ")),
    }
}

impl ClusterKeys {
    /// Reads the decoded data of a Secret.
    ///
    /// # Errors
    /// [`KeysError`] when there is not one identity to work with.
    pub fn read(secret: &SecretName, stored: &StoredSecret) -> Result<Self, KeysError> {
        let mut entries = BTreeMap::new();
        let mut bad_lines = Vec::new();
        let read = stored
            .data()
            .filter(|(name, _)| name.ends_with(ENTRY_ENDING));
        for (entry, bytes) in read {
            let file = KeyFile::parse(bytes);
            let is_all = file.identities.is_empty();
            bad_lines.extend(file.bad_lines.into_iter().map(|(line, reason)| BadLine {
                entry: entry.to_owned(),
                line,
                reason,
                is_all,
                version: stored.version().to_owned(),
            }));
            entries.insert(entry.to_owned(), file.identities);
        }
        let secret = || secret.clone();
        if entries.values().any(|identities| !identities.is_empty()) {
            return Ok(Self { entries, bad_lines });
        }
        let unread = unread_entries(stored);
        let most_common = unread.iter().find(|entry| **entry == MISNAMED_ENTRY);
        if let Some(entry) = most_common.or(unread.first()) {
            return Err(KeysError::Misnamed {
                secret: secret(),
                entry: (*entry).to_owned(),
                right: right_name(stored, entry),
            });
        }
        if entries.is_empty() {
            return Err(KeysError::NoEntry {
                secret: secret(),
                entries: stored.data().map(|(name, _)| name.to_owned()).collect(),
            });
        }
        Err(KeysError::NoIdentity {
            secret: secret(),
            entries: entries.into_keys().collect(),
            bad_lines,
        })
    }

    /// All identities, those of the current entry first.
    pub fn identities(&self) -> impl Iterator<Item = &Identity> {
        let others = self
            .entries
            .iter()
            .filter(|(name, _)| *name != CURRENT_ENTRY);
        self.current()
            .iter()
            .chain(others.flat_map(|(_, keys)| keys))
    }

    /// The identities of [`CURRENT_ENTRY`].
    pub fn current(&self) -> &[Identity] {
        self.of_entry(CURRENT_ENTRY)
    }

    /// The identities of [`NEXT_ENTRY`]: none, unless a rotation is under way.
    pub fn next(&self) -> &[Identity] {
        self.of_entry(NEXT_ENTRY)
    }

    fn of_entry(&self, entry: &str) -> &[Identity] {
        self.entries.get(entry).map_or(&[], Vec::as_slice)
    }

    /// The entries whose keys are in use: [`CURRENT_ENTRY`]; or, where that holds
    /// none, those that a person gave other names.
    pub fn entries_in_use(&self) -> Vec<&str> {
        if !self.current().is_empty() {
            return vec![CURRENT_ENTRY];
        }
        let names = self.entries.keys().map(String::as_str);
        let by_hand = |name: &&str| ![NEXT_ENTRY, RETIRED_ENTRY].contains(name);
        names.filter(by_hand).collect()
    }

    /// The identities of [`Self::entries_in_use`]: a rotation replaces them.
    pub fn in_use(&self) -> impl Iterator<Item = &Identity> {
        let entries = self.entries_in_use().into_iter();
        entries.flat_map(|entry| self.of_entry(entry))
    }

    /// The identities that new files are to be encrypted for: those in use, and
    /// the one that a rotation brings in.
    pub fn active(&self) -> impl Iterator<Item = &Identity> {
        self.in_use().chain(self.next())
    }

    /// The recipients of [`Self::retired_keys`], as far as kb can compute them.
    pub fn retired(&self) -> Vec<Recipient> {
        let recipients = self.retired_keys().filter_map(Identity::recipient);
        recipients.cloned().collect()
    }

    /// The identities of [`RETIRED_ENTRY`] that are not active as well.
    pub fn retired_keys(&self) -> impl Iterator<Item = &Identity> {
        let retired = self.of_entry(RETIRED_ENTRY).iter();
        retired.filter(|key| !self.active().any(|active| active.is_same(key)))
    }

    /// The lines of [`RETIRED_ENTRY`] that are no keys.
    pub fn bad_retired_lines(&self) -> impl Iterator<Item = &BadLine> {
        self.bad_lines
            .iter()
            .filter(|bad| bad.entry == RETIRED_ENTRY)
    }

    /// The identities of these recipients.
    pub fn of_recipients(&self, recipients: &[Recipient]) -> Vec<Identity> {
        let wanted = |identity: &&Identity| {
            let recipient = identity.recipient();
            recipient.is_some_and(|recipient| recipients.contains(recipient))
        };
        self.identities().filter(wanted).cloned().collect()
    }

    /// The recipients of all identities whose recipient is known.
    pub fn recipients(&self) -> Vec<Recipient> {
        let all = self.identities().filter_map(Identity::recipient);
        all.cloned().collect()
    }

    /// Whether `recipient` is one of `known`, some of these keys' recipients, or may
    /// belong to an identity whose recipient kb cannot compute: whether a
    /// post-quantum identity fits its recipient, only sops can tell.
    pub fn may_open(&self, recipient: &Recipient, known: &[Recipient]) -> bool {
        let unknown = recipient.kind() == RecipientKind::PostQuantum;
        known.contains(recipient) || (unknown && self.has_unknown_recipients())
    }

    /// Whether there is an identity whose recipient kb cannot compute.
    pub fn has_unknown_recipients(&self) -> bool {
        self.identities()
            .any(|identity| identity.recipient().is_none())
    }

    /// The identities that may open what is for this recipient, one per line; `None` if
    /// the cluster holds none.
    pub fn for_recipient(&self, recipient: &Recipient) -> Option<SecretString> {
        let is_meant = |identity: &&Identity| match identity.recipient() {
            Some(own) => own == recipient,
            // Whose a post-quantum identity is, only sops can tell.
            None => recipient.kind() == RecipientKind::PostQuantum,
        };
        let keys = lines(self.identities().filter(is_meant));
        (!keys.expose_secret().is_empty()).then_some(keys)
    }

    /// As [`Self::for_sops`], with one more.
    pub fn for_sops_with(&self, new: &Identity) -> SecretString {
        lines(self.identities().chain([new]))
    }

    /// The identities as `SOPS_AGE_KEY` takes them, one per line. Only good
    /// ones: sops drops all of them for one bad word.
    pub fn for_sops(&self) -> SecretString {
        lines(self.identities())
    }
}

fn lines<'a>(identities: impl Iterator<Item = &'a Identity>) -> SecretString {
    let keys: Vec<&str> = identities.map(|identity| identity.key().expose()).collect();
    SecretString::from(keys.join("\n"))
}

/// The entries that hold an identity, and that Flux does not read for their name.
pub fn unread_entries(stored: &StoredSecret) -> Vec<&str> {
    let others = stored
        .data()
        .filter(|(name, _)| !name.ends_with(ENTRY_ENDING));
    let with_key = others.filter(|(_, bytes)| !KeyFile::parse(bytes).identities.is_empty());
    with_key.map(|(name, _)| name).collect()
}

/// A name for such an entry that Flux reads, and that no entry with content has.
pub fn right_name(stored: &StoredSecret, entry: &str) -> String {
    let is_free = |name: &str| stored.entry(name).is_none_or(<[u8]>::is_empty);
    if is_free(CURRENT_ENTRY) {
        return CURRENT_ENTRY.to_owned();
    }
    let mut name = format!("{entry}{ENTRY_ENDING}");
    while !is_free(&name) {
        name.insert_str(entry.len(), ".old");
    }
    name
}

/// The entries that Flux reads, and that hold nothing.
pub fn empty_entries(stored: &StoredSecret) -> Vec<&str> {
    let entries = stored
        .data()
        .filter(|(name, _)| name.ends_with(ENTRY_ENDING));
    let empty = entries.filter(|(_, bytes)| {
        let file = KeyFile::parse(bytes);
        file.identities.is_empty() && file.bad_lines.is_empty()
    });
    empty.map(|(name, _)| name).collect()
}

/// Why the cluster's keys are not at hand.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The API server.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The Secret is there, and holds no key.
    #[error(transparent)]
    Keys(#[from] KeysError),
}

/// The keys that the cluster holds, or `None` if it has no such Secret (or no
/// such namespace: the server does not tell which).
///
/// # Errors
/// See [`FetchError`].
pub fn fetch(cluster: &Cluster, secret: &SecretName) -> Result<Option<ClusterKeys>, FetchError> {
    let stored = cluster.secret(secret)?;
    Ok(stored
        .map(|stored| ClusterKeys::read(secret, &stored))
        .transpose()?)
}

/// Creates the Secret for a new key, as Flux wants it.
///
/// # Errors
/// See [`Cluster::create_secret`].
pub fn create(
    cluster: &Cluster,
    secret: &SecretName,
    identity: &Identity,
    mode: Mode,
) -> Result<Created, ClusterError> {
    let labels = [WATCH_LABEL, MANAGED_BY_LABEL];
    cluster.create_secret(secret, &labels, CURRENT_ENTRY, &entry_text(identity), mode)
}

/// The value of an entry for a new key, as `age-keygen` writes a key
/// file, so that a person who looks at the Secret sees which key it is.
fn entry_text(identity: &Identity) -> SecretString {
    let comment = identity
        .recipient()
        .map(|recipient| format!("# public key: {recipient}\n"))
        .unwrap_or_default();
    SecretString::from(format!("{comment}{}\n", identity.key().expose()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> SecretName {
        SecretName {
            namespace: "flux-system".into(),
            name: "sops-age".into(),
        }
    }

    fn data(entries: &[(&str, &str)]) -> StoredSecret {
        StoredSecret::of(entries)
    }

    #[test]
    fn every_agekey_entry_counts_and_the_current_one_comes_first() {
        let [old, new, other] = [(); 3].map(|()| Identity::generate().0);
        let keys = ClusterKeys::read(
            &name(),
            &data(&[
                ("aaa.agekey", other.key().expose()),
                ("age.agekey", new.key().expose()),
                ("age.previous.agekey", old.key().expose()),
                ("age.agekey.previous", "not read by Flux"),
            ]),
        )
        .expect("three identities");
        let expected = [&new, &other, &old].map(|identity| identity.recipient().cloned());
        assert_eq!(keys.recipients(), expected.map(|r| r.expect("x25519")));
        assert_eq!(keys.current().len(), 1);
    }

    #[test]
    fn sops_gets_only_the_good_lines() {
        let good = Identity::generate().0;
        let text = format!("nonsense\n{}\n", good.key().expose());
        let keys = ClusterKeys::read(&name(), &data(&[("age.agekey", &text)])).expect("one good");
        assert_eq!(keys.for_sops().expose_secret(), good.key().expose());
        assert_eq!(keys.bad_lines.len(), 1);
    }

    #[test]
    fn the_misnamed_entry_is_named_only_if_it_holds_a_key() {
        let key = Identity::generate().0;
        let misnamed = ClusterKeys::read(&name(), &data(&[("age.key", key.key().expose())]));
        let expected = |entry: &str, right: &str| KeysError::Misnamed {
            secret: name(),
            entry: entry.to_owned(),
            right: right.to_owned(),
        };
        assert_eq!(misnamed.err(), Some(expected("age.key", "age.agekey")));
        // Nothing in the way is overwritten.
        let key = key.key().expose();
        let taken = data(&[
            ("keys.txt", key),
            ("age.agekey", "x"),
            ("keys.txt.agekey", "y"),
        ]);
        let taken = ClusterKeys::read(&name(), &taken);
        assert_eq!(
            taken.err(),
            Some(expected("keys.txt", "keys.txt.old.agekey"))
        );
        let other = ClusterKeys::read(&name(), &data(&[("age.key", "x"), ("b", "y")]));
        assert!(
            matches!(other, Err(KeysError::NoEntry { entries, .. }) if entries == ["age.key", "b"])
        );
    }

    #[test]
    fn the_entry_text_reads_back_as_the_same_identity() {
        let identity = Identity::generate().0;
        let file = KeyFile::parse(entry_text(&identity).expose_secret().as_bytes());
        assert!(file.bad_lines.is_empty());
        assert_eq!(file.identities[0].recipient(), identity.recipient());
    }
}
