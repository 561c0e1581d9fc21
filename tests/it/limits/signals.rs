//! Signals after a stretch in which kb held them back.

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::server::{Answer, Server};
use crate::Setup;

const PATIENCE: Duration = Duration::from_secs(30);

/// Sends the signal until kb ends. One that comes too early is held back.
fn end(mut child: Child, signal: Signal) -> ExitStatus {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().expect("a child") {
            return status;
        }
        if Instant::now() >= deadline {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{signal:?} does not end kb");
        }
        let _ = kill_process(Pid::from_child(&child), signal);
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// kb with no signal ignored: the tests themselves may have been started in the background.
fn kb(setup: &Setup, args: &[&str]) -> Command {
    let signals = "--default-signal=INT,QUIT,TERM,HUP";
    let mut command = setup.world.tool_cmd("env", [signals]);
    command.arg(env!("CARGO_BIN_EXE_kb"));
    command.args(["k", "secrets", "-n", &setup.namespace]);
    command.args(args);
    command
}

const ALL: [Signal; 4] = [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT];

/// `init --use-existing` writes `.sops.yaml`, asks the API server again, and that hangs.
#[test]
fn after_the_rules_were_changed_a_server_that_hangs_can_be_left() {
    for signal in ALL {
        let setup = Setup::initialized("hung");
        let recipient = setup.recipient();
        let rule = "creation_rules:\n  - path_regex: secret\n    age: age1...\n";
        let config = setup.world.write(".sops.yaml", rule);
        let (asked, is_hung) = std::sync::mpsc::channel();
        let server = Server::start(setup.cluster, move |_, _| {
            let text = std::fs::read_to_string(&config).unwrap_or_default();
            if !text.contains(&recipient) {
                return Answer::Real;
            }
            let _ = asked.send(());
            Answer::None
        });
        setup.server(&server.url());
        let mut command = kb(
            &setup,
            &["init", "--use-existing", "--request-timeout", "0"],
        );
        let child = command.spawn().expect("kb");
        is_hung.recv_timeout(PATIENCE).expect("it asks again");
        let status = end(child, signal);
        assert_eq!(status.signal(), Some(signal.as_raw()), "{status}");
    }
}

/// An editor has failed, and kb's last words do not fit into the pipe.
#[test]
fn after_the_editor_kb_ends_even_where_nobody_reads_its_words() {
    for signal in ALL {
        let mut setup = Setup::initialized("full");
        setup.world.runtime_dir();
        setup.encrypt("my-secret.yaml", crate::SECRET);
        let begun = setup.world.root().join("begun");
        let script = format!("#!/bin/sh\ntouch '{}'\nexit 1\n", begun.display());
        let editor = setup.world.script("failing", &script);
        setup.world.env("EDITOR", editor);
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        rustix::io::ioctl_fionbio(&writer, true).expect("nonblocking");
        while writer.write(&[b'x'; 4096]).is_ok() {}
        while writer.write(b"x").is_ok() {}
        rustix::io::ioctl_fionbio(&writer, false).expect("blocking");
        let mut command = kb(&setup, &["edit", "my-secret.yaml"]);
        command.stderr(writer);
        let child = command.spawn().expect("kb");
        drop(command);
        let deadline = Instant::now() + PATIENCE;
        while !begun.exists() {
            assert!(Instant::now() < deadline, "no editor was started");
            std::thread::sleep(Duration::from_millis(5));
        }
        let status = end(child, signal);
        assert_eq!(status.signal(), Some(signal.as_raw()), "{status}");
        drop(reader);
    }
}
