//! Which keys of a file sops may use to open it.

use std::borrow::Cow;

use super::{EncryptedFile, Unsupported, WrappedKey, stripped};
use crate::core::identity::Recipient;
use crate::core::readers::{KeyKind, Reader, Readers};
use crate::core::servers::Servers;

/// What decides which keys sops may use.
#[derive(Clone, Copy)]
pub struct KeyPolicy<'a> {
    /// The readers of the file's rule; `None` if no rule is for it, or its rule has no key
    /// or cannot be read.
    pub rule: Option<&'a Readers>,
    /// The recipients of the keys that open it here.
    pub held: &'a [Recipient],
    /// The key servers that may be used.
    pub servers: &'a Servers,
}

/// The content of a file as sops may have it.
pub struct Openable<'b> {
    /// The content, without keys that sops must not use.
    pub content: Cow<'b, [u8]>,
    /// The kinds of keys in it.
    pub kinds: Vec<KeyKind>,
    /// The keys that were left out because the file's rule does not name them.
    pub foreign: Vec<Reader>,
    /// The servers that its rule names and that nobody has accepted.
    pub not_accepted: Vec<Reader>,
}

impl KeyPolicy<'_> {
    /// Whether the rule lets sops use a key. Without a rule those are used that need no
    /// server.
    fn is_named(&self, reader: &Reader) -> bool {
        let is_held = reader
            .recipient()
            .is_some_and(|key| self.held.contains(key));
        is_held
            || match self.rule.filter(|rule| !rule.is_empty()) {
                Some(rule) => rule.may_name(reader),
                None => !reader.kind().is_on_a_server(),
            }
    }

    /// The content of the file with all keys that its rule names: what is to be written
    /// again.
    ///
    /// # Errors
    /// [`Unsupported::Syntax`] where sops may see other keys than kb does.
    pub fn named_only<'b>(
        &self,
        file: &EncryptedFile,
        content: &'b [u8],
    ) -> Result<Cow<'b, [u8]>, Unsupported> {
        let (content, _) = stripped(file.format, content, |entry| self.is_named(&entry.reader))?;
        Ok(content)
    }

    /// The content of the file, without the keys that sops must not use.
    ///
    /// # Errors
    /// [`Unsupported::Syntax`] where sops may see other keys than kb does.
    pub fn apply<'b>(
        &self,
        file: &EncryptedFile,
        content: &'b [u8],
    ) -> Result<Openable<'b>, Unsupported> {
        let is_usable = |entry: &WrappedKey| {
            self.is_named(&entry.reader) && self.servers.accepts(&entry.reader)
        };
        let (content, left_out) = stripped(file.format, content, is_usable)?;
        let mut kinds: Vec<KeyKind> = file
            .metadata
            .entries()
            .filter(|entry| is_usable(entry))
            .map(|entry| entry.reader.kind())
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        let left_out = left_out.into_iter().map(|entry| entry.reader);
        let (not_accepted, foreign) = left_out.partition(|reader| self.is_named(reader));
        Ok(Openable {
            content,
            kinds,
            foreign,
            not_accepted,
        })
    }
}
