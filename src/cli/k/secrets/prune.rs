//! `kb k secrets prune`

use std::path::PathBuf;

use clap::Args;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::core::cluster::Mode;
use crate::core::git::Git;
use crate::core::prune::{self, Prune as Plan, Remarks};
use crate::core::reencrypt::Tree;
use crate::core::repository;

/// Drop retired keys from the cluster, once nothing needs them
///
/// After a rotation the old key stays in the cluster, so that Flux can open the
/// revision that is deployed. This takes it out. It is refused while a file or a
/// rule of this repository is for it, or a file of a revision that a Kustomization
/// has applied.
#[derive(Args, Debug)]
pub struct Prune {
    /// Drop them although something still needs them
    #[arg(long)]
    yes: bool,

    /// Leave this file or directory out of the search; may be repeated
    #[arg(long, value_name = "PATH")]
    skip: Vec<PathBuf>,

    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

impl Prune {
    pub(super) fn run(self, context: &Context) -> Result<(), Failure> {
        let named = context.named_config();
        let location = repository::locate(&context.directory, named.as_deref());
        let secret = context.common.secret();
        let git = repository::git_root(&context.directory);
        let skip = context.skipped(&self.skip, &location.roots)?;
        let request = prune::Request {
            secret: secret.clone(),
            git: git.map(|root| Git::new(root, context.environment.variables())),
            tree: Tree {
                roots: location.roots,
                config: location.path,
                named: None,
                skip,
                git: None,
            },
        };
        let cluster = context.connect()?;
        let Some(plan) = prune::look(&cluster, &request)? else {
            context.report.say(&format!(
                "The Secret {secret} holds no retired key. Nothing was changed."
            ));
            return Ok(());
        };
        say(context, &plan);
        let mode = match self.dry_run {
            true => Mode::DryRun,
            false => Mode::Persist,
        };
        plan.execute(&cluster, self.yes, mode)?;
        context.report.say(match self.dry_run {
            true => "Nothing was changed: this was a dry run.",
            false => "Done: the retired keys are gone from it. A copy in your password manager still opens what was pushed before.",
        });
        Ok(())
    }
}

fn say(context: &Context, plan: &Plan) {
    let lines = plan.retired.iter().map(|key| format!("\n  {key}"));
    let secret = context.common.secret();
    context.report.say(&match plan.retired.is_empty() {
        true => format!("In the Secret {secret}, retired keys that are in use as well."),
        false => format!(
            "Retired keys in the Secret {secret}:{}",
            lines.collect::<String>()
        ),
    });
    warn(context, &plan.remarks);
}

fn warn(context: &Context, remarks: &Remarks) {
    let report = &context.report;
    if remarks.no_flux {
        report.warning(
            "the cluster has no Kustomizations of Flux: only this working tree was looked through",
            None,
        );
    }
    if !remarks.branches.is_empty() {
        let text = format!(
            "the tip of {} has files for a retired key, which come back with a merge",
            remarks.branches.join(", ")
        );
        report.warning(&text, None);
    }
    if let Some(error) = &remarks.git {
        report.warning(&format!("the branches were not looked at: {error}"), None);
    }
    for copy in &remarks.copies {
        let holds = match copy.journal {
            Some(_) => "holds a retired key too, and keeps it",
            None => "may hold a retired key too: kb may not read it",
        };
        report.warning(&format!("the Secret {} {holds}", copy.secret), None);
    }
}
