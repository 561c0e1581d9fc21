//! Keeps unsaved text: as a draft, or in memory if no draft can be written.

use std::sync::Arc;
use std::time::SystemTime;

use secrecy::{ExposeSecret, SecretBox};

use super::EditError;
use super::error::{KeptDraft, KeptPlace};
use super::session::Session;
use super::swap;
use super::text::is_blank;
use crate::core::drafts::{DraftContents, DraftError, Head};

impl Session<'_> {
    /// Ends the session and keeps the text, without kb's comments. If the editor left no text,
    /// that is the text that it was given.
    pub(super) fn keep(mut self, source: EditError) -> EditError {
        let last = self.comments.without(&self.shown);
        let read = self.directory.read_text().ok().flatten();
        let typed = read.map(|shown| self.comments.without(&shown));
        let text = match typed {
            Some(text) if !is_blank(text.expose_secret()) => text,
            _ => last,
        };
        let contents = DraftContents {
            text,
            before: self.target.before.clone(),
            files: self.directory.emergency_files(),
        };
        if !self.is_worth_keeping(&contents, &source) {
            return self.fail(source);
        }
        let head = Head {
            since: SystemTime::now(),
            ..self.head.clone()
        };
        match self.drafts.save(head, &contents) {
            Ok(draft) => {
                // The newer text is the same, and more.
                self.discard_resumed();
                EditError::Kept {
                    kept: Box::new(KeptDraft {
                        head: draft.head,
                        place: KeptPlace::Draft(draft.path),
                    }),
                    source: Box::new(source),
                }
            }
            Err(reason) => self.leave(&contents.text, Arc::new(reason), source),
        }
    }

    /// Whether there is something that is neither in the file nor in the resumed draft.
    fn is_worth_keeping(&self, contents: &DraftContents, source: &EditError) -> bool {
        let text = contents.text.expose_secret();
        let shown = self.comments.without(&self.shown);
        // The text was rejected and shown again, and nobody has changed it since.
        let is_refused = self.objection.is_some() && text == shown.expose_secret();
        let is_safe = self.objection.is_none() && text == shown.expose_secret();
        let is_original = text == self.original.expose_secret();
        let is_new_text = !is_blank(text) && !is_original && !is_safe;
        let mut files = contents.files.iter();
        let has_new_file = files.any(|file| swap::is_unsaved(file) && !self.came_along(file));
        if is_refused && !has_new_file && !matches!(source, EditError::Stopped) {
            return self.keeps_refused && !is_original;
        }
        is_new_text || has_new_file
    }

    /// Leaves the text in memory, because no draft could be written.
    fn leave(
        mut self,
        text: &SecretBox<Vec<u8>>,
        reason: Arc<DraftError>,
        source: EditError,
    ) -> EditError {
        // If the memory is full, the comments stay in it.
        let is_written = self.directory.write_text(text).is_ok();
        let in_memory = self.directory.is_in_memory();
        let resumed = self.resumed.take();
        let Some(path) = self.directory.leave() else {
            let source = Box::new(source);
            return match resumed {
                Some(resumed) => EditError::Kept {
                    kept: Box::new(resumed.kept()),
                    source,
                },
                None => EditError::Lost { reason: source },
            };
        };
        if let Some(resumed) = resumed.filter(|_| is_written) {
            // Two texts are better than none.
            let _ = resumed.discard();
        }
        EditError::Kept {
            kept: Box::new(KeptDraft {
                head: Head {
                    since: SystemTime::now(),
                    ..self.head
                },
                place: KeptPlace::Plain {
                    path,
                    in_memory,
                    reason,
                },
            }),
            source: Box::new(source),
        }
    }

    /// Ends the session. Nothing new is kept; a resumed draft stays.
    pub(super) fn fail(self, source: EditError) -> EditError {
        match self.resumed {
            None => source,
            Some(resumed) => EditError::Kept {
                kept: Box::new(resumed.kept()),
                source: Box::new(source),
            },
        }
    }

    /// Removes the resumed draft: its text is saved, or in a new draft.
    pub(super) fn discard_resumed(&mut self) {
        if let Some(resumed) = self.resumed.take() {
            // If it cannot be removed, the next run lists it.
            let _ = resumed.discard();
        }
    }
}
