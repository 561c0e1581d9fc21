//! `init` and the `.sops.yaml` that is there already.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use crate::{Setup, assert_fails, keypair};

/// Runs init over a `.sops.yaml` and returns what became of it, with `KEY` for
/// the new recipient.
fn after_init(setup: &Setup, config: &str) -> String {
    setup.world.write(".sops.yaml", config);
    let run = setup.init(&[]);
    run.assert_code(0);
    let recipient = crate::recipient_of(&setup.world, run.out());
    setup.world.read(".sops.yaml").replace(&recipient, "KEY")
}

#[test]
fn the_only_rule_without_a_key_gets_it_and_every_other_byte_stays() {
    let setup = Setup::new("evident");
    let (_, other) = keypair(&setup.world);
    let config = format!(
        "# our clusters\ncreation_rules:\n  - path_regex: ^prod/   # taken\n    age: {other}\n\n  \
         - path_regex: ^staging/\n    age: age1abc...  # put the key here\n  # the end\n"
    );
    let after = after_init(&setup, &config);
    assert_eq!(after, config.replace("age1abc...", "KEY"));
}

#[test]
fn a_file_of_comments_gets_its_first_rule() {
    let setup = Setup::new("comments");
    let after = after_init(&setup, "# nothing yet\n");
    assert!(
        after.starts_with("# nothing yet\ncreation_rules:\n  - path_regex: "),
        "{after}"
    );
    assert!(after.ends_with("    age: KEY\n"), "{after}");
}

#[test]
fn rules_that_are_all_taken_are_listed_with_the_two_options() {
    let setup = Setup::new("taken");
    let (_, other) = keypair(&setup.world);
    let config = format!(
        "creation_rules:\n  - path_regex: ^prod/\n    age: {other}\n  - path_regex: \\.env\\.json$\n    \
         age: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPXXZ4nSOWAwt1s3yk9lb6vP4kY7ZbY8rYrK4cP8zWkN dev\n  \
         - pgp: FBC7B9E2A4F9289AC0C1D4843D16CEE4A27381B4\n"
    );
    setup.world.write(".sops.yaml", &config);
    let run = setup.init(&[]);
    insta::assert_snapshot!(run.snapshot(), @r"
    exit code: 1
    ----- stdout -----
    ----- stderr -----
    error: .sops.yaml does not say which of its rules the cluster's key is for
      line 2: ^prod/: [RECIPIENT]
      line 4: \.env\.json$: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPXXZ4nSOWAwt1s3yk9lb6vP4kY7ZbY8rYrK4cP8zWkN dev
      line 6: (every path): keys of another kind
    hint: --path-regex RE names the rule, or makes a new one
    hint: --replace age1… puts the new key in the place of that one, if this cluster was rebuilt
    ");
    assert_eq!(setup.entry("age.agekey"), None);
    assert_eq!(setup.world.read(".sops.yaml"), config);
}

#[test]
fn two_rules_without_a_key_are_not_evident() {
    let setup = Setup::new("two");
    let config = "creation_rules:\n  - path_regex: a\n    age: <key>\n  - path_regex: b\n";
    setup.world.write(".sops.yaml", config);
    assert_fails(
        &setup.init(&[]),
        1,
        &["line 2: a: <key>", "line 4: b: no key", "--path-regex"],
    );
    assert_eq!(setup.entry("age.agekey"), None);
}

#[test]
fn the_mode_and_the_link_of_the_config_stay() {
    let setup = Setup::new("mode");
    let real = setup
        .world
        .write("shared/sops-config", "creation_rules: []\n");
    std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o664)).expect("chmod");
    symlink(&real, setup.world.path(".sops.yaml")).expect("symlink");
    setup.init(&[]).assert_code(0);
    assert!(setup.world.path(".sops.yaml").is_symlink());
    assert_eq!(
        std::fs::metadata(&real).expect("stat").mode() & 0o777,
        0o664
    );
    assert!(setup.world.read("shared/sops-config").contains("age: age1"));
}

#[test]
fn a_broken_config_is_placed_before_the_cluster_is_asked() {
    let setup = Setup::new("broken");
    // Nobody listens there: a kb that asked first would say so.
    let nowhere = format!("https://127.0.0.1:{}", testkit::net::refused_port());
    setup.server(&nowhere);
    let cases: [(&[u8], &str); 24] = [
        (
            b"creation_rules:\n  - path_regex: [a\n",
            ":2:17: not YAML: unclosed bracket",
        ),
        (
            b"creation_rules:\n  - path_regex: [a]\n",
            ":2:17: a text is expected",
        ),
        (
            b"creation_rules:\n  - key_groups: {age: <key>}\n",
            ":2:17: a list is expected",
        ),
        (
            b"creation_rules:\n  - mac_only_encrypted: 1\n",
            ":2:25: true or false is expected",
        ),
        (
            b"creation_rules:\n<<<<<<< ours\n  - age: <a>\n=======\n  - age: <b>\n>>>>>>> theirs\n",
            ":2:1: a merge conflict",
        ),
        (b"\xff\xfec\0r\0\xd8", ":1:3: it is not text in UTF-16"),
        (
            b"%YAML 1.2\n---\ncreation_rules: []\n",
            ":1:1: sops reads %YAML 1.1",
        ),
        (
            b"creation_rules:\n  - path_regex: a: b\n",
            ":2:18: not YAML: ",
        ),
        (b"{\"creation_rules\": [}\n", ":1:20: not YAML: "),
        (b"creation_rules:\n\t- path_regex: a\n", ":2:1: a tab where"),
        (
            b"creation_rules:\n  - path_regex: a\n\tage: <k>\n",
            ":3:1: a tab where",
        ),
        (b"creation_rules:\n\t\n  - age: <k>\n", ":2:1: a tab where"),
        (b"- a\n- b\n", ":1:1: entries (name: value) are expected"),
        (b"7\n", ":1:1: entries (name: value) are expected"),
        (b"creation_rules: 7\n", ":1:17: a list is expected"),
        (b"creation_rules: {a: b}\n", ":1:17: a list is expected"),
        (
            b"creation_rules:\n  - text\n",
            ":2:5: entries (name: value) are expected",
        ),
        (
            b"creation_rules:\n  - path_regex: a\n    path_regex: b\n",
            ":3:5: duplicate key",
        ),
        (
            b"creation_rules:\n  - age: *nobody\n",
            ":2:10: unknown anchor",
        ),
        (
            b"creation_rules: []\n# \xff\xfe\n",
            ":2:3: it is not text in UTF-8",
        ),
        (b"\x00\x01\x02\x03", ":1:1: not YAML: "),
        (
            b"creation_rules: []\n# a\xc2\x85b\n",
            ":2:4: a character that ends the line for sops",
        ),
        (
            b"creation_rules:\n  - path_regex: a\n  - path_regex: '(b'\n",
            ":3:17: kb cannot tell which files the path_regex \"(b\" matches: unclosed group",
        ),
        (
            b"creation_rules:\n  - path_regex: (?x)a\n",
            ":2:17: kb cannot tell which files the path_regex",
        ),
    ];
    for (config, place) in cases {
        setup.world.write(".sops.yaml", config);
        for options in [&[][..], &["--path-regex", "new"], &["--use-existing"]] {
            let run = setup.init(options);
            assert_fails(&run, 1, &[&format!("error: .sops.yaml{place}")]);
            assert!(!run.err().contains("127.0.0.1"), "{}", run.err());
            assert_eq!(setup.world.read_bytes(".sops.yaml"), config);
        }
    }
}

/// Where kb has to look at all rules, a broken one stops it; a rule of its own does not
/// depend on it.
#[test]
fn a_broken_rule_stops_only_what_depends_on_it() {
    let setup = Setup::new("broken-rule");
    let nowhere = format!("https://127.0.0.1:{}", testkit::net::refused_port());
    setup.server(&nowhere);
    let cases: [(&[u8], &str); 10] = [
        (
            b"creation_rules:\n  - pgp: [5]\n",
            ":2:11: keys are expected",
        ),
        (
            b"creation_rules:\n  - encrypted_regex: a\n    encrypted_suffix: b\n",
            ":3:5: the rule has encrypted_regex and encrypted_suffix, and sops takes only one",
        ),
        (
            b"creation_rules:\n  - hc_vault_transit_uri: vault.example.com/x\n",
            ":2:27: \"vault.example.com/x\" is not a key for hc_vault",
        ),
        (
            b"creation_rules:\n  - age: {a: b}\n",
            ":2:10: keys are expected",
        ),
        (
            b"creation_rules:\n  - age: age1qpzry\n",
            ":2:10: \"age1qpzry\" is not a recipient",
        ),
        (
            b"creation_rules:\n  - age:\n      - nonsense\n",
            ":3:9: \"nonsense\" is not a recipient",
        ),
        (
            b"creation_rules:\n  - key_groups:\n      - age: [nonsense]\n",
            ":3:15: \"nonsense\" is not a recipient",
        ),
        (
            b"creation_rules:\n  - age: <key>\n    path: ^a/\n",
            ":3:5: unknown field path, which sops ignores; did you mean path_regex? As it is, the rule is for every path",
        ),
        (
            b"creation_rules:\n  - age: <key>\n    path_regex: a\n    encryptedRegex: b\n",
            ":4:5: unknown field encryptedRegex, which sops ignores; did you mean encrypted_regex?",
        ),
        (
            b"creation_rules:\n  - key_groups:\n      - age: [<key>]\n      - age: []\n",
            ":2:5: one of the key groups has no key",
        ),
    ];
    for (config, place) in cases {
        setup.world.write(".sops.yaml", config);
        for options in [&[][..], &["--use-existing"]] {
            let run = setup.init(options);
            assert_fails(&run, 1, &[&format!("error: .sops.yaml{place}")]);
            assert!(!run.err().contains("127.0.0.1"), "{}", run.err());
        }
        // The rules behind it depend on its paths.
        let is_misspelled = place.contains("for every path");
        let run = setup.init(&["--path-regex", "new"]);
        let words = if is_misspelled {
            "unknown field"
        } else {
            "127.0.0.1"
        };
        assert_fails(&run, 1, &[words]);
        assert_eq!(setup.world.read_bytes(".sops.yaml"), config);
    }
}

#[test]
fn a_new_config_goes_to_the_top_of_the_repository() {
    let setup = Setup::new("top");
    std::fs::create_dir_all(setup.world.path("apps/db")).expect("mkdir");
    let mut command = setup.command(&["init"]);
    command.current_dir(setup.world.path("apps/db"));
    setup.world.run(command).assert_code(0);
    assert!(setup.world.path(".sops.yaml").exists());
}

#[test]
fn a_config_above_the_repository_is_left_alone() {
    let setup = Setup::new("above");
    let outer = setup.world.root().join(".sops.yaml");
    std::fs::write(&outer, "creation_rules: []\n").expect("write");
    let run = setup.init(&[]);
    run.assert_code(0);
    assert!(run.err().contains("warning: "), "{}", run.err());
    assert_eq!(
        std::fs::read_to_string(&outer).expect("read"),
        "creation_rules: []\n"
    );
    assert!(setup.world.path(".sops.yaml").exists());
}

#[test]
fn a_named_config_is_changed_wherever_it_is() {
    let mut setup = Setup::new("named");
    let outside = setup.world.tmp().join("clusters.yaml");
    std::fs::write(&outside, "# outside\n").expect("write");
    setup.world.env("SOPS_CONFIG", &outside);
    setup.init(&[]).assert_code(0);
    assert!(!setup.world.path(".sops.yaml").exists());
    let text = std::fs::read_to_string(&outside).expect("read");
    assert!(text.starts_with("# outside\ncreation_rules:"), "{text}");
    // And the option, over the variable.
    let run = setup.secrets(&["init", "--config", "other.yaml", "--secret-name", "second"]);
    run.assert_code(0);
    assert!(setup.world.path("other.yaml").exists());
}

/// kb reads it as sops does, and writes none.
#[test]
fn a_config_in_utf_16_is_read_and_not_changed() {
    let setup = Setup::new("utf-16");
    setup.init(&[]).assert_code(0);
    let utf_16 = |text: &str| {
        let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        [&b"\xff\xfe"[..], &units].concat()
    };
    let named = utf_16(&setup.world.read(".sops.yaml"));
    setup.world.write(".sops.yaml", &named);
    setup.init(&[]).assert_code(0);
    setup.encrypt("my-secret.yaml", crate::SECRET);
    let config = utf_16("creation_rules:\n  - path_regex: a\n    age: <key>\n");
    setup.world.write(".sops.yaml", &config);
    let run = setup.init(&["--use-existing"]);
    let words = [
        ".sops.yaml is in UTF-16",
        "hint: save it as UTF-8: iconv -f UTF-16 -t UTF-8 .sops.yaml > .sops.yaml.utf8 && mv .sops.yaml.utf8 .sops.yaml",
    ];
    assert_fails(&run, 1, &words);
    assert_eq!(setup.world.read_bytes(".sops.yaml"), config);
    let script =
        "iconv -f UTF-16 -t UTF-8 .sops.yaml > .sops.yaml.utf8 && mv .sops.yaml.utf8 .sops.yaml";
    setup.world.tool("sh", ["-c", script]).assert_code(0);
    setup.init(&["--use-existing"]).assert_code(0);
    assert!(setup.world.read(".sops.yaml").contains("age: age1"));
}

/// A key for other paths does not depend on a rule that is broken behind them.
#[test]
fn a_key_gets_its_rule_beside_one_that_is_broken() {
    let setup = Setup::new("beside-broken");
    let text = "creation_rules:\n  - path_regex: ^a/\n    age: <key>\n  - path_regex: ^b/\n    age: nonsense\n---\n- [\n";
    setup.world.write(".sops.yaml", text);
    setup.init(&["--path-regex", "^a/"]).assert_code(0);
    let after = setup.world.read(".sops.yaml");
    assert!(after.contains("path_regex: ^a/\n    age: age1"), "{after}");
    assert!(after.ends_with("    age: nonsense\n---\n- [\n"), "{after}");
    let run = setup.init(&["--use-existing", "--path-regex", "^c/"]);
    run.assert_code(0);
    let after = setup.world.read(".sops.yaml");
    assert!(
        after.contains("    age: nonsense\n  - path_regex: ^c/"),
        "{after}"
    );
    assert!(after.ends_with("---\n- [\n"), "{after}");
}
