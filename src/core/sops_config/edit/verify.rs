//! Reads an edited text again: only the intended difference may be there.

use serde_json::Value;

use super::InsertAt;
use crate::core::identity::Recipient;
use crate::core::readers::{Reader, Readers};
use crate::core::sops_config::SopsConfig;
use crate::core::sops_config::config::SECRET_VALUES;
use crate::core::sops_config::fault::FaultKind;
use crate::core::sops_config::model::CreationRule;
use crate::core::yaml::Stream;

/// What sops reads of a rule.
#[derive(Debug, PartialEq)]
struct Meaning {
    paths: String,
    selection: Vec<(&'static str, String)>,
    mac_only_encrypted: bool,
    readers: Readers,
    placeholders: usize,
    unknown_fields: Vec<String>,
    faults: Vec<FaultKind>,
}

/// Whether sops reads `after` as `before`, but for `recipient` in `place`.
pub(super) fn is_as_intended(
    before: &SopsConfig,
    after: &SopsConfig,
    place: &InsertAt,
    recipient: &Recipient,
) -> bool {
    let all = |rules: &[CreationRule]| -> Vec<Meaning> { rules.iter().map(Meaning::of).collect() };
    let new = Reader::Age(recipient.clone());
    let (mut was, mut is) = (all(&before.rules), all(&after.rules));
    let (mut was_again, mut is_again) =
        (all(&before.recreation_rules), all(&after.recreation_rules));
    match place {
        InsertAt::Rule(index) | InsertAt::Beside(index) => {
            let (Some(was), Some(is)) = (was.get_mut(*index), is.get_mut(*index)) else {
                return false;
            };
            if matches!(place, InsertAt::Rule(_)) && !was.readers.is_empty() {
                return false;
            }
            let mut groups = is.readers.groups.iter_mut();
            let Some(group) = groups.find(|group| group.contains(&new)) else {
                return false;
            };
            let at = group.iter().position(|key| *key == new);
            group.remove(at.unwrap_or_default());
            // One placeholder may have given way, and what was wrong without the key.
            is.placeholders += usize::from(is.placeholders < was.placeholders);
            was.faults.retain(|fault| is.faults.contains(fault));
        }
        InsertAt::NewRule {
            before: at,
            path_regex,
        } => {
            let rule = Meaning {
                paths: path_regex.clone(),
                selection: vec![("encrypted_regex", SECRET_VALUES.to_owned())],
                mac_only_encrypted: false,
                readers: Readers {
                    groups: vec![vec![new]],
                    threshold: None,
                },
                placeholders: 0,
                unknown_fields: Vec::new(),
                faults: Vec::new(),
            };
            was.insert((*at).min(was.len()), rule);
        }
        InsertAt::InsteadOf(old) => {
            let old = Reader::Age(old.clone());
            let was = was.iter_mut().chain(&mut was_again);
            for group in was.flat_map(|rule| &mut rule.readers.groups) {
                if group.contains(&old) {
                    group.retain(|key| *key != old && *key != new);
                    group.push(new.clone());
                }
                group.sort();
            }
            // Which of two equal ones has stayed does not matter.
            let is = is.iter_mut().chain(&mut is_again);
            is.flat_map(|rule| &mut rule.readers.groups)
                .for_each(|group| group.sort());
        }
    }
    was == is && was_again == is_again && stores(&before.text) == stores(&after.text)
}

impl Meaning {
    fn of(rule: &CreationRule) -> Self {
        let unknown = rule.unknown_fields.iter();
        Self {
            paths: rule.paths().unwrap_or_default(),
            selection: rule.selection_fields.clone(),
            mac_only_encrypted: rule.mac_only_encrypted,
            readers: rule.readers.clone(),
            placeholders: rule.age.iter().filter(|key| key.is_placeholder()).count(),
            unknown_fields: unknown.map(|field| field.name.clone()).collect(),
            faults: rule.faults.iter().map(|fault| fault.kind.clone()).collect(),
        }
    }
}

/// What else sops reads.
fn stores(text: &str) -> Option<Value> {
    let stream = Stream::parse_first(text).ok()?;
    let document = stream.values().ok()?.into_iter().next()?;
    document.get("stores").cloned()
}
