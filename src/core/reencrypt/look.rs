//! Finds the files and rules that are for given recipients.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{FileTrouble, ReencryptError, Swap, Tree, Why};
use crate::core::identity::Recipient;
use crate::core::parallel;
use crate::core::replace::{self, ReplaceError};
use crate::core::scan::{self, Search};
use crate::core::sops_config::{ConfigError, Place, SopsConfig};
use crate::core::sops_file::{self, Metadata};

/// What a move is about.
#[derive(Default)]
pub struct Affected {
    /// The files for an old recipient.
    pub files: Vec<AffectedFile>,
    /// The `.sops.yaml` files that name an old recipient.
    pub configs: Vec<ConfigEdit>,
    /// The files and configs that cannot be moved, and why.
    pub troubles: Vec<FileTrouble>,
    /// The recipients that a rule names, of those that were asked for, and all of the
    /// files that were found.
    pub named: BTreeSet<Recipient>,
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

/// A file for an old recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AffectedFile {
    /// Its path.
    pub path: PathBuf,
    /// Who can open it now.
    pub recipients: Vec<Recipient>,
    /// Whether a key that is not age's opens it too.
    pub other_keys: bool,
}

/// A `.sops.yaml` before and after.
#[derive(Clone, Debug)]
pub struct ConfigEdit {
    /// As it is.
    pub before: SopsConfig,
    /// With the new recipient in the place of the old ones.
    pub after: SopsConfig,
}

/// What is to be moved.
#[derive(Clone, Default)]
pub struct Targets {
    /// The files.
    pub files: Vec<AffectedFile>,
    /// The configs.
    pub configs: Vec<ConfigEdit>,
    /// What could not be read, and so may belong to it.
    pub unread: Vec<PathBuf>,
}

/// Looks what is for an old recipient, notes which of those and of the `known`
/// recipients are named, and which files hold the `text`.
///
/// # Errors
/// When a `.sops.yaml` names an old recipient and cannot be read or edited.
pub fn look(
    tree: &Tree,
    swap: &Swap,
    known: &[Recipient],
    text: Option<&str>,
) -> Result<Affected, ReencryptError> {
    let recipients: Vec<Recipient> = swap.old.iter().chain(known).cloned().collect();
    let search = Search {
        roots: &tree.roots,
        recipients: &recipients,
        text,
        skip: &tree.skip,
    };
    let scan = search.run();
    let mut affected = Affected {
        with_text: scan.with_text,
        temporary: scan.temporary,
        unread: scan.unread,
        ..Affected::default()
    };
    let obstacles = parallel::map(&scan.files, |found| {
        let is_own = found.foreign.is_none() && names_old(found, &swap.old);
        is_own.then(|| replace::check_replaceable(&found.path).err())
    });
    for (found, obstacle) in scan.files.into_iter().zip(obstacles) {
        affected.add(found, &swap.old, obstacle.flatten());
    }
    for config in configs(tree, scan.configs, &recipients)? {
        let known = recipients.iter().filter(|key| config.mentions(key));
        affected.named.extend(known.cloned());
        let Some(edit) = edit(config, swap)? else {
            continue;
        };
        match replace::check_replaceable(&edit.before.path) {
            Ok(()) => affected.configs.push(edit),
            Err(error) => affected.troubles.push(FileTrouble {
                path: edit.before.path,
                why: Why::Replace(error),
            }),
        }
    }
    Ok(affected)
}

/// The config with the new recipient, or `None` if it names no old one.
fn edit(before: SopsConfig, swap: &Swap) -> Result<Option<ConfigEdit>, ReencryptError> {
    let mut after = before.clone();
    for old in &swap.old {
        if after.mentions(old) {
            after = after.with(&Place::InsteadOf(old.clone()), &swap.new)?;
        }
    }
    let changes = after.text != before.text;
    Ok(changes.then_some(ConfigEdit { before, after }))
}

impl Affected {
    /// What is to be moved of it.
    pub fn targets(self) -> Targets {
        Targets {
            files: self.files,
            configs: self.configs,
            unread: self.unread,
        }
    }

    fn add(&mut self, found: scan::Found, old: &[Recipient], obstacle: Option<ReplaceError>) {
        let is_old = names_old(&found, old);
        match (is_old, found.foreign) {
            (true, Some(foreign)) => drop(self.foreign.insert(foreign)),
            (false, Some(_)) => {}
            (_, None) => {
                self.named.extend(found.named);
                if is_old {
                    self.add_old(found.path, found.metadata, obstacle);
                }
            }
        }
    }

    fn add_old(
        &mut self,
        path: PathBuf,
        metadata: Option<Metadata>,
        obstacle: Option<ReplaceError>,
    ) {
        let why = match &metadata {
            None => Some(Why::Unclear),
            Some(metadata) if metadata.is_split => Some(Why::KeyGroups),
            Some(_) => obstacle.map(Why::Replace),
        };
        match (why, metadata) {
            (None, Some(metadata)) => self.files.push(AffectedFile {
                path,
                recipients: metadata.recipients,
                other_keys: metadata.other_keys,
            }),
            (Some(why), _) => self.troubles.push(FileTrouble { path, why }),
            (None, None) => {}
        }
    }
}

fn names_old(found: &scan::Found, old: &[Recipient]) -> bool {
    found.named.iter().any(|key| old.contains(key))
}

/// The configs that were `found` in the tree, and the one that applies if it is
/// elsewhere; each once, links or not. One that does not parse is passed over.
///
/// # Errors
/// [`ConfigError`] for one that does not parse and holds one of the recipients.
pub fn configs(
    tree: &Tree,
    found: Vec<PathBuf>,
    recipients: &[Recipient],
) -> Result<Vec<SopsConfig>, ConfigError> {
    let mut known = Vec::new();
    let mut configs = Vec::new();
    for path in found.into_iter().chain([tree.config.clone()]) {
        let real = path.canonicalize().unwrap_or_else(|_| path.clone());
        if known.contains(&real) {
            continue;
        }
        known.push(real);
        match SopsConfig::load_or_empty(&path) {
            Ok(config) => configs.push(config),
            Err(error) if names_any(&path, recipients) => return Err(error),
            Err(_) => {}
        }
    }
    Ok(configs)
}

/// Whether the text of a file that does not parse names one of the recipients.
fn names_any(path: &Path, recipients: &[Recipient]) -> bool {
    // A pipe in its place could be read forever.
    let bytes = sops_file::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    recipients.iter().any(|key| text.contains(key.as_str()))
}
