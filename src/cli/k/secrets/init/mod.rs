//! `kb k secrets init`

mod force;
mod left;
mod retired;
mod say;
mod unmatched;

use std::cell::OnceCell;

use clap::Args;

use crate::cli::context::Context;
use crate::cli::examples;
use crate::cli::failure::{Failure, show_key_arguments};
use crate::cli::message::command::kubectl;
use crate::cli::message::safe_text::holds_private_key;
use crate::cli::private_key;
use crate::cli::rule_picker::{self, can_ask};
use crate::cli::servers::ask_about;
use crate::core::cluster::Cluster;
use crate::core::flux_secret::CURRENT_ENTRY;
use crate::core::identity::{Identity, Recipient, RecipientError};
use crate::core::init::{self, ChangePlan, InitOutcome, InitPlan, KeySource};
use crate::core::replace;
use crate::core::signals;
use crate::core::sops_config::{self, ConfigError, GoRegex, RuleSelector, SopsConfig};

/// Give the cluster its age key, and .sops.yaml the public half
///
/// Makes a keypair in memory, creates the Secret flux-system/sops-age that Flux
/// decrypts with, and writes the public key to .sops.yaml. The private key goes
/// to stdout, once, and nowhere else. A Secret that is there is never changed.
#[derive(Args, Debug)]
#[command(after_help = examples::INIT)]
pub struct Init {
    /// Use a key that was made before, read from stdin; print none
    ///
    /// What age-keygen writes, comments and all. On a terminal kb asks for the
    /// key without showing it. For a key made by hand, or a cluster that was
    /// rebuilt and gets its old key back.
    #[arg(long, conflicts_with = "use_existing")]
    import: bool,

    /// With --import: put the key back among the retired ones, as before prune
    ///
    /// The cluster's current key and .sops.yaml stay as they are. stdin may hold
    /// several keys. A key that the Secret holds already is refused.
    #[arg(long, requires = "import", conflicts_with_all = ["force", "path_regex", "replace", "create_namespace"])]
    retired: bool,

    #[command(flatten)]
    force: force::Force,

    /// Use the key that the cluster has: make .sops.yaml and the files match it
    ///
    /// The key goes into .sops.yaml. Files and rules for an earlier key of the cluster
    /// are moved to it, such as those that a merge of an older branch brings back.
    #[arg(long, group = "moves")]
    use_existing: bool,

    /// Put the key into the rule for these paths, or make one
    ///
    /// The rule with this very path_regex gets the key if it has none. If there
    /// is no such rule, one is added, with encrypted_regex for Secrets: at the
    /// end, or before a rule that would take all of its files. '' names the rule
    /// without path_regex.
    #[arg(long, value_name = "RE", value_parser = parse_path_regex)]
    path_regex: Option<GoRegex>,

    /// With --path-regex: put the key beside those that the rule has
    #[arg(long, requires = "path_regex")]
    add: bool,

    /// Put the key in the place of this recipient, because its cluster was rebuilt
    #[arg(long, value_name = "RECIPIENT", value_parser = parse_recipient, conflicts_with = "path_regex")]
    replace: Option<Recipient>,

    /// Go on although only the replaced key opens some files
    #[arg(long, requires = "replace")]
    accept_loss: bool,

    /// Do not ask
    ///
    /// It answers questions, and overrides nothing. Without a terminal only --force
    /// needs it, and only where .sops.yaml names several clusters and --context is not
    /// given.
    #[arg(long)]
    yes: bool,

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
        if self.retired {
            return retired::run(context, self.dry_run);
        }
        let generates = !self.import && !self.use_existing;
        if generates && !self.dry_run {
            let (stdout, report) = (&context.stdout, &context.report);
            stdout.check_for_secret("the private key", self.allow_disk, report)?;
        }
        let location = context.config_location();
        if let Some(path) = &location.misnamed {
            return Err(ConfigError::Misnamed { path: path.clone() }.into());
        }
        if !self.dry_run {
            replace::clear_stale(&location.path);
        }
        let config = SopsConfig::load_or_empty(&location.path)?;
        if self.force.is_asked_for() {
            config.check_form()?;
        } else {
            sops_config::check_for(&config, &self.target())?;
        }
        let sops = self.force.find_sops(context)?;
        let key = match (self.import, self.use_existing) {
            (true, _) => KeySource::Import(private_key::read()?),
            (_, true) => KeySource::Existing,
            _ => KeySource::Generate,
        };
        let cluster = context.connect()?;
        let sources = context.sources(&cluster, &location);
        let key = match self.force.is_asked_for() {
            false => key,
            true => {
                let force = force::Task {
                    context,
                    cluster: &cluster,
                    location: &location,
                    sources: &sources,
                    config: &config,
                    options: &self.force,
                    sops: sops.as_ref(),
                    dry_run: self.dry_run,
                    yes: self.yes,
                };
                match force.run(key)? {
                    force::Outcome::Rotated => return Ok(()),
                    force::Outcome::NothingThere(key) => key,
                }
            }
        };
        let _locks = match self.use_existing && !self.dry_run {
            true => force::lock(&location)?,
            false => Vec::new(),
        };
        let request = init::InitRequest {
            secret: context.common.secret(),
            create_namespace: self.create_namespace,
            config,
            files: init::ConfigScope {
                paths: location.paths,
                roots: location.roots.clone(),
                accept_loss: self.accept_loss,
            },
            key,
            target: self.target(),
        };
        let tree = self.force.tree(context, &location)?;
        let consent = self.force.consent(context, false)?;
        let with_servers = OnceCell::new();
        let unmatched = |recipient: &Recipient| {
            if !self.use_existing {
                return Ok(None);
            }
            let secret = context.common.secret();
            let clear = !self.dry_run;
            let find = || {
                let consent = with_servers.get().unwrap_or(&consent);
                init::find_unmatched(&cluster, &secret, recipient, &tree, consent, clear)
            };
            let mut found = find()?;
            if let Some(first) = &found
                && !self.dry_run
            {
                let mut consent = consent.clone();
                let left = &first.affected.left;
                if !self.yes && ask_about(context, &mut consent.servers, left)? {
                    with_servers.get_or_init(|| consent);
                    found = find()?;
                }
            }
            Ok::<_, Failure>(found.map(|found| unmatched::Rekey {
                context,
                cluster: &cluster,
                found,
                engine: self.force.engine(sops.as_ref()),
                ignore_mac: self.force.ignore_mac,
            }))
        };
        let plan = match self.decided(context, &cluster, init::plan(&cluster, request)?)? {
            InitPlan::Change(plan) => plan,
            InitPlan::InLine(in_line) => {
                if let Some(rekey) = unmatched(&in_line.recipient)? {
                    return rekey.run(self.dry_run, Some(&sources));
                }
                say::in_line(context, &location.path, &in_line);
                return Ok(());
            }
            InitPlan::Choose(undecided) => return Err(undecided.why.into()),
        };
        if let Some(outer) = &location.shadowed {
            let text = format!(
                "{} lies outside this repository and will no longer apply in it",
                outer.display()
            );
            context.report.warning(&text, None);
        }
        let rekey = unmatched(&plan.recipient)?;
        say::plan(context, &cluster, &sources, &plan);
        if self.dry_run {
            say::difference(context, &plan);
            if let Some(rekey) = rekey {
                return rekey.run(self.dry_run, None);
            }
            let report = &context.report;
            report.say("Nothing was changed: this was a dry run.");
            return Ok(());
        }
        let recipient = plan.recipient.clone();
        execute(context, &cluster, *plan)?;
        // .sops.yaml is another one by now.
        match unmatched(&recipient)? {
            Some(rekey) => rekey.run(self.dry_run, None),
            None => Ok(()),
        }
    }

    /// Where the plan leaves a choice and someone is there, asks.
    fn decided(
        &self,
        context: &Context,
        cluster: &Cluster,
        plan: InitPlan,
    ) -> Result<InitPlan, Failure> {
        let report = &context.report;
        let InitPlan::Choose(undecided) = plan else {
            return Ok(plan);
        };
        if self.yes || !can_ask(report) {
            return Ok(InitPlan::Choose(undecided));
        }
        let name = &cluster.target().context;
        match rule_picker::pick(report, name, undecided.rules()) {
            Some(target) => Ok(undecided.plan(cluster, &target)?),
            None => Ok(InitPlan::Choose(undecided)),
        }
    }

    fn target(&self) -> RuleSelector {
        match (&self.path_regex, &self.replace) {
            (Some(regex), _) => RuleSelector::Paths {
                regex: regex.clone(),
                add: self.add,
            },
            (None, Some(old)) => RuleSelector::InsteadOf(old.clone()),
            (None, None) => RuleSelector::Evident,
        }
    }
}

fn execute(context: &Context, cluster: &Cluster, plan: ChangePlan) -> Result<(), Failure> {
    let config = plan.config.path.clone();
    let new_secret = plan.new_secret.as_ref();
    let new_namespace = new_secret.is_some_and(|new| new.new_namespace);
    // From the Secret's creation until its key is printed there is no good
    // place to stop.
    let _held = signals::hold();
    let changes_config = plan.config_change.is_some();
    match plan.execute(cluster) {
        Ok(InitOutcome::InLine(in_line)) => say::in_line(context, &config, &in_line),
        Ok(InitOutcome::Done {
            generated: Some(identity),
        }) => show_key(context, &identity)?,
        Ok(InitOutcome::Done { generated: None }) => {
            let report = &context.report;
            report.say(if changes_config {
                "Done. Commit .sops.yaml."
            } else {
                "Done. .sops.yaml names the key already, and was not changed."
            });
        }
        Err(error) => {
            if new_namespace {
                let namespace = context.common.secret().namespace;
                let text = format!("the namespace {namespace} may have been created, and stays");
                context.report.warning(&text, None);
            }
            return Err(error.into());
        }
    }
    Ok(())
}

/// An expression that kb reads as sops does.
fn parse_path_regex(text: &str) -> Result<GoRegex, String> {
    if holds_private_key(text) {
        return Err("it is a private key".to_owned());
    }
    GoRegex::new(text).map_err(|error| format!("kb cannot read it: {error}"))
}

/// A recipient that can be a cluster's.
fn parse_recipient(text: &str) -> Result<Recipient, String> {
    let recipient: Recipient = text
        .parse()
        .map_err(|error: RecipientError| error.to_string())?;
    if recipient.may_be_a_clusters() {
        return Ok(recipient);
    }
    Err("that is a person's own key, and no cluster's".to_owned())
}

/// Prints the private key. From here on the cluster has it, so a reader who is
/// gone loses nothing.
fn show_key(context: &Context, identity: &Identity) -> Result<(), Failure> {
    let secret = context.common.secret();
    context.stdout.write_key(identity.key().expose()).map_err(|error| {
        Failure::new(format!(
            "stdout did not take the private key: {error}; the cluster has it ({secret}), and .sops.yaml names it"
        ))
        .hint_command("to see it:", kubectl(show_key_arguments(&secret, CURRENT_ENTRY)))
    })?;
    context.report.say(
        "Done. The private key was shown this once: keep it in your password manager.\n\
         Commit .sops.yaml. By its rules, sops now encrypts for this cluster.",
    );
    Ok(())
}
