//! Writes a `.sops.yaml` at random, and how it should read.

use fastrand::Rng;

/// A rule, as it should read.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    /// What stands before `/` in the paths of the rule; none for all paths.
    pub(super) folder: Option<String>,
    pub(super) keys: Vec<String>,
    /// Whether only some values are encrypted.
    pub(super) selects: bool,
    /// Whether other rules share what it says about its keys.
    pub(super) shares: bool,
}

impl Rule {
    pub(super) fn probe(&self) -> String {
        let folder = self.folder.as_deref().unwrap_or("any");
        format!("{folder}/x.yaml")
    }
}

pub(super) struct Generated {
    pub(super) text: String,
    pub(super) rules: Vec<Rule>,
}

const STYLES: usize = 13;
const COMMENTS: [&str; 4] = ["# why", "# - age: nobody", "# a: [b, 'c", "# é \u{1f511}"];

/// Writes a config at random. `pool` are the recipients to choose from.
pub(super) fn generate(rng: &mut Rng, pool: &[String]) -> Generated {
    let mut rules: Vec<Rule> = (0..rng.usize(1..=4))
        .map(|index| Rule {
            folder: Some(format!("f{index}")),
            keys: some_of(rng, pool),
            selects: false,
            shares: false,
        })
        .collect();
    if rng.bool() {
        rules.push(Rule {
            folder: None,
            keys: some_of(rng, pool),
            selects: false,
            shares: false,
        });
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
        rule.selects = rng.bool();
        if rule.selects {
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
    if rng.u8(..5) == 0 {
        rule.keys.clear();
        let nothing = [
            "",
            "age:",
            "age: \"\"",
            "age: []",
            "age: ~",
            "age: <key>",
            "age: 'age1...'",
        ];
        return match nothing[rng.usize(..nothing.len())] {
            "" => format!("# no key\n{deep}shamir_threshold: 0\n"),
            age => format!("{age}{end}\n"),
        };
    }
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
        9 => format!("key_groups:\n{deep}  - age:\n{}", lines("      ", "\"")),
        10 => {
            let all: Vec<String> = keys.iter().map(alias).collect();
            format!("age: [{}]{end}\n", all.join(", "))
        }
        11 => {
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
