//! `kb k secrets init --use-existing`, where files do not match their rules.

use std::path::Path;

use super::force::{by_whom, listed, number_of_files};
use super::left::LeftBehind;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::message::safe_text::one_line;
use crate::cli::origin::Sources;
use crate::cli::progress::Progress;
use crate::cli::readers::change_lines;
use crate::core::cluster::Cluster;
use crate::core::init::Unmatched;
use crate::core::reencrypt::{EngineChoice, NewRecipients};

/// Files that are to match their rules.
pub(super) struct Rekey<'a> {
    pub(super) context: &'a Context,
    pub(super) cluster: &'a Cluster,
    pub(super) found: Unmatched<'a>,
    pub(super) engine: EngineChoice<'a>,
    pub(super) ignore_mac: bool,
}

impl Rekey<'_> {
    /// `sources` are to be shown, if no other plan of this run has shown them.
    pub(super) fn run(self, dry_run: bool, sources: Option<&Sources>) -> Result<(), Failure> {
        let report = &self.context.report;
        let affected = &self.found.affected;
        let files = affected.files.iter().map(|file| &*file.path);
        let configs = affected.configs.iter().map(|edit| &*edit.before.path);
        let line = |path: &Path| format!("\n  {}", one_line(path));
        let lines: String = files.chain(configs).map(line).collect();
        if let Some(sources) = sources {
            let target = self.cluster.target();
            report.say(&format!(
                "Bringing files in line with their rules, with the key of the cluster of context \"{}\" ({}):\n{}",
                target.context,
                target.server(),
                sources.lines()
            ));
        }
        if !lines.is_empty() {
            report.say(&format!(
                "To be re-encrypted for the readers that their rules name:{lines}"
            ));
        }
        for line in change_lines(&affected.files) {
            report.say(&format!("  {line}"));
        }
        let mut left = LeftBehind::new(
            NewRecipients::MatchRules,
            dry_run,
            &affected.files,
            &affected.unread,
        );
        left.add(self.context, &affected.left);
        if dry_run {
            report.say("Nothing was changed: this was a dry run.");
            return left.conclude();
        }
        let planned = affected.files.clone();
        let progress = Progress::new(report, &|_, _| {});
        let secret = self.context.common.secret();
        let context = self.context;
        let done = self.found.rekey(
            self.cluster,
            &secret,
            self.engine,
            self.ignore_mac,
            &progress,
            |failed| {
                progress.clear();
                left.add(context, failed);
            },
        );
        progress.clear();
        let done = done?;
        left.settle(context, &done.left);
        let commit = match done.files + done.configs {
            0 => "",
            1 => " Commit it.",
            _ => " Commit them.",
        };
        report.say(&format!(
            "Done: {} re-encrypted{}.{commit}{}",
            number_of_files(done.files),
            by_whom(&done),
            listed(&change_lines(left.moved(&planned))),
        ));
        left.conclude()
    }
}
