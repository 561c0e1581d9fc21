//! What init is about to do, in words.

use std::path::Path;

use similar::TextDiff;

use crate::cli::context::Context;
use crate::cli::failure::Hint;
use crate::core::cluster::Cluster;
use crate::core::init::{ChangePlan, ConfigChange, InLine};
use crate::core::sops_config::{DEFAULT_PATH_REGEX, Place, RuleWarning, SopsConfig};

pub(super) fn in_line(context: &Context, config: &Path, in_line: &InLine) {
    let secret = context.common.secret();
    context.report.say(&format!(
        "The cluster has its key ({secret}), and {} names it: {}\nNothing was changed.",
        config.display(),
        in_line.recipient
    ));
    context.warn_of_bad_lines(&in_line.bad_lines);
}

pub(super) fn plan(context: &Context, cluster: &Cluster, plan: &ChangePlan) {
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
        warn(context, change);
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

fn warn(context: &Context, change: &ConfigChange) {
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

pub(super) fn difference(context: &Context, plan: &ChangePlan) {
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
