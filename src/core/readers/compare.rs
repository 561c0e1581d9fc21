//! Whether a file is for the readers that its rule names.

use super::{Reader, Readers};
use crate::core::identity::{Recipient, RecipientKind};

/// Whether two keys are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sameness {
    /// They are, in whatever spelling.
    Same,
    /// They are not.
    Different,
    /// kb cannot tell: fingerprints of different lengths with the same end.
    Unclear,
}

/// How the readers of a file differ from those of its rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReaderDifference {
    /// Those that the rule names and the file does not.
    pub missing: Vec<Reader>,
    /// Those that the file names and the rule does not.
    pub extra: Vec<Reader>,
    /// Those of the file of which kb cannot tell whether the rule names them.
    pub unclear: Vec<Reader>,
    /// Whether the key groups are others: their number, or how many of them it takes.
    pub groups: bool,
}

impl ReaderDifference {
    /// Whether the file is surely for other readers.
    pub fn is_certain(&self) -> bool {
        !self.missing.is_empty() || !self.extra.is_empty() || self.groups
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        !self.is_certain() && self.unclear.is_empty()
    }
}

impl Reader {
    /// Whether it is the same key as `other`. One of the two may be a rule's: what a rule
    /// cannot say, or leaves open, does not count.
    pub fn sameness(&self, other: &Self) -> Sameness {
        let same = |same: bool| {
            if same {
                Sameness::Same
            } else {
                Sameness::Different
            }
        };
        match (self, other) {
            // Of what kb cannot read it does not know what sops would use.
            (Self::Unreadable { .. }, _) => Sameness::Different,
            (Self::Age(a), Self::Age(b)) => same(is_same_recipient(a, b)),
            (Self::Pgp(a), Self::Pgp(b)) if a == b => Sameness::Same,
            (Self::Pgp(a), Self::Pgp(b))
                if a.len() != b.len() && (a.ends_with(b.as_str()) || b.ends_with(a.as_str())) =>
            {
                Sameness::Unclear
            }
            (
                Self::Kms {
                    arn,
                    role,
                    profile,
                    context,
                },
                Self::Kms {
                    arn: other_arn,
                    role: other_role,
                    profile: other_profile,
                    context: other_context,
                },
            ) => {
                let is_context_same = match (context, other_context) {
                    (Some(a), Some(b)) => a == b,
                    _ => true,
                };
                same(
                    (arn, role, profile) == (other_arn, other_role, other_profile)
                        && is_context_same,
                )
            }
            (
                Self::Azure {
                    vault,
                    name,
                    version,
                },
                Self::Azure {
                    vault: other_vault,
                    name: other_name,
                    version: other_version,
                },
            ) => {
                let is_open = version.is_empty() || other_version.is_empty();
                same(
                    is_same_address(vault, other_vault)
                        && name == other_name
                        && (is_open || version == other_version),
                )
            }
            (
                Self::Vault {
                    address,
                    engine,
                    key,
                },
                Self::Vault {
                    address: other_address,
                    engine: other_engine,
                    key: other_key,
                },
            ) => same(
                is_same_address(address, other_address)
                    && (engine.trim_matches('/'), key)
                        == (other_engine.trim_matches('/'), other_key),
            ),
            (a, b) => same(a == b),
        }
    }
}

/// The name of a host has no case, and a slash at the end says nothing.
fn is_same_address(a: &str, b: &str) -> bool {
    let [a, b] = [a, b].map(|address| address.trim_end_matches('/'));
    a.eq_ignore_ascii_case(b)
}

/// Of an ssh key the comment does not count.
fn is_same_recipient(a: &Recipient, b: &Recipient) -> bool {
    let key = |recipient: &Recipient| {
        let words = recipient.as_str().split_whitespace().take(2);
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    a == b || a.kind() == RecipientKind::Ssh && b.kind() == RecipientKind::Ssh && key(a) == key(b)
}

impl Readers {
    /// How a `file`'s readers differ from these, which are its rule's. All keys that are
    /// `held` by one cluster count as the same: its old, next and retired ones.
    pub fn compare(&self, file: &Self, held: &[Recipient]) -> ReaderDifference {
        let sameness = |a: &Reader, b: &Reader| {
            let is_held =
                |reader: &Reader| reader.recipient().is_some_and(|key| held.contains(key));
            if is_held(a) && is_held(b) {
                Sameness::Same
            } else {
                a.sameness(b)
            }
        };
        let mut difference = ReaderDifference::default();
        let count = self.groups.len().max(file.groups.len());
        for at in 0..count {
            let [rule, file] =
                [self, file].map(|it| it.groups.get(at).map_or(&[][..], Vec::as_slice));
            for reader in file {
                let in_rule = |wanted| rule.iter().any(|own| sameness(own, reader) == wanted);
                if in_rule(Sameness::Same) {
                    continue;
                }
                if in_rule(Sameness::Unclear) {
                    add(&mut difference.unclear, reader);
                } else {
                    add(&mut difference.extra, reader);
                }
            }
            for reader in rule {
                let in_file = |own| sameness(reader, own) != Sameness::Different;
                if !file.iter().any(in_file) {
                    add(&mut difference.missing, reader);
                }
            }
        }
        difference.groups = self.groups.len().max(1) != file.groups.len().max(1)
            || self.needed_groups() != file.needed_groups();
        difference
    }

    /// Those of `other` who can read a file that is for `other`, and not one that is for
    /// these; keys that are `held` by one cluster count as the same, and are not in the list.
    pub fn newcomers<'r>(&self, other: &'r Self, held: &[Recipient]) -> Vec<&'r Reader> {
        let is_held = |reader: &Reader| reader.recipient().is_some_and(|key| held.contains(key));
        // Where it takes several groups, it counts how many, and in which of them a key is.
        let is_opened_by_fewer = self.needed_groups() > 1 && {
            let difference = self.compare(other, held);
            let has_more = !difference.extra.is_empty() || !difference.unclear.is_empty();
            has_more || other.needed_groups() < self.needed_groups()
        };
        let others = other.all().filter(|reader| !is_held(reader));
        others
            .filter(|reader| is_opened_by_fewer || !self.names(reader))
            .collect()
    }

    /// How many groups it takes to open a file.
    fn needed_groups(&self) -> u64 {
        let count = self.groups.len() as u64;
        match self.threshold {
            _ if count <= 1 => 1,
            None | Some(0) => count,
            Some(threshold) => threshold,
        }
    }
}

fn add(list: &mut Vec<Reader>, reader: &Reader) {
    if !list.contains(reader) {
        list.push(reader.clone());
    }
}
