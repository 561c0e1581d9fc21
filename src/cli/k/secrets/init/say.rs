//! What init is about to do, in words.

use std::path::Path;

use similar::TextDiff;

use crate::cli::context::Context;
use crate::cli::failure::file_list;
use crate::cli::message::Hint;
use crate::cli::origin::Sources;
use crate::core::cluster::Cluster;
use crate::core::init::{ChangePlan, ConfigChange, InLine};
use crate::core::sops_config::{
    DEFAULT_PATH_REGEX, InsertAt, RuleSummary, RuleWarning, SopsConfig,
};

pub(super) fn in_line(context: &Context, config: &Path, in_line: &InLine) {
    let secret = context.common.secret();
    context.report.say(&format!(
        "The cluster has its key ({secret}), and {} names it: {}\nNothing was changed.",
        config.display(),
        in_line.recipient
    ));
    context.warn_of_bad_lines(&in_line.bad_lines);
}

pub(super) fn plan(context: &Context, cluster: &Cluster, sources: &Sources, plan: &ChangePlan) {
    let target = cluster.target();
    let config = &plan.config;
    let places = match &plan.config_change {
        None => "nothing: the config names the key already".to_owned(),
        Some(change) => {
            let places = change.places.iter().map(|place| in_words(config, place));
            places.collect::<Vec<_>>().join(", ")
        }
    };
    let (what, new) = match &plan.new_secret {
        None => ("The age key", "nothing: the Secret exists"),
        Some(new) => (
            if new.generated {
                "A new age key"
            } else {
                "This age key"
            },
            if new.new_namespace {
                "the namespace and the Secret"
            } else {
                "the Secret"
            },
        ),
    };
    context.report.say(&format!(
        "{what} for the cluster of context \"{}\" ({}):\n  \
         public key  {}\n\
         {}\n  \
         to create   {new}\n  \
         to change   {places}",
        target.context,
        target.server(),
        plan.recipient,
        sources.lines(),
    ));
    if let Some(change) = &plan.config_change {
        warn(context, change);
    }
}

/// A path in a sentence: the shortest that shows something can still be long.
fn short(path: &str) -> String {
    const LONGEST: usize = 60;
    match path.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &path[..end]),
        None => path.to_owned(),
    }
}

/// Where the key goes.
fn in_words(config: &SopsConfig, place: &InsertAt) -> String {
    let rule = |index: usize| config.rules[index].summary();
    match place {
        InsertAt::NewRule { before, path_regex } => {
            let files = match path_regex.as_str() {
                DEFAULT_PATH_REGEX => "files named *secret*.yaml",
                paths => paths,
            };
            match config.rules.get(*before) {
                _ if !config.exists => format!("a new file, with a rule for {files}"),
                _ if config.rules.is_empty() => format!("its first rule, for {files}"),
                None => format!("a new rule at the end, for {files}"),
                Some(next) => format!(
                    "a new rule for {files}, above the one in {}, which would take its files",
                    next.summary()
                ),
            }
        }
        InsertAt::Rule(index) => format!("the rule in {}", rule(*index)),
        InsertAt::Beside(index) => {
            format!(
                "the rule in {}, beside {}",
                rule(*index),
                rule(*index).key_list()
            )
        }
        InsertAt::InsteadOf(old) => {
            let rules = config.rules.iter().filter(|rule| rule.names(old));
            let lines: Vec<String> = rules.map(|rule| rule.position.line.to_string()).collect();
            match lines.as_slice() {
                [] => format!("instead of {old}"),
                lines => format!("instead of {old}, line {}", lines.join(", ")),
            }
        }
    }
}

fn warn(context: &Context, change: &ConfigChange) {
    let report = &context.report;
    for warning in &change.warnings {
        let (text, hint) = warning_in_words(warning);
        report.warning(&text, Some(&Hint::Text(hint.to_owned())));
    }
    let lost = file_list("", &change.lost) + &file_list("cannot be read: ", &change.unread);
    if !lost.is_empty() {
        let text = format!("nobody can read these files any more, as far as kb can tell:{lost}");
        report.warning(&text, None);
    }
    for path in &change.foreign {
        let text = format!(
            "{} has its own .git, and files that only the replaced key opens",
            path.display()
        );
        report.warning(&text, None);
    }
}

/// What is odd, and what to do about it.
fn warning_in_words(warning: &RuleWarning) -> (String, &'static str) {
    let list = |rules: &[RuleSummary]| -> String {
        rules.iter().map(|rule| format!("\n  {rule}")).collect()
    };
    match warning {
        RuleWarning::Overlap { earlier, path } => (
            format!(
                "files such as {} match the new rule too, but go to earlier rules:{}",
                short(path),
                list(earlier)
            ),
            "an expression that matches less, or rules in another order",
        ),
        RuleWarning::NoManifests {
            ending,
            path,
            earlier,
        } => (
            format!(
                "no .{ending} file comes to the rule; those such as {} go to{}",
                short(path),
                list(earlier)
            ),
            "narrow the path_regex of those rules, or change the order",
        ),
        RuleWarning::Takes { later, path } => (
            format!(
                "the new rule also takes files such as {} from later rules:{}",
                short(path),
                list(later)
            ),
            "an expression that matches less, or rules in another order",
        ),
        RuleWarning::Hides { later } => (
            format!(
                "the new rule takes all files of later rules:{}",
                list(later)
            ),
            "an expression that matches less; or --add and that one's path_regex, if both are meant",
        ),
        RuleWarning::Undecided => (
            "kb finds no path that the rule matches, and cannot tell whether sops uses it for any file"
                .to_owned(),
            "sops encrypt --filename-override PATH shows which recipients a new file gets",
        ),
        RuleWarning::WholeManifests { path } => (
            format!(
                "the rule has no encrypted_regex: all of a file such as {} would be encrypted, and Flux could not apply it",
                short(path)
            ),
            "add to the rule: encrypted_regex: ^(data|stringData)$",
        ),
        RuleWarning::Kustomization { path } => (
            format!(
                "the rule matches {} too, which kustomize cannot read encrypted",
                short(path)
            ),
            "an expression that only names of secrets match, such as [^/]*secret[^/]*\\.ya?ml$",
        ),
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
