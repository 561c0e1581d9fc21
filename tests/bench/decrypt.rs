//! How fast `decrypt` is, as ratios against what people do without kb, from
//! one run: `cargo bench`. Peers and kb take turns, and medians are compared.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark prints its figures and arranges files"
)]

mod measure;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use testkit::sample::SECRET;
use testkit::{Cluster, Tools, World};

use measure::{median, millis, report, timed};

/// Turns of each competitor; the first ones warm the caches and do not count.
const ROUNDS: usize = 60;
const WARM_UP: usize = 5;

fn main() -> Result<()> {
    let bench = Bench::new()?;
    let mut times: Vec<[Duration; 4]> = Vec::new();
    let mut cpu: Vec<Duration> = Vec::new();
    for round in 0..ROUNDS + WARM_UP {
        let (kb, own_cpu) = bench.kb()?;
        let curl = timed(bench.curl())?;
        let sops = timed(bench.sops())?;
        let pipeline = timed(bench.pipeline())?;
        if round >= WARM_UP {
            times.push([kb, curl, sops, pipeline]);
            cpu.push(own_cpu);
        }
    }
    let column = |index: usize| median(times.iter().map(|row| row[index]).collect());
    let (kb, curl, sops, pipeline) = (column(0), column(1), column(2), column(3));
    let both = median(times.iter().map(|row| row[1] + row[2]).collect());
    println!("decrypt of one Secret, medians of {ROUNDS} rounds in turns:");
    println!("  kb k secrets decrypt               {}", millis(kb));
    println!("  curl, one GET of the Secret        {}", millis(curl));
    println!("  sops decrypt, key at hand          {}", millis(sops));
    println!("  kubectl get | base64 -d, then sops {}", millis(pipeline));
    println!(
        "  kb's own CPU, sops apart           {}",
        millis(median(cpu.clone()))
    );
    println!("ratios:");
    report(
        "kb / (curl + sops)",
        kb.as_secs_f64() / both.as_secs_f64(),
        0.90,
        "",
    );
    report(
        "kb / (kubectl pipeline)",
        kb.as_secs_f64() / pipeline.as_secs_f64(),
        0.40,
        "",
    );
    report(
        "kb's own CPU",
        median(cpu).as_secs_f64() * 1000.0,
        8.0,
        " ms",
    );
    Ok(())
}

struct Bench {
    world: World,
    cluster: Cluster,
    key: String,
    kubectl: PathBuf,
    header: PathBuf,
}

impl Bench {
    fn new() -> Result<Self> {
        let kubectl = Tools::get().kubectl();
        let cluster = Cluster::start();
        cluster.create_namespace("flux-system");
        let world = World::new(Path::new(env!("CARGO_BIN_EXE_kb")));
        world.kubeconfig(&cluster.kubeconfig().to_yaml());
        let init = world.kb(["k", "secrets", "init"]);
        let key = init.assert_code(0).out().trim().to_owned();
        world.write("db-secret.yaml", SECRET);
        world
            .tool("sops", ["encrypt", "--in-place", "db-secret.yaml"])
            .assert_code(0);
        let header = world.tmp().join("header");
        std::fs::write(
            &header,
            format!("Authorization: Bearer {}", cluster.admin_token()),
        )?;
        Ok(Self {
            world,
            cluster,
            key,
            kubectl,
            header,
        })
    }

    /// kb's time, and its own time on the processor without sops's: what the
    /// kernel has counted for the process itself, read before it is reaped.
    fn kb(&self) -> Result<(Duration, Duration)> {
        let mut command = self
            .world
            .kb_cmd(["k", "secrets", "decrypt", "db-secret.yaml"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let start = Instant::now();
        let mut child = command.spawn().context("starting kb")?;
        wait_without_reaping(&child)?;
        let time = start.elapsed();
        let statistics = std::fs::read_to_string(format!("/proc/{}/schedstat", child.id()))
            .context("the kernel counts no time on the processor")?;
        let nanoseconds = statistics.split(' ').next().unwrap_or_default().parse()?;
        ensure!(child.wait()?.success(), "kb failed");
        Ok((time, Duration::from_nanos(nanoseconds)))
    }

    fn curl(&self) -> Command {
        let url = format!(
            "{}/api/v1/namespaces/flux-system/secrets/sops-age",
            self.cluster.server()
        );
        let mut command = self
            .world
            .tool_cmd("curl", ["--silent", "--fail", "--cacert"]);
        command.arg(self.cluster.ca_path()).arg("--header");
        command.arg(format!("@{}", self.header.display())).arg(url);
        command
    }

    fn sops(&self) -> Command {
        let mut command = self.world.tool_cmd("sops", ["decrypt", "db-secret.yaml"]);
        command.env("SOPS_AGE_KEY", &self.key);
        command
    }

    fn pipeline(&self) -> Command {
        let script = "SOPS_AGE_KEY=$(\"$0\" -n flux-system get secret sops-age \
                      -o jsonpath='{.data.age\\.agekey}' | base64 -d) sops decrypt db-secret.yaml";
        let mut command = self.world.tool_cmd("sh", ["-c", script]);
        command.arg(&self.kubectl);
        command
    }
}

fn wait_without_reaping(child: &Child) -> Result<()> {
    use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
    let pid = Pid::from_child(child);
    waitid(
        WaitId::Pid(pid),
        WaitIdOptions::EXITED | WaitIdOptions::NOWAIT,
    )?;
    Ok(())
}
