//! The rules of `.sops.yaml`.

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;

use super::{StatusReport, StatusRequest};
use crate::core::flux_secret::ClusterKeys;
use crate::core::identity::Recipient;
use crate::core::kustomize::is_kustomization;
use crate::core::parallel;
use crate::core::sops_config::{CreationRule, RuleSummary};

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

pub(super) fn look(
    request: &StatusRequest<'_>,
    keys: Option<&ClusterKeys>,
    status: &mut StatusReport,
) {
    let rules = &request.audit.rules;
    if rules.configs().next().is_none() && rules.are_known() {
        if !rules.misnamed().is_empty() {
            return;
        }
        status.config.push(ConfigProblem::Missing);
        return;
    }
    let all = || rules.configs().flat_map(|config| &config.rules);
    let held = keys.map(ClusterKeys::recipients).unwrap_or_default();
    let is_active = |key: &Recipient| {
        // Of a post-quantum key, its recipient may be any of its kind.
        status.keys.active().any(|active| active == key)
            || keys.is_some_and(|keys| !held.contains(key) && keys.may_open(key, &[]))
    };
    let is_named = all().any(|rule| rule.recipients().any(|key| is_active(&key)));
    // What a broken config or rule names, nobody knows.
    let names_retired = all().any(|rule| status.keys.retired.iter().any(|key| rule.names(key)));
    let problems = &mut status.config;
    // What names a retired key is said below.
    if rules.are_sound() && !is_named && !names_retired {
        let named = all().flat_map(CreationRule::recipients);
        let named: BTreeSet<Recipient> = named.filter(Recipient::may_be_a_clusters).collect();
        problems.push(ConfigProblem::KeyNotNamed {
            held: status.keys.active().cloned().collect(),
            named: named.into_iter().collect(),
        });
    }
    let files = request.audit.paths.iter();
    let used: HashSet<*const CreationRule> = files
        .filter_map(|path| Some(std::ptr::from_ref(rules.of(path).matching()?.rule)))
        .collect();
    for (config, paths) in rules.configs_and_paths() {
        let place = |rule: &CreationRule| rule.position.in_file(&config.path);
        for rule in &config.rules {
            let retired = status.keys.retired.iter().filter(|key| rule.names(key));
            problems.extend(retired.map(|retired| ConfigProblem::RetiredNamed {
                rule: place(rule),
                retired: retired.clone(),
            }));
        }
        // Of a rule that a file has, it is evident that it applies.
        let unused: Vec<usize> = (0..config.rules.len())
            .filter(|index| !used.contains(&std::ptr::from_ref(&config.rules[*index])))
            .collect();
        let shadowed = parallel::map(&unused, |index| {
            Some((*index, config.shadowed_by(*index, paths)?))
        });
        let shadowed = shadowed.into_iter().flatten();
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
        if let Some(found) = rules.of(path).matching() {
            let rule = found.rule.position.in_file(&found.config.path);
            // One is enough to show it.
            if covering.insert(rule.clone()) {
                let path = path.clone();
                problems.push(ConfigProblem::CoversKustomization { rule, path });
            }
        }
    }
}
