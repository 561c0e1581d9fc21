//! `kb k secrets status`

mod json;
mod screen;
mod words;

use std::path::PathBuf;

use clap::Args;

use super::drafts::{self, words as draft_words};
use super::finding::{Finding, SopsCommand};
use crate::cli::context::Context;
use crate::cli::examples;
use crate::cli::failure::Failure;
use crate::cli::options::OutputFormat;
use crate::core::audit::{self, Audit, AuditOptions, Depth};
use crate::core::cluster::ClusterTarget;
use crate::core::status::{self, StatusReport as Found};

/// Say whether the cluster's key, .sops.yaml, the files and Flux match
///
/// Prints each problem and how to fix it. Exit code 0: no problem; 3: a problem was
/// found; 1: something could not be read.
#[derive(Args, Debug)]
#[command(after_help = examples::STATUS)]
pub struct Status {
    /// Leave out this file or directory; may be repeated
    #[arg(long, value_name = "PATH")]
    skip: Vec<PathBuf>,

    /// Do not read .kbignore
    #[arg(long)]
    no_ignore: bool,

    /// Print what was found for machines
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<OutputFormat>,
}

/// What was found, in words.
struct Report<'a> {
    target: &'a ClusterTarget,
    secret: String,
    audit: &'a Audit,
    found: &'a Found,
    sections: [Section; 4],
    /// What is no problem, and worth knowing.
    remarks: Vec<String>,
    /// What could not be looked at, and what to do about it.
    unseen: Vec<Finding>,
}

/// A part of the screen.
struct Section {
    name: &'static str,
    /// What it says of itself.
    facts: Vec<String>,
    problems: Vec<Finding>,
}

impl Status {
    pub(super) fn run(self, context: &Context) -> Result<(), Failure> {
        context.stdout.check_open("what was found")?;
        let (root, git) = context.repository();
        let drafts = drafts::Found::below(context, &root);
        let named = context.found_config();
        let skip = context.skipped(&self.skip, std::slice::from_ref(&root))?;
        let sops = context.find_sops()?;
        let cluster = context.connect()?;
        let look = AuditOptions {
            depth: Depth::All,
            skip: &skip,
            named: named.as_ref(),
            ignores: !self.no_ignore,
        };
        let audit = audit::working_tree(look, &root, git.as_ref(), &[])?;
        let request = status::StatusRequest {
            secret: context.common.secret(),
            root,
            audit: &audit,
            git,
            sops: &sops,
        };
        let bar = context.report.bar(0, "Opening");
        let found = status::look(&cluster, &request, &|done, of| {
            bar.set_length(of as u64);
            bar.set_position(done as u64);
        });
        bar.finish_and_clear();
        let mut found = found?;
        let secret = request.secret;
        let command = SopsCommand::new(context);
        let sections = words::sections(&secret, cluster.target(), &audit, &mut found, &command);
        let mut remarks = words::remarks(&audit, &found, &command);
        remarks.extend(draft_words::remarks(&drafts));
        let report = Report {
            target: cluster.target(),
            secret: secret.to_string(),
            audit: &audit,
            found: &found,
            sections,
            remarks,
            unseen: words::unseen(&audit, &found),
        };
        match self.output {
            Some(OutputFormat::Json) => {
                let json = json::status(&report, &context.report);
                context.stdout.write_json("what was found", &json)?;
            }
            None => screen::print(&report, context)?,
        }
        report.conclude()
    }
}

impl Report<'_> {
    fn problems(&self) -> usize {
        let problems = self.sections.iter().map(|section| section.problems.len());
        problems.sum()
    }

    /// What was found has been said: only the exit code is left.
    fn conclude(&self) -> Result<(), Failure> {
        if self.problems() > 0 {
            return Err(Failure::found(None));
        }
        match self.unseen.is_empty() {
            true => Ok(()),
            false => Err(Failure::silent()),
        }
    }
}
