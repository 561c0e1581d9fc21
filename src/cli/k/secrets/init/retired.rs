//! `kb k secrets init --use-existing`, where files are for retired keys.

use std::path::Path;

use super::force::{by_whom, number_of_files};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::progress::Progress;
use crate::cli::report::one_line;
use crate::core::cluster::Cluster;
use crate::core::init::RetiredFiles;
use crate::core::reencrypt::{Choice, Tree};

/// Files that are to be moved to the current key.
pub(super) struct Retired<'a> {
    pub(super) context: &'a Context,
    pub(super) cluster: &'a Cluster,
    pub(super) tree: Tree,
    pub(super) found: RetiredFiles,
    pub(super) engine: Choice<'a>,
    pub(super) ignore_mac: bool,
}

impl Retired<'_> {
    pub(super) fn run(self, dry_run: bool) -> Result<(), Failure> {
        let report = &self.context.report;
        let affected = &self.found.affected;
        let files = affected.files.iter().map(|file| &*file.path);
        let configs = affected.configs.iter().map(|edit| &*edit.before.path);
        let line = |path: &Path| format!("\n  {}", one_line(path));
        let lines: String = files.chain(configs).map(line).collect();
        report.say(&format!(
            "For a key that the cluster had before, and to be moved to the current one:{lines}"
        ));
        if dry_run {
            report.say("Nothing was changed: this was a dry run.");
            return Ok(());
        }
        let progress = Progress::new(report, &|_, _| {});
        let secret = self.context.common.secret();
        let moved = self.found.move_all(
            self.cluster,
            &secret,
            &self.tree,
            self.engine,
            self.ignore_mac,
            &progress,
        );
        progress.clear();
        let moved = moved?;
        report.say(&format!(
            "Done: {} re-encrypted for the current key{}. Commit them.",
            number_of_files(moved.files),
            by_whom(&moved)
        ));
        Ok(())
    }
}
