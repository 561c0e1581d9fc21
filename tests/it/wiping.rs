//! What is left of private keys in kb's memory: it lies in no core dump, but in what the
//! system swaps out, or hibernates with.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use testkit::Run;
use testkit::sample::SECRET;

use crate::rotate::go_on;
use crate::{Setup, keypair};

/// kb stops here: at the end of `init --force`, with all that it has in hand.
const HELD: &str = "shown";
/// And here: at its own end, when nobody holds a key any more.
const ENDED: &str = "ended";

/// What the API server, kube, hyper, rustls, `serde_json`, age and the pipes of sops have
/// held is gone with them, and so is what grew and was moved.
#[test]
fn at_the_end_no_copy_of_a_private_key_is_in_memory() {
    let mut setup = Setup::new("wiping");
    setup.world.runtime_dir();
    setup.world.env("TERM", "xterm");
    let editor = "#!/bin/sh\nsed -i s/hunter/gatherer/ \"$1\"\n";
    let editor = setup.world.script("scripted-editor", editor);
    setup.world.env("EDITOR", editor);

    let (typed, _) = keypair(&setup.world);
    let file = setup.world.tmp().join("typed");
    std::fs::write(&file, format!("# typed\n{typed}\n")).expect("write");
    let import = ended(&setup, &["init", "--import"], |command| {
        command.stdin(File::open(&file).expect("the file"));
    });
    import.assert_code(0);
    assert_eq!(keys(&setup), [typed]);

    setup.encrypt("my-secret.yaml", SECRET);
    for args in [
        &["key"][..],
        &["decrypt", "my-secret.yaml"],
        &["edit", "my-secret.yaml"],
        &["init", "--force", "--engine", "native"],
        &["init", "--force", "--engine", "sops"],
    ] {
        ended(&setup, args, |_| {}).assert_code(0);
    }
    let fresh = Setup::new("wiping-new");
    ended(&fresh, &["init"], |_| {}).assert_code(0);
}

/// As long as they are needed they are there: the search finds what is to be found.
#[test]
fn before_the_end_of_a_rotation_its_keys_are_in_memory() {
    let setup = Setup::initialized("held");
    setup.encrypt("my-secret.yaml", SECRET);
    let mut command = setup.command(&["init", "--force"]);
    command.env("KB_TEST_PAUSE_AT", HELD);
    let mut spawned = setup.world.spawn(command);
    spawned.wait_until_stopped();
    let keys = keys(&setup);
    assert_eq!(keys.len(), 2);
    assert!(!left(spawned.pid(), &keys).is_empty());
    go_on(spawned).assert_code(0);
}

/// Runs kb, and looks into its memory at its end.
#[track_caller]
fn ended(setup: &Setup, args: &[&str], prepare: impl FnOnce(&mut Command)) -> Run {
    let before = keys(setup);
    let mut command = setup.command(args);
    command.env("KB_TEST_PAUSE_AT", ENDED);
    prepare(&mut command);
    let mut spawned = setup.world.spawn(command);
    spawned.wait_until_stopped();
    let found = left(spawned.pid(), &[before, keys(setup)].concat());
    let run = go_on(spawned);
    assert_eq!(found, [] as [String; 0], "{args:?}");
    run
}

/// The private keys that the cluster holds.
fn keys(setup: &Setup) -> Vec<String> {
    let data = setup.cluster.secret(&setup.namespace, "sops-age");
    let texts = data.into_iter().flatten().map(|(_, value)| value);
    let texts: Vec<String> = texts
        .map(|text| String::from_utf8(text).expect("text"))
        .collect();
    let lines = texts.iter().flat_map(|text| text.lines());
    let keys = lines.filter(|line| line.starts_with("AGE-SECRET-KEY-1"));
    keys.map(ToOwned::to_owned).collect()
}

/// Where in a stopped process these keys are, or a half of one, also in base64, as they
/// stand in the API server's JSON.
fn left(pid: u32, keys: &[String]) -> Vec<String> {
    let halves = keys.iter().flat_map(|key| {
        let secret = &key.as_bytes()["AGE-SECRET-KEY-1".len()..];
        let (first, second) = secret.split_at(secret.len() / 2);
        [first, second]
    });
    let mut wanted: Vec<(&str, Vec<u8>)> = Vec::new();
    for half in halves {
        wanted.push(("text", half.to_owned()));
        for shift in 0..3 {
            let encoded = STANDARD.encode([&vec![0; shift], half].concat());
            // Its ends depend on what is beside it.
            wanted.push((
                "base64",
                encoded.as_bytes()[4..encoded.len() - 4].to_owned(),
            ));
        }
    }
    let mut found = Vec::new();
    for (place, bytes) in memory(pid) {
        for (form, wanted) in &wanted {
            let count = memchr::memmem::find_iter(&bytes, wanted).count();
            if count > 0 {
                found.push(format!("{place}: {form}, {count} times"));
            }
        }
    }
    found
}

/// All memory that a process may write, with what `/proc` calls it.
fn memory(pid: u32) -> Vec<(String, Vec<u8>)> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).expect("it is there");
    let memory = File::open(format!("/proc/{pid}/mem")).expect("it can be read");
    let writable = maps.lines().filter(|line| line.contains(" rw"));
    writable
        .map(|line| {
            let (range, rest) = line.split_once(' ').expect("a range");
            let (start, end) = range.split_once('-').expect("two addresses");
            let [start, end] = [start, end].map(|it| u64::from_str_radix(it, 16).expect("hex"));
            let mut bytes = vec![0; usize::try_from(end - start).expect("a length")];
            memory.read_exact_at(&mut bytes, start).expect("readable");
            let name = rest.split_whitespace().nth(4).unwrap_or("without a name");
            (name.to_owned(), bytes)
        })
        .collect()
}
