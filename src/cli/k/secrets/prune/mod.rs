//! `kb k secrets prune`

mod json;
mod say;

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};

use crate::cli::context::Context;
use crate::cli::examples;
use crate::cli::failure::Failure;
use crate::cli::message::command::kb;
use crate::cli::options::OutputFormat;
use crate::core::cluster::{Cluster, Mode};
use crate::core::git::Git;
use crate::core::prune::{self, PruneCheck, PruneVerdicts as Plan, SaidDeployed};
use crate::core::reencrypt::RepositoryFiles;
use crate::core::repository::{self, ConfigLocation};

const GO_ON: &str = "to drop them without being asked, with the same options:";
const YES: &str = "k secrets prune --yes";

/// Drop retired keys that nothing needs any more
///
/// After a rotation the old key stays in the cluster, so that Flux can open the
/// revision that is deployed. prune decides for each retired key whether something
/// still needs it, and drops those that nothing needs. It looks through the working
/// tree, HEAD, the upstream, the default branch of each remote, other worktrees, and
/// the revisions that Kustomizations have applied, with their submodules. What cannot
/// be read counts as needing the key. `init --import --retired` puts one back, if you have a copy
/// of it: `kb k secrets key` prints the cluster's keys.
#[derive(Args, Debug)]
#[command(after_help = examples::PRUNE)]
pub struct Prune {
    /// Do not ask
    #[arg(long)]
    yes: bool,

    /// Drop keys although this check would keep them; may be repeated
    #[arg(long, value_name = "CHECK", value_enum, value_delimiter = ',')]
    despite: Vec<PruneCheck>,

    /// This commit is deployed, for Kustomizations whose revision is not a commit; may be repeated
    ///
    /// The full name of a commit, for one Kustomization or for all whose revision does
    /// not name a commit. It never replaces a commit that the cluster names.
    #[arg(long, value_name = "[NAMESPACE/NAME=]COMMIT", value_parser = parse_deployed)]
    deployed: Vec<SaidDeployed>,

    /// Leave this file or directory out of the search, in commits too; may be repeated
    #[arg(long, value_name = "PATH")]
    skip: Vec<PathBuf>,

    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,

    /// Print the verdicts to stdout in this form
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<OutputFormat>,
}

impl ValueEnum for PruneCheck {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()))
    }
}

impl Prune {
    pub(super) fn run(self, context: &Context) -> Result<(), Failure> {
        if self.output.is_some() {
            context.stdout.check_open("the verdicts")?;
        }
        let cluster = context.connect()?;
        let location = context.config_location();
        let sources = context.sources(&cluster, &location);
        let request = self.request(context, location)?;
        let Some(mut plan) = prune::look(&cluster, &request)? else {
            let secret = &request.secret;
            context.report.say(&format!(
                "The Secret {secret} holds no retired key. Nothing was changed."
            ));
            if self.output.is_some() {
                let verdicts = json::nothing(&cluster, secret, &sources);
                context.stdout.write_json("the verdicts", &verdicts)?;
            }
            return Ok(());
        };
        say::plan(context, &cluster, &sources, &plan);
        let mut is_dropped = false;
        if plan.has_droppable() {
            is_dropped = self.drop_keys(context, &cluster, &mut plan)?;
        }
        if self.output.is_some() {
            let verdicts = json::verdicts(&cluster, &request, &sources, &plan, is_dropped);
            context.stdout.write_json("the verdicts", &verdicts)?;
        }
        if self.dry_run {
            context
                .report
                .say("Nothing was changed: this was a dry run.");
        }
        say::refusal(&plan, is_dropped)
    }

    fn request(
        &self,
        context: &Context,
        location: ConfigLocation,
    ) -> Result<prune::PruneRequest, Failure> {
        let root = repository::git_root(&context.directory);
        let (skip, gone) = context.skipped_or_gone(&self.skip, &location.roots)?;
        Ok(prune::PruneRequest {
            secret: context.common.secret(),
            git: root.map(|root| Git::new(root, context.environment.variables())),
            tree: RepositoryFiles {
                roots: location.roots,
                config: location.path,
                named: None,
                skip,
                git: None,
            },
            gone,
            said: self.deployed.clone(),
            despite: self.despite.clone(),
            drafts: context.environment.drafts(),
        })
    }

    /// Drops what nothing needs. Whether it was dropped.
    fn drop_keys(
        &self,
        context: &Context,
        cluster: &Cluster,
        plan: &mut Plan,
    ) -> Result<bool, Failure> {
        if self.dry_run {
            plan.execute(cluster, Mode::DryRun)?;
            return Ok(false);
        }
        self.confirm(context, cluster, plan)?;
        plan.execute(cluster, Mode::Persist)?;
        say::done(context, plan);
        Ok(true)
    }

    fn confirm(&self, context: &Context, cluster: &Cluster, plan: &Plan) -> Result<(), Failure> {
        let name = &cluster.target().context;
        if self.yes {
            return Ok(());
        }
        if !io::stdin().is_terminal() {
            let text = "nothing was changed: there is no terminal to ask on";
            return Err(Failure::new(text).hint_command(GO_ON, kb(YES)));
        }
        let what = say::what_goes(plan);
        let question = format!("Drop {what} from the cluster of context \"{name}\"?");
        match context.report.confirm(&question) {
            true => Ok(()),
            false => Err(Failure::new("nothing was changed").hint_command(GO_ON, kb(YES))),
        }
    }
}

/// `[NAMESPACE/NAME=]COMMIT`
fn parse_deployed(text: &str) -> Result<SaidDeployed, String> {
    let (kustomization, commit) = match text.split_once('=') {
        Some((name, commit)) => (Some(name.to_owned()), commit),
        None => (None, text),
    };
    let is_name = |name: &String| name.split('/').filter(|part| !part.is_empty()).count() == 2;
    if !kustomization.as_ref().is_none_or(is_name) {
        return Err("expected NAMESPACE/NAME before the =".to_owned());
    }
    let is_hex = |c: char| matches!(c, '0'..='9' | 'a'..='f');
    if !matches!(commit.len(), 40 | 64) || !commit.chars().all(is_hex) {
        return Err("expected the full name of a commit: git rev-parse main prints it".to_owned());
    }
    Ok(SaidDeployed {
        kustomization,
        commit: commit.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_full_name_of_a_commit_is_taken() {
        let commit = "0123456789abcdef0123456789abcdef01234567";
        let parsed = |text: &str| parse_deployed(text).map(|said| said.kustomization);
        assert_eq!(parsed(commit), Ok(None));
        let named = format!("flux-system/apps={commit}");
        assert_eq!(parsed(&named), Ok(Some("flux-system/apps".to_owned())));
        for text in [
            "main",
            "0123456",
            "HEAD",
            &format!("apps={commit}"),
            &format!("a/b/c={commit}"),
            &format!("a/b={}", &commit[1..]),
            &format!("--{}", &commit[2..]),
            &commit.to_uppercase(),
        ] {
            assert!(parsed(text).is_err(), "{text}");
        }
    }
}
