//! One edit: from the plaintext in the editor to the encrypted file in its place.

use std::io;

use secrecy::{ExposeSecret, SecretBox, SecretString};

use super::target::{Kind, Target};
use super::text::{Comments, is_blank, lines_moved};
use super::{EditError, check};
use crate::core::cluster::{Cluster, SecretName};
use crate::core::decrypt::DecryptError;
use crate::core::editor::{Editor, EditorError};
use crate::core::flux_secret::{BadLine, ClusterKeys};
use crate::core::identity::Recipient;
use crate::core::private_dir::{Kept, Places, PrivateDir};
use crate::core::replace;
use crate::core::signals::Watch;
use crate::core::sops::{Decrypt, Edit, Keys, Sops, SopsError};
use crate::core::sops_file::{Format, Metadata};

/// So often a bad text comes back. A person stops earlier; an editor that is a
/// script, and adds to the text each time, never would.
const MOST_ROUNDS: u32 = 20;

/// What a person may do with a text that came back.
const CHOICE: &str = "Save it changed to try again; close it as it is, or empty it, to give up.";

/// How to edit.
pub struct Options<'a> {
    /// Where private directories may be.
    pub places: &'a Places,
    /// Whether one may be on a disk, if there is no memory.
    pub allow_disk: bool,
    /// Open a file whose MAC does not match; saving it mends that.
    pub ignore_mac: bool,
    /// A text to go on with.
    pub resumed: Option<Kept>,
}

/// What came of opening and closing the editor once.
pub enum Round<'a> {
    /// The file holds the new text.
    Saved(Saved),
    /// The text is as it was: nothing was written.
    Unchanged {
        /// Whether the MAC of the file matches. If not, it was opened all the
        /// same, and saving the text would have mended it.
        mac_matches: bool,
    },
    /// The text was emptied: nothing was written.
    Emptied,
    /// The text is not good. It is to be opened again.
    Again(Reason, Box<Session<'a>>),
}

/// A file that was saved.
pub struct Saved {
    /// Who can open it.
    pub recipients: Vec<Recipient>,
    /// Whether a key that is not age's opens it too.
    pub other_keys: bool,
    /// Whether it is new.
    pub created: bool,
}

/// Why a text cannot be saved.
pub struct Reason {
    /// In words that repeat nothing of the text.
    pub words: String,
    /// Whether the editor shows it too, above the text.
    pub is_in_text: bool,
}

/// A text that sops or the cluster would not take.
struct Objection {
    words: String,
    /// More, which may repeat the text; for the editor only.
    said: Option<SecretString>,
}

/// An edit under way. As long as it lives, signals wait; dropping it leaves
/// nothing in memory.
pub struct Session<'a> {
    sops: &'a Sops,
    keys: Option<ClusterKeys>,
    target: Target,
    directory: PrivateDir,
    watch: Watch,
    /// The plaintext of the file as it is; empty for a new one.
    original: SecretBox<Vec<u8>>,
    /// What the editor was last given.
    shown: SecretBox<Vec<u8>>,
    comments: Comments,
    /// What was wrong with the text at last.
    objection: Option<String>,
    rounds: u32,
    resumed: Option<Kept>,
    ignore_mac: bool,
    mac_matches: bool,
    warnings: Vec<String>,
}

impl<'a> Session<'a> {
    /// Fetches the keys, decrypts, and puts the text where the editor will find
    /// it. The cluster is not asked again.
    ///
    /// # Errors
    /// See [`EditError`].
    pub fn open(
        target: Target,
        cluster: Option<(&Cluster, &SecretName)>,
        sops: &'a Sops,
        options: Options<'a>,
    ) -> Result<Self, EditError> {
        let keys = cluster.map(|(cluster, secret)| target.fetch_keys(cluster, secret));
        let keys = keys.transpose()?;
        let opened = match &target.kind {
            Kind::Existing(_) => Opened::decrypt(&target, keys.as_ref(), sops, options.ignore_mac)?,
            Kind::New(_) => Opened::default(),
        };
        let comments = match (&target.kind, &options.resumed) {
            (_, Some(kept)) if kept.before != target.before => Comments::new(
                target.format(),
                "the file was changed by someone else since this text was opened:\n\
                 saving this text replaces their version.",
            ),
            (Kind::New(rule), None) if rule.selects_values && target.format() == Format::Yaml => {
                Comments::skeleton(&target.path)
            }
            _ => Comments::default(),
        };
        let text = match &options.resumed {
            Some(kept) => &kept.text,
            None => opened.plaintext.expose_secret(),
        };
        let shown = comments.above(text);
        // From here on, a signal must not leave the text behind.
        let watch = Watch::new().map_err(EditError::Watch)?;
        let directory = PrivateDir::create(
            options.places,
            &target.identity,
            target.before.as_deref(),
            options.allow_disk,
        )?;
        let mut this = Self {
            sops,
            keys,
            target,
            directory,
            watch,
            original: opened.plaintext,
            shown: SecretBox::default(),
            comments,
            objection: None,
            rounds: 0,
            resumed: options.resumed,
            ignore_mac: options.ignore_mac,
            mac_matches: opened.mac_matches,
            warnings: opened.warnings,
        };
        this.show(shown)?;
        Ok(this)
    }

    /// Lines in the cluster's Secret that are no identity.
    pub fn bad_lines(&self) -> &[BadLine] {
        self.keys.as_ref().map_or(&[], |keys| &keys.bad_lines)
    }

    /// What sops said when it decrypted.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Whether the text is in memory, and not on a disk.
    pub fn is_in_memory(&self) -> bool {
        self.directory.is_in_memory()
    }

    /// Whether a text that is gone on with was opened when the file was another.
    pub fn is_behind(&self) -> bool {
        let resumed = self.resumed.as_ref();
        resumed.is_some_and(|kept| kept.before != self.target.before)
    }

    /// Opens the editor, waits for it, and saves what came back.
    ///
    /// # Errors
    /// See [`EditError`]; [`EditError::Kept`] if there is a text that is not
    /// saved. The session is over then.
    pub fn round(mut self, editor: &Editor) -> Result<Round<'a>, EditError> {
        let ended = editor.run(&self.directory, &mut self.watch);
        if let Err(error @ EditorError::Stopped) = ended {
            return Err(error.into());
        }
        let shown = match self.directory.read_text() {
            Ok(shown) => shown.unwrap_or_default(),
            Err(source) => {
                let error = self.memory_error(source);
                return Err(self.keep(error));
            }
        };
        let shown = SecretBox::new(Box::new(shown));
        let untouched = shown.expose_secret() == self.shown.expose_secret();
        if let Err(error) = ended {
            let typed_before = self.objection.is_some();
            return Err(match untouched && !typed_before {
                true => error.into(),
                false => self.keep(error.into()),
            });
        }
        let text = self.comments.without(shown.expose_secret());
        let text = SecretBox::new(Box::new(text));
        if is_blank(self.target.format(), text.expose_secret()) {
            // Whoever empties a text that came back gives it up.
            return match self.objection.take() {
                Some(reason) => Err(EditError::GivenUp { reason }),
                None => Ok(self.nothing(untouched)),
            };
        }
        let as_it_was = text.expose_secret() == self.original.expose_secret();
        let text = match (as_it_was, self.repaired(text.expose_secret())) {
            (false, _) => text,
            (true, Some(repaired)) => repaired,
            (true, None) => {
                self.discard_resumed();
                return Ok(self.unchanged());
            }
        };
        if untouched && let Some(reason) = self.objection.take() {
            return Err(self.keep(EditError::GivenUp { reason }));
        }
        match self.save(&text) {
            Ok(saved) => {
                self.discard_resumed();
                Ok(Round::Saved(saved))
            }
            Err(Trouble::Text(objection)) => self.again(&text, objection),
            Err(Trouble::Other(error)) => Err(self.keep(error)),
        }
    }

    fn nothing(&self, untouched: bool) -> Round<'a> {
        match untouched || self.target.is_new() {
            true if self.resumed.is_none() => self.unchanged(),
            _ => Round::Emptied,
        }
    }

    fn unchanged(&self) -> Round<'a> {
        Round::Unchanged {
            mac_matches: self.mac_matches,
        }
    }

    /// A file whose MAC does not match is mended by saving it, also unchanged:
    /// sops writes only what differs, so the text gets an empty line in front,
    /// which means nothing.
    fn repaired(&self, text: &[u8]) -> Option<SecretBox<Vec<u8>>> {
        let possible = self.target.format() != Format::Binary;
        let saved = possible && !self.mac_matches && self.directory.text_was_written();
        saved.then(|| SecretBox::new(Box::new([b"\n", text].concat())))
    }

    /// Gives the text back, with what is wrong with it.
    fn again(
        mut self,
        text: &SecretBox<Vec<u8>>,
        objection: Objection,
    ) -> Result<Round<'a>, EditError> {
        self.rounds += 1;
        if self.rounds >= MOST_ROUNDS {
            let reason = objection.words;
            return Err(self.keep(EditError::GivenUp { reason }));
        }
        let format = self.target.format();
        let said = objection.said.as_ref().map(ExposeSecret::expose_secret);
        let said = said.map(|said| format!("\n{said}")).unwrap_or_default();
        let comments = format!("not saved: {}{said}\n{CHOICE}", objection.words);
        // The comments move the lines of the text down.
        let above = match Comments::exist_in(format) {
            true => comments.lines().count(),
            false => 0,
        };
        let words = lines_moved(&objection.words, above);
        self.comments = Comments::new(format, &lines_moved(&comments, above));
        self.objection = Some(objection.words);
        if let Err(error) = self.show(self.comments.above(text.expose_secret())) {
            return Err(self.keep(error));
        }
        let reason = Reason {
            words,
            is_in_text: above > 0,
        };
        Ok(Round::Again(reason, Box::new(self)))
    }

    fn show(&mut self, shown: Vec<u8>) -> Result<(), EditError> {
        let written = self.directory.write_text(&shown);
        written.map_err(|source| self.memory_error(source))?;
        self.shown = SecretBox::new(Box::new(shown));
        Ok(())
    }

    fn memory_error(&self, source: io::Error) -> EditError {
        EditError::Memory {
            path: self.directory.text(),
            source,
        }
    }

    fn save(&self, text: &SecretBox<Vec<u8>>) -> Result<Saved, Trouble> {
        let format = self.target.format();
        if let Some(words) = check::problem(format, text.expose_secret()) {
            return Err(Trouble::Text(Objection { words, said: None }));
        }
        let encrypted = self.encrypt(text.expose_secret())?;
        let before = self.target.before.as_deref();
        let path = &self.target.path;
        let old = (!self.target.is_new()).then_some(before).flatten();
        if let Some(words) = check::problem_of_encrypted(format, &encrypted, old) {
            return Err(Trouble::Text(Objection { words, said: None }));
        }
        let wrong_keys = || EditError::WrongKeys { path: path.clone() };
        let metadata = Metadata::parse(path, &encrypted).map_err(|_| wrong_keys())?;
        let expected = self.target.recipients();
        if !expected.iter().all(|key| metadata.recipients.contains(key)) {
            return Err(wrong_keys().into());
        }
        let _directories = replace::create_parents(path)?;
        replace::clear_stale(path);
        replace::stage(path, before, &encrypted)?.commit()?;
        Ok(Saved {
            recipients: metadata.recipients,
            other_keys: metadata.other_keys,
            created: self.target.is_new(),
        })
    }

    fn encrypt(&self, text: &[u8]) -> Result<Vec<u8>, Trouble> {
        let memory_error = |source| self.memory_error(source);
        let incoming = self.directory.write_file("incoming", text);
        let edit = Edit {
            file: &self.target.path,
            text: &incoming.map_err(memory_error)?,
            temporary: &self.directory.temporary(),
        };
        let encrypted = match &self.target.before {
            Some(before) if !self.target.is_new() => {
                let identities = self.keys.as_ref().map(ClusterKeys::for_sops);
                let keys = identities.as_ref().map_or(Keys::Own, Keys::Cluster);
                let staged = self.directory.stage(before).map_err(memory_error)?;
                let edited = self.sops.edit(&edit, &staged, self.ignore_mac, keys);
                match edited {
                    Ok(()) => return Ok(std::fs::read(&staged).map_err(memory_error)?),
                    Err(error) => Err(error),
                }
            }
            _ => self.sops.encrypt(&edit),
        };
        encrypted.map_err(|error| match error {
            SopsError::Refused { said, .. } => {
                let format = self.target.format();
                let words = check::reason_for_refusal(format, text);
                let words = words
                    .unwrap_or_else(|| format!("sops does not take it for {}", name_of(format)));
                Trouble::Text(Objection {
                    words,
                    said: Some(said),
                })
            }
            error => Trouble::Other(error.into()),
        })
    }

    /// The text that was typed stays in memory, without kb's comments.
    fn keep(mut self, source: EditError) -> EditError {
        if let Ok(Some(shown)) = self.directory.read_text() {
            // If the memory is full, the comments stay.
            let _ = self.directory.write_text(&self.comments.without(&shown));
        }
        self.directory.keep();
        // The newer text is the same, and more.
        if let Some(resumed) = self.resumed {
            resumed.discard();
        }
        EditError::Kept {
            path: self.target.path,
            source: Box::new(source),
        }
    }

    fn discard_resumed(&mut self) {
        if let Some(kept) = self.resumed.take() {
            kept.discard();
        }
    }
}

/// Why a text was not saved: the text itself, or something else.
enum Trouble {
    Text(Objection),
    Other(EditError),
}

impl<E: Into<EditError>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

/// A file, decrypted.
struct Opened {
    plaintext: SecretBox<Vec<u8>>,
    mac_matches: bool,
    warnings: Vec<String>,
}

impl Default for Opened {
    fn default() -> Self {
        Self {
            plaintext: SecretBox::default(),
            mac_matches: true,
            warnings: Vec::new(),
        }
    }
}

impl Opened {
    fn decrypt(
        target: &Target,
        keys: Option<&ClusterKeys>,
        sops: &Sops,
        ignore_mac: bool,
    ) -> Result<Self, EditError> {
        let identities = keys.map(ClusterKeys::for_sops);
        let keys = identities.as_ref().map_or(Keys::Own, Keys::Cluster);
        let decrypt = |ignore_mac| {
            let request = Decrypt {
                file: &target.path,
                extract: None,
                ignore_mac,
            };
            sops.decrypt(&request, keys)
        };
        let (decrypted, mac_matches) = match decrypt(false) {
            Err(SopsError::MacMismatch { .. }) if ignore_mac => (decrypt(true), false),
            decrypted => (decrypted, true),
        };
        let decrypted = decrypted.map_err(DecryptError::from)?;
        Ok(Self {
            plaintext: decrypted.plaintext,
            mac_matches,
            warnings: decrypted.warnings,
        })
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
