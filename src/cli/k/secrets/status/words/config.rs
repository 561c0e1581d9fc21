//! What is said of `.sops.yaml`.

use crate::cli::k::secrets::finding::Finding;
use crate::cli::message::command::{kb, quoted};
use crate::cli::message::hints::{OTHER_CLUSTER, OTHER_SECRET, use_existing};
use crate::cli::message::safe_text::one_line;
use crate::core::identity::Recipient;
use crate::core::sops_config::{DEFAULT_PATH_REGEX, RuleSummary};
use crate::core::status::ConfigProblem;

pub(super) fn of_config(problem: &ConfigProblem) -> Finding {
    match problem {
        ConfigProblem::Missing => {
            Finding::new("config-missing", "", "the repository has no .sops.yaml")
                .hint_command("to write one with the cluster's key:", use_existing())
        }
        ConfigProblem::KeyNotNamed { held, named } => {
            let words = match (held.is_empty(), named.is_empty()) {
                (false, true) => {
                    format!("no rule names the cluster's key {}", Recipient::list(held))
                }
                (false, false) => format!(
                    "no rule names the cluster's key {}; they name {}, which this cluster does not hold",
                    Recipient::list(held),
                    Recipient::list(named)
                ),
                (true, false) => format!("the cluster does not hold {}", Recipient::list(named)),
                (true, true) => "no rule names a key of a cluster".to_owned(),
            };
            let finding = Finding::new("key-not-named", "", words);
            match (held.is_empty(), named.as_slice()) {
                (true, _) => finding.hint(OTHER_SECRET),
                (false, []) => finding.hint_command("to put it into .sops.yaml:", use_existing()),
                (false, named) => {
                    let finding = finding.hint_command(
                        "to add a rule for this cluster's files:",
                        kb("k secrets init --use-existing --path-regex RE"),
                    );
                    let finding = match named {
                        [only] => finding.hint_command(
                            "if this cluster was rebuilt, and had that key:",
                            use_existing().option("--replace", only.to_string()),
                        ),
                        _ => finding,
                    };
                    finding.hint(OTHER_CLUSTER)
                }
            }
        }
        ConfigProblem::RetiredNamed { rule, retired } => Finding::new(
            "retired-key-named",
            rule.clone(),
            format!("the rule names {retired}, which was rotated away"),
        )
        .hint_command(
            "to make rules and files match the cluster's key:",
            use_existing(),
        ),
        ConfigProblem::NeverApplies {
            rule,
            paths,
            earlier,
        } => {
            let paths = paths.as_deref().unwrap_or("every path");
            let words = match earlier.as_slice() {
                [] => format!("no path matches the rule's {paths}"),
                earlier => {
                    let earlier: Vec<String> = earlier.iter().map(RuleSummary::to_string).collect();
                    format!(
                        "sops never comes to the rule for {paths}: {} takes all of its files",
                        earlier.join(" and ")
                    )
                }
            };
            Finding::new("rule-never-applies", rule.clone(), words)
                .hint("move it above that rule, or remove it")
        }
        ConfigProblem::CoversKustomization { rule, path } => Finding::new(
            "rule-covers-kustomization",
            rule.clone(),
            format!(
                "the rule is for {}, which kustomize could not read any more if it were encrypted",
                one_line(path)
            ),
        )
        .hint(format!(
            "give it a narrower path_regex, as in {}",
            quoted(DEFAULT_PATH_REGEX)
        )),
    }
}
