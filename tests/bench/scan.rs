//! How fast kb looks through a repository, as a ratio against `grep`, from one run:
//! `cargo bench --bench scan`. Both take turns.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark prints its figures and arranges files"
)]

mod measure;

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use testkit::{Cluster, World};

use measure::{median, millis, report, timed};

/// So many files are looked through, of which none is for the key.
const TREE: usize = 100_000;
const LOOKS: usize = 7;

/// `prune` looks through everything once, and asks the cluster four times.
fn main() -> Result<()> {
    let cluster = Cluster::start();
    cluster.create_namespace("flux-system");
    let world = World::new(Path::new(env!("CARGO_BIN_EXE_kb")));
    world.kubeconfig(&cluster.kubeconfig().to_yaml());
    world.kb(["k", "secrets", "init"]).assert_code(0);
    for number in 0..TREE {
        let directory = world.path(format!("tree/{}/{}", number % 100, number % 7));
        if number < 700 {
            fs::create_dir_all(&directory)?;
        }
        fs::write(directory.join(format!("{number}.yaml")), manifest(number))?;
    }
    let mut times: Vec<(Duration, Duration)> = Vec::new();
    for _ in 0..LOOKS {
        let kb = timed(world.kb_cmd(["k", "secrets", "prune", "--dry-run"]))?;
        // Found nowhere, so that it looks through all of them as well.
        let grep = ["-c", "grep -rlF age1nobodyhasthiskey . || true"];
        let grep = timed(world.tool_cmd("sh", grep))?;
        times.push((kb, grep));
    }
    let kb = median(times.iter().map(|(kb, _)| *kb).collect());
    let grep = median(times.iter().map(|(_, grep)| *grep).collect());
    println!("looking through {TREE} files, medians of {LOOKS} rounds in turns:");
    println!("  kb k secrets prune --dry-run       {}", millis(kb));
    println!("  grep -rlF                          {}", millis(grep));
    let ratio = kb.as_secs_f64() / grep.as_secs_f64();
    report("kb / grep", ratio, 1.0, "");
    Ok(())
}

/// A manifest that is no Secret.
fn manifest(number: usize) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: app-{number}\ndata:\n{}",
        "  key: a value of some length that is looked through as well\n".repeat(12)
    )
}
