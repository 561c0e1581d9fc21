//! Which rule sops takes for a new file, and which kb takes: the same.

mod expressions;
mod readers;

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use kb::core::repository::{absolute, find_config};
use kb::core::sops_config::{ConfigError, RuleMatch, SopsConfig};
use testkit::World;

use expressions::{EXPRESSIONS, PARTS, PATHS};

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

/// The recipients that kb reads off the config.
fn by_kb(directory: &Path, named: Option<&Path>, file: &str) -> Option<Vec<String>> {
    let found = find_config(directory, named)?;
    let config = SopsConfig::load_or_empty(&found.path).expect("a config");
    // A rule that sops cannot use, or one that it does not come past, is none.
    let file = absolute(directory, Path::new(file));
    let rule = config.rule_for(&found.base, &file).ok().flatten()?;
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

/// Whether an expression compiles, and which paths it matches.
#[test]
fn expressions_mean_to_kb_what_they_mean_to_sops() {
    let world = bare_world();
    let recipients = recipients(&world, 2);
    let all = EXPRESSIONS;
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    let Some(expression) = all.get(at) else { break };
                    compare(
                        &world,
                        &format!("r{at}"),
                        &[expression],
                        &recipients,
                        &PATHS,
                    );
                }
            });
        }
    });
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
) {
    let all = recipients.last().expect("a recipient");
    let rules = config_of(expressions, &recipients[..recipients.len() - 1]);
    let text = format!("{rules}  - age: {all}\n");
    let path = world.write(format!("{folder}/.sops.yaml"), text);
    let config = SopsConfig::load_or_empty(&path).expect("a config");
    // Only repetitions in each other make an automaton that kb refuses, and says so.
    let is_too_large = |rule| {
        let error = config.error_of(rule);
        matches!(error, Some(ConfigError::PathRegex { source, .. })
            if source.to_string().contains("too complex"))
    };
    if config.rules.iter().any(is_too_large) {
        let mut expressions = expressions.iter();
        assert!(expressions.any(|expression| expression.matches('{').count() > 1));
        return;
    }
    let directory = world.path(folder);
    // sops compiles each expression when it comes to the rule.
    let is_last = |path: &&&str| {
        let path = absolute(&directory, Path::new(path));
        config.rule_index(&directory, &path) == RuleMatch::Rule(expressions.len())
    };
    let (others, matched): (Vec<&str>, Vec<&str>) = paths.iter().partition(is_last);
    for path in matched.iter().take(3).chain(others.iter().take(3)) {
        let sops = by_sops(world, encrypt(world, &directory, path));
        let kb = by_kb(&directory, None, path);
        assert_eq!(kb, sops, "{expressions:?} and {path:?}");
    }
}

#[test]
fn generated_expressions_mean_the_same_to_both() {
    let world = bare_world();
    let recipients = recipients(&world, 4);
    cases(60, |rng, worker| {
        let expressions: Vec<String> = (0..rng.usize(1..=3))
            .map(|_| {
                let parts = (0..rng.usize(1..9)).map(|_| PARTS[rng.usize(..PARTS.len())]);
                parts.collect()
            })
            .collect();
        let expressions: Vec<&str> = expressions.iter().map(String::as_str).collect();
        let paths: Vec<&str> = (0..3).map(|_| PATHS[rng.usize(..PATHS.len())]).collect();
        let folder = format!("g{worker}");
        compare(&world, &folder, &expressions, &recipients, &paths);
    });
}
