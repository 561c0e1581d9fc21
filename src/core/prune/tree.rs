//! Which files and rules of a working tree need the keys.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::judge::{Judge, KeyNumbers, Verdict};
use super::revision::{FileVerdicts, Revisions};
use crate::core::encrypted::LARGEST;
use crate::core::git::{Git, GitError};
use crate::core::identity::Recipient;
use crate::core::parallel;
use crate::core::reencrypt::{RepositoryFiles, configs};
use crate::core::regular_file;
use crate::core::scan::Search;
use crate::core::sops_config::ConfigError;

/// What a working tree has for the keys.
#[derive(Default)]
pub(super) struct InTree {
    /// Its files, other people's repositories in it too.
    pub(super) files: FileVerdicts,
    /// Its `.sops.yaml` files.
    pub(super) configs: Vec<(PathBuf, KeyNumbers)>,
    /// What could not be read.
    pub(super) unread: Vec<PathBuf>,
    /// A `.sops.yaml` that does not parse and holds one of the recipients.
    pub(super) bad_config: Option<ConfigError>,
}

impl InTree {
    /// Whether nothing in it is for any of the keys.
    pub(super) fn is_strange(&self) -> bool {
        let files = self
            .files
            .iter()
            .any(|(_, verdict)| !verdict.needed.is_empty());
        let configs = self.configs.iter().any(|(_, keys)| !keys.is_empty());
        !files && !configs && self.bad_config.is_none()
    }
}

/// Looks through the files. `recipients` are those of the keys, in their order.
pub(super) fn look(
    tree: &RepositoryFiles,
    judge: &Judge,
    recipients: &[Option<Recipient>],
) -> InTree {
    let known: Vec<Recipient> = recipients.iter().flatten().cloned().collect();
    let search = Search {
        roots: &tree.roots,
        recipients: &known,
        age_files: true,
        skip: &tree.skip,
        ..Search::default()
    };
    let scan = search.run();
    let mut found = InTree {
        unread: scan.unread,
        ..InTree::default()
    };
    let judged = parallel::map_owned(scan.with_age_file, |path| {
        let verdict = judge_file(judge, &path);
        (path, verdict)
    });
    for (path, verdict) in judged {
        match verdict {
            Ok(verdict) if verdict.is_empty() => {}
            Ok(verdict) => found.files.push((path, verdict)),
            // Files deleted meanwhile need nothing.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(_) => found.unread.push(path),
        }
    }
    match configs(tree, scan.configs, &known) {
        Err(error) => found.bad_config = Some(error),
        Ok(configs) => {
            for config in configs {
                let keys = recipients.iter().enumerate().filter(|(_, recipient)| {
                    recipient.as_ref().is_some_and(|it| config.mentions(it))
                });
                let keys = keys.map(|(at, _)| at).collect();
                found.configs.push((config.path, keys));
            }
        }
    }
    found
}

fn judge_file(judge: &Judge, path: &Path) -> io::Result<Verdict> {
    match regular_file::read(path, LARGEST) {
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            judge.judge_large(File::open(path)?)
        }
        content => Ok(judge.judge(path, &content?)),
    }
}

/// What is staged and not committed, a conflict too: a commit would bring it back.
pub(super) fn look_at_staged(
    git: &Git,
    revisions: &mut Revisions<'_>,
    skip: &[PathBuf],
) -> Result<FileVerdicts, GitError> {
    let mut seen = FileVerdicts::new();
    let staged = git.staged()?.entries.into_iter();
    for entry in staged.chain(git.unmerged()?) {
        let is_skipped = skip.iter().any(|skip| entry.path.starts_with(skip));
        if entry.is_link || is_skipped {
            continue;
        }
        let verdict = revisions.blob(&entry.blob, &entry.path)?;
        if !verdict.is_empty() {
            seen.push((entry.path, verdict));
        }
    }
    Ok(seen)
}
