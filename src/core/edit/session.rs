//! One edit: from the plaintext in the editor to the encrypted file in its place.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretBox};

use super::EditError;
use super::objection::Objection;
use super::save::{Saved, Saving, Trouble};
use super::swap;
use super::target::EditedFile;
use super::text::{Comments, is_blank, lines_moved};
use super::unsaved::{Unsaved, digest};
use crate::core::drafts::{Drafts, EmergencyFile, Head};
use crate::core::editor::{Editor, EditorError, Resume};
use crate::core::encrypted::Format;
use crate::core::flux_secret::{BadLine, ClusterKeys};
use crate::core::private_dir::{PrivateDir, TempDirs};
use crate::core::readers::Reader;
use crate::core::reviewed::AcceptReaders;
use crate::core::servers::Servers;
use crate::core::signals::Watch;
use crate::core::sops::Sops;

/// So often a bad text comes back. A person stops earlier; an editor that is a
/// script, and adds to the text each time, never would.
const MOST_ROUNDS: u32 = 20;

/// An editor that has changed nothing after so short a time was hardly read by anyone.
const AT_ONCE: Duration = Duration::from_secs(2);

/// How to edit.
pub struct Options<'a> {
    /// Where private directories may be.
    pub places: &'a TempDirs,
    /// Whether one may be on a disk, if there is no memory.
    pub allow_disk: bool,
    /// Open a file whose MAC does not match; saving it fixes that.
    pub ignore_mac: bool,
    /// Open a file whose readers are not those of its rule, and leave them.
    pub keep_readers: bool,
    /// The key servers that may be used.
    pub servers: &'a Servers,
    /// Decides about readers that were not reviewed.
    pub accept: &'a AcceptReaders<'a>,
    /// Where drafts are kept.
    pub drafts: &'a Drafts,
    /// The command that resumes a draft of this text.
    pub resume: String,
    /// Whether a text that was refused is kept. Not where a program made it, perhaps of what
    /// came from a pipe: it can come again.
    pub keeps_refused: bool,
    /// The draft to resume.
    pub resumed: Option<Unsaved>,
}

/// What came of opening and closing the editor once.
pub enum Round<'a> {
    /// The file holds the new text.
    Saved(Saved),
    /// The text is as it was: nothing was written.
    Unchanged {
        /// Whether the MAC of the file matches. If not, it was opened all the
        /// same, and saving the text would have fixed it.
        mac_matches: bool,
        /// Whether the editor ended at once, and may not have waited for the person.
        at_once: bool,
    },
    /// The text was emptied: nothing was written.
    Emptied,
    /// A text that was gone on with was not saved in the editor: it is kept as
    /// before.
    KeptAsBefore,
    /// The text is not good. It is to be opened again.
    Again(Rejection, Box<Session<'a>>),
}

/// Why a text cannot be saved.
pub struct Rejection {
    /// In words that repeat nothing of the text.
    pub words: String,
    /// Whether the editor shows it too, above the text.
    pub is_in_text: bool,
}

/// An edit under way. As long as it lives, signals wait; dropping it leaves
/// nothing in memory.
pub struct Session<'a> {
    pub(super) sops: &'a Sops,
    pub(super) keys: Option<ClusterKeys>,
    pub(super) target: EditedFile,
    pub(super) directory: PrivateDir,
    pub(super) watch: Watch,
    /// The plaintext of the file as it is; empty for a new one.
    pub(super) original: SecretBox<Vec<u8>>,
    /// What the editor was last given.
    pub(super) shown: SecretBox<Vec<u8>>,
    pub(super) comments: Comments,
    /// What was wrong with the text at last.
    pub(super) objection: Option<String>,
    pub(super) rounds: u32,
    pub(super) drafts: &'a Drafts,
    /// What a draft of this text says of itself.
    pub(super) head: Head,
    pub(super) keeps_refused: bool,
    pub(super) resumed: Option<Unsaved>,
    /// The editor's files in the resumed draft, by name and digest.
    pub(super) resumed_files: Vec<(OsString, Vec<u8>)>,
    /// A swap file of vim with changes that are not saved, for the editor to recover.
    pub(super) swap: Option<OsString>,
    /// The content of the file when the resumed text was first opened.
    pub(super) resumed_before: Option<Vec<u8>>,
    pub(super) ignore_mac: bool,
    pub(super) keep_readers: bool,
    pub(super) servers: &'a Servers,
    pub(super) mac_matches: bool,
    pub(super) warnings: Vec<String>,
    pub(super) foreign: Vec<Reader>,
}

impl<'a> Session<'a> {
    /// Lines in the cluster's Secret that are no identity.
    pub fn bad_lines(&self) -> &[BadLine] {
        self.keys.as_ref().map_or(&[], |keys| &keys.bad_lines)
    }

    /// What sops said when it decrypted.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Keys in the file that its rule does not name, or that are on a server where no rule
    /// is for it: saving takes them out.
    pub fn foreign(&self) -> &[Reader] {
        &self.foreign
    }

    /// Whether the text is in memory, and not on a disk.
    pub fn is_in_memory(&self) -> bool {
        self.directory.is_in_memory()
    }

    /// Whether the file has changed since the resumed text was first opened.
    pub fn is_behind(&self) -> bool {
        self.resumed.is_some() && self.resumed_before != self.target.before
    }

    /// Whether the resumed draft has changes that only vim can recover.
    pub fn needs_vim(&self) -> bool {
        self.swap.is_some()
    }

    /// Whether kb was told to end.
    pub fn asked_to_stop(&mut self) -> bool {
        self.watch.asked_to_stop()
    }

    /// Whether someone pressed Ctrl-C since the editor was closed.
    pub fn is_interrupted(&mut self) -> bool {
        self.watch.take_interrupt()
    }

    /// Ends it; a text that is not saved is kept.
    pub fn give_up(self) -> EditError {
        match self.objection.clone() {
            Some(reason) => self.keep(EditError::GivenUp { reason }),
            None => self.fail(EditError::Stopped),
        }
    }

    /// Opens the editor, waits for it, and saves what came back.
    ///
    /// # Errors
    /// See [`EditError`]; [`EditError::Kept`] if there is a text that is not
    /// saved. The session is over then.
    pub fn round(mut self, editor: &Editor) -> Result<Round<'a>, EditError> {
        let begun = Instant::now();
        let is_first = self.rounds == 0;
        let resume = self.resumed.as_ref().filter(|_| is_first).map(|_| Resume {
            swap: self.swap.as_deref(),
        });
        let ended = editor.run(&self.directory, resume.as_ref(), &mut self.watch);
        let at_once = begun.elapsed() < AT_ONCE && !editor.is_known();
        self.watch.take_interrupt();
        if let Err(EditorError::Stopped) = ended {
            return Err(self.keep(EditError::Stopped));
        }
        let shown = match self.directory.read_text() {
            Ok(shown) => shown,
            Err(source) => {
                let error = EditError::memory(&self.directory, source);
                return Err(self.keep(error));
            }
        };
        let Some(shown) = shown else {
            let path = self.directory.text();
            let error = ended.map_or_else(Into::into, |()| EditError::Gone { path });
            return Err(self.keep(error));
        };
        let untouched = shown.expose_secret() == self.shown.expose_secret();
        if let Err(error) = ended {
            return Err(self.keep(error.into()));
        }
        let text = self.comments.without(&shown);
        let emptied = is_blank(text.expose_secret());
        if (untouched || emptied)
            && let Some(reason) = self.objection.clone()
        {
            return Err(self.keep(EditError::GivenUp { reason }));
        }
        // Who closes a text without saving it wants it to go nowhere.
        let unsaved = untouched && !self.directory.text_was_written();
        if self.resumed.is_some() && (emptied || unsaved) {
            return Ok(Round::KeptAsBefore);
        }
        if emptied {
            return Ok(match untouched || self.target.is_new() {
                true => self.unchanged(at_once && unsaved),
                false => Round::Emptied,
            });
        }
        // Refused once more, it would come back for ever.
        if let Some(reason) = self.objection.clone()
            && text.expose_secret() == self.comments.without(&self.shown).expose_secret()
        {
            return Err(self.keep(EditError::GivenUp { reason }));
        }
        let as_it_was = text.expose_secret() == self.original.expose_secret();
        let text = match (as_it_was, self.repaired(&text)) {
            (false, _) => text,
            (true, Some(repaired)) => repaired,
            (true, None) => {
                self.finish();
                return Ok(self.unchanged(at_once && unsaved));
            }
        };
        let mut saving = Saving {
            sops: self.sops,
            keys: self.keys.as_ref(),
            target: &self.target,
            original: &self.original,
            directory: &self.directory,
            watch: &mut self.watch,
            ignore_mac: self.ignore_mac,
            keep_readers: self.keep_readers,
            servers: self.servers,
        };
        match saving.save(&text) {
            Ok(saved) => {
                self.finish();
                Ok(Round::Saved(saved))
            }
            Err(Trouble::Text(objection)) => self.again(&text, objection),
            Err(Trouble::Other(error)) => Err(self.keep(error)),
        }
    }

    fn unchanged(&self, at_once: bool) -> Round<'a> {
        Round::Unchanged {
            mac_matches: self.mac_matches,
            at_once,
        }
    }

    /// The text is in the file. The resumed draft is deleted, unless it has changes that only
    /// vim could have recovered.
    fn finish(&mut self) {
        let files = self.directory.emergency_files();
        let needs_vim = |file| swap::is_unsaved_in_vim(file) && self.came_along(file);
        if !files.iter().any(needs_vim) {
            self.discard_resumed();
        }
    }

    /// Whether a file beside the text is as it was in the resumed draft.
    pub(super) fn came_along(&self, file: &EmergencyFile) -> bool {
        let mut resumed = self.resumed_files.iter();
        resumed.any(|(name, content)| *name == file.name && *content == digest(&file.content))
    }

    /// Saving a file whose MAC does not match fixes it, even if nothing was changed:
    /// sops writes only what differs, so the text gets an empty line in front,
    /// which means nothing.
    fn repaired(&self, text: &SecretBox<Vec<u8>>) -> Option<SecretBox<Vec<u8>>> {
        let possible = self.target.format() != Format::Binary;
        let saved = possible && !self.mac_matches && self.directory.text_was_written();
        saved.then(|| SecretBox::new(Box::new([b"\n", text.expose_secret().as_slice()].concat())))
    }

    /// Gives the text back, with what is wrong with it.
    fn again(
        mut self,
        text: &SecretBox<Vec<u8>>,
        objection: Objection,
    ) -> Result<Round<'a>, EditError> {
        self.rounds += 1;
        let reason = objection.problem.to_string();
        self.objection = Some(reason.clone());
        if self.rounds >= MOST_ROUNDS {
            // It is as it was shown, for `keep`.
            self.shown = SecretBox::new(Box::new(text.expose_secret().clone()));
            return Err(self.keep(EditError::GivenUp { reason }));
        }
        let format = self.target.format();
        let said = objection.said.as_ref().map(ExposeSecret::expose_secret);
        let said = said.unwrap_or_default();
        // The comments move the lines of the text down.
        let above = match Comments::exist_in(format) {
            true => objection.problem.lines() + said.lines().count() + 1,
            false => 0,
        };
        let moved = objection.problem.moved_down(above).to_string();
        let said = lines_moved(said, above);
        self.comments = Comments::not_saved(format, &moved, &said);
        if let Err(error) = self.show(self.comments.above(text)) {
            return Err(self.keep(error));
        }
        let reason = Rejection {
            words: moved,
            is_in_text: above > 0,
        };
        Ok(Round::Again(reason, Box::new(self)))
    }

    pub(super) fn show(&mut self, shown: SecretBox<Vec<u8>>) -> Result<(), EditError> {
        let written = self.directory.write_text(&shown);
        written.map_err(|source| EditError::memory(&self.directory, source))?;
        self.shown = shown;
        Ok(())
    }
}
