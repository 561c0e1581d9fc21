//! What needs a person's consent, and what a plan says of what it is about.

use serde_json::{Value, json};
use testkit::Run;

use crate::{Setup, assert_fails, keypair};

/// The cluster's own key, and a second rule for another cluster's.
fn for_two_clusters(prefix: &str) -> (Setup, String) {
    let setup = Setup::initialized(prefix);
    let (_, other) = keypair(&setup.world);
    let config = setup.world.read(".sops.yaml");
    let rule = format!("  - path_regex: ^staging/\n    age: {other}\n");
    setup.world.write(".sops.yaml", config + &rule);
    (setup, other)
}

#[track_caller]
fn assert_not_rotated(setup: &Setup, run: &Run, words: &[&str]) {
    let refused = [
        "no --context says which one is meant",
        "k secrets init --force --context test -n",
        "hint: --yes rotates",
    ];
    assert_fails(run, 1, &[&refused, words].concat());
    assert_eq!(setup.entry("age.previous.agekey"), None);
    assert_eq!(setup.entry("age.next.agekey"), None);
}

#[test]
fn without_a_terminal_a_rotation_among_several_clusters_needs_consent() {
    let (setup, other) = for_two_clusters("several");
    let before = setup.world.read(".sops.yaml");
    assert_not_rotated(&setup, &setup.init(&["--force"]), &[&other]);
    assert_eq!(setup.world.read(".sops.yaml"), before);
    // It is a question about a change: a dry run has none.
    setup.init(&["--force", "--dry-run"]).assert_code(0);
    // The hint is a command that works.
    setup.init(&["--force", "--context", "test"]).assert_code(0);
    setup.init(&["--force", "--yes"]).assert_code(0);
    assert_not_rotated_again(&setup);
}

#[track_caller]
fn assert_not_rotated_again(setup: &Setup) {
    let held = setup.entry("age.agekey");
    assert_fails(&setup.init(&["--force"]), 1, &["--context"]);
    assert_eq!(setup.entry("age.agekey"), held);
}

/// Whatever of the configs can name another cluster counts, and nothing else.
#[test]
fn another_cluster_is_recognized_wherever_it_is_named() {
    let setup = Setup::initialized("where");
    let config = setup.world.read(".sops.yaml");
    let own = setup.recipient();
    let (_, other) = keypair(&setup.world);
    let rule = |age: &str| format!("creation_rules:\n  - path_regex: x\n    age: {age}\n");
    let both = rule(&format!("{own},{other}"));
    let groups =
        format!("creation_rules:\n  - key_groups:\n      - age: [{own}]\n      - age: [{other}]\n");
    let refused = |name: &str, text: &str, words: &[&str]| {
        setup.world.write(name, text);
        assert_not_rotated(&setup, &setup.init(&["--force"]), words);
        std::fs::remove_file(setup.world.path(name)).expect("removed");
        setup.world.write(".sops.yaml", &config);
    };
    refused(".sops.yaml", &both, &[&other]);
    refused(".sops.yaml", &groups, &[&other]);
    refused("staging/.sops.yaml", &rule(&other), &[&other]);
    // What cannot be read may name one.
    refused(
        "staging/.sops.yaml",
        "creation_rules: [\n",
        &["staging/.sops.yaml cannot be read"],
    );
    // A recovery key is not a cluster's, nor is a person's own kind of key.
    let ssh = crate::ssh_key(&setup, "me@example.org", "");
    let person = format!(
        "{config}  - path_regex: ^mine/\n    key_groups:\n      - age:\n          - {own}\n          - {other} # recovery\n          - {ssh}\n"
    );
    setup.world.write(".sops.yaml", person);
    setup.init(&["--force"]).assert_code(0);
    // This cluster's retired key is its own.
    setup.world.write("old/.sops.yaml", rule(&own));
    setup.init(&["--force"]).assert_code(0);
}

/// They change what is in line with the rules, and take nothing away.
#[test]
fn use_existing_and_check_fix_need_no_consent() {
    let (setup, _) = for_two_clusters("no-consent");
    setup.world.write(
        "db-secret.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\nstringData:\n  a: b\n",
    );
    setup.secrets(&["check", "--fix"]).assert_code(0);
    assert!(setup.world.read("db-secret.yaml").contains("ENC["));
    setup.init(&["--force", "--yes"]).assert_code(0);
    let old = setup.world.read(".sops.yaml");
    std::fs::remove_file(setup.world.path(".sops.yaml")).expect("removed");
    setup.init(&["--use-existing"]).assert_code(0);
    assert!(setup.world.read(".sops.yaml").contains(&setup.recipient()));
    assert!(old.contains(&setup.recipient()));
}

fn plan_of(run: &Run) -> Vec<String> {
    let lines = run.assert_code(0).err().lines();
    let of_plan = lines.filter(|line| {
        let labels = ["  context ", "  namespace ", "  Secret ", "  config "];
        labels.iter().any(|label| line.starts_with(label))
    });
    of_plan
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

#[test]
fn every_plan_says_where_its_values_came_from() {
    let mut setup = Setup::initialized("sources");
    let namespace = setup.namespace.clone();
    let kubeconfig = setup.world.home().join(".kube/config");
    let named = format!("namespace {namespace} (from --namespace)");
    let by_default = [
        "context test (current-context, default kubeconfig)",
        &named,
        "Secret sops-age (default)",
        "config .sops.yaml (at the top of the repository)",
    ];
    let dry = |setup: &Setup, args: &[&str]| plan_of(&setup.init(&[&["--dry-run"], args].concat()));
    let force = dry(&setup, &["--force"]);
    assert_eq!(force, by_default);
    // Another rule, so that there is something to plan.
    let (old, _) = (setup.recipient(), ());
    let config = setup.world.read(".sops.yaml");
    let (_, other) = keypair(&setup.world);
    setup
        .world
        .write(".sops.yaml", config.replace(&old, &other));
    assert_eq!(
        dry(&setup, &["--use-existing", "--replace", &other]),
        by_default
    );
    let rule = ["--use-existing", "--path-regex", "^new/"];
    assert_eq!(dry(&setup, &rule), by_default);
    setup.world.write(".sops.yaml", &config);
    // Options.
    let path = kubeconfig.to_str().expect("UTF-8");
    let options = [
        "--force",
        "--context",
        "test",
        "--kubeconfig",
        path,
        "--secret-name",
        "sops-age",
        "--config",
        ".sops.yaml",
    ];
    assert_eq!(
        dry(&setup, &options),
        [
            "context test (from --context, kubeconfig from --kubeconfig)",
            &named,
            "Secret sops-age (from --secret-name)",
            "config .sops.yaml (from --config)",
        ]
    );
    let json = setup.init(&[&options[..], &["--dry-run", "-o", "json"]].concat());
    let json: Value = serde_json::from_str(json.assert_code(0).out()).expect("JSON");
    let sources = &json["sources"];
    assert_eq!(
        sources["context"],
        json!({"value": "test", "from": "option", "name": "--context"})
    );
    assert_eq!(
        sources["kubeconfig"],
        json!({"from": "option", "name": "--kubeconfig"})
    );
    assert_eq!(sources["namespace"]["value"], namespace.as_str());
    assert_eq!(sources["config"]["name"], "--config");
    // The environment.
    setup.world.env("KUBECONFIG", &kubeconfig);
    setup.world.env("SOPS_CONFIG", ".sops.yaml");
    let plan = dry(&setup, &["--force"]);
    assert_eq!(
        plan[0],
        "context test (current-context, kubeconfig from $KUBECONFIG)"
    );
    assert_eq!(plan[3], "config .sops.yaml (from $SOPS_CONFIG)");
    setup.world.env_remove("KUBECONFIG");
    setup.world.env_remove("SOPS_CONFIG");
    // A config that is nearer than the one of the repository.
    setup.world.write("apps/.sops.yaml", &config);
    let mut command = setup.command(&["init", "--force", "--dry-run"]);
    command.current_dir(setup.world.path("apps"));
    let plan = plan_of(&setup.world.run(command));
    assert_eq!(
        plan[3],
        "config .sops.yaml (nearest one; not at the top of the repository)"
    );
}
