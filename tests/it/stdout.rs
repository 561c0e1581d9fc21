//! Where the answer goes: rule 2 holds for stdout too.

use std::fs::File;
use std::io::Read;
use std::process::Stdio;

use testkit::Run;

use crate::{CANARY, SECRET, Setup, assert_fails, recipient_of};

fn ready(prefix: &str) -> Setup {
    let setup = Setup::initialized(prefix);
    setup.encrypt("my-secret.yaml", SECRET);
    setup
}

fn decrypt_into(setup: &Setup, file: File, arguments: &[&str]) -> Run {
    let mut command = setup.command(&["decrypt", "my-secret.yaml"]);
    command.args(arguments).stdout(file);
    setup.world.run(command)
}

#[test]
fn a_file_in_the_repository_is_refused_before_anything_is_done() {
    let setup = ready("inrepo");
    let path = setup.world.path("plain.yaml");
    let run = decrypt_into(&setup, File::create(&path).expect("create"), &[]);
    assert_fails(
        &run,
        1,
        &[
            "stdout is plain.yaml",
            "committed by mistake",
            "--allow-disk",
        ],
    );
    assert_eq!(std::fs::read(&path).expect("read"), b"");
    let run = decrypt_into(
        &setup,
        File::create(&path).expect("create"),
        &["--allow-disk"],
    );
    assert!(
        run.assert_code(0)
            .err()
            .contains("warning: stdout is plain.yaml"),
        "{}",
        run.err()
    );
    assert!(setup.world.read("plain.yaml").contains(CANARY));
}

#[test]
fn init_into_a_file_of_the_repository_creates_nothing() {
    let setup = Setup::new("initfile");
    let mut command = setup.command(&["init"]);
    command.stdout(File::create(setup.world.path("key.txt")).expect("create"));
    assert_fails(
        &setup.world.run(command),
        1,
        &["stdout is key.txt", "the private key"],
    );
    assert_eq!(setup.entry("age.agekey"), None);
}

#[test]
fn a_file_in_another_repository_is_refused_too() {
    let setup = ready("otherrepo");
    let other = setup.world.home().join("dotfiles");
    setup
        .world
        .tool("git", ["init", "-q", other.to_str().expect("UTF-8")])
        .assert_code(0);
    let run = decrypt_into(
        &setup,
        File::create(other.join("plain")).expect("create"),
        &[],
    );
    assert_fails(&run, 1, &["committed by mistake"]);
}

#[test]
fn a_file_on_a_disk_elsewhere_is_a_warning() {
    let setup = ready("ondisk");
    // Kept across a reboot, so it is a disk, and no repository.
    let file = tempfile::NamedTempFile::new_in("/var/tmp").expect("create");
    let run = decrypt_into(&setup, file.reopen().expect("reopen"), &[]);
    run.assert_code(0);
    assert!(
        run.err().contains("warning: stdout is /var/tmp/"),
        "{}",
        run.err()
    );
    assert!(run.err().contains("hint: "), "{}", run.err());
    let text = std::fs::read_to_string(file.path()).expect("read");
    assert!(text.contains(CANARY));
}

#[test]
fn memory_pipes_and_dev_null_are_fine() {
    let setup = ready("fine");
    let memory = tempfile::NamedTempFile::new_in("/dev/shm").expect("create");
    let run = decrypt_into(&setup, memory.reopen().expect("reopen"), &[]);
    assert_eq!(run.assert_code(0).err(), "");
    assert!(
        std::fs::read_to_string(memory.path())
            .expect("read")
            .contains(CANARY)
    );
    let null = File::options().write(true).open("/dev/null").expect("open");
    assert_eq!(decrypt_into(&setup, null, &[]).assert_code(0).err(), "");
    let null = File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
        .expect("open");
    assert_eq!(decrypt_into(&setup, null, &[]).assert_code(0).err(), "");
    assert_eq!(setup.decrypt(&["my-secret.yaml"]).assert_code(0).err(), "");
}

#[test]
fn a_closed_stdout_is_told_before_anything_is_done() {
    let setup = Setup::new("closed");
    let kb = env!("CARGO_BIN_EXE_kb");
    for redirection in [">&-", "1</dev/null"] {
        let script = format!(
            "exec '{kb}' k secrets init -n {} {redirection}",
            setup.namespace
        );
        let run = setup.world.tool("sh", ["-c", &script]);
        assert_fails(&run, 1, &["stdout is closed", "the private key"]);
    }
    assert_eq!(setup.entry("age.agekey"), None);
    assert!(!setup.world.path(".sops.yaml").exists());
}

/// The reader is gone when the key is to be printed: the cluster has it, and
/// kb says how to see it.
#[test]
fn a_reader_who_is_gone_is_no_panic_and_the_key_is_not_lost() {
    let setup = Setup::new("gone");
    let mut command = setup.command(&["init"]);
    let (reader, writer) = std::io::pipe().expect("pipe");
    drop(reader);
    command.stdout(Stdio::from(writer));
    let run = setup.world.run(command);
    assert_fails(
        &run,
        1,
        &["stdout did not take the private key", "kubectl -n"],
    );
    let entry = setup.entry("age.agekey").expect("the cluster has it");
    let recipient = recipient_of(&setup.world, &entry);
    assert!(setup.world.read(".sops.yaml").contains(&recipient));
}

#[test]
fn a_reader_who_stops_early_is_no_panic() {
    let setup = ready("early");
    let mut command = setup.command(&["decrypt", "my-secret.yaml"]);
    let (reader, writer) = std::io::pipe().expect("pipe");
    drop(reader);
    command.stdout(Stdio::from(writer));
    let run = setup.world.run(command);
    assert_eq!(run.assert_code(1).err(), "");
}

/// A pipe that its other end has made non-blocking, and reads late.
#[test]
fn a_slow_reader_gets_everything() {
    let setup = Setup::initialized("slow");
    let plaintext = "x".repeat(1 << 20);
    setup.encrypt_for(&setup.recipient(), "large.bin", &plaintext);
    let (mut reader, writer) = std::io::pipe().expect("pipe");
    rustix::io::ioctl_fionbio(&writer, true).expect("non-blocking");
    let mut command = setup.command(&["decrypt", "large.bin"]);
    command.stdout(Stdio::from(writer));
    let reading = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(500));
        let mut text = String::new();
        reader.read_to_string(&mut text).expect("read");
        text
    });
    setup.world.run(command).assert_code(0);
    assert!(reading.join().expect("read") == plaintext);
}

#[test]
fn a_full_disk_behind_stdout_is_told() {
    let setup = ready("fullout");
    let full = File::options().write(true).open("/dev/full").expect("open");
    let run = decrypt_into(&setup, full, &[]);
    assert_fails(
        &run,
        1,
        &["stdout did not take the plaintext", "No space left"],
    );
}

/// What the kernel says of the running kb: no core dump, and that kb's memory is
/// not for other processes of the same user.
#[test]
fn a_running_kb_dumps_no_core() {
    let setup = Setup::new("core");
    let (mut reader, writer) = std::io::pipe().expect("pipe");
    // The credential plugin is a child: it reads its parent's limits.
    let script = "#!/bin/sh\ncat /proc/$PPID/limits >&3\nexit 1\n";
    setup.log_in_by_plugin(script);
    let kb = env!("CARGO_BIN_EXE_kb");
    let mut command = setup.world.tool_cmd(
        "sh",
        ["-c", "exec \"$0\" k secrets init 3>&1 >/dev/null", kb],
    );
    command.stdout(Stdio::from(writer));
    setup.world.run(command).assert_code(1);
    let mut limits = String::new();
    reader.read_to_string(&mut limits).expect("read");
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let words: Vec<&str> = core.expect("a limit").split_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"], "{core:?}");
}
