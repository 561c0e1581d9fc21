//! Generated files: whatever sops opens with the retired key keeps it.

use std::collections::BTreeSet;
use std::sync::Mutex;

use fastrand::Rng;
use kb::core::yaml;
use serde_json::{Value, json};

use super::{Pruning, SECRET, files};
use crate::encrypted::spell::spelled;
use crate::generated::cases;
use crate::keypair;

const CASES: u64 = 150;
/// Of fewer nothing is concluded.
const FEW: usize = 20;

#[test]
#[expect(clippy::print_stdout, reason = "shown where it fails")]
fn generated_files_that_sops_opens_with_the_retired_key_keep_it() {
    let pruning = Pruning::new("generated");
    let (_, other) = keypair(&pruning.world);
    let documents: Vec<Value> = [pruning.old.clone(), format!("{other},{}", pruning.old)]
        .iter()
        .map(|recipients| {
            pruning.encrypt_for(recipients, "x.yaml", SECRET);
            let values = yaml::values(&pruning.world.read_bytes("x.yaml")).expect("YAML");
            values.into_iter().next().expect("a document")
        })
        .collect();
    std::fs::remove_file(pruning.world.path("x.yaml")).expect("it is there");
    let opened: Mutex<Vec<(String, String)>> = Mutex::default();
    let all = Mutex::new(0_usize);
    cases(CASES, |rng, worker| {
        let mut document = documents[rng.usize(..documents.len())].clone();
        rename_recipients(rng, &mut document, &other);
        let spelled = spelled(rng, &document);
        let format = match spelled.name.rsplit_once('.').map(|(_, ending)| ending) {
            Some("yaml" | "yml") => "yaml",
            Some("env") => "dotenv",
            Some("ini") => "ini",
            _ => "json",
        };
        let number = {
            let mut all = all.lock().expect("a count");
            *all += 1;
            *all
        };
        let endings = [".yaml", ".json", ".env", ".ini", ".conf", ""];
        let ending = endings[rng.usize(..endings.len())];
        let name = format!("worker{worker}/{number}{ending}");
        pruning.world.write(&name, &spelled.content);
        let mut sops = pruning.world.tool_cmd("sops", ["decrypt", "--ignore-mac"]);
        sops.args(["--input-type", format, "--output-type", format, &name]);
        sops.env("SOPS_AGE_KEY", &pruning.old_key);
        if pruning.world.run(sops).code == Some(0) {
            let text = String::from_utf8_lossy(&spelled.content);
            let shown = format!("{:?}\n{text}", spelled.tricks);
            opened.lock().expect("a list").push((name, shown));
        }
    });
    let (all, opened) = (
        *all.lock().expect("a count"),
        opened.into_inner().expect("a list"),
    );
    println!("sops opened {} of {all}", opened.len());
    assert!(
        all < FEW || opened.len() * 10 > all,
        "sops opens hardly any"
    );
    let commit = pruning.commit("generated");
    pruning.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
    pruning.deployed(&commit);
    let run = pruning.prune(&["--dry-run", "-o", "json"]);
    let verdicts: Value = serde_json::from_str(run.out()).expect("JSON");
    let found: BTreeSet<String> = files(&verdicts["keys"][0]).into_iter().collect();
    for (name, shown) in &opened {
        assert!(found.contains(name), "{name} is not found: {shown}");
    }
}

/// What recipients are called is nobody's proof.
fn rename_recipients(rng: &mut Rng, document: &mut Value, other: &str) {
    let Some(age) = document["sops"]["age"].as_array_mut() else {
        return;
    };
    for entry in age.iter_mut() {
        match rng.u8(..4) {
            0 => entry["recipient"] = json!(other),
            1 => entry["recipient"] = json!("nobody"),
            _ => {}
        }
    }
    if rng.u8(..4) == 0 {
        age.insert(0, json!({"recipient": "age1odd", "enc": "odd"}));
    }
}
