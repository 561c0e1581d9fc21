//! Which files a rule gets, given the rules before it: sops takes the first
//! that matches. It is decided on examples of paths.

use std::cmp::Reverse;
use std::path::Path;

use super::config::SopsConfig;
use super::model::{CreationRule, RuleSummary};
use super::path_regex::{GoRegex, PathForm, examples};
use crate::core::kustomize::is_kustomization;

/// Manifests, which Flux applies, by the ends of their names.
const MANIFESTS: [&str; 2] = ["yaml", "yml"];

/// What is odd about a rule. Paths are the shortest examples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleWarning {
    /// Some of its paths go to earlier rules.
    Overlap {
        /// The earlier rules.
        earlier: Vec<RuleSummary>,
        /// A path that the first of them matches, too.
        path: String,
    },
    /// No manifest comes to the rule, though it matches some.
    NoManifests {
        /// How the names of the manifests end.
        ending: &'static str,
        /// A manifest that goes to an earlier rule.
        path: String,
        /// The earlier rules that take them.
        earlier: Vec<RuleSummary>,
    },
    /// Rules behind the new one lose some of their files to it.
    Takes {
        /// Those rules.
        later: Vec<RuleSummary>,
        /// A path that went to the first of them.
        path: String,
    },
    /// Rules behind the new one get no files any more.
    Hides {
        /// Those rules.
        later: Vec<RuleSummary>,
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
    /// kb finds no path that the rule matches.
    Undecided,
}

/// A rule, and those before and behind it.
pub(super) struct Routing<'r> {
    own: Option<&'r GoRegex>,
    paths: PathForm,
    /// Paths that it matches.
    examples: Vec<String>,
    before: &'r [CreationRule],
    behind: &'r [CreationRule],
}

impl<'r> Routing<'r> {
    /// A rule for `own` (without one, for every path) behind the rules `before`. `None`
    /// if kb finds no path that it matches.
    pub(super) fn new(
        own: Option<&'r GoRegex>,
        before: &'r [CreationRule],
        paths: PathForm,
    ) -> Option<Self> {
        Some(Self {
            own,
            paths,
            examples: examples(own, paths)?,
            before,
            behind: &[],
        })
    }

    /// Moves the rule before the first one that matches all of its paths, or all of its
    /// manifests of a kind: behind that, it would be of no use.
    pub(super) fn move_before_shadow(&mut self) -> Option<usize> {
        let kinds = MANIFESTS.map(|ending| self.manifests(ending));
        let shadows = |rule: &CreationRule| {
            let covers =
                |paths: &[&str]| !paths.is_empty() && paths.iter().all(|it| is_for(rule, it));
            covers(&as_texts(&self.examples)) || kinds.iter().any(|kind| covers(kind))
        };
        let at = self.before.iter().position(shadows)?;
        (self.before, self.behind) = self.before.split_at(at);
        Some(at)
    }

    /// Why sops never comes to the rule, or `None` if it does: the rules that
    /// together take all of its paths. None of them if no path matches.
    pub(super) fn shadowed_by(&self) -> Option<Vec<RuleSummary>> {
        takers(self.before, as_texts(&self.examples))
    }

    fn manifests(&self, ending: &str) -> Vec<&str> {
        let is_one = |path: &&str| Path::new(path).extension().is_some_and(|end| end == ending);
        as_texts(&self.examples)
            .into_iter()
            .filter(is_one)
            .collect()
    }

    fn is_own(&self, path: &str) -> bool {
        self.own.is_none_or(|own| own.matches(path))
    }

    /// What is odd about a rule that was there. That it overlaps others is not:
    /// their order is their author's. `selects_values`: whether it says which
    /// values are encrypted.
    pub(super) fn warnings(&self, selects_values: bool) -> Vec<RuleWarning> {
        let comes = |path: &&str| !self.before.iter().any(|rule| is_for(rule, path));
        let mut found = Vec::new();
        let mut whole = None;
        for ending in MANIFESTS {
            let manifests = self.manifests(ending);
            match (manifests.iter().copied().find(comes), manifests.first()) {
                (Some(path), _) => whole = whole.or(Some(path.to_owned())),
                (None, Some(path)) => found.push(RuleWarning::NoManifests {
                    ending,
                    path: (*path).to_owned(),
                    earlier: takers(self.before, manifests).unwrap_or_default(),
                }),
                (None, None) => {}
            }
        }
        let whole = whole.filter(|_| !selects_values);
        found.extend(whole.map(|path| RuleWarning::WholeManifests { path }));
        let mut kustomizations = as_texts(&self.examples).into_iter();
        let kustomization =
            kustomizations.find(|path| is_kustomization(path.as_ref()) && comes(path));
        found.extend(kustomization.map(|path| RuleWarning::Kustomization {
            path: path.to_owned(),
        }));
        found
    }

    /// What is odd about a new rule, and what others lose to it.
    pub(super) fn warnings_of_new(&self) -> Vec<RuleWarning> {
        let earlier = self.before.iter().filter_map(|rule| {
            let path = self.shared(rule).into_iter().next()?;
            Some((rule.summary(), path))
        });
        let (mut hides, mut takes) = (Vec::new(), Vec::new());
        for (at, rule) in self.behind.iter().enumerate() {
            let theirs = rule.examples(self.paths).unwrap_or_default();
            let others = self.before.iter().chain(&self.behind[..at]);
            if !theirs.is_empty() && theirs.iter().all(|path| self.is_own(path)) {
                hides.push(rule.summary());
            } else if at > 0
                // What the first one loses is why the new rule stands there.
                && let Some(path) = (self.shared(rule).into_iter())
                    .find(|path| !others.clone().any(|other| is_for(other, path)))
            {
                takes.push((rule.summary(), path));
            }
        }
        let mut found = Vec::new();
        if let (earlier, Some(path)) = rules_and_path(earlier.collect()) {
            found.push(RuleWarning::Overlap { earlier, path });
        }
        if !hides.is_empty() {
            found.push(RuleWarning::Hides { later: hides });
        }
        if let (later, Some(path)) = rules_and_path(takes) {
            found.push(RuleWarning::Takes { later, path });
        }
        found.extend(self.warnings(true));
        found
    }

    /// Paths that this rule and another one match, the shortest first.
    fn shared(&self, rule: &CreationRule) -> Vec<String> {
        let theirs = rule.examples(self.paths).unwrap_or_default();
        let theirs = theirs.into_iter().filter(|path| self.is_own(path));
        let ours = self.examples.iter().filter(|path| is_for(rule, path));
        let mut shared: Vec<String> = theirs.chain(ours.cloned()).collect();
        shared.sort_by_key(String::len);
        shared
    }
}

/// The rules, and the path that shows it of the first of them.
fn rules_and_path(found: Vec<(RuleSummary, String)>) -> (Vec<RuleSummary>, Option<String>) {
    let path = found.first().map(|(_, path)| path.clone());
    (found.into_iter().map(|(rule, _)| rule).collect(), path)
}

fn as_texts(paths: &[String]) -> Vec<&str> {
    paths.iter().map(String::as_str).collect()
}

fn is_for(rule: &CreationRule, path: &str) -> bool {
    rule.matches(path.as_ref()) == Some(true)
}

/// Few rules that together match all of these paths; `None` if they leave one.
fn takers(rules: &[CreationRule], mut left: Vec<&str>) -> Option<Vec<RuleSummary>> {
    let is_taken = |path: &&str| rules.iter().any(|rule| is_for(rule, path));
    if !left.iter().all(is_taken) {
        return None;
    }
    let mut takers = Vec::new();
    while !left.is_empty() {
        let count = |rule: &CreationRule| left.iter().filter(|path| is_for(rule, path)).count();
        let most = (0..rules.len()).max_by_key(|at| (count(&rules[*at]), Reverse(*at)))?;
        left.retain(|path| !is_for(&rules[most], path));
        takers.push(most);
    }
    takers.sort_unstable();
    Some(takers.into_iter().map(|at| rules[at].summary()).collect())
}

impl SopsConfig {
    /// The rules before the one of this index that together match all of its paths, so that
    /// sops never comes to it; none of them if no path matches it. `None` if sops does come
    /// to it, or if kb cannot tell.
    pub fn shadowed_by(&self, index: usize, paths: PathForm) -> Option<Vec<RuleSummary>> {
        let examples = self.rules[index].examples(paths)?;
        takers(&self.rules[..index], as_texts(&examples))
    }
}

impl CreationRule {
    /// Paths that it matches; `None` if kb cannot tell.
    fn examples(&self, paths: PathForm) -> Option<Vec<String>> {
        examples(self.regex().ok()?, paths)
    }

    /// Whether the rule matches every path, or at least all of some that have little in
    /// common.
    pub fn is_for_every_path(&self, paths: PathForm) -> bool {
        let root = if paths == PathForm::Absolute { "/" } else { "" };
        let names = (' '..='~')
            .chain(['\u{e000}'])
            .filter(|char| !"/.".contains(*char));
        let mut all = names
            .flat_map(|char| {
                [
                    format!("{root}{char}"),
                    format!("{root}{char}/.{char}.{char}"),
                ]
            })
            .chain([format!("{root}{}", "\u{e000}/".repeat(500) + "\u{e000}")]);
        all.all(|path| is_for(self, &path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(expressions: &[&str]) -> SopsConfig {
        let line = |text: &&str| format!("  - path_regex: '{text}'\n    age: <key>\n");
        let lines: String = expressions.iter().map(line).collect();
        let text = format!("creation_rules:\n{lines}");
        let config = SopsConfig::from_bytes(Path::new(".sops.yaml"), text.into_bytes());
        config.expect("a config")
    }

    /// The index of the rule that shadows a new one.
    fn shadow(new: &str, before: &[&str]) -> Option<usize> {
        let regex = GoRegex::new(new).expect(new);
        let config = config(before);
        let routing = Routing::new(Some(&regex), &config.rules, PathForm::Relative);
        routing.expect("examples").move_before_shadow()
    }

    #[test]
    fn a_rule_shadows_by_what_it_matches_and_not_by_its_text() {
        for (new, before, index) in [
            ("^prod/", &["^(prod)/.*"][..], Some(0)),
            ("^prod/", &["^dev/", "^prod"], Some(1)),
            ("^prod", &["^prod/"], None),
            ("^prod/.*\\.yaml$", &["\\.yml$", "ya?ml$"], Some(1)),
            ("(?i)^PROD/", &["^prod/"], None),
            ("^prod/", &["(?i)^PROD/"], Some(0)),
            ("^münchen/", &["^m.nchen/"], Some(0)),
            ("^münchen/", &["^m[a-z]nchen/"], None),
            // Manifests are what a rule is for.
            ("^prod/", &[".*.yaml"], Some(0)),
            ("^prod/.*\\.txt$", &[".*.yaml"], None),
            // No path has such names.
            ("^a/.*", &["^a/[^.]|^a/\\.[^/]"], Some(0)),
        ] {
            assert_eq!(shadow(new, before), index, "{new} behind {before:?}");
        }
    }

    #[test]
    fn a_rule_is_out_of_reach_where_the_rules_before_it_take_all_of_its_paths() {
        for (expressions, shadowed) in [
            (&["^prod/", "^prod/a"][..], Some(&[1][..])),
            (&["^dev/", "^prod/", "^prod/a"], Some(&[2])),
            // Only together.
            (&["^a/[a-m]", "^b/", "^a/[^a-m]", "^a/"], Some(&[1, 3])),
            (&["^a/[a-m]", "^a/"], None),
            (&["^(a|b)/", "^(b|c)/", "^(a|b|c)/(x|y|z)/"], Some(&[1, 2])),
            (&["^(a|b)/x", "^(a|b)/(x|y)/"], None),
            (&["^c[12]/", "^c[0-9]/"], None),
            (&["^c1?/a", "^c1?/"], None),
            (&["^prod$", "^$"], Some(&[])),
            (&["^prod/", "/$"], Some(&[])),
            // One of them is enough.
            (
                &["^a/.*\\.yaml$", "^b/.*\\.yaml$", "^b/a/.*\\.yaml$"],
                Some(&[2]),
            ),
            (&["^a/[^b]", "^a/ä"], Some(&[1])),
        ] {
            let config = config(expressions);
            let found = config.shadowed_by(expressions.len() - 1, PathForm::Relative);
            let lines = found.map(|found| {
                let lines = found.iter().map(|rule| rule.position.line / 2);
                lines.collect::<Vec<u64>>()
            });
            assert_eq!(lines.as_deref(), shadowed, "{expressions:?}");
        }
    }

    #[test]
    fn whole_paths_are_meant_where_the_config_is_elsewhere() {
        let config = config(&["^/srv/prod/"]);
        let found = |paths| config.shadowed_by(0, paths);
        assert_eq!(found(PathForm::Absolute), None);
        assert_eq!(found(PathForm::Relative), Some(Vec::new()));
    }

    #[test]
    fn a_rule_for_every_path_is_known_by_paths_that_have_little_in_common() {
        for (expression, is_for_all) in [
            (".*", true),
            ("^", true),
            (".", true),
            ("^[^\\n]+$", true),
            ("[^/]+$", true),
            ("^[^/]+$", false),
            ("^.{1,200}$", false),
            ("[a-z]", false),
            ("^[^.]*$", false),
            ("\\.ya?ml$", false),
        ] {
            let config = config(&[expression]);
            let found = config.rules[0].is_for_every_path(PathForm::Relative);
            assert_eq!(found, is_for_all, "{expression}");
        }
    }
}
