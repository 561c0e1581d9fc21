//! `kb k secrets init`

use clap::Args;
use similar::TextDiff;

use super::{connect, find_sops, warn_of_bad_line};
use crate::cli::Context;
use crate::cli::failure::{self, Failure};
use crate::core::cluster::Cluster;
use crate::core::identity::Identity;
use crate::core::init::{self, CreatePlan, InLine, Outcome, Plan};
use crate::core::repository;
use crate::core::sops_config::SopsConfig;

/// Give the cluster its age key, and .sops.yaml the public half
///
/// Makes a keypair in memory, creates the Secret flux-system/sops-age that Flux
/// decrypts with, and writes the public key to .sops.yaml. The private key goes
/// to stdout, once, and nowhere else. A Secret that is there is never changed.
#[derive(Args, Debug)]
pub struct Init {
    /// Create the namespace of the Secret if it is missing
    #[arg(long)]
    create_namespace: bool,

    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,

    /// Write to a stdout that is a file in a repository
    #[arg(long)]
    allow_disk: bool,
}

impl Init {
    pub(super) fn run(self, context: &Context) -> Result<(), Failure> {
        let named = context.environment.named_config(&context.common);
        let (repository, location) = repository::locate(&context.directory, named.as_deref());
        if !self.dry_run {
            context.stdout.check_for_secret(
                "the private key",
                &repository.root,
                self.allow_disk,
                &context.report,
            )?;
        }
        let exists = location.target.exists() || location.target.is_symlink();
        let config = exists
            .then(|| SopsConfig::load(&location.target))
            .transpose()?;
        if let Some(config) = &config {
            config.rules.check(&config.path)?;
        }
        find_sops(context)?.require_version()?;
        let cluster = connect(context)?;
        let request = init::Request {
            secret: context.common.secret(),
            create_namespace: self.create_namespace,
            config_path: location.target.clone(),
            config,
        };
        let plan = match init::plan(&cluster, request)? {
            Plan::InLine(in_line) => {
                say_in_line(context, &in_line);
                return Ok(());
            }
            Plan::Create(plan) => plan,
        };
        if let Some(outer) = location.shadowed() {
            let text = format!(
                "{} lies outside this repository and will no longer apply in it",
                outer.display()
            );
            context.report.warning(&text, None);
        }
        say_plan(context, &cluster, &plan);
        if self.dry_run {
            say_difference(context, &plan);
            context
                .report
                .say("Nothing was changed: this was a dry run.");
            return Ok(());
        }
        match plan.execute(&cluster)? {
            Outcome::InLine(in_line) => say_in_line(context, &in_line),
            Outcome::Created(identity) => show_key(context, &identity)?,
        }
        Ok(())
    }
}

fn say_in_line(context: &Context, in_line: &InLine) {
    let secret = context.common.secret();
    context.report.say(&format!(
        "The cluster has its key ({secret}), and .sops.yaml names it: {}\nNothing was changed.",
        in_line.recipient
    ));
    for bad in &in_line.bad_lines {
        warn_of_bad_line(context, &secret, bad);
    }
}

fn say_plan(context: &Context, cluster: &Cluster, plan: &CreatePlan) {
    let target = cluster.target();
    let what = match plan.config_before() {
        None => "a new file, with a rule for files named *secret*.yaml",
        Some(_) => "gets the public key",
    };
    let namespace = if plan.new_namespace {
        ", in a new namespace"
    } else {
        ""
    };
    context.report.say(&format!(
        "A new age key for the cluster of context \"{}\" ({}):\n  \
         public key  {}\n  \
         Secret      {}, new{namespace}\n  \
         config      {}: {what}",
        target.context,
        target.server(),
        plan.recipient,
        plan.secret(),
        plan.config_path().display(),
    ));
}

fn say_difference(context: &Context, plan: &CreatePlan) {
    let path = plan.config_path().display().to_string();
    let before = plan.config_before();
    let old_name = if before.is_some() {
        path.as_str()
    } else {
        "/dev/null"
    };
    let difference = TextDiff::from_lines(before.unwrap_or_default(), &plan.config_text);
    let text = difference
        .unified_diff()
        .header(old_name, &path)
        .to_string();
    context.report.say(text.trim_end());
}

/// Prints the private key. From here on the cluster has it, so a reader who is
/// gone loses nothing.
fn show_key(context: &Context, identity: &Identity) -> Result<(), Failure> {
    let secret = context.common.secret();
    let written = context
        .stdout
        .write(format!("{}\n", identity.key().expose()).as_bytes());
    written.map_err(|error| {
        Failure::new(format!(
            "stdout did not take the private key: {error}; the cluster has it ({secret}), and .sops.yaml names it"
        ))
        .hint(format!("to see it: {}", failure::show_key_command(&secret)))
    })?;
    context.report.say(
        "Done. The private key was shown this once: keep it in your password manager.\n\
         Commit .sops.yaml. By its rules, sops now encrypts for this cluster.",
    );
    Ok(())
}
