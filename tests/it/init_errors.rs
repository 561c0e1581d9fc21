//! `init` where something is in the way: it says what, and nothing is lost.

use testkit::UserKind;

use crate::slow_proxy::SlowProxy;
use crate::{Setup, assert_fails, keypair};

#[test]
fn a_secret_without_a_usable_key_is_named_and_left_as_it_is() {
    let setup = Setup::new("unusable");
    let (key, _) = keypair(&setup.world);
    type Entries<'a> = &'a [(&'a str, &'a str)];
    let cases: [(Entries, &[&str]); 5] = [
        (
            &[("age.key", &key)],
            &["age.key", "Flux does not read", "age.agekey"],
        ),
        (
            &[("password", "x")],
            &["no data entry that ends in .agekey", "it holds password"],
        ),
        (&[], &["no data entry", "it holds nothing"]),
        (
            &[("age.agekey", "no key at all\n")],
            &["age.agekey, line 1: it is not an age private key"],
        ),
        (
            &[("age.agekey", "# only a comment\n")],
            &["age.agekey is empty"],
        ),
    ];
    for (data, words) in cases {
        setup.put_key(data);
        assert_fails(&setup.init(&[]), 1, words);
        let now = setup
            .cluster
            .secret(&setup.namespace, "sops-age")
            .expect("still there");
        assert_eq!(now.len(), data.len());
        assert!(!setup.world.path(".sops.yaml").exists());
    }
}

#[test]
fn a_key_that_the_config_does_not_name_is_told_with_the_option_that_mends_it() {
    let setup = Setup::new("unnamed");
    let (key, recipient) = keypair(&setup.world);
    setup.put_key(&[("age.agekey", &key)]);
    let run = setup.init(&[]);
    insta::assert_snapshot!(run.snapshot(), @"
    exit code: 1
    ----- stdout -----
    ----- stderr -----
    error: the cluster has its key already ([NS]/sops-age: [RECIPIENT]), and .sops.yaml does not name it
    hint: to put the cluster's key into .sops.yaml: kb k secrets init --use-existing -n [NS]
    hint: --context chooses another cluster, if this is the wrong one
    ");
    assert!(run.err().contains(&recipient));
    assert!(!setup.world.path(".sops.yaml").exists());
}

#[test]
fn a_current_key_counts_and_a_retired_one_does_not() {
    let setup = Setup::new("retired");
    let (old, old_recipient) = keypair(&setup.world);
    let (new, new_recipient) = keypair(&setup.world);
    setup.put_key(&[("age.agekey", &new), ("age.previous.agekey", &old)]);
    let config = |key: &str| format!("creation_rules:\n  - age: {key}\n");
    setup.world.write(".sops.yaml", config(&old_recipient));
    assert_fails(&setup.init(&[]), 1, &[&new_recipient, "--use-existing"]);
    setup.world.write(".sops.yaml", config(&new_recipient));
    setup.init(&[]).assert_code(0);
}

#[test]
fn who_may_read_and_not_create_is_told_which_right_is_missing() {
    let setup = Setup::new("rbac");
    setup
        .cluster
        .grant(&setup.namespace, UserKind::User, "nobody", &["get"]);
    let user = serde_json::json!({"token": setup.cluster.nobody_token()});
    setup
        .world
        .kubeconfig(&setup.cluster.kubeconfig().user(user).to_yaml());
    let run = setup.init(&[]);
    insta::assert_snapshot!(run.snapshot(), @r#"
    exit code: 1
    ----- stdout -----
    ----- stderr -----
    error: the API server denies it: secrets is forbidden: User "nobody" cannot create resource "secrets" in API group "" in the namespace "[NS]"
    hint: ask for a Role with the verb create on secrets in the namespace [NS]
    "#);
    assert!(!setup.world.path(".sops.yaml").exists());
}

#[test]
fn sops_missing_or_too_old_is_told_before_anything_is_done() {
    let mut setup = Setup::new("nosops");
    let old = setup
        .world
        .script("old-sops", "#!/bin/sh\necho 'sops 3.8.1 (latest)'\n");
    let (bin, sops) = (setup.world.bin(), setup.world.bin().join("sops"));
    std::fs::remove_file(&sops).expect("remove");
    setup.world.env("PATH", bin);
    assert_fails(&setup.init(&[]), 1, &["sops is not installed", "mise use"]);
    std::fs::rename(old, sops).expect("rename");
    assert_fails(
        &setup.init(&[]),
        1,
        &["sops is version 3.8.1", "needs 3.9.1 or newer"],
    );
    assert_eq!(setup.entry("age.agekey"), None);
    assert!(!setup.world.path(".sops.yaml").exists());
}

/// The directory cannot be written: found before the Secret is created. The
/// tests may run as root, whom no permission bit binds, so the repository is
/// bound read-only in a mount namespace.
#[test]
fn a_config_that_cannot_be_written_is_found_before_the_secret_is_made() {
    let setup = Setup::new("readonly");
    let script = format!(
        "mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\" && cd \"$1\" && exec \"$2\" k secrets init -n {}",
        setup.namespace
    );
    let run = in_mount_namespace(&setup, &script);
    assert_fails(&run, 1, &["cannot write .sops.yaml", "ls -ld "]);
    assert_eq!(setup.entry("age.agekey"), None);
}

/// A file system with no room left: the same.
#[test]
fn a_full_disk_is_found_before_the_secret_is_made() {
    let setup = Setup::new("full");
    let script = format!(
        "mount -t tmpfs -o size=64k tmpfs \"$1\" && cd \"$1\" && \
         {{ cat /dev/zero > filler 2>/dev/null; exec \"$2\" k secrets init -n {}; }}",
        setup.namespace
    );
    let run = in_mount_namespace(&setup, &script);
    assert_fails(&run, 1, &["cannot write .sops.yaml", "No space left"]);
    assert_eq!(setup.entry("age.agekey"), None);
}

/// Runs a script with the repository as `$1` and kb as `$2`, where it may mount.
fn in_mount_namespace(setup: &Setup, script: &str) -> testkit::Run {
    let repo = setup.world.repo();
    let mut command = setup.world.tool_cmd("unshare", crate::mount_namespace());
    command
        .args(["sh", "-c", script, "sh"])
        .arg(repo)
        .arg(env!("CARGO_BIN_EXE_kb"));
    setup.world.run(command)
}

/// Someone else writes `.sops.yaml` between kb's look at it and its rename: the
/// Secret goes again, and nothing is printed. A credential plugin does it: it runs
/// after the file was read and before the cluster is asked.
#[test]
fn a_config_written_by_someone_else_meanwhile_takes_the_secret_back() {
    let setup = Setup::new("meanwhile");
    let config = setup.world.path(".sops.yaml");
    let script = format!(
        "#!/bin/sh\necho '# theirs' > '{}'\n\
         echo '{{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{{\"token\":\"{}\"}}}}'\n",
        config.display(),
        setup.cluster.admin_token()
    );
    setup.log_in_by_plugin(&script);
    let run = setup.init(&[]);
    insta::assert_snapshot!(run.snapshot(), @r#"
    exit code: 1
    ----- stdout -----
    ----- stderr -----
    A new age key for the cluster of context "test" (https://127.0.0.1:[PORT]):
      public key  [RECIPIENT]
      context     test (current-context, default kubeconfig)
      namespace   [NS] (from --namespace)
      Secret      sops-age (default)
      config      .sops.yaml (at the top of the repository)
      to create   the Secret
      to change   a new file, with a rule for files named *secret*.yaml
    error: the new Secret [NS]/sops-age was taken back, because .sops.yaml was not written: .sops.yaml was changed by someone else meanwhile
    hint: look at .sops.yaml, and run it again
    "#);
    assert_fails(&run, 1, &["was taken back", "changed by someone else"]);
    assert_eq!(setup.entry("age.agekey"), None);
    assert_eq!(setup.world.read(".sops.yaml"), "# theirs\n");
}

/// A kill -9 between the Secret and the rename leaves a temporary file: the next
/// run clears it, whatever else it finds.
#[test]
fn a_stray_file_of_a_killed_run_is_cleared_by_the_next() {
    let setup = Setup::new("stray");
    let (key, _) = keypair(&setup.world);
    setup.put_key(&[("age.agekey", &key)]);
    let stray = setup.world.write(".sops.yaml.kb-tmp-AbCdEf12", "half");
    assert_fails(&setup.init(&[]), 1, &["--use-existing"]);
    assert!(!stray.exists());
}

#[test]
fn a_lock_that_someone_holds_on_the_directory_does_not_hang_kb() {
    let setup = Setup::new("flock");
    let directory = std::fs::File::open(setup.world.repo()).expect("open");
    directory.lock().expect("lock");
    setup.init(&[]).assert_code(0);
}

#[test]
fn a_pipe_in_place_of_the_config_does_not_hang_kb() {
    let setup = Setup::new("pipe");
    setup.world.tool("mkfifo", [".sops.yaml"]).assert_code(0);
    assert_fails(&setup.init(&[]), 1, &["cannot read .sops.yaml", "a pipe"]);
}

/// Ctrl-C and TERM while the server takes its time with the real creation: kb
/// finishes, because the key would be lost otherwise.
#[test]
fn a_signal_between_the_secret_and_the_key_does_not_lose_the_key() {
    for signal in ["INT", "TERM", "HUP"] {
        let setup = Setup::new("signal");
        let proxy = SlowProxy::start(setup.cluster);
        setup.server(&proxy.url());
        let mut child = setup.command(&["init"]).spawn().expect("kb");
        proxy.wait_for_stall();
        let pid = child.id().to_string();
        setup
            .world
            .tool("kill", [&format!("-{signal}"), &pid])
            .assert_code(0);
        std::thread::sleep(std::time::Duration::from_millis(100));
        proxy.go_on();
        let status = child.wait().expect("kb ends");
        assert_eq!(status.code(), Some(0), "{signal}");
        let mut out = String::new();
        std::io::Read::read_to_string(&mut child.stdout.take().expect("stdout"), &mut out)
            .expect("text");
        assert!(out.starts_with("AGE-SECRET-KEY-1"), "{signal}");
        assert!(
            setup
                .entry("age.agekey")
                .expect("the entry")
                .contains(out.trim())
        );
        assert!(setup.world.path(".sops.yaml").exists());
    }
}

/// The connection dies after the server has created the Secret: kb looks, finds
/// its own key there, and goes on.
#[test]
fn an_answer_that_got_lost_is_looked_for() {
    let setup = Setup::new("lost");
    let proxy = SlowProxy::start(setup.cluster);
    setup.server(&proxy.url());
    let run = setup.init(&["--request-timeout", "2s"]);
    let printed = run.assert_code(0).out().trim();
    assert!(
        setup
            .entry("age.agekey")
            .expect("the entry")
            .contains(printed)
    );
    assert!(setup.world.path(".sops.yaml").exists());
}

/// The same where a load balancer answers in the server's place.
#[test]
fn an_answer_that_is_not_the_servers_is_looked_behind() {
    for status in [500, 502, 504] {
        let setup = Setup::new("balancer");
        let proxy = SlowProxy::answering(setup.cluster, status);
        setup.server(&proxy.url());
        let run = setup.init(&[]);
        let printed = run.assert_code(0).out().trim();
        assert!(
            setup
                .entry("age.agekey")
                .expect("the entry")
                .contains(printed)
        );
    }
}

/// Under nohup a HUP is ignored from the start, and stays so.
#[test]
fn an_ignored_signal_stays_ignored() {
    let setup = Setup::new("nohup");
    let proxy = SlowProxy::start(setup.cluster);
    setup.server(&proxy.url());
    let kb = env!("CARGO_BIN_EXE_kb");
    let script = format!(
        "trap '' HUP; exec '{kb}' k secrets init -n {}",
        setup.namespace
    );
    let mut child = setup
        .world
        .tool_cmd("sh", ["-c", &script])
        .spawn()
        .expect("kb");
    proxy.wait_for_stall();
    let pid = child.id().to_string();
    for _ in 0..2 {
        setup.world.tool("kill", ["-HUP", &pid]).assert_code(0);
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    proxy.go_on();
    assert_eq!(child.wait().expect("kb ends").code(), Some(0));
    assert!(setup.world.path(".sops.yaml").exists());
}
