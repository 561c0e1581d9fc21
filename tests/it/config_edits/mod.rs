//! Generated `.sops.yaml` files: whatever the style, an edit changes what it
//! means to change, and sops reads all else as before.

mod generate;

use std::path::Path;

use generate::{Generated, Rule, generate};
use kb::core::identity::Recipient;
use kb::core::sops_config::{InsertAt, SopsConfig};
use testkit::World;

use crate::generated::cases;
use crate::rule_matching::metadata_by_sops;
use crate::{bare_world, keypair};

/// What the edit makes of the rules.
fn expected(rules: &[Rule], place: &InsertAt, new: &str) -> Vec<Rule> {
    let mut rules = rules.to_vec();
    match place {
        InsertAt::Rule(index) | InsertAt::Beside(index) => rules[*index].keys.push(new.to_owned()),
        InsertAt::NewRule { before, .. } => {
            let rule = Rule {
                folder: Some("new".to_owned()),
                keys: vec![new.to_owned()],
                selects: true,
                shares: false,
            };
            rules.insert((*before).min(rules.len()), rule);
        }
        InsertAt::InsteadOf(old) => {
            for rule in &mut rules {
                for key in rule.keys.iter_mut().filter(|key| *key == old.as_str()) {
                    new.clone_into(key);
                }
                rule.keys.sort();
                rule.keys.dedup();
            }
        }
    }
    rules
}

/// Checks that nothing but the intended text differs.
fn check_text(before: &str, after: &str, place: &InsertAt, old: &str, new: &str) {
    if let InsertAt::InsteadOf(_) = place {
        // Where a list had the new one too, an item goes.
        if !before.contains(new) {
            assert_eq!(after.replace(new, old), before);
        }
        return;
    }
    let changes = similar::TextDiff::from_chars(before, after);
    let (mut inserted, mut deleted) = (String::new(), String::new());
    for change in changes.iter_all_changes() {
        match change.tag() {
            similar::ChangeTag::Insert => inserted.push_str(change.value()),
            similar::ChangeTag::Delete => deleted.push_str(change.value()),
            similar::ChangeTag::Equal => {}
        }
    }
    // A placeholder may go, or a word for nothing.
    let may_go = if matches!(place, InsertAt::Rule(_)) {
        7
    } else {
        0
    };
    assert!(
        deleted.len() <= may_go,
        "{deleted:?} is gone from\n{before}\n{after}"
    );
    let longest = new.len()
        + if matches!(place, InsertAt::NewRule { .. }) {
            140
        } else {
            24
        };
    assert!(inserted.len() <= longest, "{inserted:?}");
    let bare = after.replace("\r\n", "").matches(['\r', '\n']).count();
    assert!(
        !before.contains("\r\n") || bare == 0,
        "mixed line ends:\n{after:?}"
    );
}

/// What sops makes of a new file for each rule, and whether only some of its
/// values are encrypted.
fn check_sops(world: &World, folder: &str, text: &str, rules: &[Rule], also: &str) {
    let config = world.write(format!("{folder}/.sops.yaml"), text);
    for rule in rules {
        let file = format!("{folder}/{}", rule.probe());
        let arguments = ["--config", config.to_str().expect("UTF-8"), "encrypt"];
        let mut command = world.tool_cmd("sops", arguments);
        command.args(["--filename-override", &file]);
        let mut keys = rule.keys.clone();
        keys.sort();
        keys.dedup();
        let values = rule.selects.then(|| "^(data|stringData)$".to_owned());
        // Without a key, sops encrypts nothing.
        let wanted = (!keys.is_empty()).then_some((keys, values));
        assert_eq!(
            metadata_by_sops(world, command),
            wanted,
            "{rule:?} in\n{text}{also}"
        );
    }
}

#[test]
fn an_edit_changes_what_it_means_to_and_sops_reads_the_rest_as_before() {
    let world = bare_world();
    let all: Vec<String> = (0..5).map(|_| keypair(&world).1).collect();
    let (old, new) = (all[0].clone(), all[4].clone());
    let recipient: Recipient = new.parse().expect("a recipient");
    cases(40, |rng, worker| {
        // Now and then the new one is in use already.
        let pool = &all[..if rng.u8(..4) == 0 { 5 } else { 4 }];
        let Generated { text, rules } = generate(rng, pool);
        let folder = format!("w{worker}");
        let path = world.write(format!("{folder}/.sops.yaml"), &text);
        let config = SopsConfig::load_or_empty(&path).expect(&text);
        config.check_rules(&config.rules).expect(&text);
        let index = rng.usize(..rules.len());
        let place = match rng.u8(..4) {
            0 if rules[index].keys.is_empty() => InsertAt::Rule(index),
            0 => InsertAt::Beside(index),
            1 => InsertAt::NewRule {
                before: rng.usize(..rules.len()),
                path_regex: "^new/".to_owned(),
            },
            2 => InsertAt::NewRule {
                before: rules.len(),
                path_regex: "^new/".to_owned(),
            },
            _ => InsertAt::InsteadOf(old.parse().expect("a recipient")),
        };
        if matches!(place, InsertAt::Beside(_)) && rules[index].keys.contains(&new) {
            return;
        }
        let after = match config.with(&place, &recipient) {
            Ok(after) => after,
            Err(_) if matches!(place, InsertAt::Beside(_)) && rules[index].shares => return,
            Err(error) => panic!("{error} for {place:?} in\n{text}"),
        };
        // What other rules share is copied.
        if !(matches!(place, InsertAt::Beside(_)) && rules[index].shares) {
            check_text(&text, &after.text, &place, &old, &new);
        }
        let mut wanted = expected(&rules, &place, &new);
        // Behind a rule for all paths nothing is read by sops.
        let all_paths = wanted.iter().position(|rule| rule.folder.is_none());
        wanted.truncate(all_paths.map_or(wanted.len(), |at| at + 1));
        check_sops(
            &world,
            &folder,
            &after.text,
            &wanted,
            &format!("\nfrom\n{text}"),
        );
    });
}

/// The files that people have, with everything that `init` can do to them.
#[test]
fn real_configs_are_edited_as_their_authors_would() {
    let world = bare_world();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/config_edits/corpus");
    let mut seen = 0;
    for entry in std::fs::read_dir(&corpus).expect("the corpus") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        seen += 1;
        let (old, new) = (keypair(&world).1, keypair(&world).1);
        let other = keypair(&world).1;
        let text = std::fs::read_to_string(&path).expect("a file");
        let text = text.replace("OLD", &old).replace("OTHER", &other);
        let file = world.write(format!("c{seen}/.sops.yaml"), &text);
        let config = SopsConfig::load_or_empty(&file).expect(&text);
        config.check_rules(&config.rules).expect(&text);
        let new: Recipient = new.parse().expect("a recipient");
        let instead = InsertAt::InsteadOf(old.parse().expect("a recipient"));
        let mut shown = String::new();
        let rules = config.rules.len();
        let places = [
            instead,
            InsertAt::NewRule {
                before: rules,
                path_regex: "^clusters/new/.*secret.*\\.yaml$".to_owned(),
            },
            InsertAt::NewRule {
                before: 0,
                path_regex: "^clusters/new/.*secret.*\\.yaml$".to_owned(),
            },
            InsertAt::Beside(0),
        ];
        for place in places {
            let outcome = match config.with(&place, &new) {
                Ok(after) => {
                    let difference = similar::TextDiff::from_lines(&text, &after.text);
                    difference.unified_diff().context_radius(1).to_string()
                }
                Err(error) => format!("{error}\n"),
            };
            shown.push_str(&format!("# {place:?}\n{outcome}\n"));
        }
        let shown = shown
            .replace(&old, "OLD")
            .replace(&other, "OTHER")
            .replace(new.as_str(), "NEW")
            .replace(file.to_str().expect("UTF-8"), ".sops.yaml");
        let name = path
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        insta::assert_snapshot!(format!("corpus-{name}"), shown);
    }
    assert!(seen >= 8, "only {seen} files in {}", corpus.display());
}
