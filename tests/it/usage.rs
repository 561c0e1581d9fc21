//! The command line itself.

use crate::{assert_fails, bare_world};

#[test]
fn a_wrong_command_line_is_exit_2_with_a_hint() {
    let world = bare_world();
    for arguments in [
        &["k", "secrets", "nonsense"][..],
        &["k", "secrets", "decrypt"],
        &["--no-such-option"],
    ] {
        assert_fails(&world.kb(arguments), 2, &[]);
    }
}

#[test]
fn a_private_key_on_the_command_line_is_not_repeated() {
    let world = bare_world();
    let key = "AGE-SECRET-KEY-1QQPQYYSZQGPQYYSZQGPQYYSZQGPQYYSZQGPQYYSZQGPQYYSZQGPQYYSZQG";
    assert_fails(
        &world.kb(["k", "secrets", "init", key]),
        2,
        &["[private key]"],
    );
}

#[test]
fn help_and_version_go_to_stdout() {
    let world = bare_world();
    let run = world.kb(["--version"]);
    assert_eq!(
        run.assert_code(0).out(),
        concat!("kb ", env!("CARGO_PKG_VERSION"), "\n")
    );
    insta::assert_snapshot!(world.kb(["--help"]).snapshot(), @"
    exit code: 0
    ----- stdout -----
    Kubernetes secrets in Git, encrypted with SOPS and one age key per cluster

    Usage: kb [OPTIONS] <COMMAND>

    Commands:
      k     Work with a Kubernetes cluster [alias: kubernetes]
      help  Print this message or the help of the given subcommand(s)

    Options:
      -h, --help
              Print help (see a summary with '-h')

      -V, --version
              Print version

    Cluster:
          --context <NAME>
              Kubeconfig context to use, instead of the current one

          --kubeconfig <FILE>
              Kubeconfig file to use, instead of $KUBECONFIG or ~/.kube/config

      -n, --namespace <NAMESPACE>
              Namespace of the Secret that holds the cluster's key
              
              [default: flux-system]

          --secret-name <NAME>
              Name of the Secret that holds the cluster's key
              
              [default: sops-age]

          --request-timeout <TIME>
              Longest time to wait for one answer of the API server, such as 5s or 1m; 0 waits forever
              
              [default: 10s]

    Repository:
          --config <FILE>
              The .sops.yaml to use, instead of $SOPS_CONFIG or the nearest one upward

    Output:
      -q, --quiet
              Say only what went wrong

      -v, --verbose
              Say more about what is done

          --color <WHEN>
              When to use colour on stderr: auto (on a terminal, unless NO_COLOR is set), always, never
              
              [default: auto]

    Exit codes:
      0  done
      1  failed; the message says why and what to do
      2  wrong usage
    ----- stderr -----
    ");
    insta::assert_snapshot!(world.kb(["k", "secrets", "--help"]).snapshot(), @"
    exit code: 0
    ----- stdout -----
    Manage the secrets of a cluster

    Usage: kb k secrets [OPTIONS] <COMMAND>

    Commands:
      init     Give the cluster its age key, and .sops.yaml the public half
      decrypt  Print the plaintext of an encrypted file
      help     Print this message or the help of the given subcommand(s)

    Options:
      -h, --help
              Print help (see a summary with '-h')

    Cluster:
          --context <NAME>
              Kubeconfig context to use, instead of the current one

          --kubeconfig <FILE>
              Kubeconfig file to use, instead of $KUBECONFIG or ~/.kube/config

      -n, --namespace <NAMESPACE>
              Namespace of the Secret that holds the cluster's key
              
              [default: flux-system]

          --secret-name <NAME>
              Name of the Secret that holds the cluster's key
              
              [default: sops-age]

          --request-timeout <TIME>
              Longest time to wait for one answer of the API server, such as 5s or 1m; 0 waits forever
              
              [default: 10s]

    Repository:
          --config <FILE>
              The .sops.yaml to use, instead of $SOPS_CONFIG or the nearest one upward

    Output:
      -q, --quiet
              Say only what went wrong

      -v, --verbose
              Say more about what is done

          --color <WHEN>
              When to use colour on stderr: auto (on a terminal, unless NO_COLOR is set), always, never
              
              [default: auto]
    ----- stderr -----
    ");
    insta::assert_snapshot!(world.kb(["k", "secrets", "init", "--help"]).snapshot(), @"
    exit code: 0
    ----- stdout -----
    Give the cluster its age key, and .sops.yaml the public half

    Usage: kb k secrets init [OPTIONS]

    Options:
          --create-namespace
              Create the namespace of the Secret if it is missing

          --dry-run
              Show what would be done, and do nothing

          --allow-disk
              Write to a stdout that is a file in a repository

      -h, --help
              Print help (see a summary with '-h')

    Cluster:
          --context <NAME>
              Kubeconfig context to use, instead of the current one

          --kubeconfig <FILE>
              Kubeconfig file to use, instead of $KUBECONFIG or ~/.kube/config

      -n, --namespace <NAMESPACE>
              Namespace of the Secret that holds the cluster's key
              
              [default: flux-system]

          --secret-name <NAME>
              Name of the Secret that holds the cluster's key
              
              [default: sops-age]

          --request-timeout <TIME>
              Longest time to wait for one answer of the API server, such as 5s or 1m; 0 waits forever
              
              [default: 10s]

    Repository:
          --config <FILE>
              The .sops.yaml to use, instead of $SOPS_CONFIG or the nearest one upward

    Output:
      -q, --quiet
              Say only what went wrong

      -v, --verbose
              Say more about what is done

          --color <WHEN>
              When to use colour on stderr: auto (on a terminal, unless NO_COLOR is set), always, never
              
              [default: auto]
    ----- stderr -----
    ");
    insta::assert_snapshot!(world.kb(["k", "secrets", "decrypt", "--help"]).snapshot(), @r#"
    exit code: 0
    ----- stdout -----
    Print the plaintext of an encrypted file

    Usage: kb k secrets decrypt [OPTIONS] <PATH>

    Arguments:
      <PATH>
              The encrypted file

    Options:
          --extract <EXPRESSION>
              Print only one value, as in '["data"]["password"]'

          --ignore-mac
              Print it even if the MAC does not match

          --allow-disk
              Write to a stdout that is a file in a repository

      -h, --help
              Print help (see a summary with '-h')

    Cluster:
          --context <NAME>
              Kubeconfig context to use, instead of the current one

          --kubeconfig <FILE>
              Kubeconfig file to use, instead of $KUBECONFIG or ~/.kube/config

      -n, --namespace <NAMESPACE>
              Namespace of the Secret that holds the cluster's key
              
              [default: flux-system]

          --secret-name <NAME>
              Name of the Secret that holds the cluster's key
              
              [default: sops-age]

          --request-timeout <TIME>
              Longest time to wait for one answer of the API server, such as 5s or 1m; 0 waits forever
              
              [default: 10s]

    Repository:
          --config <FILE>
              The .sops.yaml to use, instead of $SOPS_CONFIG or the nearest one upward

    Output:
      -q, --quiet
              Say only what went wrong

      -v, --verbose
              Say more about what is done

          --color <WHEN>
              When to use colour on stderr: auto (on a terminal, unless NO_COLOR is set), always, never
              
              [default: auto]
    ----- stderr -----
    "#);
}

#[test]
fn colour_comes_only_where_it_is_wanted() {
    let mut world = bare_world();
    let escape = '\u{1b}';
    assert!(!world.kb(["k", "secrets", "init"]).err().contains(escape));
    assert!(
        world
            .kb(["k", "secrets", "init", "--color", "always"])
            .err()
            .contains(escape)
    );
    world.env("NO_COLOR", "1").env("CLICOLOR_FORCE", "1");
    assert!(
        !world
            .kb(["k", "secrets", "init", "--color", "never"])
            .err()
            .contains(escape)
    );
}

#[test]
fn a_working_directory_that_is_gone_is_told() {
    let world = bare_world();
    let gone = world.tmp().join("gone");
    std::fs::create_dir(&gone).expect("mkdir");
    let kb = env!("CARGO_BIN_EXE_kb");
    let script = format!(
        "cd '{0}' && rmdir '{0}' && exec '{kb}' k secrets init",
        gone.display()
    );
    assert_fails(
        &world.tool("sh", ["-c", &script]),
        1,
        &["the working directory is gone"],
    );
}
