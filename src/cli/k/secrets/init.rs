//! `kb k secrets init`

use std::path::Path;

use clap::Args;
use similar::TextDiff;

use crate::cli::context::Context;
use crate::cli::failure::{Failure, Program, show_key_arguments};
use crate::cli::private_key;
use crate::cli::signals;
use crate::core::cluster::Cluster;
use crate::core::identity::Identity;
use crate::core::init::{self, ChangePlan, InLine, KeySource, Outcome, Plan};
use crate::core::replace;
use crate::core::repository;
use crate::core::sops_config::{Place, SopsConfig};

/// Give the cluster its age key, and .sops.yaml the public half
///
/// Makes a keypair in memory, creates the Secret flux-system/sops-age that Flux
/// decrypts with, and writes the public key to .sops.yaml. The private key goes
/// to stdout, once, and nowhere else. A Secret that is there is never changed.
#[derive(Args, Debug)]
pub struct Init {
    /// Use a key that was made before, read from stdin; print none
    ///
    /// What age-keygen writes, comments and all. On a terminal kb asks for the
    /// key without showing it. For a key made by hand, or a cluster that was
    /// rebuilt and gets its old key back.
    #[arg(long, conflicts_with = "use_existing")]
    import: bool,

    /// Bring .sops.yaml in line with the key that the cluster has; make none
    #[arg(long)]
    use_existing: bool,

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
        let generates = !self.import && !self.use_existing;
        if generates && !self.dry_run {
            let (stdout, report) = (&context.stdout, &context.report);
            stdout.check_for_secret("the private key", self.allow_disk, report)?;
        }
        let named = context.environment.named_config(&context.common);
        let location = repository::locate(&context.directory, named.as_deref());
        if !self.dry_run {
            replace::clear_stale(&location.target);
        }
        let config = SopsConfig::load_or_empty(&location.target)?;
        config.check()?;
        context.find_sops()?.require_version()?;
        let key = match (self.import, self.use_existing) {
            (true, _) => KeySource::Import(private_key::read()?),
            (_, true) => KeySource::Existing,
            _ => KeySource::Generate,
        };
        let cluster = context.connect()?;
        let request = init::Request {
            secret: context.common.secret(),
            create_namespace: self.create_namespace,
            config,
            key,
        };
        let plan = match init::plan(&cluster, request)? {
            Plan::InLine(in_line) => {
                say_in_line(context, &location.target, &in_line);
                return Ok(());
            }
            Plan::Change(plan) => plan,
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
        let new_namespace = plan
            .new_secret
            .as_ref()
            .is_some_and(|new| new.new_namespace);
        // From the Secret's creation until its key is printed there is no good
        // place to stop.
        let _held = signals::hold();
        match plan.execute(&cluster) {
            Ok(Outcome::InLine(in_line)) => say_in_line(context, &location.target, &in_line),
            Ok(Outcome::Done {
                generated: Some(identity),
            }) => show_key(context, &identity)?,
            Ok(Outcome::Done { generated: None }) => {
                context
                    .report
                    .say("Done. Commit .sops.yaml if it was changed.");
            }
            Err(error) => {
                if new_namespace {
                    let namespace = &context.common.namespace;
                    let text =
                        format!("the namespace {namespace} may have been created, and stays");
                    context.report.warning(&text, None);
                }
                return Err(error.into());
            }
        }
        Ok(())
    }
}

fn say_in_line(context: &Context, config: &Path, in_line: &InLine) {
    let secret = context.common.secret();
    context.report.say(&format!(
        "The cluster has its key ({secret}), and {} names it: {}\nNothing was changed.",
        config.display(),
        in_line.recipient
    ));
    context.warn_of_bad_lines(&in_line.bad_lines);
}

fn say_plan(context: &Context, cluster: &Cluster, plan: &ChangePlan) {
    let target = cluster.target();
    let config = &plan.config;
    let place = match plan.config_change.as_ref().map(|change| change.place) {
        None => "names the key already".to_owned(),
        Some(Place::FirstRule) if !config.exists => {
            "a new file, with a rule for files named *secret*.yaml".to_owned()
        }
        Some(Place::FirstRule) => "its first rule, for files named *secret*.yaml".to_owned(),
        Some(Place::Rule(index)) => format!("the rule in {}", config.rules[index].summary()),
    };
    let (what, state) = match &plan.new_secret {
        None => ("The age key", "there already"),
        Some(new) => (
            if new.generated {
                "A new age key"
            } else {
                "This age key"
            },
            if new.new_namespace {
                "new, in a new namespace"
            } else {
                "new"
            },
        ),
    };
    context.report.say(&format!(
        "{what} for the cluster of context \"{}\" ({}):\n  \
         public key  {}\n  \
         Secret      {}, {state}\n  \
         config      {}: {place}",
        target.context,
        target.server(),
        plan.recipient,
        plan.secret,
        config.path.display(),
    ));
}

fn say_difference(context: &Context, plan: &ChangePlan) {
    let (config, Some(change)) = (&plan.config, &plan.config_change) else {
        return;
    };
    let path = config.path.display().to_string();
    let before = if config.exists {
        path.as_str()
    } else {
        "/dev/null"
    };
    let difference = TextDiff::from_lines(&config.text, &change.text);
    let text = difference.unified_diff().header(before, &path).to_string();
    context.report.say_verbatim(text.trim_end());
}

/// Prints the private key. From here on the cluster has it, so a reader who is
/// gone loses nothing.
fn show_key(context: &Context, identity: &Identity) -> Result<(), Failure> {
    let secret = context.common.secret();
    let line = format!("{}\n", identity.key().expose());
    context.stdout.write(line.as_bytes()).map_err(|error| {
        Failure::new(format!(
            "stdout did not take the private key: {error}; the cluster has it ({secret}), and .sops.yaml names it"
        ))
        .hint_command("to see it:", Program::Kubectl, show_key_arguments(&secret))
    })?;
    context.report.say(
        "Done. The private key was shown this once: keep it in your password manager.\n\
         Commit .sops.yaml. By its rules, sops now encrypts for this cluster.",
    );
    Ok(())
}
