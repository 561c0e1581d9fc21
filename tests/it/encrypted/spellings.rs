//! Whatever sops opens is found, however it is written.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;

use kb::core::identity::Recipient;
use kb::core::scan::Search;
use kb::core::yaml;
use serde_json::Value;

use super::Differential;
use super::spell::spelled;
use crate::generated::cases;
use crate::keypair;

/// As many as take about ten seconds on two cores.
const CASES: u64 = 150;
/// Of fewer nothing is concluded.
const FEW: usize = 20;

const MANIFEST: &str = "apiVersion: v1\nkind: Secret\nmetadata:\n    name: db\nstringData:\n    data: hunter2\n    user: admin\n";

#[test]
#[expect(clippy::print_stdout, reason = "shown where it fails")]
fn generated_spellings_that_sops_opens_are_found() {
    let differential = Differential::new();
    let world = &differential.world;
    let (_, other) = keypair(world);
    let selection = ["--encrypted-regex", "^(data|stringData)$"];
    let documents: Vec<Value> = [
        differential.old_recipient.clone(),
        format!("{other},{}", differential.old_recipient),
    ]
    .iter()
    .map(|recipients| {
        let run = differential.encrypt("base.yaml", MANIFEST.as_bytes(), recipients, &selection);
        run.assert_code(0);
        let values = yaml::values(&world.read_bytes("base.yaml")).expect("YAML");
        values.into_iter().next().expect("a document")
    })
    .collect();
    // The rule is for someone else, so that no such file is as its rule says.
    let (_, stranger) = keypair(world);
    world.write(
        ".sops.yaml",
        format!(
            "creation_rules:\n  - path_regex: worker.*/case\n    encrypted_regex: ^(data|stringData)$\n    age: {stranger}\n"
        ),
    );
    let recipients = [differential
        .old_recipient
        .parse::<Recipient>()
        .expect("a recipient")];
    let opened: Mutex<BTreeMap<&'static str, usize>> = Mutex::default();
    let total = Mutex::new((0_usize, 0_usize));
    cases(CASES, |rng, worker| {
        let document = &documents[rng.usize(..documents.len())];
        let spelled = spelled(rng, document);
        let name = format!("worker{worker}/{}", spelled.name);
        let directory = world.path(format!("worker{worker}"));
        let _ = std::fs::remove_dir_all(&directory);
        world.write(&name, &spelled.content);
        let mut sops = world.tool_cmd("sops", ["decrypt", "--ignore-mac", &name]);
        sops.env("SOPS_AGE_KEY", &differential.old);
        let run = world.run(sops);
        total.lock().expect("a count").0 += 1;
        if run.code != Some(0) {
            return;
        }
        total.lock().expect("a count").1 += 1;
        for trick in &spelled.tricks {
            *opened.lock().expect("a count").entry(trick).or_default() += 1;
        }
        let roots: [PathBuf; 1] = [directory];
        let search = Search {
            roots: &roots,
            recipients: &recipients,
            ..Search::default()
        };
        let shown = || {
            let text = String::from_utf8_lossy(&spelled.content).into_owned();
            format!("{:?}\n{text}", spelled.tricks)
        };
        assert_eq!(search.run().files.len(), 1, "not found: {}", shown());
        let check = world.kb(["k", "secrets", "check", "-o", "json", &name]);
        assert_eq!(check.code, Some(3), "check: {}\n{}", check.err(), shown());
        let json: Value = serde_json::from_str(check.out()).expect("JSON");
        let problems = json["problems"].as_array().expect("problems");
        let kinds = ["other-recipients", "damaged", "not-parsed", "not-encrypted"];
        assert!(
            problems
                .iter()
                .any(|problem| kinds.contains(&problem["kind"].as_str().unwrap_or_default())),
            "{json:#}\n{}",
            shown()
        );
    });
    let (all, opened_count) = total.into_inner().expect("a count");
    println!("sops opened {opened_count} of {all}");
    for (trick, count) in opened.into_inner().expect("a count") {
        println!("  {trick}: {count}");
    }
    assert!(all < FEW || opened_count * 4 > all, "sops opens hardly any");
}
