//! Generated `.sops.yaml` files: whatever the style, an edit changes what it
//! means to change, and sops reads all else as before.

use std::path::Path;

use fastrand::Rng;
use kb::core::identity::Recipient;
use kb::core::sops_config::{Place, SopsConfig};
use testkit::World;

use crate::generated::cases;
use crate::rule_matching::by_sops;
use crate::{bare_world, keypair};

/// A rule, as it should read.
#[derive(Clone, Debug)]
struct Rule {
    /// What stands before `/` in the paths of the rule; none for all paths.
    folder: Option<String>,
    keys: Vec<String>,
    /// Whether other rules share what it says about its keys.
    shares: bool,
}

impl Rule {
    fn probe(&self) -> String {
        let folder = self.folder.as_deref().unwrap_or("any");
        format!("{folder}/x.yaml")
    }
}

struct Generated {
    text: String,
    rules: Vec<Rule>,
}

const STYLES: usize = 14;
const COMMENTS: [&str; 4] = ["# why", "# - age: nobody", "# a: [b, 'c", "# é \u{1f511}"];

/// Writes a config at random. `pool` are the recipients to choose from.
fn generate(rng: &mut Rng, pool: &[String]) -> Generated {
    let mut rules: Vec<Rule> = (0..rng.usize(1..=4))
        .map(|index| Rule {
            folder: Some(format!("f{index}")),
            keys: some_of(rng, pool),
            shares: false,
        })
        .collect();
    if rng.bool() {
        rules.push(Rule {
            folder: None,
            keys: some_of(rng, pool),
            shares: false,
        });
    }
    if rng.u8(..6) == 0 {
        return json(rng, rules);
    }
    let mut text = String::new();
    if rng.u8(..3) == 0 {
        text.push_str("# clusters and their keys\n\n");
    }
    if rng.u8(..4) == 0 {
        text.push_str("---\n");
    }
    // Anchors that rules may refer to.
    text.push_str("keys:\n");
    for (index, key) in pool.iter().enumerate() {
        let comment = comment(rng);
        text.push_str(&format!("  - &k{index} {key}{comment}\n"));
    }
    let shared = some_of(rng, pool);
    let listed: Vec<String> = shared.iter().map(|key| format!("    - {key}\n")).collect();
    text.push_str(&format!("lists:\n  all: &all\n{}", listed.concat()));
    text.push_str(&format!("  base: &base\n    age: {}\n", shared.join(",")));
    let indent = " ".repeat(rng.usize(0..4));
    let gap = " ".repeat(rng.usize(1..4));
    let blank = rng.bool();
    text.push_str(&format!("creation_rules:{}\n", comment(rng)));
    for (index, rule) in rules.iter_mut().enumerate() {
        if blank && index > 0 {
            text.push('\n');
        }
        if rng.u8(..3) == 0 {
            text.push_str(&format!(
                "{indent}{}\n",
                COMMENTS[rng.usize(..COMMENTS.len())]
            ));
        }
        let deep = format!("{indent} {gap}");
        let mut entries = vec![age(rng, rule, pool, &shared, &deep)];
        if let Some(folder) = &rule.folder {
            let quote = ["", "'", "\""][rng.usize(..3)];
            entries.push(format!(
                "path_regex: {quote}^{folder}/{quote}{}\n",
                comment(rng)
            ));
        }
        if rng.bool() {
            entries.push("encrypted_regex: ^(data|stringData)$\n".to_owned());
        }
        rng.shuffle(&mut entries);
        for (nth, entry) in entries.iter().enumerate() {
            if nth == 0 {
                text.push_str(&format!("{indent}-{gap}{entry}"));
            } else {
                text.push_str(&format!("{deep}{entry}"));
            }
            if rng.u8(..6) == 0 {
                text.push_str(&format!("{deep}# about the entry\n"));
            }
        }
    }
    for tail in [
        "# the end\n",
        "\n",
        "stores:\n  yaml:\n    indent: 2\n",
        "...\n",
    ] {
        if rng.u8(..4) == 0 {
            text.push_str(tail);
        }
    }
    if rng.u8(..4) == 0 {
        text.truncate(text.trim_end().len());
    }
    if rng.u8(..5) == 0 {
        text = text.replace('\n', "\r\n");
    }
    if rng.u8(..6) == 0 {
        text.insert(0, '\u{feff}');
    }
    Generated { text, rules }
}

fn some_of(rng: &mut Rng, pool: &[String]) -> Vec<String> {
    rng.choose_multiple(pool.iter(), rng.clone().usize(1..=3))
        .into_iter()
        .cloned()
        .collect()
}

fn comment(rng: &mut Rng) -> String {
    match rng.u8(..3) {
        0 => format!(
            "{}{}",
            " ".repeat(rng.usize(1..4)),
            COMMENTS[rng.usize(..4)]
        ),
        _ => String::new(),
    }
}

/// The entry of a rule's keys, in one of the styles.
fn age(rng: &mut Rng, rule: &mut Rule, pool: &[String], shared: &[String], deep: &str) -> String {
    let keys = rule.keys.clone();
    let alias = |key: &String| {
        let index = pool
            .iter()
            .position(|known| known == key)
            .expect("a known key");
        format!("*k{index}")
    };
    let odd = [",", ", ", " , ", ",  "][rng.usize(..4)];
    let end = comment(rng);
    let lines = |dash: &str, quote: &str| -> String {
        let line = |key: &String| format!("{deep}{dash}- {quote}{key}{quote}\n");
        keys.iter().map(line).collect()
    };
    let folded = keys.join(&format!(",\n{deep}    "));
    match rng.usize(..STYLES) {
        0 => format!("age: {}{end}\n", keys.join(odd)),
        1 => format!("age: '{}'{end}\n", keys.join(odd)),
        2 => format!("age: \"{}\"{end}\n", keys.join(odd)),
        3 => format!("age: >-{end}\n{deep}    {folded}\n"),
        4 => format!("age: |{end}\n{deep}    {folded}\n"),
        5 => format!("age: {folded}{end}\n"),
        6 => format!("age:{end}\n{}", lines("  ", "")),
        7 => format!("age:\n{}", lines("", "'")),
        8 => format!("age: [{}]{end}\n", keys.join(", ")),
        9 => {
            let line = |key: &String| format!("{deep}  {key}, # one\n");
            let all: String = keys.iter().map(line).collect();
            format!("age: [{end}\n{all}{deep}]\n")
        }
        10 => format!("key_groups:\n{deep}  - age:\n{}", lines("      ", "\"")),
        11 => {
            let all: Vec<String> = keys.iter().map(alias).collect();
            format!("age: [{}]{end}\n", all.join(", "))
        }
        12 => {
            rule.shares = true;
            rule.keys = shared.to_vec();
            format!("age: *all{end}\n")
        }
        _ => {
            rule.shares = true;
            rule.keys = shared.to_vec();
            "<<: *base\n".to_owned()
        }
    }
}

/// The same as JSON, in one line or in many.
fn json(rng: &mut Rng, rules: Vec<Rule>) -> Generated {
    let all: Vec<serde_json::Value> = rules
        .iter()
        .map(|rule| {
            let keys = match rng.bool() {
                true => serde_json::json!(rule.keys),
                false => serde_json::json!(rule.keys.join(",")),
            };
            let mut value = serde_json::json!({ "age": keys });
            if let Some(folder) = &rule.folder {
                value["path_regex"] = format!("^{folder}/").into();
            }
            value
        })
        .collect();
    let value = serde_json::json!({ "creation_rules": all });
    let text = match rng.bool() {
        true => value.to_string(),
        false => format!("{value:#}\n"),
    };
    Generated { text, rules }
}

/// What the edit makes of the rules.
fn expected(rules: &[Rule], place: &Place, new: &str) -> Vec<Rule> {
    let mut rules = rules.to_vec();
    match place {
        Place::Rule(index) | Place::Beside(index) => rules[*index].keys.push(new.to_owned()),
        Place::NewRule { before, .. } => {
            let rule = Rule {
                folder: Some("new".to_owned()),
                keys: vec![new.to_owned()],
                shares: false,
            };
            rules.insert((*before).min(rules.len()), rule);
        }
        Place::InsteadOf(old) => {
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
fn check_text(before: &str, after: &str, place: &Place, old: &str, new: &str) {
    if let Place::InsteadOf(_) = place {
        // Where a list had the new one too, an item goes.
        if !before.contains(new) {
            assert_eq!(after.replace(new, old), before);
        }
        return;
    }
    let changes = similar::TextDiff::from_chars(before, after);
    let mut inserted = String::new();
    for change in changes.iter_all_changes() {
        assert_ne!(
            change.tag(),
            similar::ChangeTag::Delete,
            "{before}\n{after}"
        );
        if change.tag() == similar::ChangeTag::Insert {
            inserted.push_str(change.value());
        }
    }
    let longest = new.len()
        + if matches!(place, Place::NewRule { .. }) {
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
        assert_eq!(
            by_sops(world, command),
            Some(keys),
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
        config.check().expect(&text);
        let index = rng.usize(..rules.len());
        let place = match rng.u8(..4) {
            0 => Place::Beside(index),
            1 => Place::NewRule {
                before: rng.usize(..rules.len()),
                path_regex: "^new/".to_owned(),
            },
            2 => Place::NewRule {
                before: rules.len(),
                path_regex: "^new/".to_owned(),
            },
            _ => Place::InsteadOf(old.parse().expect("a recipient")),
        };
        if matches!(place, Place::Beside(_)) && rules[index].keys.contains(&new) {
            return;
        }
        let after = match config.with(&place, &recipient) {
            Ok(after) => after,
            Err(_) if matches!(place, Place::Beside(_)) && rules[index].shares => return,
            Err(error) => panic!("{error} for {place:?} in\n{text}"),
        };
        check_text(&text, &after.text, &place, &old, &new);
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
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/corpus");
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
        config.check().expect(&text);
        let new: Recipient = new.parse().expect("a recipient");
        let instead = Place::InsteadOf(old.parse().expect("a recipient"));
        let mut shown = String::new();
        let rules = config.rules.len();
        let places = [
            instead,
            Place::NewRule {
                before: rules,
                path_regex: "^clusters/new/.*secret.*\\.yaml$".to_owned(),
            },
            Place::NewRule {
                before: 0,
                path_regex: "^clusters/new/.*secret.*\\.yaml$".to_owned(),
            },
            Place::Beside(0),
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
