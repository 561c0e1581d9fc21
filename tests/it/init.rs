//! `init`: the keypair comes to be, once.

use std::sync::Barrier;
use std::thread;

use crate::{CANARY, SECRET, Setup, assert_fails, recipient_of};

#[test]
fn the_cluster_and_the_config_get_the_two_halves_of_one_key() {
    let setup = Setup::new("init");
    let run = setup.init(&[]);
    insta::assert_snapshot!(run.snapshot(), @r#"
    exit code: 0
    ----- stdout -----
    [PRIVATE KEY]
    ----- stderr -----
    A new age key for the cluster of context "test" (https://127.0.0.1:[PORT]):
      public key  [RECIPIENT]
      context     test (current-context, default kubeconfig)
      namespace   [NS] (from --namespace)
      Secret      sops-age (default)
      config      .sops.yaml (at the top of the repository)
      to create   the Secret
      to change   a new file, with a rule for files named *secret*.yaml
    Done. The private key was shown this once: keep it in your password manager.
    Commit .sops.yaml. By its rules, sops now encrypts for this cluster.
    "#);
    let printed = run.out().trim();
    let recipient = recipient_of(&setup.world, printed);
    let entry = setup.entry("age.agekey").expect("the entry");
    assert_eq!(recipient_of(&setup.world, &entry), recipient);
    assert_eq!(
        setup.world.read(".sops.yaml"),
        format!(
            "creation_rules:\n  - path_regex: (^|/)[^/]*secret[^/]*\\.ya?ml$\n    \
             encrypted_regex: ^(data|stringData)$\n    age: {recipient}\n"
        )
    );
    assert!(setup.world.files_containing(printed.as_bytes()).is_empty());
}

#[test]
fn flux_notices_a_change_of_the_secret() {
    let setup = Setup::initialized("label");
    let path = format!("/api/v1/namespaces/{}/secrets/sops-age", setup.namespace);
    let secret = setup.cluster.get(&path).expect("the Secret");
    let labels = &secret["metadata"]["labels"];
    assert_eq!(labels["reconcile.fluxcd.io/watch"], "Enabled");
    assert_eq!(labels["app.kubernetes.io/managed-by"], "kb");
    assert_eq!(secret["type"], "Opaque");
    assert_eq!(
        secret["data"].as_object().map(serde_json::Map::len),
        Some(1)
    );
}

#[test]
fn what_sops_encrypts_with_the_new_config_comes_back_as_from_sops() {
    let setup = Setup::new("round");
    let key = setup.init(&[]).assert_code(0).out().trim().to_owned();
    setup.encrypt("apps/db-secret.yaml", SECRET);
    assert!(!setup.world.read("apps/db-secret.yaml").contains(CANARY));
    let ours = setup.decrypt(&["apps/db-secret.yaml"]);
    let mut sops = setup
        .world
        .tool_cmd("sops", ["decrypt", "apps/db-secret.yaml"]);
    sops.env("SOPS_AGE_KEY", key);
    let theirs = setup.world.run(sops);
    theirs.assert_code(0);
    assert_eq!(ours.assert_code(0).stdout, theirs.stdout);
    assert!(ours.out().contains(CANARY));
    assert_eq!(ours.err(), "");
    assert!(setup.world.files_containing(CANARY.as_bytes()).is_empty());
}

#[test]
fn a_second_init_changes_nothing_and_says_so() {
    let setup = Setup::initialized("again");
    let (entry, config) = (setup.entry("age.agekey"), setup.world.read(".sops.yaml"));
    let run = setup.init(&[]);
    insta::assert_snapshot!(run.snapshot(), @"
    exit code: 0
    ----- stdout -----
    ----- stderr -----
    The cluster has its key ([NS]/sops-age), and .sops.yaml names it: [RECIPIENT]
    Nothing was changed.
    ");
    assert_eq!(setup.entry("age.agekey"), entry);
    assert_eq!(setup.world.read(".sops.yaml"), config);
}

#[test]
fn of_eight_at_once_one_wins_and_only_it_prints_a_key_and_touches_the_config() {
    let first = Setup::new("eight");
    let clones: Vec<Setup> = (0..8)
        .map(|_| Setup {
            world: {
                let world = crate::bare_world();
                world.kubeconfig(&first.cluster.kubeconfig().to_yaml());
                world
            },
            cluster: first.cluster,
            namespace: first.namespace.clone(),
        })
        .collect();
    let start = Barrier::new(clones.len());
    let runs: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = clones
            .iter()
            .map(|clone| {
                scope.spawn(|| {
                    start.wait();
                    clone.init(&[])
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("a run"))
            .collect()
    });
    let winners: Vec<usize> = (0..8).filter(|i| runs[*i].code == Some(0)).collect();
    assert_eq!(winners.len(), 1, "winners: {winners:?}");
    for (index, (clone, run)) in clones.iter().zip(&runs).enumerate() {
        if index == winners[0] {
            let entry = first.entry("age.agekey").expect("the entry");
            assert!(entry.contains(run.out().trim()));
            let recipient = recipient_of(&clone.world, run.out());
            assert!(clone.world.read(".sops.yaml").contains(&recipient));
        } else {
            assert_fails(run, 1, &["has its key already", "--use-existing"]);
            let names: Vec<_> = std::fs::read_dir(clone.world.repo())
                .expect("read_dir")
                .map(|entry| entry.expect("entry").file_name())
                .collect();
            assert_eq!(names, [".git"], "a loser left something");
        }
    }
}

#[test]
fn a_dry_run_shows_the_change_and_makes_none() {
    let setup = Setup::new("dry");
    setup
        .world
        .write(".sops.yaml", "# ours\ncreation_rules:\n  - path_regex: x\n");
    let run = setup.init(&["--dry-run"]);
    insta::assert_snapshot!(run.snapshot(), @r#"
    exit code: 0
    ----- stdout -----
    ----- stderr -----
    A new age key for the cluster of context "test" (https://127.0.0.1:[PORT]):
      public key  [RECIPIENT]
      context     test (current-context, default kubeconfig)
      namespace   [NS] (from --namespace)
      Secret      sops-age (default)
      config      .sops.yaml (at the top of the repository)
      to create   the Secret
      to change   the rule in line 3: x
    warning: the rule has no encrypted_regex: all of a file such as xa.yaml would be encrypted, and Flux could not apply it
    hint: add to the rule: encrypted_regex: ^(data|stringData)$
    warning: the rule matches x/kustomization.yaml too, which kustomize cannot read encrypted
    hint: an expression that only names of secrets match, such as [^/]*secret[^/]*\.ya?ml$
    --- [REPO]/.sops.yaml
    +++ [REPO]/.sops.yaml
    @@ -1,3 +1,4 @@
     # ours
     creation_rules:
       - path_regex: x
    +    age: [RECIPIENT]
    Nothing was changed: this was a dry run.
    "#);
    assert_eq!(setup.entry("age.agekey"), None);
    assert_eq!(
        setup.world.read(".sops.yaml"),
        "# ours\ncreation_rules:\n  - path_regex: x\n"
    );
}

#[test]
fn a_missing_namespace_is_created_on_demand_only() {
    let mut setup = Setup::new("ns");
    setup.namespace.push_str("-not-there");
    let run = setup.init(&[]);
    insta::assert_snapshot!(run.snapshot(), @"
    exit code: 1
    ----- stdout -----
    ----- stderr -----
    error: the namespace [NS]-not-there is not there
    hint: --create-namespace creates it; flux bootstrap does too
    hint: --context chooses another cluster, if this is the wrong one
    ");
    assert!(!setup.world.path(".sops.yaml").exists());
    setup.init(&["--create-namespace"]).assert_code(0);
    assert!(setup.entry("age.agekey").is_some());
}

#[test]
fn options_are_accepted_before_and_after_the_subcommand() {
    let setup = Setup::new("order");
    let ns = &setup.namespace;
    let run = setup.world.kb([
        "-n",
        ns,
        "kubernetes",
        "--secret-name",
        "mine",
        "secrets",
        "init",
    ]);
    run.assert_code(0);
    assert!(setup.cluster.secret(ns, "mine").is_some());
    let run = setup
        .world
        .kb(["k", "secrets", "init", "--secret-name", "mine", "-n", ns]);
    run.assert_code(0);
    assert_eq!(run.out(), "");
}

#[test]
fn the_namespace_is_flux_system_by_default_and_not_the_contexts() {
    let setup = Setup::new("default");
    setup.cluster.create_namespace("flux-system");
    let kubeconfig = setup.cluster.kubeconfig().namespace(&setup.namespace);
    setup.world.kubeconfig(&kubeconfig.to_yaml());
    let run = setup.world.kb(["k", "secrets", "init"]);
    run.assert_code(0);
    assert!(setup.cluster.secret("flux-system", "sops-age").is_some());
    assert_eq!(setup.entry("age.agekey"), None);
    setup
        .cluster
        .delete("/api/v1/namespaces/flux-system/secrets/sops-age");
}

#[test]
fn quiet_leaves_only_the_key() {
    let setup = Setup::new("quiet");
    let run = setup.init(&["--quiet"]);
    assert_eq!(run.assert_code(0).err(), "");
    assert!(run.out().starts_with("AGE-SECRET-KEY-1"));
}

#[test]
fn other_secrets_of_the_namespace_are_left_alone() {
    let setup = Setup::new("other");
    setup
        .cluster
        .put_secret(&setup.namespace, "theirs", &[("key", b"value")]);
    let path = format!("/api/v1/namespaces/{}/secrets/theirs", setup.namespace);
    let before = setup.cluster.get(&path);
    setup.init(&[]).assert_code(0);
    assert_eq!(setup.cluster.get(&path), before);
}

/// Three clusters, one repository with one placeholder: whoever comes first
/// gets it, and the others take their Secrets back.
#[test]
fn of_three_clusters_at_once_one_gets_the_only_placeholder() {
    let setup = Setup::new("three");
    setup
        .world
        .write(".sops.yaml", "creation_rules:\n  - age: <key>\n");
    let start = Barrier::new(3);
    let runs: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = ["one", "two", "three"]
            .map(|name| {
                let (setup, start) = (&setup, &start);
                scope.spawn(move || {
                    start.wait();
                    (name, setup.init(&["--secret-name", name]))
                })
            })
            .into_iter()
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("a run"))
            .collect()
    });
    let config = setup.world.read(".sops.yaml");
    let mut winners = 0;
    for (name, run) in &runs {
        let there = setup.cluster.secret(&setup.namespace, name).is_some();
        assert_eq!(there, run.code == Some(0), "{name}: {}", run.err());
        if there {
            winners += 1;
            let recipient = recipient_of(&setup.world, run.out());
            assert_eq!(config, format!("creation_rules:\n  - age: {recipient}\n"));
        }
    }
    assert_eq!(winners, 1);
}
