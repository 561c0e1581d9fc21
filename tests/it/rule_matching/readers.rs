//! Who may read a file, and what of it is encrypted: a file that sops encrypts by a rule
//! is as the rule says to kb, too, whatever the rule's style and whatever version of sops.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use fastrand::Rng;
use kb::core::audit::Mismatch;
use kb::core::encrypted::EncryptedFile;
use kb::core::rules::Rules;
use testkit::{Tools, World};

use crate::generated::cases;
use crate::{bare_world, keypair};

const CASES: u64 = 60;

/// Fields of a rule that say which values are encrypted.
const SELECTIONS: [&str; 8] = [
    "encrypted_regex: ^(data|stringData)$",
    "encrypted_regex: '^data$'",
    "unencrypted_regex: \"^(kind|metadata)$\"",
    "encrypted_suffix: _secret",
    "unencrypted_suffix: _plain",
    "unencrypted_suffix: _unencrypted",
    "encrypted_comment_regex: sops:enc",
    "unencrypted_comment_regex: sops:dec",
];

/// A file of each format, with something to encrypt by every selection.
const FILES: [(&str, &str); 4] = [
    ("x.yaml", "data:\n  a: b\nb_secret: c # sops:enc\n"),
    (
        "x.json",
        "{\"data\": {\"a\": \"b\"}, \"b_secret\": \"c\"}\n",
    ),
    ("x.env", "data=a\nb_secret=c\n"),
    ("x.ini", "[data]\na = b\nb_secret = c\n"),
];

/// A rule for all files, at random.
#[derive(Clone, Debug, PartialEq)]
struct Rule {
    /// The recipients, by key group.
    groups: Vec<Vec<String>>,
    threshold: Option<usize>,
    selection: Option<&'static str>,
    mac_only_encrypted: bool,
}

impl Rule {
    fn generate(rng: &mut Rng, pool: &[String]) -> Self {
        let some = |rng: &mut Rng| {
            let count = rng.usize(1..=3);
            rng.choose_multiple(pool.iter(), count)
        };
        let count = [1, 1, 2, 3][rng.usize(..4)];
        let groups = (0..count).map(|_| some(rng).into_iter().cloned().collect());
        Self {
            groups: groups.collect(),
            threshold: (count > 1 && rng.bool()).then(|| rng.usize(2..=count)),
            selection: rng.bool().then(|| SELECTIONS[rng.usize(..8)]),
            mac_only_encrypted: rng.u8(..3) == 0,
        }
    }

    /// What two rules have in common that say the same.
    fn meaning(&self) -> impl PartialEq + use<> {
        let groups = self.groups.iter().map(|group| {
            let mut group = group.clone();
            group.sort();
            group
        });
        let all = self.groups.len();
        let threshold = (all > 1).then(|| self.threshold.unwrap_or(all));
        // Without any selection, sops has this one.
        let selection = self.selection.unwrap_or("unencrypted_suffix: _unencrypted");
        (
            groups.collect::<Vec<_>>(),
            threshold,
            selection,
            self.mac_only_encrypted,
        )
    }

    /// Another rule, by which its files are not as they should be.
    fn other(&self, rng: &mut Rng, pool: &[String]) -> Self {
        let mut other = self.clone();
        match rng.u8(..5) {
            0 => {
                let group = rng.usize(..other.groups.len());
                let group = &mut other.groups[group];
                match pool.iter().find(|key| !group.contains(key)) {
                    Some(key) => group.push(key.clone()),
                    None => drop(group.pop()),
                }
            }
            1 => other.groups[0] = vec![pool[pool.len() - 1].clone()],
            2 if other.groups.len() > 2 => other.threshold = Some(2),
            3 => other.selection = Some(SELECTIONS[rng.usize(..8)]),
            _ => other.mac_only_encrypted = !other.mac_only_encrypted,
        }
        other
    }

    /// The rule in `.sops.yaml`, in one of the styles.
    fn text(&self, rng: &mut Rng) -> String {
        let odd = [",", ", ", " ,", ",\n      "][rng.usize(..4)];
        let list = |group: &[String], indent: &str| -> String {
            let lines = group.iter().map(|key| format!("\n{indent}- {key}"));
            lines.collect()
        };
        let keys = match (self.groups.as_slice(), rng.u8(..5)) {
            ([group], 0) => format!("age: {}", group.join(odd)),
            ([group], 1) => format!("age: >-\n      {}", group.join(odd)),
            ([group], 2) => format!("\"\\u0061ge\":{}", list(group, "      ")),
            ([group], 3) => format!("age: [\"{}\"]", group.join("\", \"")),
            (groups, style) => {
                let groups = groups.iter().map(|group| match style {
                    0 => format!("\n    - age: [{}]", group.join(", ")),
                    1 => format!("\n    - {{\"age\": [{}]}}", group.join(", ")),
                    2 => {
                        let (first, rest) = group.split_first().expect("a key");
                        let rest = list(rest, "          ");
                        let merged = format!("\n      - age:\n          - {first}");
                        match rest.is_empty() {
                            true => format!("\n    - merge:{}", merged.replace('\n', "\n  ")),
                            false => format!(
                                "\n    - merge:{}\n        - age:{}",
                                merged.replace('\n', "\n  "),
                                rest
                            ),
                        }
                    }
                    _ => format!("\n    - age:{}", list(group, "        ")),
                });
                let groups: String = groups.collect();
                // What stands beside groups, sops does not read.
                match rng.u8(..3) {
                    0 => format!("age: age1nobody\n    key_groups:{groups}"),
                    _ => format!("key_groups:{groups}"),
                }
            }
        };
        let mut fields = vec![keys];
        if let Some(threshold) = self.threshold {
            fields.push(format!("shamir_threshold: {threshold}"));
        }
        fields.extend(self.selection.map(str::to_owned));
        if self.mac_only_encrypted {
            fields.push("mac_only_encrypted: true".to_owned());
        } else if rng.u8(..4) == 0 {
            fields.push("mac_only_encrypted: off".to_owned());
        }
        rng.shuffle(&mut fields);
        format!("creation_rules:\n  - {}\n", fields.join("\n    "))
    }
}

/// How a file differs from the rule of its directory.
fn mismatch(directory: &Path, file: &str, encrypted: &[u8]) -> Option<Mismatch> {
    let path = directory.join(file);
    let rules = Rules::of_working_tree([directory], None);
    let rule = rules.of(&path).usable().expect("a rule");
    let file = EncryptedFile::parse(&path, encrypted).expect("an encrypted file");
    Mismatch::of(&file, rule, &[])
}

/// What a sops makes of a new file; `None` if it refuses.
fn encrypted(
    world: &World,
    sops: &Path,
    directory: &Path,
    file: &str,
    text: &str,
) -> Option<Vec<u8>> {
    let mut command = world.tool_cmd(sops, ["encrypt", "--filename-override", file]);
    command.arg("/dev/stdin");
    command.current_dir(directory);
    let run = world.run_with_stdin(command, text.as_bytes());
    (run.code == Some(0)).then_some(run.stdout)
}

#[test]
fn a_file_is_as_its_generated_rule_says_where_sops_has_just_encrypted_it() {
    let world = bare_world();
    let tools = Tools::get();
    let judges: [PathBuf; 2] = [tools.sops.clone(), tools.oldest_sops()];
    let pool: Vec<String> = (0..5).map(|_| keypair(&world).1).collect();
    let (asked, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    cases(CASES, |rng, worker| {
        let rule = Rule::generate(rng, &pool);
        let text = rule.text(rng);
        let other = rule.other(rng, &pool);
        let other_text = other.text(rng);
        let folder = format!("w{worker}");
        let (name, content) = FILES[rng.usize(..FILES.len())];
        for sops in &judges {
            // Before 3.10, sops writes a threshold into these that it cannot read again.
            let is_flat = name.ends_with(".env") || name.ends_with(".ini");
            if is_flat && rule.groups.len() > 1 && *sops == judges[1] {
                continue;
            }
            asked.fetch_add(1, Ordering::Relaxed);
            let config = world.write(format!("{folder}/.sops.yaml"), &text);
            let directory = config.parent().expect("a directory");
            let Some(file) = encrypted(&world, sops, directory, name, content) else {
                refused.fetch_add(1, Ordering::Relaxed);
                continue;
            };
            let found = mismatch(directory, name, &file);
            let shown = String::from_utf8_lossy(&file);
            assert_eq!(found, None, "{}:\n{text}\n{shown}", sops.display());
            world.write(format!("{folder}/.sops.yaml"), &other_text);
            let found = mismatch(directory, name, &file);
            let is_same = rule.meaning() == other.meaning();
            let shown = format!("{}:\n{other_text}\n{shown}", sops.display());
            assert_eq!(found.is_none(), is_same, "{shown}");
        }
    });
    let [asked, refused] = [asked, refused].map(AtomicUsize::into_inner);
    // Older versions do not know all fields, and merge no groups.
    assert!(
        refused * 3 < asked,
        "sops refused {refused} of {asked} rules"
    );
}
