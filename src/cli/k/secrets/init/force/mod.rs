//! `kb k secrets init --force`

mod json;
mod say;

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::{panic, thread};

use clap::{Args, ValueEnum};

pub(super) use say::{by_whom, listed, number_of_files};

use super::left::LeftBehind;
use crate::cli::EXIT_USAGE;
use crate::cli::context::Context;
use crate::cli::failure::{Failure, show_key_arguments};
use crate::cli::message::command::{kb, kubectl};
use crate::cli::message::safe_text::one_line;
use crate::cli::options::OutputFormat;
use crate::cli::origin::Sources;
use crate::cli::progress::Progress;
use crate::cli::readers::{ReaderOptions, change_lines};
use crate::cli::servers::ask_about;
use crate::core::cluster::Cluster;
use crate::core::flux_secret::NEXT_ENTRY;
use crate::core::init::KeySource;
use crate::core::reencrypt::{Consent, EngineChoice, NewRecipients, RepositoryFiles, Stage};
use crate::core::replace::{self, ReplaceError, TreeLock};
use crate::core::repository::ConfigLocation;
use crate::core::rotate::{
    self, CopyPolicy, NewKey, Point, Refusal, RotateRequest, Rotation, RotationPlan, Unfinished,
};
use crate::core::sops::Sops;
use crate::core::sops_config::SopsConfig;

/// What `--force` takes.
#[derive(Args, Debug)]
pub(super) struct Force {
    /// Replace the key of a cluster that has one, and re-encrypt its files
    ///
    /// All files of the repository that the old key opens are re-encrypted under
    /// new data keys, and the new key takes the old one's place in .sops.yaml and in
    /// the cluster. The old one stays in the cluster as a retired key, for the
    /// revision that is deployed now. It can be interrupted at any moment: run it
    /// again, and it goes on with the same new key. With --import, the new key is
    /// read from stdin.
    #[arg(long, conflicts_with_all = ["use_existing", "path_regex", "replace"], group = "moves", help_heading = "Rotation")]
    force: bool,

    /// Leave this file or directory for the old key; may be repeated
    #[arg(
        long,
        value_name = "PATH",
        requires = "moves",
        help_heading = "Rotation"
    )]
    skip: Vec<PathBuf>,

    /// Re-encrypt files that were changed without sops, too
    #[arg(long, requires = "moves", help_heading = "Rotation")]
    pub(super) ignore_mac: bool,

    /// What re-encrypts the files
    #[arg(
        long,
        value_enum,
        default_value = "auto",
        requires = "moves",
        help_heading = "Rotation"
    )]
    engine: Engine,

    /// Rotate in copies of the Secret that Kustomizations decrypt with, too
    #[arg(
        long,
        requires = "force",
        conflicts_with = "only_this",
        help_heading = "Rotation"
    )]
    all_copies: bool,

    #[command(flatten)]
    readers: ReaderOptions,

    /// Leave copies of the Secret as they are
    #[arg(long, requires = "force", help_heading = "Rotation")]
    only_this: bool,

    /// With --dry-run: print the plan to stdout in this form
    #[arg(
        short,
        long,
        value_name = "FORMAT",
        requires = "force",
        requires = "dry_run",
        help_heading = "Rotation"
    )]
    output: Option<OutputFormat>,
}

/// What re-encrypts files.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Engine {
    /// kb itself, and sops for the files that kb leaves to it
    Auto,
    /// kb itself; files that it would leave to sops stay as they are
    Native,
    /// sops, one process for each file
    Sops,
}

impl Force {
    pub(super) fn is_asked_for(&self) -> bool {
        self.force
    }

    /// The sops program, unless it is not wanted. With `--force` it is for
    /// [`Task::run`] to see whether it is new enough.
    pub(super) fn find_sops(&self, context: &Context) -> Result<Option<Sops>, Failure> {
        if self.engine == Engine::Native {
            return match self.ignore_mac {
                true => Err(
                    Failure::new("--ignore-mac needs sops: kb itself makes no new MAC")
                        .hint("leave --engine native away")
                        .exit_with(EXIT_USAGE),
                ),
                false => Ok(None),
            };
        }
        let sops = context.find_sops()?;
        if !self.force {
            sops.require_version()?;
        }
        Ok(Some(sops))
    }

    /// What re-encrypts the files.
    pub(super) fn engine<'a>(&self, sops: Option<&'a Sops>) -> EngineChoice<'a> {
        match (self.engine, sops) {
            (Engine::Native, _) | (_, None) => EngineChoice::Native,
            (Engine::Auto, Some(sops)) => EngineChoice::Auto(sops),
            (Engine::Sops, Some(sops)) => EngineChoice::Sops(sops),
        }
    }

    /// Where the files are; paths on the command line are taken from the working
    /// directory.
    pub(super) fn tree(
        &self,
        context: &Context,
        location: &ConfigLocation,
    ) -> Result<RepositoryFiles, Failure> {
        let skip = context.skipped(&self.skip, &location.roots)?;
        let (_, git) = context.repository();
        Ok(RepositoryFiles {
            roots: location.roots.clone(),
            config: location.path.clone(),
            named: context.found_config(),
            skip,
            git,
        })
    }

    /// What was decided of readers.
    pub(super) fn consent(&self, context: &Context, asks: bool) -> Result<Consent, Failure> {
        self.readers.consent(context, asks)
    }
}

/// Keeps other runs of kb out of the same files.
pub(super) fn lock(location: &ConfigLocation) -> Result<Vec<TreeLock>, ReplaceError> {
    let roots = location.roots.iter();
    roots.map(|root| replace::lock_tree(root)).collect()
}

/// A rotation that was asked for.
pub(super) struct Task<'a> {
    pub(super) context: &'a Context,
    pub(super) cluster: &'a Cluster,
    pub(super) location: &'a ConfigLocation,
    pub(super) sources: &'a Sources,
    pub(super) config: &'a SopsConfig,
    pub(super) options: &'a Force,
    pub(super) sops: Option<&'a Sops>,
    pub(super) dry_run: bool,
    pub(super) yes: bool,
}

/// How it ended.
pub(super) enum Outcome {
    /// There was a key, and it is rotated.
    Rotated,
    /// There is no Secret, and nothing against making one for this key.
    NothingThere(KeySource),
}

impl Task<'_> {
    pub(super) fn run(&self, key: KeySource) -> Result<Outcome, Failure> {
        let _locks = match self.dry_run {
            true => Vec::new(),
            false => lock(self.location)?,
        };
        let tree = self.options.tree(self.context, self.location)?;
        if self.options.output.is_some() {
            self.context.stdout.check_open("the plan")?;
        }
        let (key, imported) = match key {
            KeySource::Import(identity) => (NewKey::Import(identity.clone()), Some(identity)),
            KeySource::Generate | KeySource::Existing => (NewKey::Generate, None),
        };
        let mut request = RotateRequest {
            secret: self.context.common.secret(),
            tree,
            key,
            copies: match (self.options.all_copies, self.options.only_this) {
                (true, _) => CopyPolicy::All,
                (_, true) => CopyPolicy::OnlyThis,
                _ => CopyPolicy::Refuse,
            },
            ignore_mac: self.options.ignore_mac,
            consent: self.options.consent(self.context, self.asks())?,
        };
        // To start sops takes as long as the survey.
        let (situation, version) = thread::scope(|scope| {
            let require = || self.sops.map(Sops::require_version).transpose();
            let asked = thread::Builder::new().spawn_scoped(scope, require);
            let situation = rotate::survey(self.cluster, &request);
            let version = match asked {
                Ok(asked) => asked
                    .join()
                    .unwrap_or_else(|panic| panic::resume_unwind(panic)),
                // The system gives no thread.
                Err(_) => require(),
            };
            (situation, version)
        });
        version?;
        let Some(situation) = situation? else {
            rotate::check_absent(self.config, &request.tree, imported.as_ref())?;
            if self.options.output.is_some() {
                let secret = &request.secret;
                let text = format!("the cluster has no Secret {secret}, and so nothing to rotate");
                return Err(
                    Failure::new(text).hint("without -o, --dry-run shows what init would do")
                );
            }
            return Ok(Outcome::NothingThere(match imported {
                Some(identity) => KeySource::Import(identity),
                None => KeySource::Generate,
            }));
        };
        let plan = |situation, request: &RotateRequest| {
            rotate::plan(situation, request).map_err(|refusal| self.refused(refusal))
        };
        let mut made = plan(situation, &request)?;
        let servers = &mut request.consent.servers;
        if self.asks()
            && !self.dry_run
            && ask_about(self.context, servers, &made.left)?
            && let Some(situation) = rotate::survey(self.cluster, &request)?
        {
            made = plan(situation, &request)?;
        }
        let plan = made;
        self.rotate(plan, &request)?;
        Ok(Outcome::Rotated)
    }

    fn refused(&self, refusal: Refusal) -> Failure {
        if let Refusal::WrongCluster { .. } | Refusal::Behind { .. } = &refusal {
            let target = self.cluster.target();
            let place = format!(
                "\n  repository   {}\n  cluster      {} (context \"{}\")",
                self.location.roots[0].display(),
                target.server(),
                target.context
            );
            return Failure::from(refusal).detail(&place);
        }
        refusal.into()
    }

    fn rotate(&self, mut plan: RotationPlan, request: &RotateRequest) -> Result<(), Failure> {
        let context = self.context;
        let pause = |stage: Stage, done: usize| {
            if stage == Stage::Replacing {
                context.environment.pause_at(&format!("replacing-{done}"));
            }
        };
        self.check_cluster_is_meant(&plan)?;
        plan.try_out(self.cluster)?;
        say::plan(context, self.cluster, self.sources, &plan, self.dry_run);
        if !self.dry_run && !self.is_confirmed(&plan) {
            return Err(Failure::new("nothing was changed").hint("--yes goes on without asking"));
        }
        let progress = Progress::new(&context.report, &pause);
        let rotation = Rotation {
            cluster: self.cluster,
            engine: self.options.engine(self.sops),
            request,
            observer: &progress,
        };
        context.environment.pause_at("planned");
        let prepared = rotation.prepare(plan)?;
        progress.clear();
        say::left_to_sops(context, prepared.made_by());
        let plan = prepared.plan();
        let targets = &plan.targets;
        let mut left = LeftBehind::new(
            NewRecipients::ReplaceKey,
            self.dry_run,
            &targets.files,
            &targets.unread,
        );
        left.add(context, plan.left.iter().chain(prepared.left()));
        let changes = change_lines(left.moved(&targets.files));
        if self.dry_run {
            if self.options.output.is_some() {
                let plan = json::plan(self.cluster, self.sources, &prepared);
                context.stdout.write_json("the plan", &plan)?;
            }
            context
                .report
                .say("Nothing was changed: this was a dry run.");
            return left.conclude();
        }
        let unfinished = rotation.commit(prepared, &|point| {
            context.environment.pause_at(match point {
                Point::Prepared => "prepared",
                Point::Staged => "staged",
                Point::Begun => "begun",
                Point::Replaced => "replaced",
            });
        })?;
        progress.clear();
        self.show_key(&unfinished)?;
        context.environment.pause_at("shown");
        let done = unfinished.finish(self.cluster)?;
        left.settle(context, &done.replaced.left);
        say::done(context, &done, &changes);
        left.conclude()
    }

    /// Whether someone is there to be asked.
    fn asks(&self) -> bool {
        !self.yes && io::stdin().is_terminal()
    }

    /// Where nobody is there to be asked, and the configs name several clusters, makes sure
    /// that this one is meant: the current context is what some other program has left.
    fn check_cluster_is_meant(&self, plan: &RotationPlan) -> Result<(), Failure> {
        let others = &plan.remarks.other_clusters;
        let can_tell = self.dry_run || self.yes || self.asks() || self.sources.has_typed_context();
        if can_tell || others.is_none() {
            return Ok(());
        }
        let name = &self.cluster.target().context;
        let keys = others.keys.iter().map(|key| format!("\n  names {key}"));
        let unread = others.unread.iter();
        let unread = unread.map(|path| format!("\n  {} cannot be read", one_line(path)));
        let list: String = keys.chain(unread).collect();
        let command = kb("k secrets init --force").option("--context", name);
        Err(Failure::new(format!(
            "the key of the cluster of context \"{name}\" was not rotated: .sops.yaml may name \
             other clusters, no --context says which one is meant, and stdin is not a terminal:{list}"
        ))
        .hint_command("if this one is meant, with the same options:", command)
        .hint("--yes rotates the key of whichever context is current; \"# recovery\" on its line in .sops.yaml marks a key that is not a cluster's"))
    }

    /// Where nobody is there to ask, the option was the answer.
    fn is_confirmed(&self, plan: &RotationPlan) -> bool {
        if !self.asks() {
            return true;
        }
        let files = plan.targets.files.len();
        let report = &self.context.report;
        // With --quiet this is all that is said.
        if report.is_quiet() {
            for line in change_lines(&plan.targets.files) {
                report.ask(&format!("{line}\n"));
            }
        }
        let context = &self.cluster.target().context;
        report.confirm(&format!(
            "Rotate the key of the cluster of context \"{context}\", and re-encrypt {}?",
            number_of_files(files)
        ))
    }

    /// Prints the private key. Everything is for it already, and the cluster has
    /// it, so that nothing is lost if this fails: the next run prints it again.
    fn show_key(&self, unfinished: &Unfinished) -> Result<(), Failure> {
        let Some(new) = unfinished.new_key() else {
            return Ok(());
        };
        let written = self.context.stdout.write_key(new.key().expose());
        written.map_err(|error| {
            let secret = self.context.common.secret();
            Failure::new(format!(
                "stdout did not take the private key: {error}; the files are for it, and the Secret {secret} holds it beside the old one"
            ))
            .hint_command("to print it again, and finish, with the same options:", kb("k secrets init --force"))
            .hint_command("to see it:", kubectl(show_key_arguments(&secret, NEXT_ENTRY)))
        })
    }
}
