//! `.kbignore` at the top of a repository: files whose plaintext is not reported, in
//! the syntax of gitignore(5).

use std::path::{Path, PathBuf};

use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// The name of the file.
pub const FILE_NAME: &str = ".kbignore";

/// What a commit changes in `.kbignore`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IgnoreChange {
    /// The files of the same commit that it leaves out, absolute.
    pub files: Vec<PathBuf>,
}

/// What is left out.
#[derive(Debug)]
pub(super) struct Ignored(Gitignore);

impl Ignored {
    /// Nothing.
    pub(super) fn nothing() -> Self {
        Self(Gitignore::empty())
    }

    /// By the lines of the file at the top, `root`. Lines that are not patterns are ignored.
    pub(super) fn new(root: &Path, lines: &[u8]) -> Self {
        let mut builder = GitignoreBuilder::new(root);
        for line in String::from_utf8_lossy(lines).lines() {
            let _ = builder.add_line(None, line.trim_start_matches('\u{feff}'));
        }
        builder.build().map_or_else(|_| Self::nothing(), Self)
    }

    /// Whether it leaves the file of an absolute path out.
    pub(super) fn has(&self, path: &Path) -> bool {
        !self.0.is_empty()
            && path.starts_with(self.0.path())
            && self.0.matched_path_or_any_parents(path, false).is_ignore()
    }
}
