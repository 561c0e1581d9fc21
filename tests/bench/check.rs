//! How fast the guard and `status` are, as ratios from one run: `check` against `git grep`
//! over the same working tree or index, `status` against `check`:
//! `cargo bench --bench check`. They take turns.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod measure;

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use testkit::sample::SECRET;
use testkit::{Cluster, World};

use measure::{median, millis, report, timed};

/// So many files are looked at.
const FILES: usize = 10_000;
/// Turns of each competitor.
const ROUNDS: usize = 9;
/// The ratios that are allowed: of the working tree, of the index, of `status`.
const MOST: [f64; 3] = [0.6, 1.0, 1.5];

fn main() -> Result<()> {
    println!("{FILES} files:");
    compare("one in ten a Secret", 10)?;
    compare("each a Secret", 1)
}

/// One of `every` files is an encrypted Secret; the others are Deployments.
fn compare(what: &str, every: usize) -> Result<()> {
    // Keys of another repository in the same cluster would be a problem.
    let cluster = Cluster::start();
    let namespace = cluster.new_namespace("bench");
    let world = World::new(Path::new(env!("CARGO_BIN_EXE_kb")));
    world.kubeconfig(&cluster.kubeconfig().to_yaml());
    let kb =
        |args: &[&str]| world.kb_cmd([&["k", "secrets", "-n", namespace.as_str()], args].concat());
    world.run(kb(&["init"])).assert_code(0);
    world.write("db-secret.yaml", SECRET);
    world
        .tool("sops", ["encrypt", "--in-place", "db-secret.yaml"])
        .assert_code(0);
    let encrypted = world.read("db-secret.yaml");
    for number in 0..FILES {
        let directory = number % 100;
        // Each has a content of its own: git stores it once otherwise.
        if number % every == 0 {
            // Comments are not part of the MAC.
            let text = format!("# app{number}\n{encrypted}");
            world.write(format!("{directory}/{number}-secret.yaml"), text);
        } else {
            world.write(format!("{directory}/{number}.yaml"), deployment(number));
        }
    }
    world.tool("git", ["add", "--all"]).assert_code(0);
    let grep = |options: &str| {
        let line = format!("git grep {options} -l AGE-SECRET || test $? = 1");
        world.tool_cmd("sh", ["-c", line.as_str()])
    };
    let mut times: [Vec<Duration>; 5] = Default::default();
    for _ in 0..ROUNDS {
        let commands = [
            grep(""),
            kb(&["check"]),
            grep("--cached"),
            kb(&["check", "--staged"]),
            kb(&["status"]),
        ];
        for (command, times) in commands.into_iter().zip(&mut times) {
            times.push(timed(command)?);
        }
    }
    let [tree, check, index, staged, status] = times.map(median);
    let pairs = [
        ("check / git grep", check, tree),
        ("check --staged / git grep --cached", staged, index),
        ("status / check", status, check),
    ];
    // How long files take to open is another bench's matter.
    let counted = if every > 1 { 3 } else { 2 };
    for ((pair, ours, theirs), most) in pairs.into_iter().zip(MOST).take(counted) {
        ensure!(!theirs.is_zero(), "it takes time");
        println!("  {} to {}", millis(ours), millis(theirs));
        let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
        report(&format!("{what}: {pair}"), ratio, most, "");
    }
    Ok(())
}

fn deployment(number: usize) -> String {
    let container = "        - {name: app, image: registry.example.org/app, args: [serve]}\n";
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: app{number}\nspec:\n  template:\n    spec:\n      containers:\n{}",
        container.repeat(15)
    )
}
