//! What Flux decrypts of the files that a kustomization reads: kustomize-controller
//! applies each case, and `status` reports those, and only those, that arrive as ciphertext
//! or not at all.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use testkit::Cluster;

use super::Fleet;

/// What every file of a case has as its value.
const VALUE: &str = "reading-canary";

/// A directory that Flux applies.
struct Case {
    name: &'static str,
    /// Its files; those whose text contains the value are encrypted.
    files: &'static [(&'static str, &'static str)],
    /// What `status` reports; `None` where Flux applies the value.
    problem: Option<&'static str>,
}

const SECRET: &str =
    "apiVersion: v1\nkind: Secret\nmetadata: {name: it}\nstringData: {value: reading-canary}\n";
const DOTENV: &str = "value=reading-canary\n";
const VALUES: &str = "value: reading-canary\n";

const CASES: &[Case] = &[
    Case {
        name: "resources",
        files: &[
            ("secret.yaml", SECRET),
            ("kustomization.yaml", "resources: [secret.yaml]\n"),
        ],
        problem: None,
    },
    Case {
        name: "no-kustomization",
        files: &[("deep/er/secret.yaml", SECRET)],
        problem: None,
    },
    Case {
        name: "a-doubled-key",
        files: &[
            ("secret.yaml", SECRET),
            (
                "kustomization.yaml",
                "resources: [missing.yaml]\nresources: [secret.yaml]\n",
            ),
        ],
        problem: None,
    },
    Case {
        name: "a-key-in-other-case",
        files: &[
            ("secret.yaml", SECRET),
            ("kustomization.yaml", "Resources: [secret.yaml]\n"),
        ],
        problem: None,
    },
    Case {
        name: "bases",
        files: &[
            ("base/secret.yaml", SECRET),
            ("base/kustomization.yaml", "resources: [secret.yaml]\n"),
            ("kustomization.yaml", "bases: [base]\n"),
        ],
        problem: None,
    },
    Case {
        name: "generator-in-resources",
        files: &[
            ("inner/app.env", DOTENV),
            (
                "inner/kustomization.yaml",
                "secretGenerator: [{name: it, envs: [app.env]}]\n",
            ),
            ("kustomization.yaml", "resources: [inner]\n"),
        ],
        problem: None,
    },
    Case {
        name: "generator-in-bases",
        files: &[
            ("base/app.env", DOTENV),
            (
                "base/kustomization.yaml",
                "secretGenerator: [{name: it, envs: [app.env]}]\n",
            ),
            ("kustomization.yaml", "bases: [base]\n"),
        ],
        problem: Some("not-decrypted"),
    },
    Case {
        name: "file-of-a-generator-in-bases",
        files: &[
            ("base/values.yaml", VALUES),
            (
                "base/kustomization.yaml",
                "secretGenerator: [{name: it, files: [values.yaml]}]\n",
            ),
            ("kustomization.yaml", "bases: [base]\n"),
        ],
        problem: None,
    },
    Case {
        name: "patch-in-bases",
        files: &[
            ("base/patch.yaml", SECRET),
            (
                "base/secret.yaml",
                "apiVersion: v1\nkind: Secret\nmetadata: {name: it}\n",
            ),
            (
                "base/kustomization.yaml",
                "resources: [secret.yaml]\npatches: [{path: patch.yaml}]\n",
            ),
            ("kustomization.yaml", "bases: [base]\n"),
        ],
        problem: None,
    },
    Case {
        name: "envs-of-any-name",
        files: &[
            ("db.conf", DOTENV),
            (
                "kustomization.yaml",
                "secretGenerator: [{name: it, envs: [db.conf]}]\n",
            ),
        ],
        problem: None,
    },
    Case {
        name: "env",
        files: &[
            ("app.env", DOTENV),
            (
                "kustomization.yaml",
                "secretGenerator: [{name: it, env: app.env}]\n",
            ),
        ],
        problem: Some("not-decrypted"),
    },
    Case {
        name: "file-by-its-own-name",
        files: &[
            ("values.yaml", VALUES),
            (
                "kustomization.yaml",
                "secretGenerator: [{name: it, files: [values.yaml]}]\n",
            ),
        ],
        problem: None,
    },
    Case {
        name: "file-by-a-key-of-its-format",
        files: &[
            ("values.yaml", VALUES),
            (
                "kustomization.yaml",
                "secretGenerator: [{name: it, files: [value.yaml=values.yaml]}]\n",
            ),
        ],
        problem: None,
    },
    Case {
        name: "file-by-a-key-of-another-format",
        files: &[
            ("values.yaml", VALUES),
            (
                "kustomization.yaml",
                "secretGenerator: [{name: it, files: [value.json=values.yaml]}]\n",
            ),
        ],
        problem: None,
    },
    Case {
        name: "file-by-a-key-without-ending",
        files: &[
            ("values.yaml", VALUES),
            (
                "kustomization.yaml",
                "secretGenerator: [{name: it, files: [value=values.yaml]}]\n",
            ),
        ],
        problem: Some("other-format"),
    },
    Case {
        name: "json-by-a-key-without-ending",
        files: &[
            ("values.json", "{\"value\": \"reading-canary\"}\n"),
            (
                "kustomization.yaml",
                "secretGenerator: [{name: it, files: [value=values.json]}]\n",
            ),
        ],
        problem: Some("other-format"),
    },
    Case {
        name: "config-map",
        files: &[
            ("values.yaml", VALUES),
            (
                "kustomization.yaml",
                "configMapGenerator: [{name: it, files: [values.yaml]}]\n",
            ),
        ],
        problem: Some("not-decrypted"),
    },
    Case {
        name: "config-map-envs",
        files: &[
            ("app.env", DOTENV),
            (
                "kustomization.yaml",
                "configMapGenerator: [{name: it, envs: [app.env]}]\n",
            ),
        ],
        problem: Some("not-decrypted"),
    },
    Case {
        name: "patches",
        files: &[
            ("patch.yaml", SECRET),
            (
                "secret.yaml",
                "apiVersion: v1\nkind: Secret\nmetadata: {name: it}\n",
            ),
            (
                "kustomization.yaml",
                "resources: [secret.yaml]\npatches: [{path: patch.yaml}]\n",
            ),
        ],
        problem: None,
    },
    Case {
        name: "patches-strategic-merge",
        files: &[
            ("patch.yaml", SECRET),
            (
                "secret.yaml",
                "apiVersion: v1\nkind: Secret\nmetadata: {name: it}\n",
            ),
            (
                "kustomization.yaml",
                "resources: [secret.yaml]\npatchesStrategicMerge: [patch.yaml]\n",
            ),
        ],
        problem: None,
    },
    Case {
        name: "two-kustomizations",
        files: &[
            ("secret.yaml", SECRET),
            ("kustomization.yaml", "resources: [secret.yaml]\n"),
            ("kustomization.yml", "resources: [secret.yaml]\n"),
        ],
        problem: Some("not-built"),
    },
    Case {
        name: "a-broken-kustomization",
        files: &[
            ("secret.yaml", SECRET),
            ("kustomization.yaml", "resources: [secret.yaml\n"),
        ],
        problem: Some("not-built"),
    },
    Case {
        name: "an-empty-kustomization",
        files: &[("secret.yaml", SECRET), ("kustomization.yaml", "\n")],
        problem: Some("not-built"),
    },
    Case {
        name: "a-text-for-a-list",
        files: &[
            ("secret.yaml", SECRET),
            ("kustomization.yaml", "resources: secret.yaml\n"),
        ],
        problem: Some("not-built"),
    },
    Case {
        name: "a-document-without-a-name",
        files: &[
            (
                "secret.yaml",
                "apiVersion: v1\nkind: Secret\nstringData: {value: reading-canary}\n",
            ),
            ("kustomization.yaml", "resources: [secret.yaml]\n"),
        ],
        problem: Some("not-an-object"),
    },
    Case {
        name: "an-empty-document",
        files: &[
            (
                "secret.yaml",
                "apiVersion: v1\nkind: Secret\nmetadata: {name: it}\nstringData: {value: reading-canary}\n---\n{}\n",
            ),
            ("kustomization.yaml", "resources: [secret.yaml]\n"),
        ],
        problem: Some("not-an-object"),
    },
];

#[test]
fn status_reports_what_flux_does_not_decrypt_and_nothing_else() {
    let cluster = Cluster::start();
    let fleet = Fleet::new(&cluster);
    fleet.kb(&["init"]).assert_code(0);
    let recipient = fleet.world.read(".sops.yaml");
    let recipient = recipient
        .lines()
        .find_map(|line| line.split("age: ").nth(1));
    let recipient = recipient.expect("the rule names the key").to_owned();
    fleet.world.write(
        ".sops.yaml",
        format!(
            "creation_rules:\n  - path_regex: /(secret|patch)\\.yaml$\n    encrypted_regex: ^(data|stringData|value)$\n    age: {recipient}\n  - path_regex: ^cases/\n    age: {recipient}\n"
        ),
    );
    for case in CASES {
        for (path, text) in case.files {
            let path = format!("cases/{}/{path}", case.name);
            fleet.world.write(&path, text);
            if text.contains(VALUE) {
                let mut encrypt = vec!["encrypt", "--in-place"];
                // Files of any name are dotenv to `envs`.
                if *text == DOTENV {
                    encrypt.extend(["--input-type", "dotenv", "--output-type", "dotenv"]);
                }
                encrypt.push(&path);
                fleet.world.tool("sops", encrypt).assert_code(0);
            }
        }
    }
    fleet.push();
    for case in CASES {
        let namespace = format!("to-{}", case.name);
        cluster.create_namespace(&namespace);
        let path = format!("./cases/{}", case.name);
        let decryption = json!({"provider": "sops", "secretRef": {"name": "sops-age"}});
        fleet
            .flux
            .kustomization(case.name, "fleet", &path, decryption);
        let target = json!({"spec": {"targetNamespace": namespace}});
        fleet.flux.change(case.name, &target);
    }
    let status = fleet.kb(&["status", "-o", "json"]);
    let status: Value = serde_json::from_str(status.out()).expect("JSON");
    let problems = status["problems"]["flux"].as_array().expect("problems");
    let mut wrong = Vec::new();
    for case in CASES {
        let subject = format!("flux-system/{}", case.name);
        let reported: Vec<&str> = problems
            .iter()
            .filter(|problem| problem["subject"] == *subject && problem["kind"] != "flux-failed")
            .filter_map(|problem| problem["kind"].as_str())
            .collect();
        let expected: Vec<&str> = case.problem.into_iter().collect();
        if reported != expected {
            wrong.push(format!(
                "{}: reported {reported:?}, expected {expected:?}",
                case.name
            ));
        }
        let judged = judge(&fleet, &cluster, case.name);
        if judged.is_ok() != case.problem.is_none() {
            wrong.push(format!("{}: Flux: {judged:?}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether Flux applied the value of a case; otherwise what arrived.
fn judge(fleet: &Fleet<'_>, cluster: &Cluster, name: &str) -> Result<(), String> {
    let ready = fleet.flux.settled(name);
    if ready["status"] != "True" {
        return Err(ready["message"].to_string());
    }
    let namespace = format!("/api/v1/namespaces/to-{name}");
    let mut found = Vec::new();
    for kind in ["secrets", "configmaps"] {
        let list = cluster.get(&format!("{namespace}/{kind}")).expect("a list");
        let items = list["items"].as_array().cloned().unwrap_or_default();
        let own = items
            .into_iter()
            .filter(|item| item["metadata"]["name"] != "kube-root-ca.crt");
        found.extend(own);
    }
    let [object] = found.as_slice() else {
        return Err(format!("{} objects", found.len()));
    };
    let values = object["data"].as_object().expect("data");
    let texts = values.values().filter_map(Value::as_str).map(|text| {
        let decoded = STANDARD.decode(text).ok();
        let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
        decoded.unwrap_or_else(|| text.to_owned())
    });
    let texts: Vec<String> = texts.collect();
    match texts.iter().all(|text| text.contains(VALUE)) {
        true => Ok(()),
        false => Err(texts.join(" | ")),
    }
}
