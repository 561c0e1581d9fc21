//! `init --import` and `--use-existing`: a key that was there before.

use crate::terminal::Terminal;
use crate::{Setup, assert_fails, keypair};

fn import(setup: &Setup, stdin: &str) -> testkit::Run {
    let command = setup.command(&["init", "--import"]);
    setup.world.run_with_stdin(command, stdin.as_bytes())
}

/// All that `age-keygen` prints, and the recipient.
fn key_file(setup: &Setup) -> (String, String) {
    let (key, recipient) = keypair(&setup.world);
    (
        format!("# created: some day\n# public key: {recipient}\n{key}\n"),
        recipient,
    )
}

#[test]
fn an_imported_key_is_in_the_cluster_and_the_config_and_is_not_printed() {
    let setup = Setup::new("import");
    let (file, recipient) = key_file(&setup);
    let run = import(&setup, &file);
    insta::assert_snapshot!(run.snapshot(), @r#"
    exit code: 0
    ----- stdout -----
    ----- stderr -----
    This age key for the cluster of context "test" (https://127.0.0.1:[PORT]):
      public key  [RECIPIENT]
      context     test (current-context, default kubeconfig)
      namespace   [NS] (from --namespace)
      Secret      sops-age (default)
      config      .sops.yaml (at the top of the repository)
      to create   the Secret
      to change   a new file, with a rule for files named *secret*.yaml
    Done. Commit .sops.yaml.
    "#);
    let entry = setup.entry("age.agekey").expect("the entry");
    assert_eq!(crate::recipient_of(&setup.world, &entry), recipient);
    assert!(setup.world.read(".sops.yaml").contains(&recipient));
    let key = file.lines().last().expect("a line");
    assert!(setup.world.files_containing(key.as_bytes()).is_empty());
    // The same once more is no change; another key is refused.
    let again = import(&setup, &file);
    assert!(
        again.assert_code(0).err().contains("Nothing was changed"),
        "{}",
        again.err()
    );
    let (other, other_recipient) = key_file(&setup);
    assert_fails(
        &import(&setup, &other),
        1,
        &[&recipient, &other_recipient, "--use-existing"],
    );
    assert_eq!(setup.entry("age.agekey"), Some(entry));
}

/// A cluster that was rebuilt gets its old key back: the repository knows it.
#[test]
fn a_config_that_names_the_key_already_is_left_as_it_is() {
    let setup = Setup::new("rebuilt");
    let (file, recipient) = key_file(&setup);
    let (_, other) = keypair(&setup.world);
    let config = format!(
        "# ours\ncreation_rules:\n  - path_regex: a\n    age: {other}\n  - path_regex: b\n    age: {recipient} # b\n"
    );
    setup.world.write(".sops.yaml", &config);
    import(&setup, &file).assert_code(0);
    assert!(setup.entry("age.agekey").is_some());
    assert_eq!(setup.world.read(".sops.yaml"), config);
}

#[test]
fn what_is_no_private_key_is_refused_unseen() {
    let setup = Setup::new("refused");
    let (key, recipient) = keypair(&setup.world);
    let (second, _) = keypair(&setup.world);
    let mut mistyped = key.clone();
    mistyped.replace_range(30..31, if &key[30..31] == "Q" { "P" } else { "Q" });
    let cases = [
        (String::new(), "no private key"),
        ("# only a comment\n".to_owned(), "no private key"),
        (format!("{recipient}\n"), "line 1: it is a public key"),
        (
            format!("# x\n{}\n", &key[..40]),
            "line 2: it begins like a private key",
        ),
        (
            format!("{mistyped}\n"),
            "line 1: it begins like a private key",
        ),
        (format!("{key}\n{second}\n"), "2 private keys"),
        (
            "hunter2\n".to_owned(),
            "line 1: it is not an age private key",
        ),
        ("x".repeat(70_000), "more than a key file"),
    ];
    for (stdin, words) in cases {
        let run = import(&setup, &stdin);
        assert_fails(&run, 1, &[words]);
        for secret in [&key[17..37], "hunter2"] {
            assert!(!run.err().contains(secret), "{}", run.err());
        }
        assert_eq!(setup.entry("age.agekey"), None);
        assert!(!setup.world.path(".sops.yaml").exists());
    }
    let pq = setup.world.tool("age-keygen", ["-pq"]).out().to_owned();
    assert_fails(&import(&setup, &pq), 1, &["post-quantum"]);
}

#[test]
fn a_dry_run_of_an_import_changes_nothing() {
    let setup = Setup::new("drymport");
    let (file, recipient) = key_file(&setup);
    let command = setup.command(&["init", "--import", "--dry-run"]);
    let run = setup.world.run_with_stdin(command, file.as_bytes());
    let difference = format!("+    age: {recipient}");
    assert!(
        run.assert_code(0).err().contains(&difference),
        "{}",
        run.err()
    );
    assert_eq!(setup.entry("age.agekey"), None);
    assert!(!setup.world.path(".sops.yaml").exists());
}

/// On a terminal the key is asked for, and what is typed is not shown.
#[test]
fn a_key_typed_on_a_terminal_is_not_shown() {
    let setup = Setup::new("prompt");
    let (key, recipient) = keypair(&setup.world);
    let mut terminal = Terminal::start(&setup, "init --import");
    // Typed only once it is asked for: before that, the terminal echoes.
    terminal.wait_for("not shown").type_line(&key);
    let (code, seen) = terminal.end();
    assert_eq!(code, Some(0), "{seen}");
    assert!(!seen.contains(&key[17..]), "{seen}");
    assert!(seen.contains(&recipient), "{seen}");
    assert!(setup.entry("age.agekey").expect("the entry").contains(&key));
}

#[test]
fn the_clusters_own_key_comes_into_the_config() {
    let setup = Setup::new("existing");
    let (key, recipient) = keypair(&setup.world);
    setup.put_key(&[("age.agekey", &key)]);
    let before = setup.cluster.secret(&setup.namespace, "sops-age");
    let trial = setup.init(&["--use-existing", "--dry-run"]);
    let difference = format!("+    age: {recipient}");
    assert!(
        trial.assert_code(0).err().contains(&difference),
        "{}",
        trial.err()
    );
    assert!(!setup.world.path(".sops.yaml").exists());
    let run = setup.init(&["--use-existing"]);
    insta::assert_snapshot!(run.snapshot(), @r#"
    exit code: 0
    ----- stdout -----
    ----- stderr -----
    The age key for the cluster of context "test" (https://127.0.0.1:[PORT]):
      public key  [RECIPIENT]
      context     test (current-context, default kubeconfig)
      namespace   [NS] (from --namespace)
      Secret      sops-age (default)
      config      .sops.yaml (at the top of the repository)
      to create   nothing: the Secret exists
      to change   a new file, with a rule for files named *secret*.yaml
    Done. Commit .sops.yaml.
    "#);
    assert!(setup.world.read(".sops.yaml").contains(&recipient));
    assert_eq!(setup.cluster.secret(&setup.namespace, "sops-age"), before);
    let again = setup.init(&["--use-existing"]);
    assert!(again.assert_code(0).err().contains("Nothing was changed"));
    setup.init(&[]).assert_code(0);
}

#[test]
fn use_existing_where_nothing_exists_or_no_rule_is_evident() {
    let setup = Setup::new("noexist");
    let run = setup.init(&["--use-existing"]);
    assert_fails(&run, 1, &["has no Secret", "kb k secrets init -n"]);
    let (key, _) = keypair(&setup.world);
    let (_, other) = keypair(&setup.world);
    setup.put_key(&[("age.agekey", &key)]);
    let config = format!("creation_rules:\n  - age: {other}\n");
    setup.world.write(".sops.yaml", &config);
    assert_fails(
        &setup.init(&["--use-existing"]),
        1,
        &["does not say which", "--path-regex"],
    );
    assert_eq!(setup.world.read(".sops.yaml"), config);
}

#[test]
fn the_two_options_exclude_each_other() {
    let setup = Setup::new("both");
    assert_fails(
        &setup.init(&["--import", "--use-existing"]),
        2,
        &["--use-existing"],
    );
}
