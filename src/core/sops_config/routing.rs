//! Which files a rule gets, given the rules before it: sops takes the first
//! that matches.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::OnceLock;

use super::model::{CreationRule, RuleSummary};
use super::path_regex::{Characters, Language, PathRegex, Paths, Search, TooComplex};

/// Manifests, which Flux applies, by the ends of their names.
const MANIFESTS: [(&str, &str); 2] = [(".yaml", r"[^/]\.yaml$"), (".yml", r"[^/]\.yml$")];
/// What kustomize reads itself, before anything is decrypted.
const KUSTOMIZATIONS: [&str; 3] = [
    r"(^|/)kustomization\.yaml$",
    r"(^|/)kustomization\.yml$",
    r"(^|/)Kustomization$",
];

/// What is odd about a rule. Paths are the shortest that show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleWarning {
    /// Some of its paths go to an earlier rule.
    Overlap {
        /// The earlier rule.
        earlier: RuleSummary,
        /// A path that both match.
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
    /// A rule behind the new one loses some of its files to it.
    Takes {
        /// That rule.
        later: RuleSummary,
        /// A path that went to it.
        path: String,
    },
    /// A rule behind the new one gets no files any more.
    Hides {
        /// That rule.
        later: RuleSummary,
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
    /// The expressions are too complex to compare.
    Undecided,
}

/// A rule, and those before it that match some of its paths.
pub(super) struct Routing {
    search: Search,
    characters: Characters,
    own: Language,
    earlier: Vec<Overlapping>,
    /// Those that stand behind it after all, the one that shadows it first.
    later: Vec<Overlapping>,
    /// The kinds of manifests that the rule matches.
    manifests: Vec<Manifests>,
}

struct Overlapping {
    index: usize,
    rule: RuleSummary,
    language: Language,
    /// A path that both match.
    path: String,
}

struct Manifests {
    ending: &'static str,
    language: Language,
    /// One that the rule matches.
    path: String,
}

impl Routing {
    /// A rule for `own` (without one, for every path) behind the rules
    /// `before`.
    ///
    /// # Errors
    /// [`TooComplex`]
    pub(super) fn new(
        own: Option<&PathRegex>,
        before: &[CreationRule],
        paths: Paths,
    ) -> Result<Self, TooComplex> {
        let regexes = before.iter().filter_map(|rule| rule.regex().ok().flatten());
        let characters = Characters::of(regexes.chain(own));
        let mut search = Search::new(paths, characters, before.len())?;
        let own = Language::of(own, characters)?;
        let mut earlier = Vec::new();
        for (index, rule) in before.iter().enumerate() {
            let language = Language::of(rule.regex()?, characters)?;
            if let Some(path) = search.find(&[&own, &language], &[])? {
                earlier.push(Overlapping {
                    index,
                    rule: rule.summary(),
                    language,
                    path,
                });
            }
        }
        let mut manifests = Vec::new();
        for (ending, expression) in MANIFESTS {
            let language = named(expression, characters)?;
            if let Some(path) = search.find(&[&own, &language], &[])? {
                manifests.push(Manifests {
                    ending,
                    language,
                    path,
                });
            }
        }
        Ok(Self {
            search,
            characters,
            own,
            earlier,
            later: Vec::new(),
            manifests,
        })
    }

    /// The first rule that matches every path that this one matches, or every
    /// manifest of a kind: behind it, this one would be of no use. It, and those
    /// behind it, no longer count as earlier ones.
    ///
    /// # Errors
    /// [`TooComplex`]
    pub(super) fn move_before_shadow(&mut self) -> Result<Option<usize>, TooComplex> {
        for at in 0..self.earlier.len() {
            let language = &self.earlier[at].language;
            let mut shadows = self.search.find(&[&self.own], &[language])?.is_none();
            for kind in &self.manifests {
                let all = [&self.own, &kind.language];
                shadows = shadows || self.search.find(&all, &[language])?.is_none();
            }
            if shadows {
                let index = self.earlier[at].index;
                self.later = self.earlier.split_off(at);
                return Ok(Some(index));
            }
        }
        Ok(None)
    }

    /// Why sops never comes to the rule, or `None` if it does: the rules that
    /// together take all of its paths. None of them if no path matches.
    ///
    /// # Errors
    /// [`TooComplex`]
    pub(super) fn shadowed_by(&mut self) -> Result<Option<Vec<RuleSummary>>, TooComplex> {
        let earlier: Vec<&Language> = self.earlier.iter().map(|rule| &rule.language).collect();
        let reached = self.search.find(&[&self.own], &earlier)?.is_some();
        Ok((!reached).then(|| self.earlier_rules()))
    }

    fn earlier_rules(&self) -> Vec<RuleSummary> {
        let rules = self.earlier.iter().map(|earlier| earlier.rule.clone());
        rules.collect()
    }

    /// What is odd about a rule that was there. That it overlaps others is not:
    /// their order is their author's. `selects_values`: whether it says which
    /// values are encrypted.
    ///
    /// # Errors
    /// [`TooComplex`]
    pub(super) fn warnings(
        &mut self,
        selects_values: bool,
    ) -> Result<Vec<RuleWarning>, TooComplex> {
        let earlier: Vec<&Language> = self.earlier.iter().map(|rule| &rule.language).collect();
        let mut found = Vec::new();
        let mut whole = None;
        for kind in &self.manifests {
            match self.search.find(&[&self.own, &kind.language], &earlier)? {
                Some(path) => whole = whole.or(Some(path)),
                None => found.push(RuleWarning::NoManifests {
                    ending: kind.ending,
                    path: kind.path.clone(),
                    earlier: self.earlier_rules(),
                }),
            }
        }
        let whole = whole.filter(|_| !selects_values);
        found.extend(whole.map(|path| RuleWarning::WholeManifests { path }));
        for expression in KUSTOMIZATIONS {
            let language = named(expression, self.characters)?;
            if let Some(path) = self.search.find(&[&self.own, &language], &earlier)? {
                found.push(RuleWarning::Kustomization { path });
                break;
            }
        }
        Ok(found)
    }

    /// What is odd about a new rule, and what others lose to it.
    ///
    /// # Errors
    /// [`TooComplex`]
    pub(super) fn warnings_of_new(&mut self) -> Result<Vec<RuleWarning>, TooComplex> {
        let overlaps = self.earlier.iter().map(|earlier| RuleWarning::Overlap {
            earlier: earlier.rule.clone(),
            path: earlier.path.clone(),
        });
        let mut found: Vec<RuleWarning> = overlaps.collect();
        let mut before: Vec<&Language> = self.earlier.iter().map(|rule| &rule.language).collect();
        for (at, later) in self.later.iter().enumerate() {
            let rule = later.rule.clone();
            if self
                .search
                .find(&[&later.language], &[&self.own])?
                .is_none()
            {
                found.push(RuleWarning::Hides { later: rule });
            } else if at > 0
                // What the first one loses is why the new rule stands there.
                && let Some(path) = self.search.find(&[&self.own, &later.language], &before)?
            {
                found.push(RuleWarning::Takes { later: rule, path });
            }
            before.push(&later.language);
        }
        found.extend(self.warnings(true)?);
        Ok(found)
    }
}

fn named(expression: &str, characters: Characters) -> Result<Language, TooComplex> {
    let regex = PathRegex::new(expression).map_err(|_| TooComplex)?;
    Language::of(Some(&regex), characters)
}

/// Which rules of a config sops never comes to.
pub struct Shadows<'r> {
    rules: &'r [CreationRule],
    paths: Paths,
    /// For ASCII, and for all characters.
    searches: [OnceLock<Result<Search, TooComplex>>; 2],
}

impl<'r> Shadows<'r> {
    pub(super) fn new(rules: &'r [CreationRule], paths: Paths) -> Self {
        Self {
            rules,
            paths,
            searches: Default::default(),
        }
    }

    /// The rules before the one of this index that together match all of its paths, so that
    /// sops never comes to it; none of them if no path matches it. `None` if sops does come
    /// to it, or if the expressions are too complex to compare.
    pub fn of(&self, index: usize) -> Option<Vec<RuleSummary>> {
        self.decide(index).ok()?
    }

    fn search(&self, characters: Characters, rules: usize) -> Result<Search, TooComplex> {
        let at = usize::from(characters == Characters::Unicode);
        let made = self.searches[at].get_or_init(|| Search::new(self.paths, characters, 0));
        made.as_ref()
            .map(|search| search.another(rules))
            .map_err(|too_complex| *too_complex)
    }

    /// Of a usual rule a path shows at once that sops comes to it. The automata of other
    /// rules are built only where one of them takes that path.
    fn decide(&self, index: usize) -> Result<Option<Vec<RuleSummary>>, TooComplex> {
        let (before, rule) = (&self.rules[..index], &self.rules[index]);
        let own = rule.regex()?;
        let mut characters = Characters::of(own.into_iter());
        let mut shadows: BTreeSet<usize> = BTreeSet::new();
        loop {
            let languages: Vec<Language> = shadows
                .iter()
                .map(|at| Language::of(before[*at].regex()?, characters))
                .collect::<Result<_, _>>()?;
            let mut search = self.search(characters, before.len())?;
            let of_none: Vec<&Language> = languages.iter().collect();
            let found = search.find(&[&Language::of(own, characters)?], &of_none)?;
            let Some(path) = found else {
                let summaries = shadows.iter().map(|at| before[*at].summary());
                return Ok(Some(summaries.collect()));
            };
            let first = before
                .iter()
                .position(|rule| rule.matches(Path::new(&path)) != Some(false));
            match first {
                None => return Ok(None),
                // Nobody can tell, or the two readings of an expression differ.
                Some(at) if before[at].matches(Path::new(&path)).is_none() => {
                    return Err(TooComplex);
                }
                Some(at) if !shadows.insert(at) => return Err(TooComplex),
                Some(at) => {
                    characters = characters.and(Characters::of(before[at].regex()?.into_iter()));
                }
            }
        }
    }
}

/// The first rule that matches every path there is.
pub(super) fn first_for_every_path(rules: &[CreationRule], paths: Paths) -> Option<usize> {
    rules.iter().position(|rule| rule.is_for_every_path(paths))
}

impl CreationRule {
    /// Whether the rule matches every path there is, as far as that can be decided.
    pub fn is_for_every_path(&self, paths: Paths) -> bool {
        let is_for_all = || {
            let characters = Characters::Ascii;
            let language = Language::of(self.regex()?, characters)?;
            let found = Search::new(paths, characters, 1)?.find(&[], &[&language])?;
            Ok::<bool, TooComplex>(found.is_none())
        };
        is_for_all() == Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::sops_config::SopsConfig;

    fn rules(expressions: &[&str]) -> Vec<CreationRule> {
        let line = |text: &&str| format!("  - path_regex: '{text}'\n    age: <key>\n");
        let lines: String = expressions.iter().map(line).collect();
        let text = format!("creation_rules:\n{lines}");
        let config = SopsConfig::from_bytes(Path::new(".sops.yaml"), text.into_bytes());
        config.expect("a config").rules
    }

    /// The index of the rule that shadows a new one.
    fn shadow(new: &str, before: &[&str]) -> Option<usize> {
        let regex = PathRegex::new(new).expect(new);
        let mut routing = Routing::new(Some(&regex), &rules(before), Paths::Relative);
        let routing = routing.as_mut().expect("simple enough");
        routing.move_before_shadow().expect("simple enough")
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

    /// The automata of many rules at once would have too many states.
    #[test]
    fn many_rules_that_overlap_are_decided() {
        let many: Vec<String> = (0..60)
            .map(|index| format!(r"clusters/.*c{index}/.*secret.*\.yaml$"))
            .collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let regex = PathRegex::new("^clusters/new/.*").expect("a regex");
        let routing = Routing::new(Some(&regex), &rules(&many), Paths::Relative);
        let mut routing = routing.expect("decided");
        assert_eq!(routing.shadowed_by(), Ok(None));
        let found = routing.warnings_of_new().expect("decided");
        let overlaps = found
            .iter()
            .filter(|warning| matches!(warning, RuleWarning::Overlap { .. }));
        assert_eq!(overlaps.count(), many.len());
    }

    #[test]
    fn a_rule_is_out_of_reach_where_the_rules_before_it_take_all_of_its_paths() {
        for (expressions, shadowed) in [
            (&["^prod/", "^prod/a"][..], Some(&[1][..])),
            (&["^dev/", "^prod/", "^prod/a"], Some(&[2])),
            // Only together.
            (&["^a/[a-m]", "^b/", "^a/[^a-m]", "^a/"], Some(&[1, 3])),
            (&["^a/[a-m]", "^a/"], None),
            (&["^prod$", "^$"], Some(&[])),
            // Only the first names characters beyond ASCII, and only the last.
            (&["^a/[^ä]", "^b/", "^b/c"], Some(&[2])),
            (&["^a/[^b]", "^a/ä"], Some(&[1])),
        ] {
            let rules = rules(expressions);
            let found = Shadows::new(&rules, Paths::Relative).decide(rules.len() - 1);
            let found = found.expect("simple enough");
            let lines = found.map(|found| {
                let lines = found.iter().map(|rule| rule.position.line / 2);
                lines.collect::<Vec<u64>>()
            });
            assert_eq!(lines.as_deref(), shadowed, "{expressions:?}");
        }
    }

    /// With the automata of all rules for each of them this takes minutes.
    #[test]
    fn of_many_rules_each_is_decided_at_once() {
        let many = |form: fn(usize) -> String| {
            let many: Vec<String> = (0..200).map(form).collect();
            rules(&many.iter().map(String::as_str).collect::<Vec<&str>>())
        };
        let apart = many(|at| format!(r"^dir{at}/.*secret.*\.yaml$"));
        let below = many(|at| {
            if at == 0 {
                "^dir/".to_owned()
            } else {
                format!("^dir/{at}/")
            }
        });
        for (rules, is_shadowed) in [(apart, false), (below, true)] {
            let shadows = Shadows::new(&rules, Paths::Relative);
            for at in 1..rules.len() {
                let found = shadows.decide(at).expect("simple enough");
                assert_eq!(found.is_some(), is_shadowed, "{at}");
            }
        }
    }

    #[test]
    fn whole_paths_are_meant_where_the_config_is_elsewhere() {
        let regex = PathRegex::new("^/srv/prod/").expect("a regex");
        for (paths, reached) in [(Paths::Absolute, true), (Paths::Relative, false)] {
            let mut routing = Routing::new(Some(&regex), &[], paths).expect("decided");
            assert_eq!(routing.shadowed_by() == Ok(None), reached);
        }
    }
}
