//! Which rule a cluster's key belongs to.
//!
//! kb never guesses: a key in the wrong rule lets one cluster read another's
//! secrets.

use std::fmt;

use super::DEFAULT_PATH_REGEX;
use super::SopsConfig;
use super::model::{CreationRule, Position};
use super::path_regex::{Language, PathRegex, TooComplex, find_path};
use crate::core::identity::Recipient;

/// Which rule is meant, as far as a person has said it.
#[derive(Clone, Debug)]
pub enum Target {
    /// The one that is evidently meant.
    Evident,
    /// The rule with this very `path_regex`, or a new one.
    Paths {
        /// The expression.
        regex: PathRegex,
        /// Whether the key may stand beside those that the rule has.
        add: bool,
    },
    /// The rule with this index (from 0).
    Listed {
        /// The index.
        index: usize,
        /// Whether the key may stand beside those that the rule has.
        add: bool,
    },
    /// Wherever this recipient stands: its cluster was rebuilt.
    InsteadOf(Recipient),
}

/// Where a new recipient goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The rule with this index (from 0) has no key yet: it gets one.
    Rule(usize),
    /// Beside the keys of the rule with this index.
    Beside(usize),
    /// Into a new rule.
    NewRule {
        /// The index of the rule that it comes before, or the number of rules.
        before: usize,
        /// Its expression.
        path_regex: String,
    },
    /// Wherever this recipient stands.
    InsteadOf(Recipient),
}

/// A rule as it is shown to a person who must choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSummary {
    /// Where it stands.
    pub position: Position,
    /// Its `path_regex`, or `None` if it matches every path.
    pub path_regex: Option<String>,
    /// The age recipients and placeholders in it.
    pub keys: Vec<String>,
    /// Whether PGP, KMS or Vault keys are in it too.
    pub other_keys: bool,
    /// Whether it has no key but placeholders.
    pub has_no_key: bool,
}

impl CreationRule {
    /// The rule as it is shown to a person.
    pub fn summary(&self) -> RuleSummary {
        RuleSummary {
            position: self.position,
            path_regex: self.path_regex.as_ref().map(|paths| paths.text.clone()),
            keys: self.age.iter().map(|key| key.text.clone()).collect(),
            other_keys: self.other_keys,
            has_no_key: self.has_no_key(),
        }
    }

    /// The paths that the rule would match, were it alone.
    pub(super) fn language(&self) -> Result<Language, TooComplex> {
        let paths = self.path_regex.as_ref();
        let regex = paths.map(|paths| paths.regex.as_ref().map_err(|_| TooComplex));
        Language::of(regex.transpose()?)
    }
}

impl RuleSummary {
    /// The keys in it, in words.
    pub fn key_list(&self) -> String {
        let mut keys = self.keys.clone();
        if self.other_keys {
            keys.push("keys of another kind".to_owned());
        }
        if keys.is_empty() {
            keys.push("no key".to_owned());
        }
        keys.join(", ")
    }
}

impl fmt::Display for RuleSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paths = self.path_regex.as_deref().unwrap_or("(every path)");
        write!(f, "line {}: {paths}", self.position.line)
    }
}

/// Why there is no place for the key.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NoPlace {
    /// The rules do not say which of them the key is for.
    #[error("{file} does not say which of its rules the cluster's key is for")]
    NotEvident {
        /// The `.sops.yaml`.
        file: String,
        /// The rules there are.
        rules: Vec<RuleSummary>,
    },
    /// The rule has keys, and was not to get another one beside them.
    #[error("{place}: the rule for these paths has its keys already")]
    Taken {
        /// `FILE:LINE:COLUMN`.
        place: String,
        /// The rule.
        rule: RuleSummary,
    },
    /// The recipient to replace is nowhere.
    #[error("{file} does not name {old}, which was to be replaced")]
    NotThere {
        /// The `.sops.yaml`.
        file: String,
        /// The recipient.
        old: Recipient,
        /// The recipients that are there.
        known: Vec<String>,
    },
    /// sops would never come to the rule.
    #[error("{place}: the rule for {paths} would never apply")]
    NeverApplies {
        /// `FILE:LINE:COLUMN`, or the file alone for a new rule.
        place: String,
        /// Its expression.
        paths: String,
        /// The rules before it that match all of its paths; none if no path
        /// matches the expression.
        earlier: Vec<RuleSummary>,
    },
}

/// Finds the place for a cluster's key that the file does not name yet where it
/// should.
///
/// # Errors
/// [`NoPlace`]
pub fn choose(config: &SopsConfig, target: &Target) -> Result<Place, NoPlace> {
    let rules = &config.rules;
    let file = || config.path.display().to_string();
    let place = match target {
        Target::InsteadOf(old) if config.mentions(old) => return Ok(Place::InsteadOf(old.clone())),
        Target::InsteadOf(old) => {
            let keys = rules.iter().flat_map(|rule| &rule.age);
            let mut known: Vec<String> = keys.map(|key| key.text.clone()).collect();
            known.sort();
            known.dedup();
            return Err(NoPlace::NotThere {
                file: file(),
                old: old.clone(),
                known,
            });
        }
        Target::Evident => evident(config)?,
        Target::Listed { index, add } => in_rule(config, *index, *add)?,
        Target::Paths { regex, add } => {
            let same = |rule: &CreationRule| {
                rule.path_regex
                    .as_ref()
                    .is_some_and(|paths| paths.text == regex.as_str())
            };
            match rules.iter().position(same) {
                Some(index) => in_rule(config, index, *add)?,
                None => Place::NewRule {
                    before: first_that_shadows(rules, regex),
                    path_regex: regex.as_str().to_owned(),
                },
            }
        }
    };
    check_applies(config, &place, target)?;
    Ok(place)
}

/// The rule has no key yet, or may hold several.
fn in_rule(config: &SopsConfig, index: usize, add: bool) -> Result<Place, NoPlace> {
    let rule = &config.rules[index];
    if rule.has_no_key() {
        Ok(Place::Rule(index))
    } else if add {
        Ok(Place::Beside(index))
    } else {
        Err(NoPlace::Taken {
            place: rule.position.in_file(&config.path),
            rule: rule.summary(),
        })
    }
}

/// The file has no rule, or exactly one rule without a key of any kind.
fn evident(config: &SopsConfig) -> Result<Place, NoPlace> {
    let rules = &config.rules;
    if rules.is_empty() {
        return Ok(Place::NewRule {
            before: 0,
            path_regex: DEFAULT_PATH_REGEX.to_owned(),
        });
    }
    let without_key = |index: &usize| rules[*index].has_no_key();
    let mut found = (0..rules.len()).filter(without_key);
    match (found.next(), found.next()) {
        (Some(index), None) => Ok(Place::Rule(index)),
        _ => Err(NoPlace::NotEvident {
            file: config.path.display().to_string(),
            rules: rules.iter().map(CreationRule::summary).collect(),
        }),
    }
}

/// The first rule that matches every path that the expression matches: behind
/// it, a rule for the expression would never apply.
fn first_that_shadows(rules: &[CreationRule], regex: &PathRegex) -> usize {
    let shadows = |rule: &CreationRule| {
        let (new, old) = (Language::of(Some(regex))?, rule.language()?);
        Ok::<bool, TooComplex>(find_path(&[&new], &[&old])?.is_none())
    };
    let found = rules.iter().position(|rule| shadows(rule) == Ok(true));
    found.unwrap_or(rules.len())
}

/// Checks that sops comes to the rule at all.
fn check_applies(config: &SopsConfig, place: &Place, target: &Target) -> Result<(), NoPlace> {
    let rules = &config.rules;
    let (index, own) = match (place, target) {
        (Place::Rule(index) | Place::Beside(index), _) => (*index, rules[*index].language()),
        (Place::NewRule { before, .. }, Target::Paths { regex, .. }) => {
            (*before, Language::of(Some(regex)))
        }
        _ => return Ok(()),
    };
    let covering = || {
        let own = own?;
        let earlier: Vec<Language> = rules[..index]
            .iter()
            .map(CreationRule::language)
            .collect::<Result<_, _>>()?;
        let all: Vec<&Language> = earlier.iter().collect();
        if find_path(&[&own], &all)?.is_some() {
            return Ok(None);
        }
        let mut covering = Vec::new();
        for (rule, language) in rules.iter().zip(&earlier) {
            if find_path(&[&own, language], &[])?.is_some() {
                covering.push(rule.summary());
            }
        }
        Ok::<_, TooComplex>(Some(covering))
    };
    let Ok(Some(earlier)) = covering() else {
        return Ok(());
    };
    let (place, paths) = match place {
        Place::NewRule { path_regex, .. } => {
            (config.path.display().to_string(), Some(path_regex.clone()))
        }
        _ => {
            let summary = rules[index].summary();
            (summary.position.in_file(&config.path), summary.path_regex)
        }
    };
    Err(NoPlace::NeverApplies {
        place,
        paths: paths.unwrap_or_else(|| "every path".to_owned()),
        earlier,
    })
}
