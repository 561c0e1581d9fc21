//! How fast a rotation is, as ratios against what people do without kb, from one
//! run: `cargo bench --bench rotate`. Peers and kb take turns.
//!
//! kb is measured as a whole process: with its calls to the cluster, its scan and its
//! checks. The peers find nothing and check nothing: they re-encrypt the files of one
//! directory, which is all that they are measured for.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark prints its figures and arranges files"
)]

mod measure;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testkit::{Cluster, World};

use measure::{median, millis, report, timed};

/// So many Secrets are rotated.
const FILES: usize = 1000;
/// Turns of kb and of sops as a library.
const ROUNDS: usize = 7;
/// Turns of sops as a program, which takes long.
const SLOW_ROUNDS: usize = 3;
/// So many Secrets show how it grows.
const MANY: usize = 20_000;
/// What kb may take of memory for those, in MiB.
const MOST_MEMORY: f64 = 200.0;
/// Linear, with some room.
const MOST_GROWTH: f64 = 1.1;

/// Where the files are, and what share of the time of sops as a library kb may take.
const PLACES: [(&str, &str, f64); 2] = [
    ("in memory", "/dev/shm", 0.25),
    ("on disk", env!("CARGO_TARGET_TMPDIR"), 0.35),
];

fn main() -> Result<()> {
    let cluster = Cluster::start();
    let in_process = build_peer()?;
    for (place, directory, most) in PLACES {
        against_a_library(&cluster, &in_process, place, &spread(directory)?, most)?;
    }
    let memory = Path::new(PLACES[0].1);
    Bench::new(&cluster, memory, FILES)?.against_the_program()?;
    growth(&cluster)
}

/// Builds the peer that rotates with sops as a library.
fn build_peer() -> Result<PathBuf> {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/sops");
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rotate-in-process");
    println!("building sops as a library (about 3 minutes when nothing is cached)");
    let mut go = Command::new("go");
    go.current_dir(module).args(["build", "-trimpath", "-o"]);
    let status = go.arg(&program).arg("./rotate").status();
    ensure!(status.context("go")?.success(), "go build failed");
    Ok(program)
}

/// A directory whose directories are far from each other on an ext4. It gives an inode
/// to nobody for a minute or more after its file is gone, and looks at each of those
/// again for each new file (`recently_deleted` in its source): whoever rotates a
/// thousand files, and again, and again in the same place, measures that. Elsewhere
/// there is no such attribute, and no need of it.
fn spread(directory: &str) -> Result<PathBuf> {
    let path = Path::new(directory).join("kb-bench-rotate");
    fs::create_dir_all(&path)?;
    let mut chattr = Command::new("chattr");
    let _ = chattr.arg("+T").arg(&path).stderr(Stdio::null()).status();
    Ok(path)
}

/// Each round in a repository of its own.
fn against_a_library(
    cluster: &Cluster,
    program: &Path,
    place: &str,
    directory: &Path,
    most: f64,
) -> Result<()> {
    let mut times: Vec<(Duration, Duration)> = Vec::new();
    for _ in 0..ROUNDS {
        let bench = Bench::new(cluster, directory, FILES)?;
        times.push((bench.kb()?, bench.library(program)?));
    }
    let kb = median(times.iter().map(|(kb, _)| *kb).collect());
    let library = median(times.iter().map(|(_, library)| *library).collect());
    println!("rotation of {FILES} Secrets {place}, medians of {ROUNDS} rounds in turns:");
    println!("  kb k secrets init --force          {}", millis(kb));
    println!("  sops as a library, on all cores    {}", millis(library));
    let ratio = kb.as_secs_f64() / library.as_secs_f64();
    report("kb / sops as a library", ratio, most, "");
    Ok(())
}

struct Bench<'c> {
    world: World,
    cluster: &'c Cluster,
    namespace: String,
}

impl<'c> Bench<'c> {
    fn new(cluster: &'c Cluster, directory: &Path, files: usize) -> Result<Self> {
        let kb = Path::new(env!("CARGO_BIN_EXE_kb"));
        let world = World::new_in(directory, kb);
        world.kubeconfig(&cluster.kubeconfig().to_yaml());
        let namespace = cluster.new_namespace("bench");
        world
            .kb(["k", "secrets", "-n", &namespace, "init"])
            .assert_code(0);
        // Some are encrypted, and the others are copies: who rotates them takes as
        // long for one as for the other.
        fs::create_dir_all(world.path("apps"))?;
        for number in 0..files {
            let name = |number: usize| format!("apps/{number}-secret.yaml");
            if number >= 20 {
                fs::copy(world.path(name(number % 20)), world.path(name(number)))?;
                continue;
            }
            world.write(name(number), secret(number));
            let encrypt = ["encrypt", "--in-place", &name(number)];
            world.tool("sops", encrypt).assert_code(0);
        }
        Ok(Self {
            world,
            cluster,
            namespace,
        })
    }

    /// The key that the cluster holds, and its recipient.
    fn key(&self) -> Result<(String, String)> {
        let secret = self.cluster.secret(&self.namespace, "sops-age");
        let entry = secret.and_then(|data| data.get("age.agekey").cloned());
        let text = String::from_utf8(entry.unwrap_or_default())?;
        let key = text.lines().last().unwrap_or_default().to_owned();
        let keygen = self.world.tool_cmd("age-keygen", ["-y"]);
        let run = self.world.run_with_stdin(keygen, key.as_bytes());
        Ok((key, run.assert_code(0).out().trim().to_owned()))
    }

    fn rotation(&self) -> Command {
        let namespace = self.namespace.as_str();
        let arguments = ["k", "secrets", "-n", namespace, "init", "--force", "--yes"];
        self.world.kb_cmd(arguments)
    }

    fn kb(&self) -> Result<Duration> {
        let before = self.key()?;
        // What others have written is no part of it.
        rustix::fs::sync();
        let time = timed(self.rotation())?;
        ensure!(self.key()? != before, "the key is the same");
        Ok(time)
    }

    /// sops as a library, in one process on all cores.
    fn library(&self, program: &Path) -> Result<Duration> {
        let (key, recipient) = self.key()?;
        let mut command = self
            .world
            .tool_cmd(program, ["apps", &recipient, &recipient]);
        command.env("SOPS_AGE_KEY", key);
        rustix::fs::sync();
        timed(command)
    }

    /// What people do today, without a check and without a way back.
    fn against_the_program(&self) -> Result<()> {
        let script =
            "find apps -name '*.yaml' -print0 | xargs -0 -P\"$(nproc)\" -n1 sops rotate -i";
        let mut times: Vec<(Duration, Duration)> = Vec::new();
        for _ in 0..SLOW_ROUNDS {
            let kb = self.kb()?;
            let mut command = self.world.tool_cmd("sh", ["-c", script]);
            command.env("SOPS_AGE_KEY", self.key()?.0);
            times.push((kb, timed(command)?));
        }
        let kb = median(times.iter().map(|(kb, _)| *kb).collect());
        let xargs = median(times.iter().map(|(_, xargs)| *xargs).collect());
        println!("the same in memory, medians of {SLOW_ROUNDS} rounds in turns:");
        println!("  kb k secrets init --force          {}", millis(kb));
        println!("  xargs -P -n1 sops rotate -i        {}", millis(xargs));
        let ratio = kb.as_secs_f64() / xargs.as_secs_f64();
        report("kb / xargs sops rotate", ratio, 0.04, "");
        Ok(())
    }
}

/// How time and memory grow with the files.
fn growth(cluster: &Cluster) -> Result<()> {
    let (place, directory, _) = PLACES[0];
    let directory = Path::new(directory);
    let time = |files| -> Result<(Duration, f64)> {
        let bench = Bench::new(cluster, directory, files)?;
        let times = [bench.kb()?, bench.kb()?, bench.kb()?];
        Ok((median(times.to_vec()), peak_memory(bench.rotation())?))
    };
    let ((few, _), (many, memory)) = (time(FILES)?, time(MANY)?);
    println!("how it grows, medians of 3 rounds {place}:");
    println!("  {FILES} Secrets                       {}", millis(few));
    println!("  {MANY} Secrets                      {}", millis(many));
    let growth = many.as_secs_f64() / few.as_secs_f64() / (MANY / FILES) as f64;
    report("time for each, many / few", growth, MOST_GROWTH, "");
    report("memory for many", memory, MOST_MEMORY, " MiB");
    Ok(())
}

/// The most memory that a program has taken, in MiB. It is looked at every
/// millisecond, and the kernel keeps the highest.
fn peak_memory(mut command: Command) -> Result<f64> {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().context("kb")?;
    let status = format!("/proc/{}/status", child.id());
    let mut highest = 0.0;
    while child.try_wait()?.is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
        highest = kib.map_or(highest, |kib| kib / 1024.0);
        thread::sleep(Duration::from_millis(1));
    }
    ensure!(child.wait()?.success(), "kb failed");
    Ok(highest)
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
