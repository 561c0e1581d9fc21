//! The rules of `.sops.yaml`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::{Request, Status};
use crate::core::identity::Recipient;
use crate::core::kustomize::is_kustomization;
use crate::core::sops_config::{CreationRule, Paths, RuleSummary};

/// What is wrong with the rules.
#[derive(Debug)]
pub enum ConfigProblem {
    /// There is no `.sops.yaml`.
    Missing,
    /// No rule names the key that the cluster has.
    KeyNotNamed {
        /// The recipients of the cluster's keys; none if it has no key.
        held: Vec<Recipient>,
        /// The recipients that the rules name instead, and that may be a cluster's.
        named: Vec<Recipient>,
    },
    /// A rule names a key that was rotated away.
    RetiredNamed {
        /// The rule, as `FILE:LINE:COLUMN`.
        rule: String,
        /// The recipient.
        retired: Recipient,
    },
    /// sops never comes to a rule.
    NeverApplies {
        /// The rule, as `FILE:LINE:COLUMN`.
        rule: String,
        /// Its `path_regex`.
        paths: Option<String>,
        /// The rules before it that match all of its paths; none if no path matches it.
        earlier: Vec<RuleSummary>,
    },
    /// A rule is for a kustomization, which kustomize could not read any more if it
    /// were encrypted.
    CoversKustomization {
        /// The rule, as `FILE:LINE:COLUMN`.
        rule: String,
        /// The kustomization.
        path: PathBuf,
    },
}

pub(super) fn look(request: &Request<'_>, status: &mut Status) {
    let rules = &request.audit.rules;
    let problems = &mut status.config;
    if rules.configs().next().is_none() && rules.broken.is_empty() {
        problems.push(ConfigProblem::Missing);
        return;
    }
    let all = || rules.configs().flat_map(|config| &config.rules);
    let names_any = |keys: &mut dyn Iterator<Item = &Recipient>| {
        let keys: Vec<&Recipient> = keys.collect();
        all().any(|rule| keys.iter().any(|key| rule.names(key)))
    };
    // What a broken config names, nobody knows.
    if rules.broken.is_empty() && !names_any(&mut status.keys.active()) {
        let named = all().flat_map(CreationRule::recipients);
        let named: BTreeSet<Recipient> = named.filter(Recipient::may_be_a_clusters).collect();
        problems.push(ConfigProblem::KeyNotNamed {
            held: status.keys.active().cloned().collect(),
            named: named.into_iter().collect(),
        });
    }
    for config in rules.configs() {
        let place = |rule: &CreationRule| rule.position.in_file(&config.path);
        for rule in &config.rules {
            let retired = status.keys.retired.iter().filter(|key| rule.names(key));
            problems.extend(retired.map(|retired| ConfigProblem::RetiredNamed {
                rule: place(rule),
                retired: retired.clone(),
            }));
        }
        let shadowed = config.rules_without_paths(Paths::Relative).into_iter();
        problems.extend(shadowed.map(|(index, earlier)| {
            let rule = &config.rules[index];
            ConfigProblem::NeverApplies {
                rule: place(rule),
                paths: rule.paths(),
                earlier,
            }
        }));
    }
    let mut covering = BTreeSet::new();
    for path in request
        .audit
        .paths
        .iter()
        .filter(|path| is_kustomization(path))
    {
        if let Some(found) = rules.of(path) {
            let rule = found.rule.position.in_file(&found.config.path);
            // One is enough to show it.
            if covering.insert(rule.clone()) {
                let path = path.clone();
                problems.push(ConfigProblem::CoversKustomization { rule, path });
            }
        }
    }
}
