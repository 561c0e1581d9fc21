//! Another recipient in the place of one, wherever it stands.

use super::recipients::{RecipientEntry, entries, key_groups, of_groups, of_rule, without_item};
use super::{Splice, UnsupportedForm};
use crate::core::identity::Recipient;
use crate::core::yaml::{Document, Node};

/// Puts `new` where `old` stands as a recipient, in creation rules and in the
/// rules that `sops publish` encrypts by. In no list it stands twice.
pub(super) fn everywhere(
    document: &Document,
    old: &Recipient,
    new: &Recipient,
) -> Result<Vec<Splice>, UnsupportedForm> {
    let mut splices = Vec::new();
    let recreation = document
        .top_list("destination_rules")
        .iter()
        .filter_map(|rule| document.get(rule, "recreation_rule"));
    for rule in document.top_list("creation_rules").iter().chain(recreation) {
        check_groups(document, rule, old.as_str(), new.as_str())?;
        for pair in of_rule(document, rule) {
            let list = document.resolve(&pair.value);
            splices.extend(in_list(document, list, old.as_str(), new.as_str())?);
        }
    }
    Ok(splices)
}

/// In several key groups one key must not come to meet the threshold alone.
fn check_groups(
    document: &Document,
    rule: &Node,
    old: &str,
    new: &str,
) -> Result<(), UnsupportedForm> {
    let groups = key_groups(document, rule);
    let (mut with_old, mut with_any) = (0, 0);
    for group in groups {
        let mut texts = Vec::new();
        for pair in of_groups(document, std::slice::from_ref(group)) {
            let found = entries(document, document.resolve(&pair.value))?;
            texts.extend(found.into_iter().map(|entry| entry.text));
        }
        let has = |key: &str| texts.iter().any(|text| text == key);
        with_old += usize::from(has(old));
        with_any += usize::from(has(old) || has(new));
    }
    match groups {
        [first, ..] if with_old > 0 && with_any > with_old => {
            let form = "key groups that would have it twice";
            Err(UnsupportedForm::at(first, form))
        }
        _ => Ok(()),
    }
}

fn in_list(
    document: &Document,
    list: &Node,
    old: &str,
    new: &str,
) -> Result<Vec<Splice>, UnsupportedForm> {
    let entries = entries(document, list)?;
    if !entries.iter().any(|entry| entry.text == old) {
        return Ok(Vec::new());
    }
    // One of them stays. Best one that other places refer to, else the one
    // that is right already.
    let mut candidates: Vec<usize> = (0..entries.len())
        .filter(|at| [old, new].contains(&entries[*at].text.as_str()))
        .collect();
    candidates.sort_by_key(|at| entries[*at].text == old);
    let shared = |at: &usize| is_shared(list, &entries[*at]);
    let kept = candidates.iter().copied().find(shared);
    let kept = kept.unwrap_or(candidates[0]);
    let goes = |at: usize| at != kept && candidates.contains(&at);
    let mut splices = Vec::new();
    if entries[kept].text == old {
        splices.push(Splice::replace(entries[kept].range.clone(), new));
    }
    for (at, entry) in entries.iter().enumerate().filter(|(at, _)| goes(*at)) {
        let same_scalar = |other: &usize| entries[*other].item == entry.item;
        let stays = |other: &usize| same_scalar(other) && !goes(*other);
        let siblings: Vec<usize> = (0..entries.len()).filter(same_scalar).collect();
        match entry.item {
            Some(item) if !siblings.iter().any(stays) => {
                // An alias elsewhere would lead nowhere.
                if entry.scalar.anchor.is_some() && !is_alias(list, entry) {
                    let form = "a list that would hold the key twice, at an anchor";
                    return Err(UnsupportedForm::at(entry.scalar, form));
                }
                let kept_after = (at..entries.len())
                    .any(|other| !goes(other) && entries[other].item > entry.item);
                splices.extend(without_item(document, list, item, kept_after)?);
            }
            _ => splices.push(Splice::remove(
                match siblings.iter().any(|other| *other > at && stays(other)) {
                    true => entry.range.start..entries[at + 1].range.start,
                    false => entries[at - 1].range.end..entry.range.end,
                },
            )),
        }
    }
    Ok(splices)
}

/// Whether the entry is an alias in this list.
fn is_alias(list: &Node, entry: &RecipientEntry) -> bool {
    let item = entry.item.map(|item| &list.items()[item]);
    item.is_some_and(|item| item.start != entry.scalar.start)
}

/// Whether the entry is written somewhere else, or other places may refer to it.
fn is_shared(list: &Node, entry: &RecipientEntry) -> bool {
    is_alias(list, entry) || (entry.item.is_some() && entry.scalar.anchor.is_some())
}
