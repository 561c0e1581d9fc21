//! Which rule a cluster's key belongs to: what a person asked for ([`RuleSelector`])
//! becomes a place in the file ([`InsertAt`]), which `edit` then fills.
//!
//! kb never guesses: a key in the wrong rule lets one cluster read another's
//! secrets.

use super::config::{DEFAULT_PATH_REGEX, SopsConfig};
use super::edit::InsertAt;
use super::model::{ConfigError, CreationRule, RuleSummary};
use super::path_regex::{GoRegex, PathForm};
use super::routing::{Routing, RuleWarning};
use crate::core::identity::Recipient;

/// Which rule is meant, as far as a person has said it.
#[derive(Clone, Debug)]
pub enum RuleSelector {
    /// The one that is evidently meant.
    Evident,
    /// The rule with this very `path_regex`, or a new one.
    Paths {
        /// The expression; an empty one names a rule without `path_regex`.
        regex: GoRegex,
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

/// Why there is no place for the key.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PlacementError {
    /// The rules do not say which of them the key is for.
    #[error("{file} does not say which of its rules the cluster's key is for")]
    NotEvident {
        /// The `.sops.yaml`.
        file: String,
        /// The rules there are.
        rules: Vec<RuleSummary>,
    },
    /// The key was to be added to a rule that is not there.
    #[error("{file} has no rule with the path_regex '{paths}'")]
    NoSuchRule {
        /// The `.sops.yaml`.
        file: String,
        /// The expression; empty for a rule without one.
        paths: String,
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
        /// The recipients that are there and may be a cluster's.
        known: Vec<Recipient>,
    },
    /// sops would never come to the rule.
    #[error("{place}: the rule for {} would never apply", .paths.as_deref().unwrap_or("every path"))]
    NeverApplies {
        /// `FILE:LINE:COLUMN`, or the file alone for a new rule.
        place: String,
        /// Its expression; `None` matches every path.
        paths: Option<String>,
        /// The rules before it that match all of its paths; none if no path
        /// matches the expression.
        earlier: Vec<RuleSummary>,
    },
}

/// A place for a key, and what is odd about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleChoice {
    /// The place.
    pub place: InsertAt,
    /// What is odd about the rule that gets the key.
    pub warnings: Vec<RuleWarning>,
}

/// Checks what the place for a cluster's key depends on: that rule, whether sops comes
/// to it, and where no rule is named, all of them.
///
/// # Errors
/// What is wrong with one of those rules, or stops sops for all files.
pub fn check_for(config: &SopsConfig, target: &RuleSelector) -> Result<(), ConfigError> {
    config.check_form()?;
    let rules = &config.rules;
    let (before, own) = match target {
        RuleSelector::InsteadOf(_) => return Ok(()),
        RuleSelector::Evident => (rules.len(), &rules[..]),
        RuleSelector::Listed { index, .. } => {
            (*index, rules.get(*index..=*index).unwrap_or_default())
        }
        RuleSelector::Paths { regex, .. } => {
            match rules.iter().position(|rule| rule.has_paths(regex)) {
                Some(index) => (index, &rules[index..=index]),
                None => (rules.len(), &[][..]),
            }
        }
    };
    for rule in &rules[..before.min(rules.len())] {
        rule.check_paths(&config.path)?;
    }
    config.check_rules(own)
}

/// Finds the place for a cluster's key that the file does not name yet where it
/// should. `paths`: what the files' paths look like to the rules.
///
/// # Errors
/// [`PlacementError`]
pub fn choose(
    config: &SopsConfig,
    target: &RuleSelector,
    paths: PathForm,
) -> Result<RuleChoice, PlacementError> {
    match target {
        RuleSelector::InsteadOf(old) => instead_of(config, old),
        RuleSelector::Evident => match evident(config)? {
            Some(index) => in_rule(config, index, false, paths),
            None => Ok(RuleChoice {
                place: InsertAt::NewRule {
                    before: 0,
                    path_regex: DEFAULT_PATH_REGEX.to_owned(),
                },
                warnings: Vec::new(),
            }),
        },
        RuleSelector::Listed { index, add } => in_rule(config, *index, *add, paths),
        RuleSelector::Paths { regex, add } => {
            let same = |rule: &CreationRule| rule.has_paths(regex);
            match config.rules.iter().position(same) {
                Some(index) => in_rule(config, index, *add, paths),
                None if *add || regex.as_str().is_empty() => Err(PlacementError::NoSuchRule {
                    file: config.path.display().to_string(),
                    paths: regex.as_str().to_owned(),
                    rules: summaries(config),
                }),
                None => new_rule(config, regex, paths),
            }
        }
    }
}

fn instead_of(config: &SopsConfig, old: &Recipient) -> Result<RuleChoice, PlacementError> {
    if config.mentions(old) {
        return Ok(RuleChoice {
            place: InsertAt::InsteadOf(old.clone()),
            warnings: Vec::new(),
        });
    }
    let keys = config.rules.iter().flat_map(|rule| &rule.age);
    let keys = keys.filter_map(|key| key.text.parse().ok());
    let mut known: Vec<Recipient> = keys.filter(Recipient::may_be_a_clusters).collect();
    known.sort();
    known.dedup();
    Err(PlacementError::NotThere {
        file: config.path.display().to_string(),
        old: old.clone(),
        known,
    })
}

/// The one rule without a key of any kind, or `None` if there is no rule at all.
fn evident(config: &SopsConfig) -> Result<Option<usize>, PlacementError> {
    let rules = &config.rules;
    if rules.is_empty() {
        return Ok(None);
    }
    let mut without_key = (0..rules.len()).filter(|index| rules[*index].has_no_key());
    match (without_key.next(), without_key.next()) {
        (Some(index), None) => Ok(Some(index)),
        _ => Err(PlacementError::NotEvident {
            file: config.path.display().to_string(),
            rules: summaries(config),
        }),
    }
}

fn summaries(config: &SopsConfig) -> Vec<RuleSummary> {
    config.rules.iter().map(CreationRule::summary).collect()
}

/// The rule has no key yet, or may hold several; and sops comes to it.
fn in_rule(
    config: &SopsConfig,
    index: usize,
    add: bool,
    paths: PathForm,
) -> Result<RuleChoice, PlacementError> {
    let rule = &config.rules[index];
    let position = rule.position.in_file(&config.path);
    let place = if rule.has_no_key() {
        InsertAt::Rule(index)
    } else if add {
        InsertAt::Beside(index)
    } else {
        return Err(PlacementError::Taken {
            place: position,
            rule: rule.summary(),
        });
    };
    let routing = rule.regex().ok();
    let routing = routing.and_then(|own| Routing::new(own, &config.rules[..index], paths));
    let Some(routing) = routing else {
        return Ok(RuleChoice {
            place,
            warnings: vec![RuleWarning::Undecided],
        });
    };
    match routing.shadowed_by() {
        None => Ok(RuleChoice {
            place,
            warnings: routing.warnings(rule.selection.is_explicit()),
        }),
        Some(earlier) => Err(PlacementError::NeverApplies {
            place: position,
            paths: rule.summary().path_regex,
            earlier,
        }),
    }
}

/// A rule of its own: at the end, or before the first rule that would shadow
/// it.
fn new_rule(
    config: &SopsConfig,
    regex: &GoRegex,
    paths: PathForm,
) -> Result<RuleChoice, PlacementError> {
    let rules = &config.rules;
    let place = |before: Option<usize>| InsertAt::NewRule {
        before: before.unwrap_or(rules.len()),
        path_regex: regex.as_str().to_owned(),
    };
    let Some(mut routing) = Routing::new(Some(regex), rules, paths) else {
        let for_all = rules.iter().position(|rule| rule.is_for_every_path(paths));
        return Ok(RuleChoice {
            place: place(for_all),
            warnings: vec![RuleWarning::Undecided],
        });
    };
    let before = routing.move_before_shadow();
    match routing.shadowed_by() {
        None => Ok(RuleChoice {
            place: place(before),
            warnings: routing.warnings_of_new(),
        }),
        Some(earlier) => Err(PlacementError::NeverApplies {
            place: config.path.display().to_string(),
            paths: Some(regex.as_str().to_owned()),
            earlier,
        }),
    }
}
