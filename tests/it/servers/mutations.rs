//! Generated pull requests: files and rules with changes in them that nothing
//! authenticates.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use fastrand::Rng;
use serde_json::Value;

use super::{Hostile, KINDS, entry};
use crate::generated::cases;
use crate::keypair;

const CASES: u64 = 40;

/// No command takes longer, on a machine that does much else too.
const PATIENCE: Duration = Duration::from_secs(10);

/// Commands that change nothing, with the exit codes that they have.
const COMMANDS: [(&[&str], &[i32]); 4] = [
    (&["check", "-o", "json"], &[0, 1, 3]),
    (&["status", "-o", "json"], &[0, 1, 3]),
    (&["init", "--force", "--dry-run", "-o", "json"], &[0, 1, 3]),
    (&["init", "--use-existing", "--dry-run"], &[0, 1, 3]),
];

/// Who wants to read more than they may.
struct Attacker {
    recipient: String,
    port: u16,
}

impl Attacker {
    fn entry(&self, rng: &mut Rng) -> String {
        match rng.u8(..3) {
            0 => entry(KINDS[rng.usize(..KINDS.len())], self.port),
            1 => format!(
                "    age:\n        - recipient: {}\n          enc: AAAA\n",
                self.recipient
            ),
            _ => format!(
                "    key_groups:\n        - age:\n            - recipient: {}\n              enc: AAAA\n",
                self.recipient
            ),
        }
    }

    /// A file with something changed in it.
    fn mutate_file(&self, rng: &mut Rng, text: &str) -> String {
        let own = text.lines().find_map(|line| line.split_once("recipient: "));
        let (before, own) = own.unwrap_or(("", "age1"));
        let stanza = |text: &str| {
            let from = text.find("        - ")?;
            let to = text.find("-----END AGE")?;
            let to = to + text[to..].find('\n')? + 1;
            Some(text[from..to.max(from)].to_owned())
        };
        match rng.u8(..14) {
            0 | 1 => text.replacen("sops:\n", &format!("sops:\n{}", self.entry(rng)), 1),
            2 => text.replacen("    age:\n", &self.entry(rng), 1),
            3 => text.replacen(own, &format!("{own},{}", self.recipient), 1),
            4 => text.replacen(own, &self.recipient, 1),
            5 => {
                let letter = own.chars().next().unwrap_or('a') as u32;
                let rest = own.get(1..).unwrap_or_default();
                let spelled = match rng.u8(..4) {
                    0 => format!("\"\\u{letter:04x}{rest}\""),
                    1 => format!("\"\\x{letter:02x}{rest}\""),
                    2 => format!("!!str {own}"),
                    _ => format!(">-\n{}    {own}", before.replace('-', " ")),
                };
                text.replacen(own, &spelled, 1)
            }
            6 => match stanza(text) {
                Some(stanza) => {
                    let twice = stanza.replace(own, &self.recipient);
                    text.replacen(&stanza, &format!("{stanza}{twice}"), 1)
                }
                None => String::new(),
            },
            7 => text.replacen("enc: ", "enc: &a ", 1),
            8 => text.replacen("encrypted_regex: ", "unencrypted_regex: ", 1),
            9 => text.replacen("sops:\n", "sops:\n    shamir_threshold: 1\n", 1),
            10 => text.replacen(
                "    mac: ENC",
                "    mac_only_encrypted: true\n    mac: ENC",
                1,
            ),
            11 => format!("{text}---\n{text}"),
            12 => text.replacen("sops:", "\"s\\u006fps\":", 1),
            _ => {
                let mut bytes = text.as_bytes().to_vec();
                let at = rng.usize(..bytes.len().max(1));
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = b" \n:-'\"{}[]&*!|>#A="[rng.usize(..18)];
                }
                String::from_utf8_lossy(&bytes).into_owned()
            }
        }
    }

    /// The config with something changed in it, and whether it names the attacker then.
    fn mutate_rules(&self, rng: &mut Rng, text: &str) -> String {
        let key = text.lines().find_map(|line| line.split_once("age: "));
        let key = key.map_or("age1", |(_, key)| key);
        match rng.u8(..11) {
            0 => text.replacen(key, &format!("{key},{}", self.recipient), 1),
            1 => text.replacen(
                key,
                &format!(
                    "{key}\n    hc_vault_transit_uri: http://127.0.0.1:{}/v1/transit/keys/k",
                    self.port
                ),
                1,
            ),
            2 => text.replacen(key, &format!("{key}\n    kms: {}", super::ARN), 1),
            3 => text.replacen("path_regex: ", "path: ", 1),
            4 => text.replacen("path_regex: ", "path_regex: (", 1),
            5 => text.replacen("age: ", "key_groups:\n      - age: [*x]\n    age: ", 1),
            6 => text.replacen("age: ", "age: [", 1),
            7 => format!("<<<<<<< HEAD\n{text}=======\n{text}>>>>>>> theirs\n"),
            8 => text.replacen("creation_rules", "creation_rule", 1),
            9 => text.replacen("^apps/", "^elsewhere/", 1),
            _ => text.replacen(key, "<key>", 1),
        }
    }
}

/// What each command may say is checked for what a pull request wants: a request to a
/// server, a reader more, a crash, or much time.
#[test]
#[expect(
    clippy::print_stdout,
    reason = "shown where it fails, and by --nocapture"
)]
fn generated_pull_requests_add_no_reader_and_contact_no_server() {
    let hostile = Hostile::new();
    let (setup, world) = (&hostile.setup, &hostile.setup.world);
    let attacker = Attacker {
        recipient: keypair(world).1,
        port: hostile.log.port(),
    };
    let (_, other) = keypair(world);
    let good = world.read("good-secret.yaml");
    let own = setup.recipient();
    let rule = |path: &str, key: &str| {
        format!(
            "  - path_regex: ^{path}/\n    encrypted_regex: ^(data|stringData)$\n    age: {key}\n"
        )
    };
    let config = format!(
        "creation_rules:\n{}{}",
        rule("apps", &own),
        rule("other", &other)
    );
    setup.encrypt_for(&other, "other-secret.yaml", super::SECRET);
    let others = world.read("other-secret.yaml");
    let slowest: Mutex<(Duration, String)> = Mutex::default();
    let runs = Mutex::new([0_u32; 4]);
    cases(CASES, |rng, worker| {
        let directory = world.root().join(format!("pull-request-{worker}"));
        let _ = std::fs::remove_dir_all(&directory);
        let write = |name: &str, text: &str| {
            let path = directory.join(name);
            std::fs::create_dir_all(path.parent().expect("a directory")).expect("mkdir");
            std::fs::write(path, text).expect("write");
        };
        std::fs::create_dir_all(&directory).expect("mkdir");
        let mut git = world.tool_cmd("git", ["init", "-q"]);
        git.current_dir(&directory);
        world.run(git).assert_code(0);
        let mut shown = String::new();
        let mut rules = config.clone();
        if rng.u8(..3) == 0 {
            rules = attacker.mutate_rules(rng, &rules);
            shown.push_str(&rules);
        }
        write(".sops.yaml", &rules);
        let names = [
            "apps/a-secret.yaml",
            "apps/b-secret.yaml",
            "other/c-secret.yaml",
            "d-secret.yaml",
        ];
        for name in names {
            let mut text = if name.starts_with("other") {
                &others
            } else {
                &good
            }
            .clone();
            for _ in 0..rng.usize(..3) {
                text = attacker.mutate_file(rng, &text);
            }
            if text != good && text != others {
                shown.push_str(&format!("\n{name}:\n{text}"));
            }
            write(name, &text);
        }
        let is_named = rules.contains(&attacker.recipient);
        for (index, (arguments, codes)) in COMMANDS.iter().enumerate() {
            let mut command = setup.command(arguments);
            command.current_dir(&directory).env("PWD", &directory);
            let begun = Instant::now();
            let run = world.run(command);
            let took = begun.elapsed();
            let said = || format!("{arguments:?}\n{}{}\n{shown}", run.out(), run.err());
            assert!(took < PATIENCE, "{took:?}: {}", said());
            let code = run.code.unwrap_or(-1);
            assert!(codes.contains(&code), "{code}: {}", said());
            let mut slowest = slowest.lock().expect("the slowest");
            if took > slowest.0 {
                *slowest = (took, arguments.join(" "));
            }
            drop(slowest);
            if code == 0 || code == 3 {
                runs.lock().expect("runs")[index] += 1;
            }
            if let Ok(plan) = serde_json::from_slice::<Value>(&run.stdout) {
                check_plan(&plan, (!is_named).then_some(&attacker.recipient), &said);
            }
            if !is_named {
                let joins = format!("{} gains access", attacker.recipient);
                assert!(!run.err().contains(&joins), "{}", said());
            }
        }
        // A request may be on its way still, but each test of a command takes longer.
        assert_eq!(hostile.log.take(), [] as [String; 0], "{shown}");
    });
    let slowest = slowest.into_inner().expect("the slowest");
    let runs = runs.into_inner().expect("runs");
    let ended = runs.map(|count| count.to_string()).join(", ");
    let (milliseconds, command) = (slowest.0.as_millis(), slowest.1);
    println!("slowest: {milliseconds} ms, {command}; ended with a result: {ended}");
    // Else it is the errors alone that are tried.
    assert!(runs.iter().all(|count| *count > 0), "{runs:?}");
}

/// Nobody joins by a rotation, and whom no rule names, reads nothing afterwards.
fn check_plan(plan: &Value, attacker: Option<&String>, said: &dyn Fn() -> String) {
    let steps = plan["steps"].as_array().into_iter().flatten();
    for step in steps {
        let list = |name: &str| step[name].as_array().cloned().unwrap_or_default();
        assert_eq!(list("joining"), [] as [Value; 0], "{}", said());
        if let Some(attacker) = attacker {
            let reads = list("readers")
                .iter()
                .any(|reader| reader == attacker.as_str());
            assert!(!reads, "the attacker reads {}: {}", step["path"], said());
        }
    }
}
