//! A rule that works, and not as its author would want.

use super::SopsConfig;
use super::choose::RuleSummary;
use super::path_regex::{Language, PathRegex, TooComplex, find_path};

/// Manifests, which Flux applies, by their names.
const MANIFESTS: [&str; 2] = [r"[^/]\.yaml$", r"[^/]\.yml$"];
/// What kustomize reads itself, before anything is decrypted.
const KUSTOMIZATIONS: [&str; 3] = [
    r"(^|/)kustomization\.yaml$",
    r"(^|/)kustomization\.yml$",
    r"(^|/)Kustomization$",
];

/// What is odd about a rule. Each comes with the shortest path that shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleWarning {
    /// Some of its paths go to an earlier rule.
    Overlap {
        /// The earlier rule.
        earlier: RuleSummary,
        /// A path that both match.
        path: String,
    },
    /// Whole manifests would be encrypted, which Flux cannot apply.
    WholeManifests {
        /// A manifest that the rule is for.
        path: String,
    },
    /// kustomize could not read its own files.
    Kustomization {
        /// A kustomization.yaml that the rule is for.
        path: String,
    },
}

/// What is odd about the rule with this index. Whether it overlaps earlier ones
/// is looked at only if it `is_new`: the order of those that were there is
/// their author's.
pub fn warnings(config: &SopsConfig, index: usize, is_new: bool) -> Vec<RuleWarning> {
    // What cannot be decided is not warned of.
    look(config, index, is_new).unwrap_or_default()
}

fn look(config: &SopsConfig, index: usize, is_new: bool) -> Result<Vec<RuleWarning>, TooComplex> {
    let mut found = Vec::new();
    let Some(rule) = config.rules.get(index) else {
        return Ok(found);
    };
    let own = rule.language()?;
    let mut earlier = Vec::new();
    for before in &config.rules[..index] {
        let language = before.language()?;
        if is_new && let Some(path) = find_path(&[&own, &language], &[])? {
            found.push(RuleWarning::Overlap {
                earlier: before.summary(),
                path,
            });
        }
        earlier.push(language);
    }
    let earlier: Vec<&Language> = earlier.iter().collect();
    // The first path that comes to the rule and has one of these names.
    let reached = |names: &[&str]| {
        for name in names {
            let regex = PathRegex::new(name).map_err(|_| TooComplex)?;
            let named = Language::of(Some(&regex))?;
            if let Some(path) = find_path(&[&own, &named], &earlier)? {
                return Ok(Some(path));
            }
        }
        Ok(None)
    };
    if !rule.selects_values
        && let Some(path) = reached(&MANIFESTS)?
    {
        found.push(RuleWarning::WholeManifests { path });
    }
    if let Some(path) = reached(&KUSTOMIZATIONS)? {
        found.push(RuleWarning::Kustomization { path });
    }
    Ok(found)
}
