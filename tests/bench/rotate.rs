//! How fast a rotation is, as ratios against what people do without kb, from one
//! run: `cargo bench --bench rotate`. Peers and kb take turns.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark prints its figures and arranges files"
)]

mod measure;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use testkit::{Cluster, World};

use measure::{median, millis, report, timed};

/// So many Secrets are rotated.
const FILES: usize = 1000;
/// Turns of each competitor.
const ROUNDS: usize = 3;
/// So many files are looked through, of which none is for the key.
const TREE: usize = 100_000;
const LOOKS: usize = 7;

fn main() -> Result<()> {
    let bench = Bench::new()?;
    bench.rotation()?;
    bench.scan()
}

struct Bench {
    world: World,
    cluster: Cluster,
}

impl Bench {
    fn new() -> Result<Self> {
        let cluster = Cluster::start();
        cluster.create_namespace("flux-system");
        let world = World::new(Path::new(env!("CARGO_BIN_EXE_kb")));
        world.kubeconfig(&cluster.kubeconfig().to_yaml());
        world.kb(["k", "secrets", "init"]).assert_code(0);
        // Some are encrypted, and the others are copies: who rotates them takes as
        // long for one as for the other.
        fs::create_dir_all(world.path("apps"))?;
        for number in 0..FILES {
            let name = |number: usize| format!("apps/{number}-secret.yaml");
            if number >= 20 {
                fs::copy(world.path(name(number % 20)), world.path(name(number)))?;
                continue;
            }
            world.write(name(number), secret(number));
            let encrypt = ["encrypt", "--in-place", &name(number)];
            world.tool("sops", encrypt).assert_code(0);
        }
        Ok(Self { world, cluster })
    }

    /// The key that the cluster holds.
    fn key(&self) -> Result<String> {
        let secret = self.cluster.secret("flux-system", "sops-age");
        let entry = secret.and_then(|data| data.get("age.agekey").cloned());
        let text = String::from_utf8(entry.unwrap_or_default())?;
        Ok(text.lines().last().unwrap_or_default().to_owned())
    }

    fn rotation(&self) -> Result<()> {
        let mut times: Vec<(Duration, Duration)> = Vec::new();
        for _ in 0..ROUNDS {
            let before = self.key()?;
            let kb = timed(
                self.world
                    .kb_cmd(["k", "secrets", "init", "--force", "--yes"]),
            )?;
            ensure!(self.key()? != before, "the key is the same");
            let xargs = timed(self.xargs()?)?;
            times.push((kb, xargs));
        }
        let kb = median(times.iter().map(|(kb, _)| *kb).collect());
        let xargs = median(times.iter().map(|(_, xargs)| *xargs).collect());
        println!("rotation of {FILES} Secrets, medians of {ROUNDS} rounds in turns:");
        println!("  kb k secrets init --force          {}", millis(kb));
        println!("  xargs -P -n1 sops rotate -i        {}", millis(xargs));
        let ratio = kb.as_secs_f64() / xargs.as_secs_f64();
        report("kb / xargs sops rotate", ratio, 1.0, "");
        Ok(())
    }

    /// What people do today, without a check and without a way back.
    fn xargs(&self) -> Result<Command> {
        let script =
            "find apps -name '*.yaml' -print0 | xargs -0 -P\"$(nproc)\" -n1 sops rotate -i";
        let mut command = self.world.tool_cmd("sh", ["-c", script]);
        command.env("SOPS_AGE_KEY", self.key()?);
        Ok(command)
    }

    /// `prune` looks through everything once, and asks the cluster four times.
    fn scan(&self) -> Result<()> {
        fs::remove_dir_all(self.world.path("apps"))?;
        for number in 0..TREE {
            let directory = self
                .world
                .path(format!("tree/{}/{}", number % 100, number % 7));
            if number < 700 {
                fs::create_dir_all(&directory)?;
            }
            fs::write(directory.join(format!("{number}.yaml")), manifest(number))?;
        }
        let mut times: Vec<(Duration, Duration)> = Vec::new();
        for _ in 0..LOOKS {
            let kb = timed(self.world.kb_cmd(["k", "secrets", "prune", "--dry-run"]))?;
            // Found nowhere, so that it looks through all of them as well.
            let grep = ["-c", "grep -rlF age1nobodyhasthiskey . || true"];
            let grep = timed(self.world.tool_cmd("sh", grep))?;
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
}

/// A Secret of the usual size.
fn secret(number: usize) -> String {
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n    name: app-{number}\n    namespace: apps\n\
         type: Opaque\nstringData:\n    DATABASE_URL: postgres://app:hunter{number}@db:5432/app\n    \
         API_TOKEN: {:064x}\n    PASSWORD: correct-horse-battery-staple-{number}\n",
        number * 7919
    )
}

/// A manifest that is no Secret.
fn manifest(number: usize) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: app-{number}\ndata:\n{}",
        "  key: a value of some length that is looked through as well\n".repeat(12)
    )
}
