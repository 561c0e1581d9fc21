//! Asks on a terminal which rule of `.sops.yaml` a cluster's key is for.

use std::io::{self, IsTerminal};

use super::message::hints::EXAMPLE_PATH_REGEX;
use super::report::Report;
use crate::cli::message::safe_text::holds_private_key;
use crate::core::identity::Recipient;
use crate::core::sops_config::{GoRegex, RuleSelector, RuleSummary};

/// Whether there is someone to ask.
pub fn can_ask(report: &Report) -> bool {
    report.reaches_a_person() && io::stdin().is_terminal()
}

/// Asks which of the rules is meant. `None` if the person would rather stop.
pub fn pick(report: &Report, context: &str, rules: &[RuleSummary]) -> Option<RuleSelector> {
    report.say(&format!(
        "Which rule of .sops.yaml is for the cluster of context \"{context}\"?"
    ));
    let mut choices: Vec<String> = rules
        .iter()
        .map(|rule| format!("{rule}: {}", rule.key_list()))
        .collect();
    choices.push("a new rule".to_owned());
    let chosen = number(report, &choices)?;
    match rules.get(chosen) {
        None => new_rule(report),
        Some(rule) if rule.has_no_key => Some(RuleSelector::Listed {
            index: chosen,
            add: false,
        }),
        Some(rule) => taken(report, chosen, rule),
    }
}

fn new_rule(report: &Report) -> Option<RuleSelector> {
    report.say(&format!(
        "Which files is the rule for? A path_regex, matched against the path from where
\
         .sops.yaml is, such as {EXAMPLE_PATH_REGEX}"
    ));
    loop {
        let expression = answer(report, "path_regex: ")?;
        if holds_private_key(&expression) {
            report.say("That is a private key. It was not written anywhere.");
            continue;
        }
        match GoRegex::new(&expression) {
            Ok(regex) => return Some(RuleSelector::Paths { regex, add: false }),
            Err(error) => report.say(&format!("kb cannot read that: {error}")),
        }
    }
}

/// The rule has its keys: beside them, or in the place of one?
fn taken(report: &Report, index: usize, rule: &RuleSummary) -> Option<RuleSelector> {
    report.say("That rule has its keys. Where does the new one go?");
    let keys = rule.keys.iter().filter_map(|key| key.parse().ok());
    let replaceable: Vec<Recipient> = keys.filter(Recipient::may_be_a_clusters).collect();
    let mut choices =
        vec!["beside them: each of these keys opens the files of this rule".to_owned()];
    choices.extend(replaceable.iter().map(|old| {
        format!("instead of {old}, wherever it is used: its cluster was rebuilt as this one")
    }));
    match number(report, &choices)?.checked_sub(1) {
        None => Some(RuleSelector::Listed { index, add: true }),
        Some(at) => Some(RuleSelector::InsteadOf(replaceable[at].clone())),
    }
}

/// The index of the choice.
fn number(report: &Report, choices: &[String]) -> Option<usize> {
    for (index, choice) in choices.iter().enumerate() {
        report.say(&format!("  {}  {choice}", index + 1));
    }
    let question = format!("1 to {}, or Enter to stop: ", choices.len());
    loop {
        let number = answer(report, &question)?.parse::<usize>();
        match number.ok().and_then(|number| number.checked_sub(1)) {
            Some(index) if index < choices.len() => return Some(index),
            _ => report.say("That is not a number of the list."),
        }
    }
}

/// A line that is not empty. Nothing is taken back by an answer: the plan is
/// shown before anything is done.
fn answer(report: &Report, question: &str) -> Option<String> {
    report.ask(question);
    let mut line = String::new();
    let read = io::stdin().read_line(&mut line);
    let answer = line.trim();
    if read.is_ok_and(|bytes| bytes > 0) {
        return (!answer.is_empty()).then(|| answer.to_owned());
    }
    // Ctrl-D leaves the cursor behind the question.
    report.say("");
    None
}
