//! Saves a text: checked, encrypted by sops, checked again, and put into the file's
//! place.

use std::borrow::Cow;

use secrecy::{ExposeSecret, SecretBox};

use super::EditError;
use super::check::{self, Problem};
use super::compare;
use super::objection::Objection;
use super::target::{EditedFile, FileState};
use super::text::is_only_comments;
use super::throwaway::Trial;
use crate::core::data_key::{DataKey, Opener};
use crate::core::decrypt::{self, DecryptError};
use crate::core::encrypted::{EncryptedFile, Format, KeyPolicy, Recipients, Verified};
use crate::core::flux_secret::ClusterKeys;
use crate::core::identity::Recipient;
use crate::core::private_dir::PrivateDir;
use crate::core::readers::Reader;
use crate::core::replace;
use crate::core::servers::Servers;
use crate::core::signals::Watch;
use crate::core::sops::{
    Access, AllowedIdentities, EncryptRequest, Rotate, Sops, SopsError, kinds_of,
};

/// A file that was saved.
pub struct Saved {
    /// Who can open it.
    pub recipients: Vec<Recipient>,
    /// Whether a key that is not age's opens it too.
    pub other_keys: bool,
    /// Whether it is new.
    pub created: bool,
}

/// Why a text was not saved: the text itself, or something else.
pub(super) enum Trouble {
    Text(Objection),
    Other(EditError),
}

impl<E: Into<EditError>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

impl From<Problem> for Trouble {
    fn from(problem: Problem) -> Self {
        Self::Text(problem.into())
    }
}

/// What it takes to save a text.
pub(super) struct Saving<'a> {
    pub(super) sops: &'a Sops,
    /// The cluster's keys, where one of them opens the file.
    pub(super) keys: Option<&'a ClusterKeys>,
    pub(super) target: &'a EditedFile,
    /// The plaintext of the file as the editor has shown it.
    pub(super) original: &'a SecretBox<Vec<u8>>,
    pub(super) directory: &'a PrivateDir,
    pub(super) watch: &'a mut Watch,
    pub(super) ignore_mac: bool,
    pub(super) keep_readers: bool,
    pub(super) servers: &'a Servers,
}

impl Saving<'_> {
    /// Puts the text into the file.
    pub(super) fn save(&mut self, text: &SecretBox<Vec<u8>>) -> Result<Saved, Trouble> {
        let format = self.target.format();
        if is_only_comments(format, text.expose_secret()) {
            return Err(Problem::new(
                "there are only comments in it: remove the sign (#) in front of the values",
            )
            .into());
        }
        if let Some(problem) = check::problem(format, text.expose_secret()) {
            return Err(problem.into());
        }
        let typed = text;
        let filled = check::without_empty_documents(format, typed)?;
        let text = filled.as_ref().unwrap_or(typed);
        self.target.check_rule_again()?;
        let mut encrypted = self.encrypt(text)?;
        if self.target.wants_new_data_key {
            encrypted = self.with_new_data_key(encrypted)?;
        }
        let path = &self.target.path;
        let before = self.target.before.as_deref();
        let old = self.target.encrypted();
        if let Some(problem) =
            check::problem_of_encrypted(format, typed.expose_secret(), &encrypted, old)
        {
            return Err(problem.into());
        }
        let wrong_keys = || EditError::WrongKeys { path: path.clone() };
        let file = EncryptedFile::parse(path, &encrypted).map_err(|_| wrong_keys())?;
        let recipients = file.metadata.recipients();
        let saved = self.decrypt_again(text, &encrypted, &file)?;
        let differences = compare::differences(
            format,
            text.expose_secret(),
            saved.expose_secret(),
            self.original.expose_secret(),
        );
        if let Some(differences) = differences {
            return Err(differences.into());
        }
        if !self.is_for_expected(&file) {
            return Err(wrong_keys().into());
        }
        let _directories = replace::create_parents(path)?;
        replace::clear_stale(path);
        replace::stage(path, before, &encrypted)?.commit()?;
        Ok(Saved {
            recipients,
            other_keys: file.metadata.has_other_keys(),
            created: self.target.is_new(),
        })
    }

    /// What sops prints of the encrypted text.
    ///
    /// A file that sops has made and does not open again must not take the place of
    /// one that it does: sops 3.13.2 computes a wrong MAC for comments in a list
    /// (getsops/sops#2243). A person's own key may not be at hand, or ask for its
    /// passphrase once more: for their files a copy is opened.
    fn decrypt_again(
        &mut self,
        text: &SecretBox<Vec<u8>>,
        encrypted: &[u8],
        file: &EncryptedFile,
    ) -> Result<SecretBox<Vec<u8>>, Trouble> {
        let path = &self.target.path;
        let Some(keys) = self.keys else {
            let (selection, mac_only_encrypted) = self.target.selection();
            let trial = Trial {
                file: path,
                format: self.target.format(),
                text,
                selection,
                mac_only_encrypted,
            };
            return match trial.decrypted(self.sops, Some(self.watch)) {
                Err(SopsError::MacMismatch { .. }) => Err(wrong_mac()),
                Err(SopsError::Failed { .. }) if has_bare_comment(trial.format, text) => {
                    Err(bare_comment())
                }
                Err(SopsError::Stopped) => Err(EditError::Stopped.into()),
                decrypted => Ok(decrypted?),
            };
        };
        let rule = self.target.allowed_readers(self.keep_readers);
        let request = decrypt::DecryptRequest {
            path,
            file,
            content: encrypted,
            rule: rule.as_ref(),
            servers: self.servers,
            extract: None,
            ignore_mac: false,
        };
        match request.open(Some(keys), self.sops) {
            Ok(decrypted) => Ok(decrypted.plaintext),
            Err(
                DecryptError::WrongBySops { .. }
                | DecryptError::Sops(SopsError::MacMismatch { .. }),
            ) => Err(wrong_mac()),
            Err(DecryptError::Sops(SopsError::Failed { .. }))
                if has_bare_comment(file.format, text) =>
            {
                Err(bare_comment())
            }
            Err(DecryptError::Sops(SopsError::NoKey { .. })) => {
                Err(EditError::NotOpened { path: path.clone() }.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the readers are those of the rule when the editor was opened; of a file that
    /// was there, those that it had.
    fn is_for_expected(&self, file: &EncryptedFile) -> bool {
        let readers = file.metadata.readers();
        match &self.target.kind {
            FileState::New(_) => {
                let rule = self.target.allowed_readers(false).unwrap_or_default();
                !rule.compare(&readers, &[]).is_certain()
            }
            FileState::Existing(before) => {
                let before = before.metadata.readers();
                let is_kept = |reader: &Reader| before.names(reader);
                let mut recipients = before.recipients();
                readers.all().all(is_kept)
                    && recipients.all(|key| readers.names(&Reader::Age(key.clone())))
            }
        }
    }

    /// The file as it is, without keys that its rule does not name.
    fn copy_for_sops<'b>(&'b self, file: &EncryptedFile) -> Result<Cow<'b, [u8]>, Trouble> {
        let held = self.keys.map(ClusterKeys::recipients).unwrap_or_default();
        let rule = self.target.allowed_readers(self.keep_readers);
        let policy = KeyPolicy {
            rule: rule.as_ref(),
            held: &held,
            servers: self.servers,
        };
        let content = self.target.encrypted().unwrap_or_default();
        let copy = policy.named_only(file, content);
        let unsure = |source| DecryptError::Unsure {
            file: self.target.path.clone(),
            source,
        };
        Ok(copy.map_err(unsure)?)
    }

    /// The encrypted text under a data key that nobody else knows.
    fn with_new_data_key(&self, encrypted: Vec<u8>) -> Result<Vec<u8>, Trouble> {
        let format = self.target.format();
        if let Some(keys) = self.keys {
            let opener = Opener::new(keys.identities());
            let opened = Verified::open(format, &encrypted, &opener).ok();
            let renewed = opened.and_then(|(verified, _)| {
                let names = verified.recipients().map(|name| name.parse().ok());
                let recipients: Option<Vec<Recipient>> = names.collect();
                let key = DataKey::generate()?;
                verified.reencrypted(&key, &Recipients(&recipients?)).ok()
            });
            if let Some(renewed) = renewed {
                return Ok(renewed);
            }
        }
        let path = &self.target.path;
        let wrong_keys = |_| EditError::WrongKeys { path: path.clone() };
        let file = EncryptedFile::parse(path, &encrypted).map_err(wrong_keys)?;
        let readers = file.metadata.readers();
        let identities = self.keys.map(ClusterKeys::for_sops);
        let access = Access {
            keys: identities
                .as_ref()
                .map_or(AllowedIdentities::Own, AllowedIdentities::Cluster),
            kinds: &kinds_of(&readers),
        };
        let request = Rotate {
            file: path,
            format,
            content: &encrypted,
            add: &[],
            remove: &[],
            ignore_mac: false,
            // A person's own key may have a passphrase, which only the foreground can ask for.
            undisturbed: self.keys.is_some(),
        };
        match self.sops.rotate(&request, access) {
            Err(SopsError::MacMismatch { .. }) => Err(wrong_mac()),
            rotated => Ok(rotated?),
        }
    }

    fn encrypt(&mut self, text: &SecretBox<Vec<u8>>) -> Result<Vec<u8>, Trouble> {
        let directory = self.directory;
        let memory_error = |source| EditError::memory(directory, source);
        let incoming = directory.write_file("incoming", text.expose_secret());
        let incoming = incoming.map_err(memory_error)?;
        let edit = EncryptRequest {
            format: self.target.format(),
            file: &self.target.path,
            text: &incoming,
            temporary: &directory.temporary(),
        };
        let encrypted = match &self.target.kind {
            FileState::New(_) => {
                let readers = self.target.allowed_readers(false).unwrap_or_default();
                let access = Access {
                    keys: AllowedIdentities::None,
                    kinds: &kinds_of(&readers),
                };
                self.sops.encrypt(&edit, access, self.watch)
            }
            FileState::Existing(file) => {
                let copy = self.copy_for_sops(file)?;
                let identities = self.keys.map(ClusterKeys::for_sops);
                let access = match &identities {
                    // One of them opens it: nothing else is needed.
                    Some(keys) if !file.metadata.is_split() => {
                        Access::age(AllowedIdentities::Cluster(keys))
                    }
                    Some(keys) => Access::local(AllowedIdentities::Cluster(keys)),
                    None => Access::local(AllowedIdentities::Own),
                };
                let staged = directory.stage(&copy).map_err(memory_error)?;
                let (ignore_mac, watch) = (self.ignore_mac, &mut *self.watch);
                match self.sops.edit(&edit, &staged, ignore_mac, access, watch) {
                    Ok(()) => return Ok(std::fs::read(staged).map_err(memory_error)?),
                    Err(error) => Err(error),
                }
            }
        };
        encrypted.map_err(|error| match error {
            SopsError::Refused { said, .. } => {
                Trouble::Text(Objection::of_refusal(self.target.format(), text, said))
            }
            SopsError::Stopped => EditError::Stopped.into(),
            error => error.into(),
        })
    }
}

/// What sops has just written has a MAC that it does not take.
fn wrong_mac() -> Trouble {
    Problem::new(
        "this sops could not open it again: it computes another MAC for comments in a list. Remove those comments, or install a newer sops",
    )
    .into()
}

/// Whether a comment in an ini file has a line without text.
fn has_bare_comment(format: Format, text: &SecretBox<Vec<u8>>) -> bool {
    let mut lines = text.expose_secret().split(|byte| *byte == b'\n');
    format == Format::Ini && lines.any(|line| matches!(line.trim_ascii(), b"#" | b";"))
}

/// sops ends with a panic of Go's if it prints such a comment (gopkg.in/ini.v1,
/// `writeToBuffer`).
fn bare_comment() -> Trouble {
    Problem::new(
        "this sops could not open it again, because of a comment without text, such as # alone: write a word there or delete the line",
    )
    .into()
}
