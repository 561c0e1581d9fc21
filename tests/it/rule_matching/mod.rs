//! Which rule sops takes for a new file, and which kb takes: the same.

mod expressions;
mod readers;

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use kb::core::repository::{absolute, find_config};
use kb::core::sops_config::{CreationRule, RuleMatch, SopsConfig};
use testkit::World;

use expressions::{EXPRESSIONS, ODD_PARTS, PARTS, PATHS, READ_BY_SOPS_ALONE};

use crate::generated::cases;
use crate::{bare_world, keypair};

/// The recipients that sops gives a new file, sorted; `None` if it refuses.
pub(crate) fn by_sops(world: &World, command: Command) -> Option<Vec<String>> {
    metadata_by_sops(world, command).map(|(recipients, _)| recipients)
}

/// The same, and the `encrypted_regex` if there is one.
pub(crate) fn metadata_by_sops(
    world: &World,
    command: Command,
) -> Option<(Vec<String>, Option<String>)> {
    let run = world.run_with_stdin(command, b"kind: Secret\ndata:\n  a: b\n");
    if run.code != Some(0) {
        return None;
    }
    let recipients = run.out().lines().filter_map(|line| {
        let found = line.trim_start_matches([' ', '-']);
        found.strip_prefix("recipient: ").map(str::to_owned)
    });
    let mut recipients: Vec<String> = recipients.collect();
    recipients.sort();
    let values = |line: &str| {
        line.trim()
            .strip_prefix("encrypted_regex: ")
            .map(str::to_owned)
    };
    Some((recipients, run.out().lines().find_map(values)))
}

/// `sops encrypt` of a file that is not there yet, as a person types it.
fn encrypt(world: &World, directory: &Path, file: &str) -> Command {
    let yaml = ["--input-type", "yaml", "--output-type", "yaml"];
    let mut command = world.tool_cmd("sops", ["encrypt", "--filename-override", file]);
    command.args(yaml);
    command.current_dir(directory).env("PWD", directory);
    command
}

/// The rule by which kb encrypts a new file; `None` if there is none that can be used.
pub(crate) fn rule_for<'c>(
    config: &'c SopsConfig,
    base: &Path,
    file: &Path,
) -> Option<&'c CreationRule> {
    let index = match config.rule_index(base, file) {
        RuleMatch::None => return None,
        RuleMatch::Rule(index) | RuleMatch::Unknown(index) => index,
    };
    config.check_rules(&config.rules[index..=index]).ok()?;
    config.rules.get(index)
}

/// The recipients that kb reads off the config.
fn by_kb(directory: &Path, named: Option<&Path>, file: &str) -> Option<Vec<String>> {
    let found = find_config(directory, named)?;
    let config = SopsConfig::load_or_empty(&found.path).expect("a config");
    // A rule that sops cannot use, or one that it does not come past, is none.
    let file = absolute(directory, Path::new(file));
    let rule = rule_for(&config, &found.base, &file)?;
    let mut keys: Vec<String> = rule.age.iter().map(|key| key.text.clone()).collect();
    keys.sort();
    Some(keys)
}

/// A config with a rule for each expression, and its own recipient for each.
fn config_of(expressions: &[&str], recipients: &[String]) -> String {
    let mut text = "creation_rules:\n".to_owned();
    assert!(
        expressions.len() <= recipients.len(),
        "a recipient for each"
    );
    for (expression, recipient) in expressions.iter().zip(recipients) {
        let expression = serde_json::Value::from(*expression);
        text.push_str(&format!(
            "  - path_regex: {expression}\n    age: {recipient}\n"
        ));
    }
    text
}

fn recipients(world: &World, count: usize) -> Vec<String> {
    (0..count).map(|_| keypair(world).1).collect()
}

/// Each place that a person may be in, and each way to name a file.
#[test]
fn sops_and_kb_agree_wherever_config_and_file_are() {
    let mut world = bare_world();
    let recipients = recipients(&world, 4);
    let rules = ["^prod/", "^[^/]+$", "^/", "link"];
    let config = config_of(&rules, &recipients);
    world.write(".sops.yaml", &config);
    world.write(
        "apps/nested/.sops.yaml",
        config_of(&["^x"], &recipients[3..]),
    );
    for directory in ["prod/db", "apps/nested/deep", "elsewhere"] {
        std::fs::create_dir_all(world.path(directory)).expect("mkdir");
    }
    // Outside the repository, with links from there into it.
    let outside = world.root().join("outside");
    std::fs::create_dir_all(outside.join("a/b")).expect("mkdir");
    symlink(world.repo(), outside.join("link")).expect("symlink");
    symlink(world.path("prod"), outside.join("a/b/linked")).expect("symlink");
    symlink(world.path("elsewhere"), world.path("prod/aside")).expect("symlink");
    let repo = world.repo();
    let directories = [
        repo.clone(),
        repo.join("prod"),
        repo.join("prod/db"),
        repo.join("prod/aside"),
        repo.join("apps/nested/deep"),
        outside.join("link"),
        outside.join("link/prod"),
        outside.join("a/b/linked"),
        outside.clone(),
    ];
    let in_repo = repo.join("prod/x.yaml");
    let linked = outside.join("link/prod/x.yaml");
    let files = [
        "x.yaml",
        "prod/x.yaml",
        "./prod//x.yaml",
        "../x.yaml",
        "../prod/x.yaml",
        "db/../x.yaml",
        in_repo.to_str().expect("UTF-8"),
        linked.to_str().expect("UTF-8"),
    ];
    let mut decided = 0;
    let mut check = |world: &World, named: Option<&Path>| {
        for directory in &directories {
            for file in files {
                let sops = by_sops(world, encrypt(world, directory, file));
                let kb = by_kb(directory, named, file);
                assert_eq!(kb, sops, "{file} in {}, {named:?}", directory.display());
                decided += usize::from(sops.is_some());
            }
        }
    };
    check(&world, None);
    // A config outside the tree, named by the variable.
    let named = outside.join("clusters.yaml");
    std::fs::write(&named, &config).expect("write");
    world.env("SOPS_CONFIG", &named);
    check(&world, Some(&named));
    let relative = PathBuf::from("../outside/../outside/clusters.yaml");
    world.env("SOPS_CONFIG", &relative);
    for file in files {
        let sops = by_sops(&world, encrypt(&world, &repo, file));
        assert_eq!(by_kb(&repo, Some(&relative), file), sops, "{file}");
    }
    assert!(decided > 60, "only {decided} cases came to a rule");
}

/// kb reads an expression as sops does, or says that it cannot tell.
#[test]
fn expressions_mean_to_kb_what_they_mean_to_sops() {
    let world = bare_world();
    let recipients = recipients(&world, 2);
    let next = AtomicUsize::new(0);
    let sops_alone = Mutex::new(BTreeSet::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(expression) = EXPRESSIONS.get(at) else {
                        break;
                    };
                    let folder = format!("r{at}");
                    let reader = compare(&world, &folder, &[expression], &recipients, &PATHS);
                    if reader == Reader::SopsAlone {
                        sops_alone.lock().expect("no panic").insert(*expression);
                    }
                }
            });
        }
    });
    let sops_alone = sops_alone.into_inner().expect("no panic");
    let expected: BTreeSet<&str> = READ_BY_SOPS_ALONE.into_iter().collect();
    assert_eq!(sops_alone, expected);
}

/// Who reads the expressions of a config.
#[derive(Debug, PartialEq)]
enum Reader {
    Both,
    /// kb cannot tell, and sops can.
    SopsAlone,
    Nobody,
}

/// Compares sops and kb over one config and some paths: those that tell. The
/// last recipient's rule is for all paths, so that sops refuses a file only
/// where an expression does not compile.
fn compare(
    world: &World,
    folder: &str,
    expressions: &[&str],
    recipients: &[String],
    paths: &[&str],
) -> Reader {
    let all = recipients.last().expect("a recipient");
    let rules = config_of(expressions, &recipients[..recipients.len() - 1]);
    let text = format!("{rules}  - age: {all}\n");
    let path = world.write(format!("{folder}/.sops.yaml"), text);
    let config = SopsConfig::load_or_empty(&path).expect("a config");
    let directory = world.path(folder);
    let rule_of =
        |path: &str| config.rule_index(&directory, &absolute(&directory, Path::new(path)));
    let is_unknown = |path: &&str| matches!(rule_of(path), RuleMatch::Unknown(_));
    if let Some(path) = paths.iter().copied().find(is_unknown) {
        return match by_sops(world, encrypt(world, &directory, path)) {
            Some(_) => Reader::SopsAlone,
            None => Reader::Nobody,
        };
    }
    // sops compiles each expression when it comes to the rule.
    let is_last = |path: &&&str| rule_of(path) == RuleMatch::Rule(expressions.len());
    let (others, matched): (Vec<&str>, Vec<&str>) = paths.iter().partition(is_last);
    for path in matched.iter().take(3).chain(others.iter().take(3)) {
        let sops = by_sops(world, encrypt(world, &directory, path));
        let kb = by_kb(&directory, None, path);
        assert_eq!(kb, sops, "{expressions:?} and {path:?}");
    }
    Reader::Both
}

#[test]
fn generated_expressions_mean_the_same_to_both() {
    let world = bare_world();
    let recipients = recipients(&world, 4);
    let (asked, read) = (AtomicUsize::new(0), AtomicUsize::new(0));
    cases(60, |rng, worker| {
        let expressions: Vec<String> = (0..rng.usize(1..=3))
            .map(|_| {
                let count = rng.usize(1..9);
                let part = |_| match rng.u8(..16) {
                    0 => ODD_PARTS[rng.usize(..ODD_PARTS.len())],
                    _ => PARTS[rng.usize(..PARTS.len())],
                };
                (0..count).map(part).collect()
            })
            .collect();
        let expressions: Vec<&str> = expressions.iter().map(String::as_str).collect();
        let paths: Vec<&str> = (0..3).map(|_| PATHS[rng.usize(..PATHS.len())]).collect();
        let folder = format!("g{worker}");
        let reader = compare(&world, &folder, &expressions, &recipients, &paths);
        asked.fetch_add(1, Ordering::Relaxed);
        read.fetch_add(usize::from(reader == Reader::Both), Ordering::Relaxed);
    });
    let [asked, read] = [asked, read].map(AtomicUsize::into_inner);
    assert!(
        asked < 20 || read * 10 > asked,
        "kb reads {read} of {asked}"
    );
}
