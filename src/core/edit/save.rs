//! Saves a text: checked, encrypted by sops, checked again, and put into the file's
//! place.

use std::collections::BTreeSet;

use secrecy::{ExposeSecret, SecretBox, SecretString};

use super::EditError;
use super::check::{self, Problem};
use super::target::Target;
use super::text::is_only_comments;
use crate::core::flux_secret::ClusterKeys;
use crate::core::identity::Recipient;
use crate::core::private_dir::PrivateDir;
use crate::core::replace;
use crate::core::signals::Watch;
use crate::core::sops::{Decrypt, Edit, Keys, Sops, SopsError};
use crate::core::sops_file::{Format, Metadata};

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

/// A text that sops or the cluster would not take.
pub(super) struct Objection {
    pub(super) problem: Problem,
    /// More, which may repeat the text; for the editor only.
    pub(super) said: Option<SecretString>,
}

impl<E: Into<EditError>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

impl From<Problem> for Trouble {
    fn from(problem: Problem) -> Self {
        Self::Text(Objection {
            problem,
            said: None,
        })
    }
}

/// What it takes to save a text.
pub(super) struct Saving<'a> {
    pub(super) sops: &'a Sops,
    /// The cluster's keys, where one of them opens the file.
    pub(super) keys: Option<&'a ClusterKeys>,
    pub(super) target: &'a Target,
    pub(super) directory: &'a PrivateDir,
    pub(super) watch: &'a mut Watch,
    pub(super) ignore_mac: bool,
}

impl Saving<'_> {
    /// Puts the text into the file.
    pub(super) fn save(&mut self, text: &SecretBox<Vec<u8>>) -> Result<Saved, Trouble> {
        let format = self.target.format();
        if is_only_comments(format, text.expose_secret()) {
            return Err(Problem::new("there are only comments in it: take the signs away").into());
        }
        if let Some(problem) = check::problem(format, text.expose_secret()) {
            return Err(problem.into());
        }
        let encrypted = self.encrypt(text)?;
        let path = &self.target.path;
        let before = self.target.before.as_deref();
        let old = self.target.encrypted();
        if let Some(problem) = check::problem_of_encrypted(format, &encrypted, old) {
            return Err(problem.into());
        }
        let wrong_keys = || EditError::WrongKeys { path: path.clone() };
        let metadata = Metadata::parse(path, &encrypted).map_err(|_| wrong_keys())?;
        let expected: BTreeSet<_> = self.target.recipients().iter().collect();
        if metadata.recipients.iter().collect::<BTreeSet<_>>() != expected {
            return Err(wrong_keys().into());
        }
        self.check_that_it_opens(&encrypted)?;
        let _directories = replace::create_parents(path)?;
        replace::clear_stale(path);
        replace::stage(path, before, &encrypted)?.commit()?;
        Ok(Saved {
            recipients: metadata.recipients,
            other_keys: metadata.other_keys,
            created: self.target.is_new(),
        })
    }

    /// A file that sops has made and does not open again must not take the place of
    /// one that it does: sops 3.13.2 computes a wrong MAC for comments in a list
    /// (getsops/sops#2243). A person's own key may not be at hand, or ask for its
    /// passphrase once more: their files are not looked at.
    fn check_that_it_opens(&self, encrypted: &[u8]) -> Result<(), Trouble> {
        let Some(keys) = self.keys else {
            return Ok(());
        };
        let staged = self.directory.stage(encrypted);
        let staged = staged.map_err(|source| EditError::memory(self.directory, source))?;
        let request = Decrypt {
            file: &staged,
            extract: None,
            ignore_mac: false,
        };
        match self.sops.decrypt(&request, Keys::Cluster(&keys.for_sops())) {
            Ok(_) => Ok(()),
            Err(SopsError::MacMismatch { .. }) => Err(Problem::new(
                "this sops would not open it again, for it computes another MAC then: it does so with comments in a list, which take out, or get a newer sops",
            )
            .into()),
            Err(SopsError::NoKey { .. }) => Err(EditError::NotOpened {
                path: self.target.path.clone(),
            }
            .into()),
            Err(SopsError::Failed { status, reason, task, .. }) => Err(SopsError::Failed {
                file: self.target.path.clone(),
                task,
                status,
                reason,
            }
            .into()),
            Err(error) => Err(error.into()),
        }
    }

    fn encrypt(&mut self, text: &SecretBox<Vec<u8>>) -> Result<Vec<u8>, Trouble> {
        let directory = self.directory;
        let memory_error = |source| EditError::memory(directory, source);
        let incoming = directory.write_file("incoming", text.expose_secret());
        let incoming = incoming.map_err(memory_error)?;
        let edit = Edit {
            file: &self.target.path,
            text: &incoming,
            temporary: &directory.temporary(),
        };
        let encrypted = match self.target.encrypted() {
            None => self.sops.encrypt(&edit, self.watch),
            Some(before) => {
                let identities = self.keys.map(ClusterKeys::for_sops);
                let keys = identities.as_ref().map_or(Keys::Own, Keys::Cluster);
                let staged = directory.stage(before).map_err(memory_error)?;
                let (ignore_mac, watch) = (self.ignore_mac, &mut *self.watch);
                match self.sops.edit(&edit, &staged, ignore_mac, keys, watch) {
                    Ok(()) => return Ok(std::fs::read(staged).map_err(memory_error)?),
                    Err(error) => Err(error),
                }
            }
        };
        encrypted.map_err(|error| match error {
            SopsError::Refused { said, .. } => {
                Trouble::Text(refusal(self.target.format(), text, said))
            }
            SopsError::Stopped => EditError::Stopped.into(),
            error => error.into(),
        })
    }
}

/// What sops refused, with the place if kb can tell it.
fn refusal(format: Format, text: &SecretBox<Vec<u8>>, said: SecretString) -> Objection {
    let unplaced = || Problem::new(format!("sops does not take it for {}", name_of(format)));
    let found = check::reason_for_refusal(format, text.expose_secret());
    Objection {
        problem: found.unwrap_or_else(unplaced),
        said: Some(said),
    }
}

/// What a file of this format is called.
fn name_of(format: Format) -> &'static str {
    match format {
        Format::Yaml => "YAML",
        Format::Json => "JSON",
        Format::Dotenv => "a dotenv file",
        Format::Ini => "an ini file",
        Format::Binary => "a binary file",
    }
}
