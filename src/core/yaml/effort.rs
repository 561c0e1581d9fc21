//! How much is done for one text at most.
//!
//! A text is read in time and memory in proportion to its length. What aliases, merge keys
//! and the keys above a value unfold to may be far larger, so it is counted: in all
//! documents of a text together, for someone can write as many documents as lines.

use std::cell::Cell;

use super::YamlErrorKind;

/// So many steps each text has, whatever its length: some 200,000 copies of short values.
const FREE: u64 = 12 << 20;

/// So many steps there are for each byte of a text. A text without aliases, whose values
/// do not stand below many keys, takes about half of them at most.
const PER_BYTE: u64 = 64;

/// A node takes so many steps, and one more for each byte that is copied.
pub const NODE: usize = 32;

/// The steps that are done for a text. One step is about as much as copying a byte.
#[derive(Debug)]
pub struct Effort {
    spent: Cell<u64>,
    most: u64,
}

impl Effort {
    /// For a text of so many bytes.
    pub fn of_text(bytes: usize) -> Self {
        Self {
            spent: Cell::new(0),
            most: PER_BYTE.saturating_mul(bytes as u64).saturating_add(FREE),
        }
    }

    /// Counts steps.
    ///
    /// # Errors
    /// [`YamlErrorKind::Repetition`] when they are too many for the text.
    pub fn spend(&self, steps: usize) -> Result<(), YamlErrorKind> {
        let spent = self.spent.get().saturating_add(steps as u64);
        self.spent.set(spent);
        if spent > self.most {
            Err(YamlErrorKind::Repetition)
        } else {
            Ok(())
        }
    }

    /// The steps that were counted.
    #[cfg(test)]
    pub fn spent(&self) -> u64 {
        self.spent.get()
    }
}
