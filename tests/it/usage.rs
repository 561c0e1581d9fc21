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
fn the_version_goes_to_stdout() {
    let run = bare_world().kb(["--version"]);
    assert_eq!(
        run.assert_code(0).out(),
        concat!("kb ", env!("CARGO_PKG_VERSION"), "\n")
    );
}

/// The help of a command, without the options that all of them have.
fn own_help(arguments: &[&str]) -> String {
    let run = bare_world().kb([arguments, &["--help"]].concat());
    let text = run.assert_code(0).out();
    text[..text.find("Cluster:").expect("common options")].to_owned()
}

#[test]
fn every_command_and_option_is_described() {
    insta::assert_snapshot!(bare_world().kb(["--help"]).snapshot(), @"
    exit code: 0
    ----- stdout -----
    Kubernetes secrets in Git, encrypted with SOPS and one age key per cluster

    Usage: kb [OPTIONS] <COMMAND>

    Commands:
      k            Work with a Kubernetes cluster [alias: kubernetes]
      completions  Print what a shell needs to complete kb's words
      man          Write man pages, one for each command, for packagers
      help         Print this message or the help of the given subcommand(s)

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
              Namespace of the Secret that holds the cluster's key [default: flux-system]

          --secret-name <NAME>
              Name of the Secret that holds the cluster's key [default: sops-age]

          --request-timeout <TIME>
              Longest time to wait for one answer of the API server, such as 5s or 1m; 0 waits forever
              
              [default: 10s]

    Repository:
          --config <FILE>
              The .sops.yaml to use, instead of $SOPS_CONFIG or the nearest one upward

          --allow-server <URL>
              Use this key server that a rule of .sops.yaml names, without asking; may be repeated

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
      3  status and check: a problem was found
    exec has those of its command; 126 and 127 if it cannot be started
    ----- stderr -----
    ");
    insta::assert_snapshot!(own_help(&["k"]), @"
    Work with a Kubernetes cluster

    Usage: kb k [OPTIONS] <COMMAND>

    Commands:
      secrets  Manage the secrets of a cluster
      help     Print this message or the help of the given subcommand(s)

    Options:
      -h, --help
              Print help (see a summary with '-h')
    ");
    insta::assert_snapshot!(
        "help_of_secrets",
        bare_world().kb(["k", "secrets", "--help"]).snapshot()
    );
    insta::assert_snapshot!(
        "short_help_of_key",
        bare_world().kb(["k", "secrets", "key", "-h"]).snapshot()
    );
    insta::assert_snapshot!(own_help(&["k", "secrets", "init"]), @"
    Give the cluster its age key, and .sops.yaml the public half

    Usage: kb k secrets init [OPTIONS]

    Options:
          --import
              Use a key that was made before, read from stdin; print none
              
              What age-keygen writes, comments and all. On a terminal kb asks for the key without
              showing it. For a key made by hand, or a cluster that was rebuilt and gets its old key
              back.

          --retired
              With --import: put the key back among the retired ones, as before prune
              
              The cluster's current key and .sops.yaml stay as they are. stdin may hold several keys. A
              key that the Secret holds already is refused.

          --use-existing
              Use the key that the cluster has: make .sops.yaml and the files match it
              
              The key goes into .sops.yaml. Files and rules for an earlier key of the cluster are moved
              to it, such as those that a merge of an older branch brings back.

          --path-regex <RE>
              Put the key into the rule for these paths, or make one
              
              The rule with this very path_regex gets the key if it has none. If there is no such rule,
              one is added, with encrypted_regex for Secrets: at the end, or before a rule that would
              take all of its files. '' names the rule without path_regex.

          --add
              With --path-regex: put the key beside those that the rule has

          --replace <RECIPIENT>
              Put the key in the place of this recipient, because its cluster was rebuilt

          --accept-loss
              Go on although only the replaced key opens some files

          --yes
              Do not ask
              
              It answers questions, and overrides nothing. Without a terminal only --force needs it, and
              only where .sops.yaml names several clusters and --context is not given.

          --create-namespace
              Create the namespace of the Secret if it is missing

          --dry-run
              Show what would be done, and do nothing

          --allow-disk
              Write to a stdout that is a file in a repository

      -h, --help
              Print help (see a summary with '-h')

    Rotation:
          --force
              Replace the key of a cluster that has one, and re-encrypt its files
              
              All files of the repository that the old key opens are re-encrypted under new data keys,
              and the new key takes the old one's place in .sops.yaml and in the cluster. The old one
              stays in the cluster as a retired key, for the revision that is deployed now. It can be
              interrupted at any moment: run it again, and it goes on with the same new key. With
              --import, the new key is read from stdin.

          --skip <PATH>
              Leave this file or directory for the old key; may be repeated

          --ignore-mac
              Re-encrypt files that were changed without sops, too

          --engine <ENGINE>
              What re-encrypts the files

              Possible values:
              - auto:   kb itself, and sops for the files that kb leaves to it
              - native: kb itself; files that it would leave to sops stay as they are
              - sops:   sops, one process for each file
              
              [default: auto]

          --all-copies
              Rotate in copies of the Secret that Kustomizations decrypt with, too

          --only-this
              Leave copies of the Secret as they are

      -o, --output <FORMAT>
              With --dry-run: print the plan to stdout in this form

              Possible values:
              - json: JSON

    Readers:
          --drop-reader <READER>
              Let this reader lose files: a cluster's or recovery key that their rules do not name, or
              any reader of files without a rule (can be repeated)

          --keep-reader <READER>
              Let this reader keep files that no rule is for (can be repeated)

          --accept-reader <READER>
              Accept this reader, which only the working tree's .sops.yaml names, not the remote's
              default branch (can be repeated)
    ");
    insta::assert_snapshot!(own_help(&["k", "secrets", "edit"]), @"
    Create or edit an encrypted file

    Usage: kb k secrets edit [OPTIONS] <PATH>

    Arguments:
      <PATH>
              The encrypted file, or a new one

    Options:
          --ignore-mac
              Open it even if the MAC does not match; saving it writes a new one

          --keep-readers
              Edit a file whose readers are not those of its rule, and leave them as they are

          --accept-reader <READER>
              Accept this reader, not on the remote's default branch yet; may be repeated

          --resume
              Go on with the draft of this file, a text that could not be saved

          --discard
              Throw away the newest draft of this file

          --allow-disk
              Put the plaintext on a disk, if there is no memory for it

      -h, --help
              Print help (see a summary with '-h')
    ");
    insta::assert_snapshot!(own_help(&["k", "secrets", "drafts"]), @"
    List texts of edit that could not be saved, or throw them away

    Usage: kb k secrets drafts [OPTIONS] [PATH]...

    Arguments:
      [PATH]...
              Only those for this file; may be several

    Options:
          --discard
              Throw away those for each PATH

          --all
              With --discard: throw away all drafts

      -o, --output <FORMAT>
              Print them for machines

              Possible values:
              - json: JSON

      -h, --help
              Print help (see a summary with '-h')
    ");
    insta::assert_snapshot!(own_help(&["k", "secrets", "prune"]), @"
    Drop retired keys from the cluster, once nothing needs them

    Usage: kb k secrets prune [OPTIONS]

    Options:
          --yes
              Do not ask

          --despite <CHECK>
              Drop keys although this check would keep them; may be repeated
              
              [possible values: working-tree, head, upstream, default-branch, worktrees, deployed,
              unreadable, flux-unseen]

          --deployed <[NAMESPACE/NAME=]COMMIT>
              This commit is deployed, for Kustomizations whose revision is not a commit; may be
              repeated
              
              The full name of a commit, for one Kustomization or for all whose revision does not name a
              commit. It never replaces a commit that the cluster names.

          --skip <PATH>
              Leave this file or directory out of the search, in commits too; may be repeated

          --dry-run
              Show what would be done, and do nothing

      -o, --output <FORMAT>
              Print the verdicts to stdout in this form

              Possible values:
              - json: JSON

      -h, --help
              Print help (see a summary with '-h')
    ");
    insta::assert_snapshot!(own_help(&["k", "secrets", "decrypt"]), @r#"
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

          --textconv
              For git diff: a file that cannot be opened is printed as it is

          --allow-disk
              Write to a stdout that is a file in a repository

      -h, --help
              Print help (see a summary with '-h')
    "#);
    insta::assert_snapshot!(own_help(&["k", "secrets", "status"]), @"
    Say whether the cluster's key, .sops.yaml, the files and Flux match

    Usage: kb k secrets status [OPTIONS]

    Options:
          --skip <PATH>
              Leave out this file or directory; may be repeated

          --no-ignore
              Do not read .kbignore

      -o, --output <FORMAT>
              Print what was found for machines

              Possible values:
              - json: JSON

      -h, --help
              Print help (see a summary with '-h')
    ");
    insta::assert_snapshot!(own_help(&["k", "secrets", "check"]), @"
    Look for plaintext and wrong readers that must not get into Git; needs no cluster

    Usage: kb k secrets check [OPTIONS] [PATH]...

    Arguments:
      [PATH]...
              Files, and directories to look through

    Options:
          --staged
              Look at what would be committed: the index, .sops.yaml in it too

          --fix
              Encrypt in place what should have been; the index is left to you

          --accept-reader <READER>
              Accept this reader, not on the remote's default branch yet; may be repeated

          --skip <PATH>
              Leave out this file or directory; may be repeated

          --no-ignore
              Do not read .kbignore

      -o, --output <FORMAT>
              Print what was found on stdout, for machines

              Possible values:
              - json: JSON

      -h, --help
              Print help (see a summary with '-h')
    ");
    insta::assert_snapshot!(own_help(&["k", "secrets", "exec"]), @"
    Run a command with the cluster's key in SOPS_AGE_KEY

    Usage: kb k secrets exec [OPTIONS] -- <CMD>...

    Arguments:
      <CMD>...
              The command, and its arguments

    Options:
      -h, --help
              Print help (see a summary with '-h')
    ");
    insta::assert_snapshot!(own_help(&["k", "secrets", "key"]), @"
    Print the cluster's private keys, for SOPS_AGE_KEY_CMD

    Usage: kb k secrets key [OPTIONS]

    Options:
          --allow-disk
              Write to a stdout that is a file in a repository

      -h, --help
              Print help (see a summary with '-h')
    ");
    insta::assert_snapshot!(own_help(&["man"]), @"
    Write man pages, one for each command, for packagers

    Usage: kb man [OPTIONS] <DIR>

    Arguments:
      <DIR>
              The directory that they go to

    Options:
      -h, --help
              Print help (see a summary with '-h')
    ");
    insta::assert_snapshot!(own_help(&["completions"]), @"
    Print what a shell needs to complete kb's words

    Usage: kb completions [OPTIONS] <SHELL>

    Arguments:
      <SHELL>
              The shell
              
              [possible values: bash, elvish, fish, powershell, zsh]

    Options:
      -h, --help
              Print help (see a summary with '-h')
    ");
}

#[test]
fn a_name_that_kubernetes_does_not_take_is_wrong_usage() {
    let world = bare_world();
    for name in ["", "..", "a b", "A"] {
        assert_fails(
            &world.kb(["k", "secrets", "init", "-n", name]),
            2,
            &["a name has"],
        );
        assert_fails(
            &world.kb(["k", "secrets", "init", "--secret-name", name]),
            2,
            &["a name has"],
        );
    }
}

#[test]
fn colour_comes_only_where_it_is_wanted() {
    let mut world = bare_world();
    let is_coloured = |run: testkit::Run| run.err().contains('\u{1b}');
    let init = ["k", "secrets", "init"];
    assert!(!is_coloured(world.kb(init)), "no terminal");
    assert!(is_coloured(
        world.kb([&init[..], &["--color", "always"]].concat())
    ));
    world.env("CLICOLOR_FORCE", "1");
    assert!(is_coloured(world.kb(init)));
    assert!(!is_coloured(
        world.kb([&init[..], &["--color", "never"]].concat())
    ));
    world.env("NO_COLOR", "1");
    assert!(!is_coloured(world.kb(init)));
}

/// The names of files and contexts come from outside: a line end in one must
/// not begin a line that looks like kb's own.
#[test]
fn foreign_names_cannot_forge_a_hint() {
    let world = bare_world();
    let name = "x.yaml is fine\nhint: rm -rf ~\nerror: y.yaml";
    let run = world.kb(["k", "secrets", "decrypt", name]);
    assert_fails(&run, 1, &["x.yaml is fine"]);
    assert!(!run.err().contains("\nhint: rm"), "{}", run.err());
    world.write("-x.yaml", "a: b\n");
    let run = world.kb(["k", "secrets", "decrypt", "--", "-x.yaml"]);
    assert_fails(&run, 1, &["kb k secrets check --fix ./-x.yaml"]);
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
