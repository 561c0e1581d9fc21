//! `init --path-regex`, `--add`, `--replace`: which rule the key goes to.

use testkit::Run;

use crate::rule_matching::by_sops;
use crate::{Setup, assert_fails, keypair};

/// A setup whose repository has the sample of this one: three rules, comments.
fn with_sample(prefix: &str) -> (Setup, String) {
    let setup = Setup::new(prefix);
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/.sops.yaml");
    let config = std::fs::read_to_string(sample).expect("the sample");
    setup.world.write(".sops.yaml", &config);
    (setup, config)
}

const LOCAL: &str = "age14wjq6p8cx0lcet8ayk7sdw8pnnmvtzgucrfur6fpewrlwt3pwerqhs0yd5";
const LOCAL_PATHS: &str = r"^clusters/local/.*secret[^/]*\.ya?ml$";
const NEW_PATHS: &str = r"^clusters/second/.*secret[^/]*\.ya?ml$";

fn import(setup: &Setup, options: &[&str], key: &str) -> Run {
    let command = setup.command(&[&["init", "--import"], options].concat());
    setup.world.run_with_stdin(command, key.as_bytes())
}

/// What plain sops makes of a new file.
fn encrypted_for(setup: &Setup, path: &str) -> Vec<String> {
    let command = setup
        .world
        .tool_cmd("sops", ["encrypt", "--filename-override", path]);
    by_sops(&setup.world, command).expect("sops encrypts")
}

#[test]
fn a_second_cluster_is_refused_without_an_option() {
    let (setup, config) = with_sample("sample");
    let run = setup.init(&[]);
    assert_fails(
        &run,
        1,
        &["line 7", "line 11", "line 16", "--path-regex", "--replace"],
    );
    assert_eq!(setup.entry("age.agekey"), None);
    assert_eq!(setup.world.read(".sops.yaml"), config);
}

#[test]
fn a_second_cluster_gets_its_own_rule() {
    let (setup, config) = with_sample("sampnew");
    let trial = setup.init(&["--path-regex", NEW_PATHS, "--dry-run"]);
    insta::assert_snapshot!(trial.snapshot());
    assert_eq!(setup.world.read(".sops.yaml"), config);
    assert_eq!(setup.entry("age.agekey"), None);
    let run = setup.init(&["--path-regex", NEW_PATHS]);
    run.assert_code(0);
    let recipient = setup.recipient();
    let rule = format!(
        "\n  - path_regex: {NEW_PATHS}\n    encrypted_regex: ^(data|stringData)$\n    age: {recipient}\n"
    );
    assert_eq!(setup.world.read(".sops.yaml"), config + &rule);
    assert_eq!(
        encrypted_for(&setup, "clusters/second/db-secret.yaml"),
        [recipient]
    );
    assert_eq!(
        encrypted_for(&setup, "clusters/local/db-secret.yaml"),
        [LOCAL]
    );
    // Once more it is all there; in another rule it is not.
    let again = setup.init(&["--path-regex", NEW_PATHS]);
    assert!(again.assert_code(0).err().contains("Nothing was changed"));
    let elsewhere = setup.init(&["--path-regex", "^third/"]);
    assert_fails(&elsewhere, 1, &["in a rule for ^third/", "--use-existing"]);
    let run = setup.init(&["--use-existing", "--path-regex", "^third/.*secret"]);
    run.assert_code(0);
    assert_eq!(
        encrypted_for(&setup, "third/secret.yaml"),
        [setup.recipient()]
    );
}

#[test]
fn a_rule_that_is_taken_keeps_its_keys_unless_the_new_one_is_added() {
    let (setup, config) = with_sample("samptaken");
    let run = setup.init(&["--path-regex", LOCAL_PATHS]);
    insta::assert_snapshot!(run.snapshot());
    assert_eq!(setup.entry("age.agekey"), None);
    assert_eq!(setup.world.read(".sops.yaml"), config);
    setup
        .init(&["--path-regex", LOCAL_PATHS, "--add"])
        .assert_code(0);
    let recipient = setup.recipient();
    let both = format!("{LOCAL},{recipient}");
    assert_eq!(setup.world.read(".sops.yaml"), config.replace(LOCAL, &both));
    let mut keys = [LOCAL.to_owned(), recipient];
    keys.sort();
    assert_eq!(encrypted_for(&setup, "clusters/local/db-secret.yaml"), keys);
}

#[test]
fn a_rebuilt_cluster_takes_the_place_of_its_old_key() {
    let (setup, config) = with_sample("samprepl");
    let run = setup.init(&["--replace", LOCAL, "--dry-run"]);
    assert!(
        run.assert_code(0)
            .err()
            .contains(&format!("-    age: {LOCAL}"))
    );
    assert_eq!(setup.world.read(".sops.yaml"), config);
    let words = format!("instead of {LOCAL}, line 11");
    assert!(run.err().contains(&words), "{}", run.err());
    setup.init(&["--replace", LOCAL]).assert_code(0);
    let recipient = setup.recipient();
    assert_eq!(
        setup.world.read(".sops.yaml"),
        config.replace(LOCAL, &recipient)
    );
    // The old one is nowhere any more, and the new one is: nothing is missing.
    setup.init(&["--replace", LOCAL]).assert_code(0);
}

#[test]
fn an_imported_key_and_the_clusters_own_find_their_rules() {
    let (setup, config) = with_sample("sampimport");
    let (key, recipient) = keypair(&setup.world);
    assert_fails(&import(&setup, &[], &key), 1, &["does not say which"]);
    assert_eq!(setup.entry("age.agekey"), None);
    import(&setup, &["--replace", LOCAL], &key).assert_code(0);
    assert_eq!(
        setup.world.read(".sops.yaml"),
        config.replace(LOCAL, &recipient)
    );
    // Now the cluster has it. With the config as it was, it is brought in line.
    setup.world.write(".sops.yaml", &config);
    assert_fails(&setup.init(&["--use-existing"]), 1, &["does not say which"]);
    setup
        .init(&["--use-existing", "--replace", LOCAL])
        .assert_code(0);
    assert_eq!(
        setup.world.read(".sops.yaml"),
        config.replace(LOCAL, &recipient)
    );
    setup.world.write(".sops.yaml", &config);
    import(&setup, &["--path-regex", NEW_PATHS], &key).assert_code(0);
    assert_eq!(
        encrypted_for(&setup, "clusters/second/my-secret.yml"),
        [recipient]
    );
}

/// The retired key is the same cluster's, so it is evident what becomes of it.
#[test]
fn a_retired_key_gives_way_to_the_current_one() {
    let setup = Setup::new("retiredway");
    let (current, now) = keypair(&setup.world);
    let (old, before) = keypair(&setup.world);
    let (older, long_before) = keypair(&setup.world);
    let (_, other) = keypair(&setup.world);
    let retired = format!("{old}\n{older}\n");
    setup.put_key(&[("age.agekey", &current), ("age.previous.agekey", &retired)]);
    let config = format!(
        "creation_rules:\n  - path_regex: a\n    age: {other},{before} # a\n  - path_regex: b\n    age: [{long_before}, '{before}']\n  - age: {other}\n"
    );
    setup.world.write(".sops.yaml", &config);
    setup.init(&["--use-existing"]).assert_code(0);
    let after = config
        .replace(
            &format!("[{long_before}, '{before}']"),
            &format!("['{now}']"),
        )
        .replace(&before, &now);
    assert_eq!(setup.world.read(".sops.yaml"), after);
}

/// A rule for all YAML files would take those of the new rule.
#[test]
fn a_new_rule_stands_before_one_that_would_shadow_it() {
    let setup = Setup::new("shadow");
    let (_, other) = keypair(&setup.world);
    let config = format!(
        "creation_rules:\n  - path_regex: ^prod/\n    age: {other}\n  # All that is left.\n  - path_regex: \\.yaml$\n    age: {other}\n  - age: {other}\n"
    );
    setup.world.write(".sops.yaml", &config);
    let run = setup.init(&["--path-regex", r"^new/[^/]*secret[^/]*\.yaml$"]);
    run.assert_code(0);
    let words = "above the one in line 5: \\.yaml$, which would take its files";
    assert!(run.err().contains(words), "{}", run.err());
    assert!(!run.err().contains("warning:"), "{}", run.err());
    assert_eq!(
        encrypted_for(&setup, "new/secret.yaml"),
        [setup.recipient()]
    );
    assert_eq!(encrypted_for(&setup, "new/other.yaml"), [other]);
    let after = setup.world.read(".sops.yaml");
    assert!(
        after.contains("  # All that is left.\n  - path_regex: \\.yaml$\n"),
        "{after}"
    );
}

#[test]
fn an_overlap_with_an_earlier_rule_is_a_warning_that_names_both() {
    let setup = Setup::new("overlap");
    let (_, other) = keypair(&setup.world);
    let config = format!("creation_rules:\n  - path_regex: ^prod/\n    age: {other}\n");
    setup.world.write(".sops.yaml", &config);
    let run = setup.init(&["--path-regex", r"secret\.yaml$"]);
    let words = "files such as prod/secret.yaml match the new rule too, but go to earlier rules:\n  line 2: ^prod/";
    assert!(run.assert_code(0).err().contains(words), "{}", run.err());
}

/// Refused, each with the rules that are in the way; nothing is changed.
#[test]
fn a_rule_that_would_never_apply_is_refused() {
    let setup = Setup::new("never");
    let (_, other) = keypair(&setup.world);
    let rule = |regex: &str, key: &str| format!("  - path_regex: {regex}\n    age: {key}\n");
    let cases = [
        // The rule without a key stands behind one that takes all.
        (
            rule("^x/", &other) + &rule(".*", &other) + &rule("^new/", "<key>"),
            vec![],
            vec![".sops.yaml:6:5", "for ^new/", "line 4: .*"],
        ),
        // Two rules together leave nothing.
        (
            rule("^a/", &other) + &rule("^(b|c)/", &other),
            vec!["--path-regex", r"^(a|b)/.*\.yaml$"],
            vec!["line 2: ^a/", "line 4: ^(b|c)/"],
        ),
        // No path ends with a slash.
        (
            rule("^x/", &other),
            vec!["--path-regex", "/$"],
            vec!["no path matches it"],
        ),
    ];
    for (rules, options, words) in cases {
        let config = format!("creation_rules:\n{rules}");
        setup.world.write(".sops.yaml", &config);
        let run = setup.init(&options);
        assert_fails(&run, 1, &words);
        assert!(run.err().contains("would never apply"), "{}", run.err());
        assert_eq!(setup.entry("age.agekey"), None);
        assert_eq!(setup.world.read(".sops.yaml"), config);
    }
}

#[test]
fn a_rule_that_encrypts_too_much_is_warned_of() {
    let setup = Setup::new("toomuch");
    setup
        .world
        .write(".sops.yaml", "creation_rules:\n  - path_regex: ^prod/\n");
    let run = setup.init(&["--dry-run"]);
    let whole = "no encrypted_regex: all of a file such as prod/a.yaml would be encrypted";
    let kustomization = "the rule matches prod/kustomization.yaml too";
    for words in [whole, kustomization] {
        assert!(run.assert_code(0).err().contains(words), "{}", run.err());
    }
    // A folder of that name may hold one.
    let rule = "path_regex: secret.*\\.yaml$\n    encrypted_regex: ^data$";
    setup
        .world
        .write(".sops.yaml", format!("creation_rules:\n  - {rule}\n"));
    let run = setup.init(&["--dry-run"]);
    let words = "the rule matches secret/kustomization.yaml too";
    assert!(run.assert_code(0).err().contains(words), "{}", run.err());
    // A rule for secrets alone, or for what is no manifest, is none of these.
    for rule in [
        "path_regex: ^prod/.*secret[^/]*\\.yaml$\n    encrypted_regex: ^data$",
        "path_regex: \\.env$",
        "path_regex: ^prod/[^/]*secret[^/]*$\n    unencrypted_regex: ^(kind|metadata)$",
    ] {
        setup
            .world
            .write(".sops.yaml", format!("creation_rules:\n  - {rule}\n"));
        let run = setup.init(&["--dry-run"]);
        assert!(
            !run.assert_code(0).err().contains("warning:"),
            "{}",
            run.err()
        );
    }
}

#[test]
fn rules_with_keys_of_other_kinds_only_are_taken_too() {
    let setup = Setup::new("kms");
    let config = "creation_rules:\n  - path_regex: ^a/\n    pgp: FBC7B9E2A4F9289AC0C1D4843D16CEE4A27381B4\n  \
                  - path_regex: ^b/\n    kms: arn:aws:kms:eu-west-1:1:key/x\n";
    setup.world.write(".sops.yaml", config);
    for (paths, place) in [("^a/", ".sops.yaml:2:5"), ("^b/", ".sops.yaml:4:5")] {
        let run = setup.init(&["--path-regex", paths]);
        assert_fails(&run, 1, &[place, "keys of another kind", "--add"]);
    }
    assert_eq!(setup.entry("age.agekey"), None);
    assert_eq!(setup.world.read(".sops.yaml"), config);
    let run = setup.init(&["--path-regex", "^a/", "--add", "--dry-run"]);
    assert!(
        run.assert_code(0).err().contains("+    age: age1"),
        "{}",
        run.err()
    );
}

#[test]
fn options_that_make_no_sense_are_wrong_usage() {
    let setup = Setup::new("usage");
    let (key, recipient) = keypair(&setup.world);
    let cases: [(&[&str], &str); 9] = [
        (&["--add"], "--path-regex"),
        (&["--accept-loss"], "--replace"),
        (&["--path-regex", "["], "unclosed character class"),
        (&["--path-regex", "x**"], "kb does not read this part: `*`"),
        (&["--path-regex", &key], "it is a private key"),
        (
            &["--path-regex", "x", "--replace", &recipient],
            "cannot be used with",
        ),
        (&["--replace", "age1nonsense"], "mistyped or cut short"),
        (&["--replace", "ssh-ed25519 AAAA"], "a person's own key"),
        (&["--replace", &key], "neither an age recipient"),
    ];
    for (options, words) in cases {
        let run = setup.init(options);
        assert_fails(&run, 2, &[words]);
        assert!(!run.err().contains(&key[17..]), "{}", run.err());
    }
}

#[test]
fn a_config_of_the_wrong_name_is_told_with_the_right_one() {
    let setup = Setup::new("yml");
    setup.world.write(".sops.yml", "creation_rules: []\n");
    let run = setup.init(&[]);
    assert_fails(
        &run,
        1,
        &[
            "sops does not read .sops.yml",
            "hint: git mv .sops.yml .sops.yaml",
        ],
    );
    assert_eq!(setup.entry("age.agekey"), None);
    assert!(!setup.world.path(".sops.yaml").exists());
    // Beside a right one it does no harm.
    setup.world.write(".sops.yaml", "creation_rules: []\n");
    setup.init(&[]).assert_code(0);
}

#[test]
fn a_rule_to_add_to_has_to_be_there() {
    let setup = Setup::new("addto");
    let (_, other) = keypair(&setup.world);
    let config =
        format!("creation_rules:\n  - path_regex: ^prod/\n    age: {other}\n  - age: {other}\n");
    setup.world.write(".sops.yaml", &config);
    let run = setup.init(&["--path-regex", "^prod/.*", "--add"]);
    assert_fails(
        &run,
        1,
        &[
            "no rule with the path_regex '^prod/.*'",
            "line 2: ^prod/",
            "(every path)",
        ],
    );
    assert_eq!(setup.world.read(".sops.yaml"), config);
    // kb makes none for every path, with --add or without.
    let catch_all = format!("  - age: {other}\n");
    setup
        .world
        .write(".sops.yaml", config.replace(&catch_all, ""));
    let run = setup.init(&["--path-regex", ""]);
    assert_fails(&run, 1, &["kb makes no rule for every path"]);
    assert!(!run.err().contains("without --add"), "{}", run.err());
    setup.world.write(".sops.yaml", &config);
    // The one without path_regex has a name too.
    setup.init(&["--path-regex", "", "--add"]).assert_code(0);
    let mut keys = [other.clone(), setup.recipient()];
    keys.sort();
    assert_eq!(encrypted_for(&setup, "any.yaml"), keys);
    assert_eq!(encrypted_for(&setup, "prod/any.yaml"), [other]);
}

/// As in Flux's own documentation: a rule for every YAML file.
#[test]
fn a_rule_that_takes_the_manifests_shadows_one_for_a_folder() {
    let setup = Setup::new("fluxdocs");
    let (_, other) = keypair(&setup.world);
    let config = format!(
        "creation_rules:\n  - path_regex: .*.yaml\n    encrypted_regex: ^data$\n    age: {other}\n"
    );
    setup.world.write(".sops.yaml", &config);
    let run = setup.init(&["--path-regex", "^clusters/prod/"]);
    assert!(
        run.assert_code(0).err().contains("above the one in line 2"),
        "{}",
        run.err()
    );
    assert_eq!(
        encrypted_for(&setup, "clusters/prod/x.yaml"),
        [setup.recipient()]
    );
    assert_eq!(encrypted_for(&setup, "clusters/dev/x.yaml"), [other]);
}

/// A rule behind the new one that loses some of its files is told as well.
#[test]
fn what_a_new_rule_takes_from_those_behind_it_is_a_warning() {
    let setup = Setup::new("takes");
    let (_, a) = keypair(&setup.world);
    let (_, b) = keypair(&setup.world);
    let config = format!(
        "creation_rules:\n  - path_regex: \\.yml$\n    age: {a}\n  - path_regex: ^(zq/prod|other)/\n    age: {b}\n  - age: {b}\n"
    );
    setup.world.write(".sops.yaml", &config);
    assert_eq!(encrypted_for(&setup, "zq/prod/x.yaml"), [b]);
    let run = setup.init(&["--path-regex", "^zq/"]);
    run.assert_code(0);
    let words = "the new rule also takes files such as zq/prod/a from later rules:\n  line 4: ^(zq/prod|other)/";
    assert!(run.err().contains(words), "{}", run.err());
    assert_eq!(encrypted_for(&setup, "zq/prod/x.yaml"), [setup.recipient()]);
}

/// Below its own directory sops matches relative paths, elsewhere whole ones.
#[test]
fn a_named_config_in_a_folder_may_mean_either_kind_of_path() {
    let setup = Setup::new("folder");
    let (_, other) = keypair(&setup.world);
    let config = format!("creation_rules:\n  - path_regex: ^q/\n    age: {other}\n");
    setup.world.write("hack/sops.yaml", config);
    let whole = format!("^{}/clusters/", setup.world.repo().display());
    for paths in ["^prod/", &whole] {
        let arguments = [
            "--config",
            "hack/sops.yaml",
            "--path-regex",
            paths,
            "--dry-run",
        ];
        setup.init(&arguments).assert_code(0);
    }
}

/// Hidden rules and starved ones are told.
#[test]
fn rules_that_take_all_files_of_another_are_warned_of() {
    let setup = Setup::new("starved");
    let (_, other) = keypair(&setup.world);
    let config = format!(
        "creation_rules:\n  - path_regex: ^a/x\n    age: {other}\n  - path_regex: ^a/\n    age: {other}\n"
    );
    setup.world.write(".sops.yaml", &config);
    let run = setup.init(&["--path-regex", "^a/.*", "--dry-run"]);
    let words = "the new rule takes all files of later rules:\n  line 4: ^a/";
    assert!(run.assert_code(0).err().contains(words), "{}", run.err());
    let config = format!(
        "creation_rules:\n  - path_regex: yaml$\n    age: {other}\n  - path_regex: ^a/\n    age: <key>\n"
    );
    setup.world.write(".sops.yaml", &config);
    let run = setup.init(&["--dry-run"]);
    let words = "no .yaml file comes to the rule; those such as a/a.yaml go to\n  line 2: yaml$";
    assert!(run.assert_code(0).err().contains(words), "{}", run.err());
}

/// A rule is compared with others on paths that kb makes from its expression.
#[test]
fn a_rule_for_which_kb_finds_no_path_is_warned_of() {
    let setup = Setup::new("nopath");
    let (_, other) = keypair(&setup.world);
    let config =
        format!("creation_rules:\n  - path_regex: ^x/\n    age: {other}\n  - age: {other}\n");
    setup.world.write(".sops.yaml", &config);
    let run = setup.init(&["--path-regex", r"^[^/]{5}\b[^/]{5}\.yaml$"]);
    let words = "kb finds no path that the rule matches";
    assert!(run.assert_code(0).err().contains(words), "{}", run.err());
    // It stands before the rule for every path all the same.
    let path = "abcd-efghi.yaml";
    assert_eq!(encrypted_for(&setup, path), [setup.recipient()]);
}

/// sops matches whole paths where the config lies elsewhere.
#[test]
fn rules_of_a_config_elsewhere_match_whole_paths() {
    let setup = Setup::new("whole");
    let elsewhere = setup.world.tmp().join("clusters.yaml");
    std::fs::write(&elsewhere, "creation_rules: []\n").expect("write");
    let named = elsewhere.to_str().expect("UTF-8");
    let prod = setup.world.path("prod");
    let paths = format!("^{}/", prod.display());
    let run = setup.init(&["--config", named, "--path-regex", "^prod/"]);
    assert_fails(&run, 1, &["no path matches it"]);
    setup
        .init(&["--config", named, "--path-regex", &paths])
        .assert_code(0);
    let file = prod.join("x.yaml");
    let arguments = ["--config", named, "encrypt", "--filename-override"];
    let mut command = setup.world.tool_cmd("sops", arguments);
    command.arg(&file);
    assert_eq!(
        by_sops(&setup.world, command),
        Some(vec![setup.recipient()])
    );
}
