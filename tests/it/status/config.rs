//! Faults of `.sops.yaml`.

use super::InLine;
use crate::keypair;

const FILE: &str = ".sops.yaml";

#[test]
fn a_missing_config() {
    let in_line = InLine::new("config-missing");
    std::fs::remove_file(in_line.world.path(FILE)).expect("removed");
    let screen = in_line.assert_all_found(
        &["config-missing", "no-rule"],
        &["the repository has no .sops.yaml"],
    );
    in_line.follow(&screen, "to write one with the cluster's key:");
    in_line.assert_in_line();
}

#[test]
fn a_config_that_sops_cannot_read() {
    let in_line = InLine::new("config-broken");
    let before = in_line.world.read(FILE);
    in_line.world.write(FILE, "creation_rules: {\n");
    in_line.assert_found("config-broken", &[".sops.yaml:"]);
    in_line.world.write(FILE, before.replace("ya?ml", "ya?m(l"));
    in_line.assert_found(
        "config-broken",
        &["kb cannot tell which files the path_regex"],
    );
    in_line.world.write(FILE, &before);
    in_line.assert_in_line();
}

#[test]
fn a_cluster_key_that_no_rule_names_and_a_named_key_that_the_cluster_has_not() {
    let in_line = InLine::new("not-named");
    let (_, other) = keypair(&in_line.world);
    let own = in_line.recipient();
    in_line
        .world
        .write(FILE, in_line.world.read(FILE).replace(&own, &other));
    let screen = in_line.assert_all_found(
        &["key-not-named", "other-recipients"],
        &[&format!("no rule names the cluster's key {own}; they name {other}, which this cluster does not hold")],
    );
    in_line.follow(&screen, "if this cluster was rebuilt, and had that key:");
    in_line.assert_in_line();
}

#[test]
fn a_rule_for_a_key_that_was_rotated_away() {
    let in_line = InLine::new("retired-named");
    let before = in_line.world.read(FILE);
    in_line.kb(&["init", "--force"]).assert_code(0);
    let after = in_line.world.read(FILE);
    let old = before
        .split_whitespace()
        .find(|word| word.starts_with("age1"))
        .expect("a key");
    let second = format!("  - path_regex: ^other/\n    age: {old}\n");
    in_line.world.write(FILE, format!("{after}{second}"));
    let screen = in_line.assert_all_found(
        &["retired-key", "retired-key-named"],
        &[&format!("the rule names {old}, which was rotated away")],
    );
    in_line.follow(&screen, "to make rules and files match the cluster's key:");
    in_line.prune();
    in_line.assert_in_line();
}

#[test]
fn a_rule_that_never_applies() {
    let in_line = InLine::new("shadowed");
    let before = in_line.world.read(FILE);
    let key = in_line.recipient();
    let rule = format!("  - path_regex: ^apps/db-secret\\.yaml$\n    age: {key}\n");
    in_line.world.write(FILE, format!("{before}{rule}"));
    in_line.assert_found(
        "rule-never-applies",
        &[
            "sops never comes to the rule for ^apps/db-secret\\.yaml$",
            "line 2:",
        ],
    );
    in_line.world.write(FILE, &before);
    in_line.assert_in_line();
}

#[test]
fn a_rule_that_covers_a_kustomization() {
    let in_line = InLine::new("covers");
    let before = in_line.world.read(FILE);
    let start = before.find("path_regex: ").expect("a rule") + "path_regex: ".len();
    let end = start + before[start..].find('\n').expect("a line");
    in_line.world.write(
        FILE,
        format!("{}^apps/{}", &before[..start], &before[end..]),
    );
    let screen = in_line.assert_found(
        "rule-covers-kustomization",
        &["the rule is for apps/kustomization.yaml"],
    );
    let hint = screen.split("as in ").nth(1).expect("an example");
    let narrow = hint.lines().next().expect("a line");
    in_line.world.write(
        FILE,
        format!("{}{narrow}{}", &before[..start], &before[end..]),
    );
    in_line.assert_in_line();
}

#[test]
fn rules_of_a_config_elsewhere_are_for_whole_paths() {
    let in_line = InLine::new("elsewhere");
    let root = in_line.world.repo();
    let config = in_line.world.read(".sops.yaml");
    let start = config.find("(^|/)[^/]*secret").expect("the expression");
    let config = format!(
        "{}^{}/.*secret{}",
        &config[..start],
        root.display(),
        &config[start + "(^|/)[^/]*secret".len()..]
    );
    let elsewhere = in_line.world.tmp().join("rules.yaml");
    std::fs::write(&elsewhere, config).expect("a file");
    let run = in_line.kb(&["status", "--config", elsewhere.to_str().expect("UTF-8")]);
    assert!(
        run.assert_code(0).out().contains("All is in line."),
        "{}",
        run.out()
    );
    // With another Kubernetes config broken below, the rest is still looked at.
    in_line
        .world
        .write("fixtures/.sops.yaml", "creation_rules: {\n");
    in_line.world.write("fixtures/x.yaml", "a: b\n");
    let encrypted = in_line.world.read("apps/db-secret.yaml");
    in_line.world.write(
        "apps/db-secret.yaml",
        encrypted.replace("name: db", "name: web"),
    );
    in_line.assert_all_found(&["config-broken", "wrong-mac"], &[]);
}

/// A broken rule is a problem of its own; the files of the others are judged as ever.
#[test]
fn a_broken_rule_hides_nothing_of_the_others() {
    let in_line = InLine::new("rule-broken");
    let before = in_line.world.read(FILE);
    let (_, other) = keypair(&in_line.world);
    for broken in [
        "  - path_regex: '^b(/'\n    age: <key>\n",
        "  - path_regex: ^b/\n    age: age1oops\n",
        "  - path_regex: ^b/\n    hc_vault_transit_uri: nonsense\n",
    ] {
        in_line.world.write(FILE, format!("{before}{broken}"));
        in_line.assert_found("config-broken", &[".sops.yaml:"]);
        let text = before.replace(&in_line.recipient(), &other);
        in_line.world.write(FILE, format!("{text}{broken}"));
        in_line.assert_all_found(&["config-broken", "other-recipients"], &[&other]);
    }
    in_line.world.write(FILE, &before);
    in_line.assert_in_line();
}

#[test]
fn a_config_of_the_wrong_name() {
    let in_line = InLine::new("misnamed");
    std::fs::rename(in_line.world.path(FILE), in_line.world.path(".sops.yml")).expect("renamed");
    in_line.assert_all_found(
        &["config-misnamed", "no-rule"],
        &[
            "sops does not read .sops.yml",
            "git mv .sops.yml .sops.yaml",
        ],
    );
}

#[test]
fn a_field_that_sops_ignores_is_a_remark() {
    let in_line = InLine::new("unknown-field");
    let text = in_line.world.read(FILE);
    in_line
        .world
        .write(FILE, format!("{text}    descriptoin: ours\n"));
    let run = in_line.kb(&["status"]);
    let words = "unknown field descriptoin, which sops ignores";
    assert!(run.assert_code(0).out().contains(words), "{}", run.out());
}

#[test]
fn a_config_in_utf_16_counts_as_any_other() {
    let in_line = InLine::new("utf-16");
    let text = in_line.world.read(FILE);
    let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    in_line
        .world
        .write(FILE, [&b"\xff\xfe"[..], &units].concat());
    in_line.assert_in_line();
}
