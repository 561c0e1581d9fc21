//! How fast the guard is, as a ratio against `git grep` over the same index, from one
//! run: `cargo bench --bench check`. They take turns.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod measure;

use std::path::Path;

use anyhow::{Result, ensure};
use testkit::World;
use testkit::sample::SECRET;

use measure::{median, millis, report, timed};

/// So many files are staged.
const FILES: usize = 10_000;
/// Turns of each competitor.
const ROUNDS: usize = 9;
/// The ratio that is allowed.
const MOST: f64 = 1.4;

fn main() -> Result<()> {
    println!("{FILES} staged files:");
    compare("one in ten a Secret", 10)?;
    compare("each a Secret", 1)
}

/// One of `every` files is an encrypted Secret; the others are Deployments.
fn compare(what: &str, every: usize) -> Result<()> {
    let world = World::new(Path::new(env!("CARGO_BIN_EXE_kb")));
    let keys = world.tool("age-keygen", [] as [&str; 0]);
    let recipient = keys
        .out()
        .lines()
        .find_map(|line| line.split("public key: ").nth(1));
    let recipient = recipient.unwrap_or_default();
    world.write(
        ".sops.yaml",
        format!("creation_rules:\n  - path_regex: secret[^/]*\\.yaml$\n    encrypted_regex: ^(data|stringData)$\n    age: {recipient}\n"),
    );
    world.write("db-secret.yaml", SECRET);
    world
        .tool("sops", ["encrypt", "--in-place", "db-secret.yaml"])
        .assert_code(0);
    let encrypted = world.read("db-secret.yaml");
    for number in 0..FILES {
        let directory = number % 100;
        // Each has a content of its own: git stores it once otherwise.
        if number % every == 0 {
            let text = encrypted.replace("name: db", &format!("name: db{number}"));
            world.write(format!("{directory}/{number}-secret.yaml"), text);
        } else {
            world.write(format!("{directory}/{number}.yaml"), deployment(number));
        }
    }
    world.tool("git", ["add", "--all"]).assert_code(0);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let grep = world.tool_cmd(
            "sh",
            ["-c", "git grep --cached -l AGE-SECRET || test $? = 1"],
        );
        theirs.push(timed(grep)?);
        ours.push(timed(world.kb_cmd(["k", "secrets", "check", "--staged"]))?);
    }
    let (ours, theirs) = (median(ours), median(theirs));
    ensure!(!theirs.is_zero(), "git grep takes time");
    println!("  kb {}, git grep {}", millis(ours), millis(theirs));
    report(what, ours.as_secs_f64() / theirs.as_secs_f64(), MOST, "");
    Ok(())
}

fn deployment(number: usize) -> String {
    let container = "        - {name: app, image: registry.example.org/app, args: [serve]}\n";
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: app{number}\nspec:\n  template:\n    spec:\n      containers:\n{}",
        container.repeat(15)
    )
}
