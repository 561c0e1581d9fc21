//! Texts that are not saved: drafts, and texts in memory, left by runs that were killed or
//! could not write a draft.

use std::path::Path;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretBox};
use sha2::{Digest, Sha256};

use super::EditError;
use super::error::{KeptDraft, KeptPlace};
use super::swap;
use super::target::identity;
use super::text::{Comments, is_blank};
use crate::core::drafts::{Draft, DraftContents, DraftError, Drafts, Head, LockedDraft};
use crate::core::encrypted::Format;
use crate::core::flux_secret::ClusterKeys;
use crate::core::identity::Identity;
use crate::core::private_dir::{Left, TempDirs};

/// A text that is not saved. This run alone works on it; dropping it leaves it there.
pub enum Unsaved {
    /// A draft.
    Draft(LockedDraft),
    /// In memory, in plaintext, for lack of a draft.
    Plain(Left, Arc<DraftError>),
}

impl Unsaved {
    /// Where it is.
    pub fn kept(&self) -> KeptDraft {
        match self {
            Self::Draft(locked) => KeptDraft {
                head: locked.draft().head.clone(),
                place: KeptPlace::Draft(locked.draft().path.clone()),
            },
            Self::Plain(left, reason) => KeptDraft {
                head: Head {
                    since: left.since(),
                    ..left.head.clone()
                },
                place: KeptPlace::Plain {
                    path: left.text_path(),
                    in_memory: left.is_in_memory(),
                    reason: Arc::clone(reason),
                },
            },
        }
    }

    /// What is in it; a draft is decrypted with the cluster's keys.
    pub(super) fn contents(&self, keys: Option<&ClusterKeys>) -> Result<DraftContents, EditError> {
        let contents = match self {
            Self::Draft(locked) => {
                let identities: Vec<&Identity> =
                    keys.iter().flat_map(|keys| keys.identities()).collect();
                locked.open(identities)?
            }
            Self::Plain(left, _) => {
                let contents = left.contents().map_err(|source| EditError::Memory {
                    path: left.text_path(),
                    source,
                })?;
                without_comments(left, contents)
            }
        };
        Ok(contents)
    }

    /// Removes it.
    ///
    /// # Errors
    /// [`EditError::NotRemoved`]
    pub fn discard(self) -> Result<(), EditError> {
        match self {
            Self::Draft(locked) => {
                let path = locked.draft().path.clone();
                let removed = locked.discard();
                removed.map_err(|source| EditError::NotRemoved { path, source })
            }
            Self::Plain(left, _) => {
                left.discard();
                Ok(())
            }
        }
    }
}

/// What runs have left in memory.
#[derive(Default)]
pub struct Adopted {
    /// Texts that are drafts now.
    pub drafts: Vec<KeptDraft>,
    /// Texts that could not be made drafts: they are still there.
    pub plain: Vec<Unsaved>,
    /// Files whose editor still runs, with its pid. They were left alone.
    pub open: Vec<(Head, u32)>,
}

/// Turns what killed runs have left in memory into drafts. A text that says nothing new is
/// deleted, and one whose editor still runs is left alone.
pub fn adopt(places: &TempDirs, drafts: &Drafts) -> Adopted {
    let mut adopted = Adopted::default();
    for left in Left::all(places) {
        if let Some(pid) = left.living_editor() {
            adopted.open.push((left.head.clone(), pid));
            continue;
        }
        match adopt_one(&left, drafts) {
            Ok(Some(kept)) => {
                adopted.drafts.push(kept);
                left.discard();
            }
            Ok(None) => left.discard(),
            Err(reason) => adopted.plain.push(Unsaved::Plain(left, Arc::new(reason))),
        }
    }
    adopted
}

/// The draft of what was left; `None` if nothing new is in it.
fn adopt_one(left: &Left, drafts: &Drafts) -> Result<Option<KeptDraft>, DraftError> {
    let contents = left.contents().map_err(|source| DraftError::Unreadable {
        path: left.text_path(),
        source,
    })?;
    let contents = without_comments(left, contents);
    let original = left.original();
    let is_original = original.is_some_and(|original| original == digest(&contents.text));
    let has_text = !is_blank(contents.text.expose_secret()) && !is_original;
    if !has_text && !contents.files.iter().any(swap::is_unsaved) {
        return Ok(None);
    }
    let head = Head {
        since: left.since(),
        ..left.head.clone()
    };
    let draft = drafts.save(head, &contents)?;
    Ok(Some(KeptDraft {
        head: draft.head,
        place: KeptPlace::Draft(draft.path),
    }))
}

/// Without what kb showed above the text.
fn without_comments(left: &Left, contents: DraftContents) -> DraftContents {
    let name = Path::new(&left.head.name);
    let comments = match Format::of(name) {
        Format::Yaml => Comments::skeleton(name),
        format => Comments::none(format),
    };
    DraftContents {
        text: comments.without(&contents.text),
        ..contents
    }
}

/// The newest text for the file at `path` that could not be saved, and how many there are
/// besides. `adopted` is what runs have left in memory.
///
/// # Errors
/// [`EditError::NothingKept`], [`EditError::Resumed`], [`EditError::StillOpen`]
pub fn unsaved(
    path: &Path,
    adopted: Adopted,
    drafts: &Drafts,
) -> Result<(Unsaved, usize), EditError> {
    let target = identity(path);
    let path = || path.to_owned();
    let of_target = drafts.of(&target);
    let count = of_target.len();
    let locked = of_target.into_iter().filter_map(Draft::lock);
    let mut found: Vec<Unsaved> = locked.map(Unsaved::Draft).collect();
    let is_resumed = found.len() < count;
    found.extend(adopted.plain);
    let mut found: Vec<_> = found.into_iter().map(|it| (it.kept().head, it)).collect();
    found.retain(|(head, _)| head.target == target);
    found.sort_by_key(|(head, _)| std::cmp::Reverse(head.since));
    let mut found = found.into_iter().map(|(_, unsaved)| unsaved);
    let mut open = adopted.open.iter();
    match (found.next(), open.find(|(head, _)| head.target == target)) {
        (Some(newest), _) => Ok((newest, found.len())),
        (None, Some((_, pid))) => Err(EditError::StillOpen {
            path: path(),
            pid: *pid,
        }),
        (None, None) if is_resumed => Err(EditError::Resumed { path: path() }),
        (None, None) => Err(EditError::NothingKept { path: path() }),
    }
}

/// Checks that no text for the file at `path` waits to be saved: with a second one beside
/// it, one of them would be forgotten.
///
/// # Errors
/// [`EditError::Waiting`], [`EditError::Resumed`]
pub fn check_nothing_waits(
    path: &Path,
    adopted: Adopted,
    drafts: &Drafts,
) -> Result<(), EditError> {
    match unsaved(path, adopted, drafts) {
        Ok((unsaved, _)) => Err(EditError::Waiting {
            path: path.to_owned(),
            kept: Box::new(unsaved.kept()),
        }),
        Err(EditError::NothingKept { .. } | EditError::StillOpen { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The SHA-256 of a text, to compare it without a copy.
pub(super) fn digest(text: &SecretBox<Vec<u8>>) -> Vec<u8> {
    Sha256::digest(text.expose_secret()).to_vec()
}
