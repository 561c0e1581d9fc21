//! `kb k secrets init`

use std::path::Path;

use clap::Args;
use similar::TextDiff;

use crate::cli::context::Context;
use crate::cli::failure::{Failure, Hint, Program, show_key_arguments};
use crate::cli::private_key;
use crate::cli::rule_picker::{self, can_ask};
use crate::cli::signals;
use crate::core::cluster::Cluster;
use crate::core::identity::{Identity, Recipient, RecipientError};
use crate::core::init::{self, ChangePlan, ConfigChange, InLine, KeySource, Outcome, Plan};
use crate::core::replace;
use crate::core::repository;
use crate::core::sops_config::{
    ConfigError, DEFAULT_PATH_REGEX, PathRegex, Place, RuleWarning, SopsConfig, Target,
};

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

    /// Put the key into the rule for these paths, or make one
    ///
    /// The rule with this very path_regex gets the key if it has none. If there
    /// is no such rule, one is added, with encrypted_regex for Secrets: at the
    /// end, or before a rule that would take all of its files.
    #[arg(long, value_name = "RE", value_parser = parse_path_regex)]
    path_regex: Option<PathRegex>,

    /// With --path-regex: put the key beside those that the rule has
    #[arg(long, requires = "path_regex")]
    add: bool,

    /// Put the key wherever this recipient stands, because its cluster was rebuilt
    #[arg(long, value_name = "RECIPIENT", value_parser = parse_recipient, conflicts_with = "path_regex")]
    replace: Option<Recipient>,

    /// With --replace: go on although only the replaced key opens some files
    #[arg(long, requires = "replace")]
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
        let generates = !self.import && !self.use_existing;
        if generates && !self.dry_run {
            let (stdout, report) = (&context.stdout, &context.report);
            stdout.check_for_secret("the private key", self.allow_disk, report)?;
        }
        let named = context.environment.named_config(&context.common);
        let location = repository::locate(&context.directory, named.as_deref());
        if let Some(path) = location.misnamed {
            return Err(ConfigError::Misnamed { path }.into());
        }
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
            repository: repository::root(&context.directory)
                .unwrap_or_else(|| context.directory.clone()),
            key,
            target: match (self.path_regex, self.replace) {
                (Some(regex), _) => Target::Paths {
                    regex,
                    add: self.add,
                },
                (None, Some(old)) => Target::InsteadOf(old),
                (None, None) => Target::Evident,
            },
            accept_loss: self.yes,
        };
        let mut plan = init::plan(&cluster, request)?;
        if let Plan::Choose(undecided) = plan {
            let rules = undecided.rules();
            let name = &cluster.target().context;
            let picked = can_ask(&context.report)
                .then(|| rule_picker::pick(&context.report, name, rules))
                .flatten();
            plan = match picked {
                Some(target) => undecided.plan(&cluster, &target)?,
                None => return Err(undecided.why.into()),
            };
        }
        let plan = match plan {
            Plan::InLine(in_line) => {
                say_in_line(context, &location.target, &in_line);
                return Ok(());
            }
            Plan::Choose(undecided) => return Err(undecided.why.into()),
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
    let places = match &plan.config_change {
        None => "names the key already".to_owned(),
        Some(change) => {
            let places = change.places.iter().map(|place| in_words(config, place));
            places.collect::<Vec<_>>().join(", ")
        }
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
         config      {}: {places}",
        target.context,
        target.server(),
        plan.recipient,
        plan.secret,
        config.path.display(),
    ));
    if let Some(change) = &plan.config_change {
        say_warnings(context, change);
    }
}

/// Where the key goes.
fn in_words(config: &SopsConfig, place: &Place) -> String {
    let rule = |index: usize| config.rules[index].summary();
    match place {
        Place::NewRule { before, path_regex } => {
            let files = match path_regex.as_str() {
                DEFAULT_PATH_REGEX => "files named *secret*.yaml",
                paths => paths,
            };
            match config.rules.get(*before) {
                _ if !config.exists => format!("a new file, with a rule for {files}"),
                _ if config.rules.is_empty() => format!("its first rule, for {files}"),
                None => format!("a new rule at the end, for {files}"),
                Some(next) => format!(
                    "a new rule for {files}, above the one in {}, which would take all of its files",
                    next.summary()
                ),
            }
        }
        Place::Rule(index) => format!("the rule in {}", rule(*index)),
        Place::Beside(index) => {
            format!(
                "the rule in {}, beside {}",
                rule(*index),
                rule(*index).key_list()
            )
        }
        Place::InsteadOf(old) => format!("instead of {old}"),
    }
}

fn say_warnings(context: &Context, change: &ConfigChange) {
    let report = &context.report;
    for warning in &change.warnings {
        let (text, hint) = match warning {
            RuleWarning::Overlap { earlier, path } => (
                format!(
                    "both the new rule and the one in {earlier} match files such as {path}, and the earlier one gets them"
                ),
                "an expression that matches less, or rules in another order",
            ),
            RuleWarning::WholeManifests { path } => (
                format!(
                    "the rule has no encrypted_regex: all of a file such as {path} would be encrypted, and Flux could not apply it"
                ),
                "add to the rule: encrypted_regex: ^(data|stringData)$",
            ),
            RuleWarning::Kustomization { path } => (
                format!("the rule matches {path} too, which kustomize cannot read encrypted"),
                "an expression that only names of secrets match, such as [^/]*secret[^/]*\\.ya?ml$",
            ),
        };
        report.warning(&text, Some(&Hint::Text(hint.to_owned())));
    }
    for path in &change.unread {
        let text = format!(
            "{} cannot be read: whether only the replaced key opens it is not known",
            path.display()
        );
        report.warning(&text, None);
    }
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
    let difference = TextDiff::from_lines(&config.text, &change.after.text);
    let text = difference.unified_diff().header(before, &path).to_string();
    context.report.say_verbatim(text.trim_end());
}

/// An expression that sops can compile. An empty one would match every path.
fn parse_path_regex(text: &str) -> Result<PathRegex, String> {
    if text.is_empty() {
        return Err("an expression for every path is written .*".to_owned());
    }
    PathRegex::new(text).map_err(|error| format!("it does not compile: {error}"))
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
