//! What a rotation, or bringing files in line with their rules, leaves behind.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::message::command::kb;
use crate::cli::message::safe_text::one_line;
use crate::core::reencrypt::{AffectedFile, FailedFile, FileReencryptError, NewRecipients};

/// What keeps a run from being all that was asked for.
pub(super) struct LeftBehind {
    goal: NewRecipients,
    dry_run: bool,
    /// The files that stay as they are. Each was named in a warning.
    files: BTreeSet<PathBuf>,
    /// Those that are not for the cluster, though their rules name it. They were named too.
    not_for_cluster: BTreeSet<PathBuf>,
    for_other_rules: usize,
    unread: Vec<PathBuf>,
}

impl LeftBehind {
    /// Nothing is left of these `files` yet; `unread` could not be read.
    pub(super) fn new(
        goal: NewRecipients,
        dry_run: bool,
        files: &[AffectedFile],
        unread: &[PathBuf],
    ) -> Self {
        let others = files.iter();
        let others = others.filter(|file| file.decision.other_rule.is_some());
        Self {
            goal,
            dry_run,
            files: BTreeSet::new(),
            not_for_cluster: BTreeSet::new(),
            for_other_rules: others.count(),
            unread: unread.to_vec(),
        }
    }

    /// Warns of files that stay as they are, but for those that it has warned of.
    pub(super) fn add<'t>(
        &mut self,
        context: &Context,
        troubles: impl IntoIterator<Item = &'t FailedFile>,
    ) {
        let troubles = troubles.into_iter();
        let new: Vec<&FailedFile> = troubles
            .filter(|trouble| !self.is_left(&trouble.path))
            .collect();
        if new.is_empty() {
            return;
        }
        for trouble in &new {
            let list = match trouble.why {
                FileReencryptError::NotForCluster if self.goal == NewRecipients::ReplaceKey => {
                    &mut self.not_for_cluster
                }
                _ => &mut self.files,
            };
            list.insert(trouble.path.clone());
        }
        let failure = Failure::new("these files stay as they are:").with_troubles(&new);
        context.report.failure_as_warning(&failure);
    }

    fn is_left(&self, path: &Path) -> bool {
        self.files.contains(path) || self.not_for_cluster.contains(path)
    }

    /// Those of the files that are not left.
    pub(super) fn moved<'f>(
        &self,
        files: &'f [AffectedFile],
    ) -> impl Iterator<Item = &'f AffectedFile> {
        let is_moved = |file: &&AffectedFile| !self.is_left(&file.path);
        files.iter().filter(is_moved)
    }

    /// The run is over, and these are all that it has left: someone may have repaired one
    /// meanwhile, and damaged another.
    pub(super) fn settle(&mut self, context: &Context, troubles: &[FailedFile]) {
        self.add(context, troubles);
        let left: BTreeSet<&PathBuf> = troubles.iter().map(|trouble| &trouble.path).collect();
        self.files.retain(|path| left.contains(path));
        self.not_for_cluster.retain(|path| left.contains(path));
    }

    /// Whether that was all: exit code 1 where kb could not tell, 3 where something was
    /// left behind.
    pub(super) fn conclude(&self) -> Result<(), Failure> {
        const AGAIN: &str = "k secrets init --use-existing";
        let is_rotation = self.goal == NewRecipients::ReplaceKey;
        if !self.unread.is_empty() {
            let may = if is_rotation {
                "may still be for the old key"
            } else {
                "may not match their rules"
            };
            let line = |path: &PathBuf| format!("\n  {}", one_line(path));
            let lines: String = self.unread.iter().map(line).collect();
            let text = format!("not everything could be read: files there {may}:{lines}");
            return Err(Failure::new(text).hint(
                "make it readable, and run it again; --skip PATH leaves out what need not be looked at",
            ));
        }
        if !self.files.is_empty() {
            let purpose = "when that is settled, for what is left:";
            return Err(
                Failure::found(Some(self.message(is_rotation))).hint_command(purpose, kb(AGAIN))
            );
        }
        if !self.not_for_cluster.is_empty() {
            let text = match self.not_for_cluster.len() {
                1 => "1 file is not encrypted for this cluster, though its rule names it: see the warnings above".to_owned(),
                count => format!("{count} files are not encrypted for this cluster, though their rules name it: see the warnings above"),
            };
            return Err(Failure::found(Some(text)).hint_command(
                "once each file is encrypted for a key of this cluster again, to re-encrypt it for the new key:",
                kb(AGAIN)));
        }
        if self.for_other_rules > 0 {
            let text = match self.for_other_rules {
                1 => {
                    "1 file has a rule that does not name this cluster's key: see above".to_owned()
                }
                count => format!(
                    "{count} files have rules that do not name this cluster's key: see above"
                ),
            };
            return Err(Failure::found(Some(text)).hint_command(
                "move such a file to its place, or change its rule; then:",
                kb(AGAIN),
            ));
        }
        Ok(())
    }

    fn message(&self, is_rotation: bool) -> String {
        let count = self.files.len();
        let files = if count == 1 { "file" } else { "files" };
        let what = match (is_rotation, self.dry_run, count) {
            (true, true, _) => "would be left for the old key, which stays in the cluster",
            (true, false, 1) => "was left for the old key, which stays in the cluster",
            (true, false, _) => "were left for the old key, which stays in the cluster",
            (false, true, _) => "would be left, and not match the rules",
            (false, false, 1) => "still does not match its rule",
            (false, false, _) => "still do not match their rules",
        };
        format!("{count} {files} {what}: see the warnings above")
    }
}
