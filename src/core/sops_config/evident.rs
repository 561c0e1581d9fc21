//! Which rule a new cluster's key belongs to, where that is evident.
//!
//! kb never guesses: a key in the wrong rule lets one cluster read another's
//! secrets.

use std::fmt;

use super::SopsConfig;
use super::model::{CreationRule, Position};

/// Where a new recipient goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The file has no rule: it gets its first one.
    FirstRule,
    /// The rule with this index (from 0) has no key yet: it gets one.
    Rule(usize),
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
}

impl CreationRule {
    /// The rule as it is shown to a person.
    pub fn summary(&self) -> RuleSummary {
        RuleSummary {
            position: self.position,
            path_regex: self.path_regex.as_ref().map(|(text, _)| text.clone()),
            keys: self.age.iter().map(|key| key.text.clone()).collect(),
            other_keys: self.other_keys,
        }
    }
}

impl fmt::Display for RuleSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paths = self.path_regex.as_deref().unwrap_or("(every path)");
        write!(f, "line {}: {paths}", self.position.line)
    }
}

/// The rules do not say which of them the new key is for.
#[derive(Debug, PartialEq, Eq)]
pub struct NotEvident {
    /// The rules there are.
    pub rules: Vec<RuleSummary>,
}

/// Finds the place for a new cluster's key: the file has no rule, or exactly
/// one rule without a key of any kind.
///
/// # Errors
/// [`NotEvident`] in every other case.
pub fn evident(config: &SopsConfig) -> Result<Place, NotEvident> {
    let rules = &config.rules;
    if rules.is_empty() {
        return Ok(Place::FirstRule);
    }
    let mut without_key = rules
        .iter()
        .enumerate()
        .filter(|(_, rule)| rule.has_no_key());
    match (without_key.next(), without_key.next()) {
        (Some((index, _)), None) => Ok(Place::Rule(index)),
        _ => Err(NotEvident {
            rules: rules.iter().map(CreationRule::summary).collect(),
        }),
    }
}
