//! What is left of a cluster when its test process is killed: nothing.

use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use testkit::Cluster;

/// Set for the run of this test binary that is to be killed.
const VICTIM: &str = "KB_TESTKIT_VICTIM";

/// Not a test when it is run with the others: then it does nothing. The test
/// below runs it in a process of its own.
#[test]
fn victim() {
    if env::var_os(VICTIM).is_none() {
        return;
    }
    let cluster = Cluster::start();
    let mut out = io::stdout();
    writeln!(out, "dir {}", cluster.dir().display()).expect("the test reads");
    for pid in cluster.pids() {
        writeln!(out, "pid {pid}").expect("the test reads");
    }
    writeln!(out, "ready").expect("the test reads");
    thread::sleep(Duration::from_secs(600));
}

#[test]
fn servers_and_directory_go_when_the_test_process_is_killed() {
    let mut victim = Command::new(env::current_exe().expect("a running program has a path"))
        .args(["victim", "--exact", "--nocapture"])
        .env(VICTIM, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the test binary starts");
    let out = victim.stdout.take().expect("stdout is piped");
    let mut dir = None;
    let mut pids = Vec::new();
    for line in BufReader::new(out).lines() {
        let line = line.expect("the victim writes text");
        // The harness writes `test victim ... ` in front of the first line.
        if let Some((_, path)) = line.split_once("dir ") {
            dir = Some(path.to_owned());
        } else if let Some(pid) = line.strip_prefix("pid ") {
            pids.push(pid.to_owned());
        } else if line == "ready" {
            break;
        }
    }
    let dir = dir.expect("the victim names its directory");
    assert_eq!(pids.len(), 2, "etcd and kube-apiserver run");
    assert!(pids.iter().all(|pid| is_alive(pid)));
    assert!(Path::new(&dir).is_dir());

    // SIGKILL: no destructor runs.
    victim.kill().expect("the victim runs");
    victim.wait().expect("it has ended");

    let deadline = Instant::now() + Duration::from_secs(20);
    while Path::new(&dir).exists() || pids.iter().any(|pid| is_alive(pid)) {
        assert!(
            Instant::now() < deadline,
            "still there after 20 s: {dir} or one of {pids:?}"
        );
        thread::sleep(Duration::from_millis(20));
    }
}

fn is_alive(pid: &str) -> bool {
    Command::new("sh")
        .args(["-c", r#"kill -0 "$1""#, "sh", pid])
        .stderr(Stdio::null())
        .status()
        .expect("sh starts")
        .success()
}
